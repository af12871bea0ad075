//! Where a file has data and where holes, as `lseek` asks: the kernel answers everything else by itself.

use api::request;
use api::{PathText, view::RangeView};
use fuser::Errno;

use super::entries::Place;
use super::fs::{Points, errno};

/// `SEEK_DATA` and `SEEK_HOLE` of lseek(2).
const SEEK_DATA: i32 = 3;
const SEEK_HOLE: i32 = 4;

impl Points {
    /// Returns the first offset from `offset` on that is in data, or in a hole; the end of a file is a hole.
    pub(super) fn seek(&self, number: u64, offset: i64, whence: i32) -> Result<i64, Errno> {
        let size = self.numbered(number)?.size;
        let Some(offset) = u64::try_from(offset).ok().filter(|&offset| offset < size) else {
            return Err(Errno::ENXIO);
        };
        let place = self.place(number)?;
        let Place::Entry { point, path } = &*place else {
            return Err(Errno::EINVAL);
        };
        let mut request = request::Ranges {
            path: PathText(path.clone()),
            offset,
            limit: 1,
        };
        let mut first = || -> Result<Option<RangeView>, Errno> {
            let answer = self.operations.ranges(point, &request);
            let answer = answer.map_err(|problem| errno(&problem))?;
            let found = answer.ranges.into_iter().next();
            if let Some(range) = found {
                request.offset = range.offset + range.bytes;
            }
            Ok(found)
        };
        let found = match whence {
            SEEK_DATA => first()?.ok_or(Errno::ENXIO)?.offset,
            SEEK_HOLE => {
                let mut end = offset;
                // A range may go on where the one before ended.
                while let Some(range) = first()?.filter(|range| range.offset == end) {
                    end += range.bytes;
                }
                end
            }
            _ => return Err(Errno::EINVAL),
        };
        i64::try_from(found).map_err(|_| Errno::EOVERFLOW)
    }
}
