//! "Point": what a recovery point says of itself.

use super::crypt::{signed, unseal};
use super::keys::{Format, Ring};
use super::wire::Bytes;
use super::{Bytes32, Id, Read};

/// A recovery point.
#[derive(Debug)]
pub(crate) struct Point {
    pub(crate) id: Id,
    pub(crate) source: Id,
    pub(crate) address: String,
    pub(crate) group: String,
    pub(crate) root: Bytes32,
    pub(crate) time_ns: i64,
    pub(crate) consistency: u8,
    pub(crate) warnings: u64,
    pub(crate) statistics: Statistics,
    pub(crate) previous: Option<Id>,
}

/// What a backup counted: entries, files, bytes, changed, stored bytes.
#[derive(Debug, PartialEq)]
pub(crate) struct Statistics(pub(crate) [u64; 5]);

impl Statistics {
    pub(crate) fn read(bytes: &mut Bytes<'_>) -> Read<Self> {
        let mut numbers = [0; 5];
        for number in &mut numbers {
            *number = bytes.varint()?;
        }
        Ok(Self(numbers))
    }
}

/// Opens `points/<source>/<point>`.
pub(crate) fn open(object: &[u8], format: &Format, ring: &Ring) -> Read<Point> {
    if object.len() > 1 << 16 {
        return Err(String::from("a point above 64 KiB"));
    }
    let mut bytes = Bytes::new(signed(object, &format.public_key)?);
    bytes.expect("magic than a point's", b"DOZOPNT1")?;
    bytes.expect("version", &[1, 0])?;
    bytes.expect("store", &format.store)?;
    let (source, id): (Id, Id) = (bytes.array()?, bytes.array()?);
    let len = bytes.u32()? as usize;
    let body = unseal(&ring.point_key, &object[..62], bytes.take(len)?)?;
    bytes.end("a point")?;
    let point = read_body(&body)?;
    if (point.source, point.id) != (source, id) {
        return Err(String::from("a point whose body is another's"));
    }
    Ok(point)
}

fn read_body(body: &[u8]) -> Read<Point> {
    let mut body = Bytes::new(body);
    let point = Point {
        id: body.array()?,
        source: body.array()?,
        address: body.text(8192)?,
        group: body.text(8192)?,
        root: body.array()?,
        time_ns: body.i64()?,
        consistency: consistency(&mut body)?,
        warnings: body.varint()?,
        statistics: Statistics::read(&mut body)?,
        previous: if body.flag()? {
            Some(body.array()?)
        } else {
            None
        },
    };
    let _session: Id = body.array()?;
    body.expect("tree format", &[1])?;
    body.end("a point's body")?;
    Ok(point)
}

/// Reads 1 crash, 2 file system, 3 application, 4 live.
pub(crate) fn consistency(bytes: &mut Bytes<'_>) -> Read<u8> {
    match bytes.u8()? {
        level @ 1..=4 => Ok(level),
        _ => Err(String::from("an unknown level of consistency")),
    }
}
