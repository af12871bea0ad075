//! Which chunks are certainly not known: what a first backup asks of every chunk, answered without the disk.
//!
//! A Bloom filter in blocks (F. Putze, P. Sanders, J. Singler, *Cache-, Hash- and Space-Efficient Bloom Filters*, 2007): all
//! bits of a chunk lie in one cache line. It grows by layers, each for twice as many chunks as the one before, so nothing is
//! ever computed anew. It is loaded when a writer first asks, and takes [`CHUNK_BITS`] bits of memory a chunk, twice that just
//! after it has grown.
//!
//! Beside the database it is a file of its own, changed in probes: bits are only ever set, so whatever part of a change
//! reaches the disk, what is there says "maybe" at least as often as it must. Invariant: a chunk that has a row is in the
//! filter. It is written before the transaction that makes the rows last, which also notes how many rows there are; where
//! that number is another one when it is loaded, or the file is older, it is made anew from the rows. A filter that wrongly says "no" would cost
//! space, a chunk stored twice, and nothing else.
//!
//! Deliberately without deletion: chunks that go leave their bits, and some questions the database has to answer.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use base::{ChunkId, StoreId};

/// The file's name inside the cache directory.
const FILE: &str = "index.filter";
const MAGIC: &[u8; 8] = b"DOZOBLM1";
const HEAD_BYTES: usize = 64;
/// Bits that all of a chunk's lie in: a cache line of every processor we know.
const LINE_BITS: u64 = 512;
const LINE_BYTES: usize = LINE_BITS as usize / 8;
/// Bits set for a chunk.
const PROBES: usize = 8;
/// Bits a layer has for each chunk: about four in a thousand that it does not hold look as if it did.
const CHUNK_BITS: u64 = 14;
/// Chunks of the first layer, 224 KiB.
const FIRST_LAYER_CHUNKS: u64 = 1 << 17;
/// Layers: of 2^52 chunks.
const LAYERS_MAX: usize = 36;
/// What is written at once of what has changed.
const BLOCK_BYTES: usize = 4096;

/// The filter of one index.
pub(super) struct Filter {
    layers: Vec<Layer>,
    /// Chunks in the last layer; the others are full.
    in_last: u64,
    file: Option<PathBuf>,
    /// Whether the file says whose it is, which it does when all of it is there.
    is_begun: bool,
}

struct Layer {
    lines: Vec<u8>,
    /// Which blocks are not in the file as they are here.
    changed: Vec<bool>,
}

impl Filter {
    /// Returns where the filter is kept beside the database in `directory`.
    pub(super) fn path(directory: &Path) -> PathBuf {
        directory.join(FILE)
    }

    /// Returns a filter without chunks, in the place of any that is there.
    ///
    /// # Errors
    /// The file that is there cannot be removed.
    pub(super) fn new(file: Option<PathBuf>) -> io::Result<Self> {
        let removed = file.as_ref().map_or(Ok(()), std::fs::remove_file);
        if let Err(error) = removed
            && error.kind() != io::ErrorKind::NotFound
        {
            return Err(error);
        }
        Ok(Self {
            layers: vec![Layer::empty(0)],
            in_last: 0,
            file,
            is_begun: false,
        })
    }

    /// Reads the filter of `store` that was written for `rows` rows or more, if there is one.
    ///
    /// # Errors
    /// The file cannot be read.
    pub(super) fn read(file: PathBuf, store: &StoreId, rows: u64) -> io::Result<Option<Self>> {
        let mut open = match File::open(&file) {
            Ok(open) => open,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let bytes = open.metadata()?.len();
        let mut head = [0; HEAD_BYTES];
        let Some(layers) = layers_of(bytes) else {
            return Ok(None);
        };
        open.read_exact(&mut head)?;
        let number = |at: usize| u64::from_le_bytes(std::array::from_fn(|i| head[at + i]));
        if head != head_of(store, number(24), number(32)) || number(24) < rows {
            return Ok(None);
        }
        let mut filter = Self {
            layers: Vec::with_capacity(layers),
            in_last: number(32),
            file: Some(file),
            is_begun: true,
        };
        for number in 0..layers {
            let mut layer = Layer::empty(number);
            open.read_exact(&mut layer.lines)?;
            layer.changed.fill(false);
            filter.layers.push(layer);
        }
        Ok(Some(filter))
    }

    /// Returns whether a chunk may have been added: no is certain, yes is not.
    pub(super) fn may_hold(&self, id: &ChunkId) -> bool {
        let probes = Probes::of(id);
        self.layers.iter().rev().any(|layer| layer.holds(&probes))
    }

    /// Adds a chunk.
    pub(super) fn add(&mut self, id: &ChunkId) {
        if self.may_hold(id) {
            return;
        }
        let last = self.layers.len() - 1;
        if self.in_last >= chunks_of(last) && self.layers.len() < LAYERS_MAX {
            self.layers.push(Layer::empty(last + 1));
            self.in_last = 0;
        }
        if let Some(last) = self.layers.last_mut() {
            last.set(&Probes::of(id));
            self.in_last += 1;
        }
    }

    /// Writes what has changed since it was read or written, for this many rows, and waits until the disk has it.
    ///
    /// # Errors
    /// The file cannot be written. What was not is tried again the next time.
    pub(super) fn write(&mut self, store: &StoreId, rows: u64) -> io::Result<()> {
        let Some(path) = &self.file else {
            return Ok(());
        };
        if !self
            .layers
            .iter()
            .any(|layer| layer.changed.contains(&true))
        {
            return Ok(());
        }
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)?;
        file.set_len(file_bytes(self.layers.len()))?;
        let mut start = HEAD_BYTES as u64;
        for layer in &self.layers {
            layer.write(&file, start)?;
            start += layer.lines.len() as u64;
        }
        if !self.is_begun {
            file.sync_data()?;
        }
        file.write_all_at(&head_of(store, rows, self.in_last), 0)?;
        file.sync_data()?;
        self.is_begun = true;
        for layer in &mut self.layers {
            layer.changed.fill(false);
        }
        Ok(())
    }
}

impl Layer {
    /// An empty layer, all of which has to be written.
    fn empty(number: usize) -> Self {
        let bytes = bytes_of(number);
        Self {
            lines: vec![0; bytes],
            changed: vec![true; bytes.div_ceil(BLOCK_BYTES)],
        }
    }

    fn line_at(&self, probes: &Probes) -> usize {
        let lines = (self.lines.len() / LINE_BYTES) as u128;
        ((u128::from(probes.line) * lines) >> 64) as usize * LINE_BYTES
    }

    fn holds(&self, probes: &Probes) -> bool {
        let at = self.line_at(probes);
        let line = &self.lines[at..at + LINE_BYTES];
        probes.bits().all(|bit| line[bit / 8] >> (bit % 8) & 1 == 1)
    }

    fn set(&mut self, probes: &Probes) {
        let at = self.line_at(probes);
        let line = &mut self.lines[at..at + LINE_BYTES];
        probes
            .bits()
            .for_each(|bit| line[bit / 8] |= 1 << (bit % 8));
        self.changed[at / BLOCK_BYTES] = true;
    }

    /// Writes the blocks that have changed, those beside one another at once.
    fn write(&self, file: &File, start: u64) -> io::Result<()> {
        let mut block = 0;
        for run in self.changed.chunk_by(|a, b| a == b) {
            let at = block * BLOCK_BYTES;
            block += run.len();
            if run[0] {
                let end = (block * BLOCK_BYTES).min(self.lines.len());
                file.write_all_at(&self.lines[at..end], start + at as u64)?;
            }
        }
        Ok(())
    }
}

/// Where a chunk's bits are. Ids are hashes: any of their bits are as good as a hash of them.
struct Probes {
    line: u64,
    bits: [u64; 2],
}

impl Probes {
    fn of(id: &ChunkId) -> Self {
        let word = |at: usize| {
            let bytes = id.0[at..at + 8].try_into();
            u64::from_le_bytes(bytes.expect("a slice of 8 bytes is an array of 8"))
        };
        Self {
            line: word(8),
            bits: [word(16), word(24)],
        }
    }

    /// The bits inside the line.
    fn bits(&self) -> impl Iterator<Item = usize> {
        (0..PROBES).map(|probe| {
            let word = self.bits[probe % 2] >> (probe / 2 * 9);
            (word % LINE_BITS) as usize
        })
    }
}

/// What a file begins with: whose it is, how many rows it was written for, and how many chunks are in the last layer.
fn head_of(store: &StoreId, rows: u64, in_last: u64) -> [u8; HEAD_BYTES] {
    let mut head = [0; HEAD_BYTES];
    head[..8].copy_from_slice(MAGIC);
    head[8..24].copy_from_slice(&store.0);
    head[24..32].copy_from_slice(&rows.to_le_bytes());
    head[32..40].copy_from_slice(&in_last.to_le_bytes());
    head
}

fn chunks_of(layer: usize) -> u64 {
    FIRST_LAYER_CHUNKS << layer
}

fn bytes_of(layer: usize) -> usize {
    (chunks_of(layer) * CHUNK_BITS / 8) as usize
}

fn file_bytes(layers: usize) -> u64 {
    (0..layers).fold(HEAD_BYTES as u64, |sum, layer| sum + bytes_of(layer) as u64)
}

/// Returns how many layers a file of so many bytes has, if it has any and nothing else.
fn layers_of(bytes: u64) -> Option<usize> {
    (1..=LAYERS_MAX).find(|layers| file_bytes(*layers) == bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const STORE: StoreId = StoreId([7; 16]);

    fn id(number: u64) -> ChunkId {
        ChunkId(*blake3::hash(&number.to_le_bytes()).as_bytes())
    }

    fn filter_of(numbers: std::ops::Range<u64>, file: Option<PathBuf>) -> Filter {
        let mut filter = Filter::new(file).unwrap();
        numbers.for_each(|number| filter.add(&id(number)));
        filter
    }

    #[test]
    fn what_was_added_may_be_there_and_of_the_rest_hardly_anything() {
        let chunks = FIRST_LAYER_CHUNKS * 3 + 1000;
        let filter = filter_of(0..chunks, None);
        assert_eq!(filter.layers.len(), 3);
        assert!((0..chunks).all(|number| filter.may_hold(&id(number))));
        let asked = 100_000;
        let maybe = (chunks..chunks + asked).filter(|number| filter.may_hold(&id(*number)));
        let maybe = maybe.count() as u64;
        assert!(maybe * 100 < asked * 2, "{maybe} of {asked}");
        assert!(maybe > 0, "nothing is that good");
    }

    #[test]
    fn a_filter_is_read_as_it_was_written() {
        let dir = tempfile::tempdir().unwrap();
        let file = Filter::path(dir.path());
        let half = FIRST_LAYER_CHUNKS;
        let mut filter = filter_of(0..half, Some(file.clone()));
        filter.write(&STORE, 5).unwrap();
        (half..half * 2).for_each(|number| filter.add(&id(number)));
        filter.write(&STORE, 5).unwrap();
        let read = Filter::read(file, &STORE, 5).unwrap().unwrap();
        assert_eq!(read.in_last, filter.in_last);
        assert_eq!(read.layers.len(), 2);
        for (read, written) in read.layers.iter().zip(&filter.layers) {
            assert!(read.lines == written.lines);
            assert!(!read.changed.contains(&true) && !written.changed.contains(&true));
        }
    }

    #[test]
    fn only_what_changed_is_written() {
        let dir = tempfile::tempdir().unwrap();
        let file = Filter::path(dir.path());
        let mut filter = filter_of(0..1000, Some(file.clone()));
        filter.write(&STORE, 5).unwrap();
        // What is not written again shows as a hole in the file.
        std::fs::write(&file, []).unwrap();
        filter.add(&id(5000));
        filter.write(&STORE, 5).unwrap();
        let bytes = std::fs::read(&file).unwrap();
        let blocks = bytes[HEAD_BYTES..].chunks(BLOCK_BYTES);
        assert_eq!(
            blocks.filter(|block| block.iter().any(|b| *b != 0)).count(),
            1
        );
    }

    #[test]
    fn a_file_that_is_not_ours_or_not_whole_is_no_filter() {
        let dir = tempfile::tempdir().unwrap();
        let file = Filter::path(dir.path());
        let read = || Filter::read(file.clone(), &STORE, 5).unwrap();
        assert!(read().is_none());
        filter_of(0..10, Some(file.clone()))
            .write(&STORE, 5)
            .unwrap();
        assert!(read().is_some());
        let other = Filter::read(file.clone(), &StoreId([8; 16]), 5);
        let older = Filter::read(file.clone(), &STORE, 6);
        assert!(other.unwrap().is_none() && older.unwrap().is_none());
        let whole = std::fs::read(&file).unwrap();
        std::fs::write(&file, &whole[..whole.len() - 1]).unwrap();
        assert!(read().is_none());
        std::fs::write(&file, [&[0; HEAD_BYTES], &whole[HEAD_BYTES..]].concat()).unwrap();
        assert!(read().is_none());
        std::fs::write(&file, []).unwrap();
        assert!(read().is_none());
    }
}
