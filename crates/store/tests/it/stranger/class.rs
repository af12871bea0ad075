//! "Class": what neighbours in a directory mostly have in common.

use super::Read;
use super::wire::Bytes;

/// The metadata that a leaf stores once.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Class {
    pub(crate) kind: u8,
    /// The status change time is the modification time.
    pub(crate) changed_when_modified: bool,
    /// The difference of the modification time is in seconds.
    pub(crate) in_seconds: bool,
    pub(crate) mode: u32,
    pub(crate) owner: u32,
    pub(crate) group: u32,
    pub(crate) device: u64,
    pub(crate) links: u32,
    pub(crate) owner_name: Vec<u8>,
    pub(crate) group_name: Vec<u8>,
    pub(crate) attributes: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Class {
    pub(crate) fn read(bytes: &mut Bytes<'_>) -> Read<Self> {
        let (kind, flags) = (bytes.u8()?, bytes.u8()?);
        if kind > 9 || flags > 3 {
            return Err(String::from("an entry of an unknown type"));
        }
        let class = Self {
            kind,
            changed_when_modified: flags & 1 != 0,
            in_seconds: flags & 2 != 0,
            mode: bytes.varint32()?,
            owner: bytes.varint32()?,
            group: bytes.varint32()?,
            device: bytes.varint()?,
            links: bytes.varint32()?,
            owner_name: bytes.bytes(usize::MAX)?.to_vec(),
            group_name: bytes.bytes(usize::MAX)?.to_vec(),
            attributes: read_attributes(bytes)?,
        };
        if class.mode > 0o7777 {
            return Err(String::from("a mode above 07777"));
        }
        Ok(class)
    }
}

fn read_attributes(bytes: &mut Bytes<'_>) -> Read<Vec<(Vec<u8>, Vec<u8>)>> {
    let mut attributes: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
    for _ in 0..bytes.count(1024)? {
        let (name, value) = (bytes.bytes(usize::MAX)?, bytes.bytes(65_536)?);
        if attributes.last().map_or(&[][..], |last| &last.0) >= name {
            return Err(String::from("attributes that do not ascend"));
        }
        attributes.push((name.to_vec(), value.to_vec()));
    }
    Ok(attributes)
}
