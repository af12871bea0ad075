//! "File entries": the twenty columns of a leaf of files.

use std::rc::Rc;

use super::class::Class;
use super::extents::{Extent, Extents};
use super::tree::{Columns, Value};
use super::wire::Bytes;
use super::{Bytes32, Read};

const INLINE_MAX: u64 = 256;
const TARGET_LEN_MAX: usize = 64 << 10;
const EXTENTS_MAX: usize = 32;

/// An entry of a file tree.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    pub(crate) class: Rc<Class>,
    pub(crate) modified_ns: i64,
    pub(crate) changed_ns: i64,
    pub(crate) inode: u64,
    pub(crate) size: u64,
    pub(crate) kind: Kind,
}

/// What an entry is, with what only this type has.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Kind {
    Directory,
    Inline(Vec<u8>),
    Extents(Vec<Extent>),
    Map(Bytes32),
    Link(Vec<u8>),
    Pipe,
    Socket,
    CharacterDevice(u64),
    BlockDevice(u64),
}

impl Value for Entry {
    const TYPE: u8 = 1;

    fn leaf(columns: &mut Columns<'_>, count: usize) -> Read<Vec<(Vec<u8>, Self)>> {
        let keys = read_keys(columns, count)?;
        let classes = read_classes(columns, count)?;
        let times = read_times(columns, &classes)?;
        let inodes = read_inodes(columns, count)?;
        let bodies = read_kinds(columns, &classes)?;
        let mut items = Vec::new();
        let rest = classes.into_iter().zip(times).zip(inodes).zip(bodies);
        for (key, (((class, (modified, changed)), inode), (size, kind))) in
            keys.into_iter().zip(rest)
        {
            let entry = Self {
                class,
                modified_ns: modified.cast_signed(),
                changed_ns: changed.cast_signed(),
                inode,
                size,
                kind,
            };
            items.push((key, entry));
        }
        Ok(items)
    }

    fn counted(&self) -> (bool, u64) {
        ((1..=4).contains(&self.class.kind), self.size)
    }
}

/// Columns 1 to 5: keys.
fn read_keys(columns: &mut Columns<'_>, count: usize) -> Read<Vec<Vec<u8>>> {
    let mut runs = columns.next()?;
    let [mut starts, mut ends] = [columns.next()?, columns.next()?];
    let [mut lens, mut middles] = [columns.next()?, columns.next()?];
    let mut keys = Vec::new();
    let (mut directory, mut name) = (Vec::new(), Vec::new());
    while !runs.is_empty() {
        let shared = runs.count(directory.len())?;
        let rest = runs.bytes(usize::MAX)?;
        let next = [&directory[..shared], rest].concat();
        if !keys.is_empty() && next <= directory {
            return Err(String::from("directories that do not ascend"));
        }
        directory = next;
        let run = runs.count(count - keys.len())?;
        if run == 0 {
            return Err(String::from("a directory without entries"));
        }
        for _ in 0..run {
            let start = starts.count(name.len())?;
            let end = ends.count(name.len() - start)?;
            let len = lens.count(usize::MAX)?;
            let tail = &name[name.len() - end..];
            name = [&name[..start], middles.take(len)?, tail].concat();
            keys.push([&directory[..], &name].concat());
            let is_root = directory.is_empty() && name.is_empty();
            if !is_root && directory.last() != Some(&0) {
                return Err(String::from("a directory that does not end"));
            }
        }
    }
    if keys.len() != count {
        return Err(String::from("directories with less entries than there are"));
    }
    for column in [starts, ends, lens, middles] {
        column.end("a column of names")?;
    }
    Ok(keys)
}

/// Columns 6 and 7: the class of each item.
fn read_classes(columns: &mut Columns<'_>, count: usize) -> Read<Vec<Rc<Class>>> {
    let (mut bytes, mut indices) = (columns.next()?, columns.next()?);
    let mut distinct: Vec<Rc<Class>> = Vec::new();
    while !bytes.is_empty() {
        let class = Rc::new(Class::read(&mut bytes)?);
        if distinct.contains(&class) {
            return Err(String::from("a class that is there twice"));
        }
        distinct.push(class);
    }
    let mut classes = Vec::new();
    let mut used = 0;
    for _ in 0..count {
        let index = indices.count(used)?;
        used = used.max(index + 1);
        classes.push(
            distinct
                .get(index)
                .ok_or("a class that is not there")?
                .clone(),
        );
    }
    if used != distinct.len() {
        return Err(String::from("a class that is not used"));
    }
    indices.end("a column of classes")?;
    Ok(classes)
}

/// Columns 8 and 9: modification and status change times.
fn read_times(columns: &mut Columns<'_>, classes: &[Rc<Class>]) -> Read<Vec<(u64, u64)>> {
    let (mut modifications, mut changes) = (columns.next()?, columns.next()?);
    let (mut modified, mut changed) = (0_u64, 0_u64);
    let mut times = Vec::new();
    for class in classes {
        let unit = if class.in_seconds { 1_000_000_000 } else { 1 };
        modified = modified.wrapping_add(modifications.signed()?.wrapping_mul(unit));
        changed = match class.changed_when_modified {
            true => modified,
            false => changed.wrapping_add(changes.signed()?),
        };
        times.push((modified, changed));
    }
    modifications.end("a column of times")?;
    changes.end("a column of times")?;
    Ok(times)
}

/// Column 10.
fn read_inodes(columns: &mut Columns<'_>, count: usize) -> Read<Vec<u64>> {
    let mut differences = columns.next()?;
    let mut inode = 0_u64;
    let mut inodes = Vec::new();
    for _ in 0..count {
        inode = inode.wrapping_add(differences.signed()?);
        inodes.push(inode);
    }
    differences.end("a column of inodes")?;
    Ok(inodes)
}

/// Columns 11 to 20: sizes, and what each type has.
fn read_kinds(columns: &mut Columns<'_>, classes: &[Rc<Class>]) -> Read<Vec<(u64, Kind)>> {
    let (mut sizes, mut counts) = (columns.next()?, columns.next()?);
    let mut extents = Extents::new(columns)?;
    let (mut maps, mut devices) = (columns.next()?, columns.next()?);
    let (mut targets, mut bytes) = (columns.next()?, columns.next()?);
    let mut kinds = Vec::new();
    for class in classes {
        let size = if (1..=4).contains(&class.kind) {
            sizes.varint()?
        } else {
            0
        };
        let kind = match class.kind {
            0 => Kind::Directory,
            1 if size > INLINE_MAX => return Err(String::from("more than 256 bytes in a tree")),
            1 => Kind::Inline(bytes.take(size as usize)?.to_vec()),
            2 => Kind::Extents(extents.file(1, size)?),
            3 => Kind::Extents(extents.file(counts.count(EXTENTS_MAX)?, size)?),
            4 => Kind::Map(maps.array()?),
            5 => Kind::Link(target(&mut targets, &mut bytes)?),
            6 => Kind::Pipe,
            7 => Kind::Socket,
            8 => Kind::CharacterDevice(devices.varint()?),
            9 => Kind::BlockDevice(devices.varint()?),
            _ => return Err(String::from("an entry of an unknown type")),
        };
        kinds.push((size, kind));
    }
    extents.end()?;
    for column in [sizes, counts, maps, devices, targets, bytes] {
        column.end("a column")?;
    }
    Ok(kinds)
}

fn target(lens: &mut Bytes<'_>, bytes: &mut Bytes<'_>) -> Read<Vec<u8>> {
    Ok(bytes.take(lens.count(TARGET_LEN_MAX)?)?.to_vec())
}
