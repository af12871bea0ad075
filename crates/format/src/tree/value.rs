//! What a tree can hold, and what it counts of it.

use super::columnar::Columnar;

/// What stands below a node: kept in every inner item, so that a whole tree's is one read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Items of the leaves.
    pub entries: u64,
    /// Regular files among them.
    pub files: u64,
    /// Bytes of the files, or of the extents.
    pub bytes: u64,
}

impl std::iter::Sum for Totals {
    /// Adds without overflow: a sum too large stays at the largest number.
    fn sum<I: Iterator<Item = Self>>(iter: I) -> Self {
        iter.fold(Self::default(), |a, b| Self {
            entries: a.entries.saturating_add(b.entries),
            files: a.files.saturating_add(b.files),
            bytes: a.bytes.saturating_add(b.bytes),
        })
    }
}

/// A type of value that trees are made of: [`crate::entry::FileEntry`] under a [`crate::entry::FileKey`], or
/// [`crate::entry::Extent`] under its file offset (u64, big endian). Sealed: the format knows these two.
pub trait Value: Columnar {
    /// Returns a borrowed view, as a node gives it out.
    fn view(&self) -> Self::Ref<'_>;

    /// Returns an owned copy.
    fn from_view(view: Self::Ref<'_>) -> Self;
}

/// A key and its value, borrowed from their node.
pub type ItemRef<'a, V> = (&'a [u8], <V as Columnar>::Ref<'a>);
