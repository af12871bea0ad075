//! Cuts: within limits, found whatever the buffer, local, and frozen.

use base::ChunkHash;
use base::limits::{CHUNK_BYTES_AVG, CHUNK_BYTES_MAX, CHUNK_BYTES_MIN};
use format::chunker::{Chunker, ChunkerKey};
use proptest::prelude::*;

use crate::world::noise;

fn chunker() -> Chunker {
    Chunker::new(&ChunkerKey::new([42; 32]))
}

fn cuts(chunker: &Chunker, mut content: &[u8]) -> Vec<usize> {
    let mut lens = Vec::new();
    while let Some(len) = chunker.cut(content, true) {
        lens.push(len);
        content = &content[len..];
    }
    assert!(content.is_empty(), "the chunks together are the content");
    lens
}

fn ends(lens: &[usize]) -> Vec<usize> {
    lens.iter()
        .scan(0, |end, len| {
            *end += len;
            Some(*end)
        })
        .collect()
}

#[test]
fn chunks_together_are_the_content_and_keep_the_limits() {
    let content = noise(1, 40 << 20);
    let lens = cuts(&chunker(), &content);
    assert_eq!(lens.iter().sum::<usize>(), content.len());
    let (_, before_last) = lens.split_last().expect("content is cut");
    for len in before_last {
        assert!((CHUNK_BYTES_MIN..=CHUNK_BYTES_MAX).contains(len), "{len}");
    }
    let mean = content.len() / lens.len();
    assert!(
        (CHUNK_BYTES_AVG * 3 / 4..CHUNK_BYTES_AVG * 3 / 2).contains(&mean),
        "{mean}"
    );
}

#[test]
fn content_without_cuts_is_cut_at_the_limit() {
    let content = vec![0; CHUNK_BYTES_MAX * 2 + 10];
    assert_eq!(
        cuts(&chunker(), &content),
        [CHUNK_BYTES_MAX, CHUNK_BYTES_MAX, 10]
    );
    assert_eq!(chunker().cut(&[], true), None);
    assert_eq!(chunker().cut(&content[..CHUNK_BYTES_MAX - 1], false), None);
    assert_eq!(chunker().cut(&content[..100], true), Some(100));
}

#[test]
fn the_search_agrees_with_a_byte_by_byte_one() {
    let key = [42; 32];
    let mut table = [0; 256];
    let mut stream = blake3::Hasher::new_derive_key("dozo v1 chunker gear table")
        .update(&key)
        .finalize_xof();
    for entry in &mut table {
        let mut bytes = [0; 8];
        stream.fill(&mut bytes);
        *entry = u64::from_le_bytes(bytes);
    }
    let naive = |content: &[u8]| {
        let mut hash = 0_u64;
        for (i, byte) in content.iter().enumerate().take(CHUNK_BYTES_MAX) {
            hash = (hash << 1).wrapping_add(table[usize::from(*byte)]);
            let len = i + 1;
            let bits = if len <= CHUNK_BYTES_AVG { 22 } else { 18 };
            if len >= CHUNK_BYTES_MIN && hash >> (64 - bits) == 0 {
                return len;
            }
        }
        content.len().min(CHUNK_BYTES_MAX)
    };
    let content = noise(8, 12 << 20);
    let mut rest = content.as_slice();
    while !rest.is_empty() {
        let len = naive(rest);
        assert_eq!(chunker().cut(rest, true), Some(len));
        rest = &rest[len..];
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    // A cut does not depend on how the buffer grew.
    #[test]
    fn a_growing_buffer_gives_the_same_cut(seed in any::<u64>(), steps in prop::collection::vec(1_usize..900_000, 1..9)) {
        let chunker = chunker();
        let content = noise(seed, CHUNK_BYTES_MAX + 5000);
        let whole = chunker.cut(&content, true);
        let mut len = 0;
        for step in steps {
            len = (len + step).min(content.len());
            let found = chunker.cut(&content[..len], false);
            prop_assert!(found.is_none() || found == whole);
        }
        prop_assert_eq!(chunker.cut(&content, false), whole);
    }

    // An insertion changes only the chunks near it: after it the cuts are the same ones, moved.
    #[test]
    fn an_insertion_changes_only_near_chunks(at in 0_usize..(6 << 20), inserted in prop::collection::vec(any::<u8>(), 1..5000)) {
        let chunker = chunker();
        let before = noise(77, 32 << 20);
        let after = [&before[..at], &inserted, &before[at..]].concat();
        let old: Vec<_> = ends(&cuts(&chunker, &before));
        let new: Vec<_> = ends(&cuts(&chunker, &after)).into_iter().map(|end| end.saturating_sub(inserted.len())).collect();
        let far = at + 3 * CHUNK_BYTES_MAX;
        let tail = |ends: &[usize]| ends.iter().copied().filter(|end| *end > far).collect::<Vec<_>>();
        prop_assert_eq!(tail(&old), tail(&new));
        let head = |ends: &[usize]| ends.iter().copied().filter(|end| *end < at).collect::<Vec<_>>();
        let old_head = head(&old);
        prop_assert_eq!(&old_head, &ends(&cuts(&chunker, &after)).into_iter().filter(|end| *end < at).collect::<Vec<_>>());
    }
}

#[test]
fn another_key_cuts_elsewhere() {
    let content = noise(1, 16 << 20);
    let other = Chunker::new(&ChunkerKey::new([43; 32]));
    let (a, b) = (
        ends(&cuts(&chunker(), &content)),
        ends(&cuts(&other, &content)),
    );
    let shared = a.iter().filter(|end| b.contains(end)).count();
    assert_eq!(shared, 1, "only the end of the content");
}

#[test]
fn one_file_in_eight_may_end_a_bundle() {
    let hash = |n: u32| ChunkHash(*blake3::hash(&n.to_le_bytes()).as_bytes());
    let ends = (0..8000)
        .filter(|n| chunker().is_bundle_end(&hash(*n)))
        .count();
    assert!((900..1100).contains(&ends), "{ends}");
}
