//! What stands before a member's data: a ustar header, and before that pax records for what has no place in one.
//!
//! POSIX.1-2017, `pax`, "ustar Interchange Format" and "pax Header Block".

use api::view::{EntryKind, FullEntryView};
use tar::{EntryType, Header};

use super::acl;

/// Everything in an archive begins at a multiple of so many bytes.
pub(super) const BLOCK: usize = 512;

/// Longest texts that a ustar header has room for; names of owners end with a zero.
const NAME_BYTES_MAX: usize = 100;
const OWNER_BYTES_MAX: usize = 31;
/// Least number that does not fit into the seven octal digits of an owner.
const OWNER_NUMBERS: u32 = 0o1000_0000;
/// Least number that does not fit into the eleven octal digits of a size or a time.
const LARGE_NUMBERS: u64 = 0o1000_0000_0000;

/// One member, as its head tells it.
#[derive(Clone, Copy)]
pub(super) struct Member<'a> {
    /// Its name in the archive.
    pub(super) name: &'a [u8],
    pub(super) kind: EntryType,
    /// What a link leads to.
    pub(super) target: &'a [u8],
    /// Bytes of data that follow.
    pub(super) stored: u64,
    /// The size of a file with holes, if it is stored without them.
    pub(super) sparse: Option<u64>,
    pub(super) entry: &'a FullEntryView,
}

impl<'a> Member<'a> {
    /// Returns the member of an entry, as yet without data.
    pub(super) fn new(name: &'a [u8], entry: &'a FullEntryView) -> Self {
        let target = entry.target.as_ref();
        Self {
            name,
            kind: match entry.kind {
                EntryKind::Directory => EntryType::Directory,
                EntryKind::Symlink => EntryType::Symlink,
                EntryKind::Fifo => EntryType::Fifo,
                EntryKind::CharDevice => EntryType::Char,
                EntryKind::BlockDevice => EntryType::Block,
                EntryKind::File | EntryKind::Socket => EntryType::Regular,
            },
            target: target.map_or(&[], |target| target.0.as_slice()),
            stored: 0,
            sparse: None,
            entry,
        }
    }

    /// Returns the blocks that stand before the data.
    pub(super) fn head(&self) -> Vec<u8> {
        // Whoever does not know how a file with holes is stored must not take the map for its data.
        let aside = self.sparse.map(|_| aside(self.name));
        let name = aside.as_deref().unwrap_or(self.name);
        let mut out = Vec::with_capacity(4 * BLOCK);
        let records = self.records(name);
        if !records.is_empty() {
            let mut header = Header::new_ustar();
            header.set_entry_type(EntryType::XHeader);
            header.set_mode(0o644);
            header.set_size(records.len() as u64);
            put_name(&mut header, name);
            header.set_cksum();
            out.extend_from_slice(header.as_bytes());
            out.extend_from_slice(&records);
            fill(&mut out);
        }
        out.extend_from_slice(self.header(name).as_bytes());
        out
    }

    fn header(&self, name: &[u8]) -> Header {
        let mut header = Header::new_ustar();
        header.set_entry_type(self.kind);
        header.set_mode(u32::from(self.entry.mode));
        header.set_uid(u64::from(self.entry.uid));
        header.set_gid(u64::from(self.entry.gid));
        header.set_size(self.stored);
        header.set_mtime(self.entry.modified_ns.div_euclid(1_000_000_000).max(0) as u64);
        put_name(&mut header, name);
        let ustar = header.as_ustar_mut().expect("it was made as one");
        put(&mut ustar.linkname, self.target);
        for (field, name) in [
            (&mut ustar.uname, &self.entry.user.0),
            (&mut ustar.gname, &self.entry.group.0),
        ] {
            put(&mut field[..OWNER_BYTES_MAX], name);
        }
        if let Some(number) = self.entry.special {
            ustar.set_device_major((number >> 32) as u32);
            ustar.set_device_minor(number as u32);
        }
        header.set_cksum();
        header
    }

    /// Returns the pax records: only for what the header has no room for.
    fn records(&self, name: &[u8]) -> Vec<u8> {
        let entry = self.entry;
        let mut records = Records::default();
        let texts = [
            ("path", name, NAME_BYTES_MAX),
            ("linkpath", self.target, NAME_BYTES_MAX),
            ("uname", &entry.user.0, OWNER_BYTES_MAX),
            ("gname", &entry.group.0, OWNER_BYTES_MAX),
        ];
        let texts = texts.map(|(key, text, room)| (key, text, text.len() > room));
        // Bytes that are no UTF-8 stand in the header as they are; those that are too long for it are said to be bytes.
        if texts
            .iter()
            .any(|(_, text, is_long)| *is_long && std::str::from_utf8(text).is_err())
        {
            records.put(b"hdrcharset", b"BINARY");
        }
        for (key, text, is_long) in texts {
            if is_long || (!text.is_ascii() && std::str::from_utf8(text).is_ok()) {
                records.put(key.as_bytes(), text);
            }
        }
        for (key, number) in [(b"uid", entry.uid), (b"gid", entry.gid)] {
            if number >= OWNER_NUMBERS {
                records.put(key, number.to_string().as_bytes());
            }
        }
        if self.stored >= LARGE_NUMBERS {
            records.put(b"size", self.stored.to_string().as_bytes());
        }
        if needs_record(entry.modified_ns) {
            records.put(b"mtime", time(entry.modified_ns).as_bytes());
        }
        if let Some(size) = self.sparse {
            records.put(b"GNU.sparse.major", b"1");
            records.put(b"GNU.sparse.minor", b"0");
            records.put(b"GNU.sparse.name", self.name);
            records.put(b"GNU.sparse.realsize", size.to_string().as_bytes());
        }
        // Those of the file stand with its first name.
        if self.kind != EntryType::Link {
            for xattr in &entry.xattrs {
                let (name, value) = (&xattr.name.0, &xattr.value.0);
                match acl::text(name, value) {
                    Some((key, text)) => records.put(key, text.as_bytes()),
                    None => {
                        let key = [b"SCHILY.xattr.", escaped(name).as_slice()].concat();
                        records.put(&key, value);
                    }
                }
            }
        }
        records.0
    }
}

/// Fills a block with zeros to its end.
pub(super) fn fill(out: &mut Vec<u8>) {
    out.resize(out.len().next_multiple_of(BLOCK), 0);
}

/// pax records under way: `length key=value\n`, where the length counts its own digits.
#[derive(Default)]
struct Records(Vec<u8>);

impl Records {
    fn put(&mut self, key: &[u8], value: &[u8]) {
        let rest = key.len() + value.len() + " =\n".len();
        let mut len = rest;
        while len != rest + len.to_string().len() {
            len = rest + len.to_string().len();
        }
        self.0.extend_from_slice(len.to_string().as_bytes());
        for part in [b" ", key, b"=", value, b"\n"] {
            self.0.extend_from_slice(part);
        }
    }
}

/// Returns the name of an attribute as it stands in a key, which ends at the first `=`: as GNU tar writes it.
fn escaped(name: &[u8]) -> Vec<u8> {
    let escape = |byte: &u8| match byte {
        b'%' => b"%25".to_vec(),
        b'=' => b"%3D".to_vec(),
        byte => vec![*byte],
    };
    name.iter().flat_map(escape).collect()
}

/// Returns whether a time is more than the whole seconds since 1970 that a header has room for.
fn needs_record(ns: i64) -> bool {
    let whole = ns % 1_000_000_000 == 0;
    !whole || ns < 0 || (ns / 1_000_000_000) as u64 >= LARGE_NUMBERS
}

/// Returns where GNU tar puts the stored form of a file with holes: in a directory of its own beside the file.
fn aside(name: &[u8]) -> Vec<u8> {
    let slash = name.iter().rposition(|byte| *byte == b'/');
    let (directory, file) = name.split_at(slash.map_or(0, |at| at + 1));
    [directory, b"GNUSparseFile.0/", file].concat()
}

/// Returns a time as seconds since 1970 with a fraction.
fn time(ns: i64) -> String {
    let sign = if ns < 0 { "-" } else { "" };
    let ns = ns.unsigned_abs();
    let (seconds, rest) = (ns / 1_000_000_000, ns % 1_000_000_000);
    match rest {
        0 => format!("{sign}{seconds}"),
        rest => format!("{sign}{seconds}.{rest:09}"),
    }
}

fn put_name(header: &mut Header, name: &[u8]) {
    put(&mut header.as_old_mut().name, name);
}

/// Puts as much of a text into a field as it has room for.
fn put(field: &mut [u8], text: &[u8]) {
    let len = text.len().min(field.len());
    field[..len].copy_from_slice(&text[..len]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_of_a_record_counts_itself() {
        for (value, len) in [(1, 6), (3, 8), (4, 9), (5, 11), (93, 99), (94, 101)] {
            let mut records = Records::default();
            records.put(b"k", &vec![b'v'; value]);
            assert_eq!(records.0.len(), len, "{value}");
            assert!(records.0.starts_with(format!("{len} k=v").as_bytes()));
        }
    }

    #[test]
    fn times_are_decimal_numbers() {
        for (ns, text) in [
            (0, "0"),
            (1_500_000_000, "1.500000000"),
            (-1, "-0.000000001"),
            (-2_000_000_000, "-2"),
            (i64::MIN, "-9223372036.854775808"),
        ] {
            assert_eq!(time(ns), text);
        }
    }
}
