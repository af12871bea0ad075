//! Reads the stream of `btrfs send`: what has to be done to one snapshot to get another (fs/btrfs/send.h of Linux).
//!
//! ```text
//! stream   "btrfs-stream\0", u32 version, commands to the last
//! command  u32 bytes of attributes, u16 kind, u32 CRC-32C of all of it (0 in its own place), attributes
//! attribute  u16 kind, u16 bytes, its value
//! ```
//!
//! Everything is little endian. Only version 1 is asked for. Paths lead from the top of the snapshot, through the tree as it
//! is after the commands before. What is made gets a passing name at the top first (`o257-9-0`), and what
//! stands in the way of a name does too.
//!
//! Anything that is not as it should be ends the reading: then nobody knows what changed. One command is held at a time.

use std::io::{self, Read};
use std::ops::ControlFlow;

use base::limits;

const MAGIC: &[u8; 13] = b"btrfs-stream\0";
const VERSION: u32 = 1;
const HEADER_BYTES: usize = 10;

/// Commands of version 1 (`enum btrfs_send_cmd`).
mod command {
    pub(super) const SNAPSHOT: u16 = 2;
    pub(super) const MKFILE: u16 = 3;
    pub(super) const SYMLINK: u16 = 8;
    pub(super) const RENAME: u16 = 9;
    pub(super) const LINK: u16 = 10;
    pub(super) const UNLINK: u16 = 11;
    pub(super) const RMDIR: u16 = 12;
    pub(super) const SET_XATTR: u16 = 13;
    pub(super) const UTIMES: u16 = 20;
    pub(super) const END: u16 = 21;
    pub(super) const UPDATE_EXTENT: u16 = 22;
}

/// Attributes (`enum` without a name).
mod attribute {
    pub(super) const UUID: u16 = 1;
    pub(super) const PATH: u16 = 15;
    pub(super) const PATH_TO: u16 = 16;
    pub(super) const PATH_LINK: u16 = 17;
    pub(super) const CLONE_UUID: u16 = 20;
}

/// What is wrong with a stream.
#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    /// It cannot be read, or ends too early.
    #[error("the differences of two snapshots cannot be read")]
    Io(#[from] io::Error),
    /// It is not a stream of a version that is known.
    #[error("the differences of two snapshots are told in a way that is not known")]
    Format,
    /// A command is longer than there are any.
    #[error("a command of {0} bytes tells of the differences of two snapshots")]
    Length(u32),
    /// A command is damaged.
    #[error("the differences of two snapshots are damaged")]
    Checksum,
    /// A command is not known, or does not belong here.
    #[error("command {0} tells of the differences of two snapshots, which is not known")]
    Command(u16),
    /// A command does not say what it must, or says what cannot be.
    #[error("command {0} does not say what it is about")]
    Attribute(u16),
    /// It is about other snapshots.
    #[error("the differences told are those of other snapshots")]
    Others,
}

/// Which snapshots a stream has to be about, by their uuids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pair {
    pub(super) old: [u8; 16],
    pub(super) new: [u8; 16],
}

/// Something that differs. Paths are relative to the top, without a slash at either end; the top's own is empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Difference<'a> {
    /// Something was made under this name.
    Made(&'a [u8]),
    /// Something, with all that is below it, has another name.
    Moved {
        /// It had this one.
        from: &'a [u8],
        /// It has this one.
        to: &'a [u8],
    },
    /// A file has one name more.
    Linked {
        /// The new name.
        name: &'a [u8],
        /// One that it had before.
        other: &'a [u8],
    },
    /// A name is gone.
    Gone(&'a [u8]),
    /// Content or attributes are others.
    Changed(&'a [u8]),
}

/// Tells of everything in a stream until `each` has had enough, and returns whether that was all.
///
/// # Errors
/// [`StreamError`]: what was told may be nonsense.
pub(super) fn read(
    input: &mut impl Read,
    pair: Pair,
    each: &mut dyn FnMut(Difference<'_>) -> ControlFlow<()>,
) -> Result<ControlFlow<()>, StreamError> {
    let mut start = [0; MAGIC.len() + 4];
    input.read_exact(&mut start)?;
    let (magic, version) = start.split_at(MAGIC.len());
    if magic != MAGIC || version != VERSION.to_le_bytes() {
        return Err(StreamError::Format);
    }
    let mut attributes = Vec::new();
    let first = next(input, &mut attributes)?;
    if first != command::SNAPSHOT {
        return Err(StreamError::Command(first));
    }
    let said = Attributes::parse(first, &attributes)?;
    if said.uuid != Some(&pair.new[..]) || said.clone_uuid != Some(&pair.old[..]) {
        return Err(StreamError::Others);
    }
    loop {
        let kind = next(input, &mut attributes)?;
        if kind == command::END {
            return Ok(ControlFlow::Continue(()));
        }
        if each(difference(kind, &attributes)?).is_break() {
            return Ok(ControlFlow::Break(()));
        }
    }
}

/// Reads the next command, and returns its kind.
fn next(input: &mut impl Read, attributes: &mut Vec<u8>) -> Result<u16, StreamError> {
    let mut header = [0; HEADER_BYTES];
    input.read_exact(&mut header)?;
    let [l0, l1, l2, l3, k0, k1, c0, c1, c2, c3] = header;
    let length = u32::from_le_bytes([l0, l1, l2, l3]);
    if length > limits::SEND_COMMAND_BYTES_MAX {
        return Err(StreamError::Length(length));
    }
    attributes.resize(length as usize, 0);
    input.read_exact(attributes)?;
    header[6..].fill(0);
    if crc32c(crc32c(0, &header), attributes) != u32::from_le_bytes([c0, c1, c2, c3]) {
        return Err(StreamError::Checksum);
    }
    Ok(u16::from_le_bytes([k0, k1]))
}

fn difference(kind: u16, attributes: &[u8]) -> Result<Difference<'_>, StreamError> {
    let said = Attributes::parse(kind, attributes)?;
    let wrong = StreamError::Attribute;
    let name = |path| a_name(path).ok_or(wrong(kind));
    Ok(match kind {
        // What a symbolic link leads to is told as LINK tells the other name: nobody asks for it here.
        command::MKFILE..=command::SYMLINK => Difference::Made(name(said.path)?),
        command::RENAME => Difference::Moved {
            from: name(said.path)?,
            to: name(said.path_to)?,
        },
        command::LINK => Difference::Linked {
            name: name(said.path)?,
            other: name(said.path_link)?,
        },
        command::UNLINK | command::RMDIR => Difference::Gone(name(said.path)?),
        command::SET_XATTR..=command::UTIMES | command::UPDATE_EXTENT => {
            Difference::Changed(a_path(said.path).ok_or(wrong(kind))?)
        }
        other => return Err(StreamError::Command(other)),
    })
}

/// Returns a path if it leads to something in the snapshot.
fn a_path(path: Option<&[u8]>) -> Option<&[u8]> {
    path.filter(|path| is_path(path))
}

/// Returns a path if it leads to something that can be made and removed: the top has always been there, and stays.
fn a_name(path: Option<&[u8]>) -> Option<&[u8]> {
    a_path(path).filter(|path| !path.is_empty())
}

/// Says whether it leads from the top to something in the snapshot.
fn is_path(path: &[u8]) -> bool {
    let is_name = |name: &[u8]| !matches!(name, b"" | b"." | b"..") && !name.contains(&0);
    path.len() <= limits::SEND_PATH_BYTES_MAX
        && (path.is_empty() || path.split(|b| *b == b'/').all(is_name))
}

/// What of a command's attributes is of interest.
#[derive(Default)]
struct Attributes<'a> {
    uuid: Option<&'a [u8]>,
    clone_uuid: Option<&'a [u8]>,
    path: Option<&'a [u8]>,
    path_to: Option<&'a [u8]>,
    path_link: Option<&'a [u8]>,
}

impl<'a> Attributes<'a> {
    fn parse(kind: u16, mut rest: &'a [u8]) -> Result<Self, StreamError> {
        let wrong = || StreamError::Attribute(kind);
        let mut found = Self::default();
        while !rest.is_empty() {
            let ([a0, a1, l0, l1], after) = rest.split_first_chunk().ok_or_else(wrong)?;
            let length = usize::from(u16::from_le_bytes([*l0, *l1]));
            let (value, after) = after.split_at_checked(length).ok_or_else(wrong)?;
            rest = after;
            let field = match u16::from_le_bytes([*a0, *a1]) {
                attribute::UUID => &mut found.uuid,
                attribute::PATH => &mut found.path,
                attribute::PATH_TO => &mut found.path_to,
                attribute::PATH_LINK => &mut found.path_link,
                attribute::CLONE_UUID => &mut found.clone_uuid,
                _ => continue,
            };
            if field.replace(value).is_some() {
                return Err(wrong());
            }
        }
        Ok(found)
    }
}

/// Returns the CRC-32C (Castagnoli) of `bytes`, going on from another, as btrfs does it: neither its start nor its end is
/// inverted.
fn crc32c(mut crc: u32, bytes: &[u8]) -> u32 {
    const TABLE: [u32; 256] = {
        let mut table = [0; 256];
        let mut i = 0;
        while i < 256 {
            let mut crc = i as u32;
            let mut bit = 0;
            while bit < 8 {
                crc = (crc >> 1) ^ (0x82f6_3b78 * (crc & 1));
                bit += 1;
            }
            table[i] = crc;
            i += 1;
        }
        table
    };
    for byte in bytes {
        crc = (crc >> 8) ^ TABLE[usize::from(crc as u8 ^ byte)];
    }
    crc
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PAIR: Pair = Pair {
        old: [1; 16],
        new: [2; 16],
    };

    fn command(kind: u16, attributes: &[(u16, &[u8])]) -> Vec<u8> {
        let mut payload = Vec::new();
        for (kind, value) in attributes {
            payload.extend(kind.to_le_bytes());
            payload.extend(u16::try_from(value.len()).unwrap().to_le_bytes());
            payload.extend(*value);
        }
        let mut out = u32::try_from(payload.len()).unwrap().to_le_bytes().to_vec();
        out.extend(kind.to_le_bytes());
        out.extend([0; 4]);
        out.extend(payload);
        seal(&mut out);
        out
    }

    /// Puts the right checksum into a command.
    fn seal(command: &mut [u8]) {
        command[6..10].fill(0);
        let crc = crc32c(0, command);
        command[6..10].copy_from_slice(&crc.to_le_bytes());
    }

    fn stream_of(pair: Pair, commands: &[Vec<u8>]) -> Vec<u8> {
        let uuids: [(u16, &[u8]); 3] = [(15, b"name"), (1, &pair.new), (20, &pair.old)];
        let mut stream = [&MAGIC[..], &1_u32.to_le_bytes()].concat();
        stream.extend(command(2, &uuids));
        stream.extend(commands.concat());
        stream
    }

    fn sample() -> Vec<Vec<u8>> {
        vec![
            command(4, &[(15, b"o257-9-0"), (3, &257_u64.to_le_bytes())]),
            command(9, &[(15, b"o257-9-0"), (16, b"a/new")]),
            command(8, &[(15, b"o258-9-0"), (17, b"/an/y/../target")]),
            command(10, &[(15, b"a/link"), (17, b"b/file")]),
            command(11, &[(15, b"gone")]),
            command(12, &[(15, b"gone dir")]),
            command(22, &[(15, b"a/b"), (18, &[0; 8]), (4, &[0; 8])]),
            command(20, &[(15, b""), (12, &[0; 12])]),
            command(21, &[]),
        ]
    }

    fn told(stream: &[u8]) -> Result<Vec<String>, StreamError> {
        let mut told = Vec::new();
        let mut each = |difference: Difference<'_>| {
            let text = |path: &[u8]| String::from_utf8_lossy(path).into_owned();
            told.push(match difference {
                Difference::Made(path) => format!("+{}", text(path)),
                Difference::Moved { from, to } => format!("{}>{}", text(from), text(to)),
                Difference::Linked { name, other } => format!("{}={}", text(name), text(other)),
                Difference::Gone(path) => format!("-{}", text(path)),
                Difference::Changed(path) => format!("~{}", text(path)),
            });
            ControlFlow::Continue(())
        };
        read(&mut &stream[..], PAIR, &mut each)?.is_continue();
        Ok(told)
    }

    #[test]
    fn the_checksum_is_the_one_that_the_kernel_makes() {
        // RFC 3720, B.4, whose start and end are inverted.
        let crc = |bytes: &[u8]| !crc32c(!0, bytes);
        assert_eq!(crc(&[0; 32]), 0x8a91_36aa);
        assert_eq!(crc(b"123456789"), 0xe306_9283);
    }

    #[test]
    fn every_name_that_a_stream_has_is_told() {
        let stream = stream_of(PAIR, &sample());
        let expected = [
            "+o257-9-0",
            "o257-9-0>a/new",
            "+o258-9-0",
            "a/link=b/file",
            "-gone",
            "-gone dir",
            "~a/b",
            "~",
        ];
        assert_eq!(told(&stream).unwrap(), expected);
    }

    #[test]
    fn whoever_has_had_enough_is_told_no_more() {
        let stream = stream_of(PAIR, &sample());
        let mut count = 0;
        let mut each = |_: Difference<'_>| {
            count += 1;
            match count < 3 {
                true => ControlFlow::Continue(()),
                false => ControlFlow::Break(()),
            }
        };
        assert!(read(&mut &stream[..], PAIR, &mut each).unwrap().is_break());
        assert_eq!(count, 3);
    }

    #[test]
    fn what_is_not_known_or_about_something_else_is_refused() {
        let refused = |commands: &[Vec<u8>]| told(&stream_of(PAIR, commands)).unwrap_err();
        assert!(matches!(
            refused(&[command(23, &[])]),
            StreamError::Command(23)
        ));
        assert!(matches!(
            refused(&[command(2, &[])]),
            StreamError::Command(2)
        ));
        assert!(matches!(refused(&[]), StreamError::Io(_)), "without an end");
        for path in [
            &b"/a"[..],
            b"a/",
            b"a//b",
            b"a/../b",
            b".",
            b"a\0b",
            &[b'x'; 5000],
        ] {
            let error = refused(&[command(20, &[(15, path)])]);
            assert!(matches!(error, StreamError::Attribute(20)), "{path:?}");
        }
        let no_name = refused(&[command(9, &[(15, b""), (16, b"a")])]);
        assert!(matches!(no_name, StreamError::Attribute(9)));
        let twice = refused(&[command(11, &[(15, b"a"), (15, b"b")])]);
        assert!(matches!(twice, StreamError::Attribute(11)));
        let missing = refused(&[command(9, &[(15, b"a")])]);
        assert!(matches!(missing, StreamError::Attribute(9)));
        for pair in [
            Pair {
                old: [9; 16],
                ..PAIR
            },
            Pair {
                new: [9; 16],
                ..PAIR
            },
        ] {
            let error = told(&stream_of(pair, &sample())).unwrap_err();
            assert!(matches!(error, StreamError::Others));
        }
        let mut other = stream_of(PAIR, &sample());
        other[13] = 2;
        assert!(matches!(told(&other), Err(StreamError::Format)));
        let mut long = stream_of(PAIR, &[]);
        long.extend(u32::MAX.to_le_bytes());
        long.extend([0; 6]);
        assert!(matches!(told(&long), Err(StreamError::Length(u32::MAX))));
    }

    proptest! {
        /// A flipped bit anywhere behind the start is noticed.
        #[test]
        fn every_flipped_bit_is_noticed(at in 0_usize..400, bit in 0_u8..8) {
            let mut stream = stream_of(PAIR, &sample());
            let at = at % stream.len();
            stream[at] ^= 1 << bit;
            prop_assert!(told(&stream).is_err());
        }

        /// A stream that ends too early is noticed.
        #[test]
        fn every_cut_is_noticed(at in 0_usize..400) {
            let stream = stream_of(PAIR, &sample());
            prop_assert!(told(&stream[..at % stream.len()]).is_err());
        }

        /// Whatever is in commands with the right checksum: it is read to its end or refused, and what is told are paths.
        #[test]
        fn no_payload_leads_astray(
            payloads in proptest::collection::vec(
                (0_u16..26, proptest::collection::vec((13_u16..20, proptest::collection::vec(any::<u8>(), 0..9)), 0..4),
                    proptest::collection::vec(any::<u8>(), 0..3)),
                0..6,
            )
        ) {
            let mut commands = Vec::new();
            for (kind, attributes, rest) in &payloads {
                let attributes: Vec<(u16, &[u8])> = attributes.iter().map(|(k, v)| (*k, &v[..])).collect();
                let mut command = command(*kind, &attributes);
                command.extend(rest);
                let length = u32::try_from(command.len() - HEADER_BYTES).unwrap();
                command[..4].copy_from_slice(&length.to_le_bytes());
                seal(&mut command);
                commands.push(command);
            }
            let stream = stream_of(PAIR, &commands);
            let mut each = |difference: Difference<'_>| {
                let (Difference::Made(path) | Difference::Gone(path) | Difference::Changed(path)
                    | Difference::Moved { from: path, .. } | Difference::Linked { name: path, .. }) = difference;
                assert!(is_path(path));
                ControlFlow::Continue(())
            };
            let _ = read(&mut &stream[..], PAIR, &mut each);
        }

        /// Any bytes at all behind the start.
        #[test]
        fn no_bytes_lead_astray(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let mut stream = stream_of(PAIR, &sample()[..2]);
            stream.extend(bytes);
            let _ = told(&stream);
        }
    }
}
