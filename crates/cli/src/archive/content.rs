//! A file's data in an archive: all of it, or the map of where it has data and that data.

use std::io::Write;

use api::view::{FullEntryView, RangeView};
use api::{PathText, Problem, request};
use base::limits::{ARCHIVE_RANGES_MAX, RANGES_LISTED_MAX, READ_BYTES_MAX};

use super::head::{BLOCK, Member, fill};
use super::{Order, Unmade, odd};

/// A file whose data comes next.
pub(super) struct Content {
    path: PathText,
    size: u64,
    /// Where it has data, in order.
    ranges: Vec<RangeView>,
    /// In front of its data, if it is stored without its holes.
    map: Option<Vec<u8>>,
    /// The first bytes of the first range: read before anything is written of the file, so that one that is damaged can still
    /// be left out.
    begun: Vec<u8>,
}

impl Content {
    /// Finds out where a file has data, and reads the first of it.
    pub(super) fn open(
        order: &Order<'_>,
        path: &[u8],
        entry: &FullEntryView,
    ) -> Result<Self, Problem> {
        let path = PathText(path.to_vec());
        let whole = RangeView {
            offset: 0,
            bytes: entry.size,
        };
        // A small file without a hole that is known of is not asked for any.
        let ranges = if entry.data_bytes == entry.size && entry.size <= READ_BYTES_MAX as u64 {
            vec![whole]
        } else {
            data(order, &path, entry.size)?
        };
        let map = (ranges != [whole]).then(|| map(&ranges, entry.size));
        let mut content = Self {
            path,
            size: entry.size,
            ranges,
            map,
            begun: Vec::new(),
        };
        if let Some(first) = content.ranges.first() {
            content.begun = content.read(order, first.offset, first.bytes)?;
        }
        Ok(content)
    }

    /// Returns the head of its member.
    pub(super) fn head(&self, member: Member<'_>) -> Vec<u8> {
        let data: u64 = self.ranges.iter().map(|range| range.bytes).sum();
        let map = self.map.as_ref().map_or(0, |map| map.len() as u64);
        Member {
            stored: data + map,
            sparse: self.map.as_ref().map(|_| self.size),
            ..member
        }
        .head()
    }

    /// Writes its data, to the end of a block.
    pub(super) fn write(self, order: &Order<'_>, out: &mut dyn Write) -> Result<(), Unmade> {
        let mut written = 0;
        if let Some(map) = &self.map {
            out.write_all(map)?;
        }
        let mut begun = Some(&self.begun);
        for range in &self.ranges {
            let (mut at, end) = (range.offset, range.offset + range.bytes);
            while at < end {
                if (order.is_stopped)() {
                    return Err(Unmade::Stopped);
                }
                let read;
                let bytes = match begun.take() {
                    Some(begun) => begun,
                    None => {
                        read = self.read(order, at, end - at)?;
                        &read
                    }
                };
                out.write_all(bytes)?;
                at += bytes.len() as u64;
                written += bytes.len();
            }
        }
        let rest = written.next_multiple_of(BLOCK) - written;
        out.write_all(&[0; BLOCK][..rest])?;
        Ok(())
    }

    /// Reads some of its bytes: at least one, and at most so many.
    fn read(&self, order: &Order<'_>, offset: u64, bytes: u64) -> Result<Vec<u8>, Problem> {
        let request = request::Read {
            path: self.path.clone(),
            offset,
            bytes: bytes.min(READ_BYTES_MAX as u64) as u32,
        };
        let bytes = order.operations.read(order.point, &request)?;
        match bytes.is_empty() && request.bytes > 0 {
            true => Err(odd("a file has fewer bytes than its entry says")),
            false => Ok(bytes),
        }
    }
}

/// Returns where a file has data. From the last range that is kept on everything is taken for data.
fn data(order: &Order<'_>, path: &PathText, size: u64) -> Result<Vec<RangeView>, Problem> {
    let mut ranges: Vec<RangeView> = Vec::new();
    let mut request = request::Ranges {
        path: path.clone(),
        offset: 0,
        limit: RANGES_LISTED_MAX,
    };
    loop {
        let answer = order.operations.ranges(order.point, &request)?;
        for range in answer.ranges {
            match ranges.last_mut() {
                Some(last) if last.offset + last.bytes == range.offset => last.bytes += range.bytes,
                _ => ranges.push(range),
            }
        }
        if ranges.len() > ARCHIVE_RANGES_MAX {
            ranges.truncate(ARCHIVE_RANGES_MAX);
            if let Some(last) = ranges.last_mut() {
                last.bytes = size - last.offset;
            }
            return Ok(ranges);
        }
        match answer.next {
            Some(offset) => request.offset = offset,
            None => return Ok(ranges),
        }
    }
}

/// Returns the map of a file with holes, GNU's format 1.0: how many ranges, then offset and length of each, as lines, to the end
/// of a block. The last one tells the size.
fn map(ranges: &[RangeView], size: u64) -> Vec<u8> {
    let end = RangeView {
        offset: size,
        bytes: 0,
    };
    let ends_with_data = ranges
        .last()
        .is_some_and(|last| last.offset + last.bytes == size);
    let all = ranges.iter().chain((!ends_with_data).then_some(&end));
    let mut out = Vec::new();
    let count = ranges.len() + usize::from(!ends_with_data);
    out.extend_from_slice(format!("{count}\n").as_bytes());
    for range in all {
        out.extend_from_slice(format!("{}\n{}\n", range.offset, range.bytes).as_bytes());
    }
    fill(&mut out);
    out
}
