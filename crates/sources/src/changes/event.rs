//! Events as the kernel writes them: `struct fanotify_event_metadata` and what follows it (linux/fanotify.h).

use super::Volume;

/// What happened to a name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct What {
    /// A directory came, went or was moved there: everything below the name may be another.
    pub whole: bool,
    /// A name came or went: the directory that it stands in has changed too.
    pub names: bool,
}

/// What the kernel tells of.
#[derive(Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// Something happened to an entry.
    Name {
        /// Its file system.
        volume: Volume,
        /// The handle of the directory that it stands in.
        dir: &'a [u8],
        /// Its name there; `.` for the directory itself.
        name: &'a [u8],
        /// What.
        what: What,
    },
    /// Something happened to a file, and by which name is not known: a hard link was made or removed elsewhere, or it was
    /// opened by its handle.
    File {
        /// Its file system.
        volume: Volume,
        /// Its handle.
        file: &'a [u8],
    },
    /// The queue was full, or held what nobody understands: anything may have happened to anything.
    Lost,
}

/// `FANOTIFY_METADATA_VERSION`.
const METADATA_VERSION: u8 = 3;
/// Bytes of `struct fanotify_event_info_header`: type, padding, length.
const HEADER_BYTES: usize = 4;

/// Tells of all events in what was read at once.
pub(super) fn parse(mut bytes: &[u8], each: &mut impl FnMut(Event<'_>)) {
    while !bytes.is_empty() {
        let Some((event, rest)) = split(bytes, u32_at(bytes, 0)) else {
            return each(Event::Lost);
        };
        each(understood(event).unwrap_or(Event::Lost));
        bytes = rest;
    }
}

/// Returns what an event says; `None` if it says nothing that is understood.
fn understood(event: &[u8]) -> Option<Event<'_>> {
    let mask = u64::from_ne_bytes(event.get(8..16)?.try_into().ok()?);
    let is_known = event.get(4) == Some(&METADATA_VERSION);
    if !is_known || mask & libc::FAN_Q_OVERFLOW != 0 {
        return None;
    }
    let mut records = event.get(usize::from(u16_at(event, 6)?)..)?;
    let mut file = None;
    while !records.is_empty() {
        let (record, rest) = split(records, u16_at(records, 2).map(u32::from))?;
        records = rest;
        match *record.first()? {
            libc::FAN_EVENT_INFO_TYPE_DFID_NAME => return name(record, mask),
            libc::FAN_EVENT_INFO_TYPE_FID | libc::FAN_EVENT_INFO_TYPE_DFID => {
                let (volume, handle, _) = handle(record)?;
                file = Some((volume, handle));
            }
            _ => {}
        }
    }
    let (volume, file) = file?;
    Some(match mask & libc::FAN_ONDIR {
        0 => Event::File { volume, file },
        _ => Event::Name {
            volume,
            dir: file,
            name: b".",
            what: What::default(),
        },
    })
}

fn name(record: &[u8], mask: u64) -> Option<Event<'_>> {
    let (volume, dir, name) = handle(record)?;
    let names = mask
        & (libc::FAN_CREATE | libc::FAN_DELETE | libc::FAN_MOVED_FROM | libc::FAN_MOVED_TO)
        != 0;
    Some(Event::Name {
        volume,
        dir,
        name: std::ffi::CStr::from_bytes_until_nul(name).ok()?.to_bytes(),
        what: What {
            whole: names && mask & libc::FAN_ONDIR != 0,
            names,
        },
    })
}

/// Takes the file system, the handle and what comes behind from a record.
fn handle(record: &[u8]) -> Option<(Volume, &[u8], &[u8])> {
    let record = record.get(HEADER_BYTES..)?;
    let volume = Volume::from(u32_at(record, 0)?) | Volume::from(u32_at(record, 4)?) << 32;
    // `struct file_handle`: how many bytes it has, its type, the bytes.
    let bytes = usize::try_from(u32_at(record, 8)?).ok()?;
    let (handle, rest) = record.get(12..)?.split_at_checked(bytes.checked_add(4)?)?;
    Some((volume, handle, rest))
}

/// Takes so many bytes from the front: at least a header.
fn split(bytes: &[u8], len: Option<u32>) -> Option<(&[u8], &[u8])> {
    let len = usize::try_from(len?).ok()?;
    (len >= HEADER_BYTES)
        .then(|| bytes.split_at_checked(len))
        .flatten()
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_ne_bytes(bytes.try_into().ok()?))
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    let bytes = bytes.get(at..at.checked_add(2)?)?;
    Some(u16::from_ne_bytes(bytes.try_into().ok()?))
}

#[cfg(all(test, target_endian = "little"))]
mod tests {
    use super::*;

    /// An event with one record, as Linux 6.18 on ext4 writes it.
    fn event(mask: u64, kind: u8, name: &[u8]) -> Vec<u8> {
        let mut record = vec![kind, 0, 0, 0];
        record.extend(0x0a1a_513f_b159_75a7_u64.to_le_bytes());
        record.extend(8_u32.to_le_bytes());
        record.extend(1_i32.to_le_bytes());
        record.extend(*b"inodegen");
        record.extend(name);
        record.resize(record.len().next_multiple_of(4), 0);
        let len = u16::try_from(record.len()).expect("short");
        record[2..4].copy_from_slice(&len.to_le_bytes());
        let mut event = (24 + u32::from(len)).to_le_bytes().to_vec();
        event.extend([METADATA_VERSION, 0, 24, 0]);
        event.extend(mask.to_le_bytes());
        event.extend((-1_i32).to_le_bytes());
        event.extend(7_i32.to_le_bytes());
        event.extend(record);
        event
    }

    fn told(bytes: &[u8]) -> Vec<String> {
        let mut told = Vec::new();
        parse(bytes, &mut |event| {
            told.push(match event {
                Event::Lost => "lost".to_owned(),
                Event::File { .. } => "file".to_owned(),
                Event::Name { name, what, .. } => {
                    format!("{} {} {}", name.escape_ascii(), what.whole, what.names)
                }
            })
        });
        told
    }

    #[test]
    fn events_are_told_with_what_they_mean() {
        let dir = libc::FAN_ONDIR;
        for (mask, kind, name, expected) in [
            (libc::FAN_MODIFY, 2, &b"a b\0"[..], "a b false false"),
            (libc::FAN_CREATE, 2, b"a\0", "a false true"),
            (libc::FAN_ATTRIB | dir, 2, b"d\0", "d false false"),
            (libc::FAN_DELETE | dir, 2, b"d\0", "d true true"),
            (libc::FAN_MOVED_TO | dir, 2, b"d\0", "d true true"),
            (libc::FAN_ATTRIB | dir, 1, b"", ". false false"),
            (libc::FAN_ATTRIB, 1, b"", "file"),
            (libc::FAN_Q_OVERFLOW, 2, b"a\0", "lost"),
            (libc::FAN_MODIFY, 5, b"", "lost"),
            (libc::FAN_MODIFY, 2, b"long", "lost"),
        ] {
            let one = event(mask, kind, name);
            assert_eq!(told(&one), [expected], "{mask:x} {kind}");
            let two = [one, event(libc::FAN_MODIFY, 2, b"z\0")].concat();
            assert_eq!(told(&two), [expected, "z false false"], "{mask:x} {kind}");
        }
    }

    #[test]
    fn what_is_cut_off_or_mixed_up_is_told_as_lost() {
        let whole = event(libc::FAN_MODIFY, 2, b"name\0");
        for len in 1..whole.len() {
            assert_eq!(told(&whole[..len]), ["lost"], "{len}");
        }
        for at in 0..whole.len() {
            for value in [0, 1, 0x7f, 0xff] {
                let mut mixed = whole.clone();
                mixed[at] = value;
                assert!(!told(&mixed).is_empty(), "{at}");
            }
        }
    }
}
