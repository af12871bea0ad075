//! What is known of a kept snapshot: a small file for each source.
//!
//! Lines of a word and a value, bytes in hexadecimal; the last has the hash of all before it. It is a cache: no
//! version of Dozo has to read what another has written, and what cannot be read is as good as nothing.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::PathBuf;

use base::{ChunkHash, ChunkId, SourceId, limits};
use format::entry::FileKey;
use format::seal::Sealer;
use sources::files::WalkOptions;
use sources::snapshot::{Kept, SnapshotId, SubvolumeBelow};

const FIRST_LINE: &str = "dozo-kept-snapshot 1";

/// What is known of a kept snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) kept: Kept,
    /// The way from the subvolume's top to the source's root.
    pub(super) below: PathBuf,
    /// The device number that entries have in the tree.
    pub(super) device: u64,
    /// The tree that the replica had when it was equal to the snapshot.
    pub(super) tree: ChunkId,
    /// What was left out, and by which version of Dozo.
    pub(super) rules: ChunkHash,
    /// What stood in the subvolume that is none of it.
    pub(super) subvolumes: ChunkHash,
    /// When everything was looked at, in seconds since 1970.
    pub(super) whole_at: i64,
    /// The next entry to look at for no reason.
    pub(super) sample_from: FileKey,
    /// What the run was in trouble with.
    pub(super) unsettled: Vec<FileKey>,
}

/// Returns the hash of everything that decides what a walk finds in the same tree.
pub(super) fn rules(walk: &WalkOptions) -> ChunkHash {
    let mut text = format!(
        "{}\n{} {}\n",
        env!("CARGO_PKG_VERSION"),
        walk.cachedir_tag,
        walk.one_file_system
    )
    .into_bytes();
    let mut list = |items: &mut dyn Iterator<Item = &[u8]>| {
        for item in items {
            text.extend((item.len() as u64).to_le_bytes());
            text.extend(item);
        }
        text.extend(u64::MAX.to_le_bytes());
    };
    list(&mut walk.exclude.iter().map(String::as_bytes));
    list(&mut walk.exclude_if_present.iter().map(Vec::as_slice));
    list(
        &mut walk
            .leave_out
            .iter()
            .map(|path| path.as_os_str().as_bytes()),
    );
    Sealer::hash(&text)
}

/// Returns the hash of which subvolumes stand where. Which directory that is has another path when it was moved, which
/// is told.
pub(super) fn subvolumes(below: &[SubvolumeBelow]) -> ChunkHash {
    let mut text = Vec::new();
    for SubvolumeBelow { id, dir, path } in below {
        let name = path.rsplit(|b| *b == b'/').next().unwrap_or_default();
        text.extend(id.to_le_bytes());
        text.extend(dir.to_le_bytes());
        text.extend((name.len() as u64).to_le_bytes());
        text.extend(name);
    }
    Sealer::hash(&text)
}

impl Record {
    /// Says whether another one's snapshot is of the same directory of the same subvolume, seen in the same way.
    pub(super) fn is_of_same_root(&self, other: &Self) -> bool {
        self.kept.id.of == other.kept.id.of
            && self.kept.top == other.kept.top
            && self.below == other.below
            && self.device == other.device
    }

    fn to_text(&self) -> String {
        let mut text = format!("{FIRST_LINE}\n");
        let mut line = |word: &str, value: String| {
            // Nothing fails that is written into a string.
            let _ = writeln!(text, "{word} {value}");
        };
        line("top", hex(self.kept.top.as_os_str().as_bytes()));
        line("name", self.kept.name.clone());
        line("uuid", hex(&self.kept.id.uuid));
        line("of", hex(&self.kept.id.of));
        line("generation", self.kept.id.generation.to_string());
        line("below", hex(self.below.as_os_str().as_bytes()));
        line("device", self.device.to_string());
        line("tree", hex(&self.tree.0));
        line("rules", hex(&self.rules.0));
        line("subvolumes", hex(&self.subvolumes.0));
        line("whole-at", self.whole_at.to_string());
        line("sample-from", hex(&self.sample_from.0));
        for key in &self.unsettled {
            line("unsettled", hex(&key.0));
        }
        let check = hex(&Sealer::hash(text.as_bytes()).0);
        text + "check " + &check + "\n"
    }

    fn parse(text: &str) -> Option<Self> {
        let (body, check) = text.strip_suffix('\n')?.rsplit_once("check ")?;
        if unhex(check)? != Sealer::hash(body.as_bytes()).0 {
            return None;
        }
        let mut lines = body.lines().map(|line| line.split_once(' '));
        (lines.next()? == FIRST_LINE.split_once(' ')).then_some(())?;
        let mut value = |word: &str| match lines.next()? {
            Some((found, value)) if found == word => Some(value),
            _ => None,
        };
        let path = |hex: &str| Some(PathBuf::from(std::ffi::OsString::from_vec(unhex(hex)?)));
        Some(Self {
            kept: Kept {
                top: path(value("top")?)?,
                name: value("name")?.to_owned(),
                id: SnapshotId {
                    uuid: array(value("uuid")?)?,
                    of: array(value("of")?)?,
                    generation: value("generation")?.parse().ok()?,
                },
            },
            below: path(value("below")?)?,
            device: value("device")?.parse().ok()?,
            tree: ChunkId(array(value("tree")?)?),
            rules: ChunkHash(array(value("rules")?)?),
            subvolumes: ChunkHash(array(value("subvolumes")?)?),
            whole_at: value("whole-at")?.parse().ok()?,
            sample_from: FileKey(unhex(value("sample-from")?)?),
            unsettled: lines
                .map(|line| match line? {
                    ("unsettled", key) => unhex(key).map(FileKey),
                    _ => None,
                })
                .collect::<Option<_>>()?,
        })
    }
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |n: u8| char::from(DIGITS[usize::from(n)]);
    bytes
        .iter()
        .flat_map(|b| [digit(b >> 4), digit(b & 15)])
        .collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |b: u8| char::from(b).to_digit(16);
    let pairs = text.as_bytes().chunks(2);
    let byte = |pair: &[u8]| match pair {
        [a, b] => u8::try_from(digit(*a)? << 4 | digit(*b)?).ok(),
        _ => None,
    };
    pairs.map(byte).collect()
}

fn array<const N: usize>(text: &str) -> Option<[u8; N]> {
    unhex(text)?.try_into().ok()
}

/// The records in a directory, by source.
pub(super) struct Records(pub(super) PathBuf);

impl Records {
    fn file(&self, source: &SourceId) -> PathBuf {
        self.0.join(source.to_string())
    }

    /// Returns a source's; `None` if there is none that can be read.
    pub(super) fn read(&self, source: &SourceId) -> Option<Record> {
        let file = self.file(source);
        let is_small = file.metadata().ok()?.len() <= limits::KEPT_RECORD_BYTES_MAX;
        let text = fs::read_to_string(file).ok().filter(|_| is_small)?;
        Record::parse(&text)
    }

    /// Puts a source's in the place of the one before. If power fails now, there may be none that can be read.
    pub(super) fn write(&self, source: &SourceId, record: &Record) -> io::Result<()> {
        fs::create_dir_all(&self.0)?;
        let new = self.0.join(format!("{source}.new"));
        fs::write(&new, record.to_text())?;
        fs::rename(new, self.file(source))
    }

    pub(super) fn remove(&self, source: &SourceId) {
        match fs::remove_file(self.file(source)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(%error, %source, "the record of a snapshot cannot be removed");
            }
            _ => {}
        }
    }

    /// Returns the sources that have one.
    pub(super) fn sources(&self) -> Vec<SourceId> {
        let names = fs::read_dir(&self.0).into_iter().flatten().flatten();
        names
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(unsettled: &[&[u8]]) -> Record {
        Record {
            kept: Kept {
                top: PathBuf::from("/srv/a b\nc"),
                name: "kept-x-y".to_owned(),
                id: SnapshotId {
                    uuid: [1; 16],
                    of: [2; 16],
                    generation: 77,
                },
            },
            below: PathBuf::from("d/e"),
            device: 5,
            tree: ChunkId([3; 32]),
            rules: ChunkHash([4; 32]),
            subvolumes: ChunkHash([5; 32]),
            whole_at: -6,
            sample_from: FileKey(vec![0, 1, 255]),
            unsettled: unsettled.iter().map(|key| FileKey(key.to_vec())).collect(),
        }
    }

    #[test]
    fn a_record_is_read_as_it_was_written() {
        for record in [record(&[]), record(&[b"", b"a", b"\0\n"])] {
            assert_eq!(Record::parse(&record.to_text()), Some(record));
        }
    }

    #[test]
    fn a_record_with_any_byte_changed_or_missing_is_none() {
        let text = record(&[b"key"]).to_text();
        for at in 0..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[at] = if bytes[at] == b'0' { b'1' } else { b'0' };
            let changed = String::from_utf8(bytes).expect("digits");
            assert_eq!(Record::parse(&changed), None, "{at}");
            assert_eq!(Record::parse(&text[..at]), None, "{at}");
        }
    }

    #[test]
    fn what_a_walk_leaves_out_makes_other_rules() {
        let walk = |exclude: &[&str], marker: &[&str], one_file_system| WalkOptions {
            exclude: exclude.iter().map(ToString::to_string).collect(),
            exclude_if_present: marker.iter().map(|m| m.as_bytes().to_vec()).collect(),
            one_file_system,
            // Differs from snapshot to snapshot.
            device_as: Some((7, 8)),
            ..WalkOptions::default()
        };
        let all = [
            walk(&[], &[], false),
            walk(&["a"], &[], false),
            walk(&[], &["a"], false),
            walk(&["ab"], &[], false),
            walk(&["a", "b"], &[], false),
            walk(&["a"], &["b"], false),
            walk(&[], &[], true),
        ];
        for (i, a) in all.iter().enumerate() {
            for (j, b) in all.iter().enumerate() {
                assert_eq!(rules(a) == rules(b), i == j);
            }
        }
        let other = WalkOptions {
            device_as: None,
            ..walk(&[], &[], false)
        };
        assert_eq!(rules(&other), rules(&all[0]));
    }
}
