//! How values of one type become the columns of a leaf, and come back.

use std::fmt;

use base::ChunkId;

use super::column::Column;
use super::error::NodeError;
use super::keys::Keys;
use super::value::Totals;

/// What [`super::Value`] needs inside this module. Nobody else implements it: the module is private.
pub trait Columnar: Clone + PartialEq + fmt::Debug + Send + Sync + 'static {
    /// The value as it is borrowed from a node or from an owned one: comparing two costs no allocation.
    type Ref<'a>: Copy + PartialEq + fmt::Debug;
    /// The decoded values of a leaf.
    type Rows: Send + Sync;
    /// The columns of a leaf being written.
    type Builder: Default + Send;

    /// What a node's header calls the type.
    const TYPE: u8;

    /// Returns what is wrong with a key.
    fn check_key(key: &[u8]) -> Result<(), &'static str>;

    /// Returns what is wrong with a value.
    fn check(view: Self::Ref<'_>) -> Result<(), &'static str>;

    /// Returns what an item adds to a node's weight: never less than the bytes it takes in a leaf.
    fn weight(key: &[u8], view: Self::Ref<'_>) -> usize;

    /// Returns what a value counts for.
    fn totals(view: Self::Ref<'_>) -> Totals;

    /// Appends an item, already checked, with a key above all before.
    fn push(builder: &mut Self::Builder, key: &[u8], view: Self::Ref<'_>);

    /// Appends the columns to `out` and starts anew.
    fn finish(builder: &mut Self::Builder, out: &mut Vec<u8>);

    /// Reads `count` items; values and keys come out checked, keys ascending.
    fn decode(node: &mut Column<'_>, count: usize) -> Result<(Keys, Self::Rows), NodeError>;

    /// Returns row `i`, which has to be below the count, of the node whose bytes are `plain`.
    fn row<'a>(rows: &'a Self::Rows, plain: &'a [u8], i: usize) -> Self::Ref<'a>;

    /// Returns the distinct data chunks the rows refer to, and the roots of extent maps.
    fn references(rows: Self::Rows) -> (Vec<ChunkId>, Vec<ChunkId>);
}
