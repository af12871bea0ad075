//! Names found in many trees, beside a search that reads everything.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use base::{ChunkId, Fault, SourceId};
use format::entry::{Content, FileEntry, FileKey, Node};
use format::replica::ChunkReader;
use objects::Memory;
use store::{Find, Reading, Store, find};
use testkit::Dice;

use crate::model::{Files, Key, backup, files, reader};

/// Path to its versions: content, newest and oldest tree.
type Answer = BTreeMap<String, Vec<(Vec<u8>, usize, usize)>>;

/// Generations of a source, oldest first: files come, change, go and come back.
fn history(seed: u64, generations: usize) -> Vec<Files> {
    let mut dice = Dice::new(seed);
    let mut files = Files::new();
    (0..generations)
        .map(|_| {
            for _ in 0..dice.below(60) {
                let path = format!("d{}/report{}", dice.below(5), dice.below(20));
                match dice.once_in(3) {
                    true => drop(files.remove(&path)),
                    false => drop(files.insert(path, vec![dice.below(3) as u8; 4])),
                }
            }
            files.clone()
        })
        .collect()
}

fn backed_up(store: &Store, history: &[Files]) -> Vec<ChunkId> {
    let source = SourceId::random(&testkit::env(9).0);
    let mut before = Files::new();
    let mut roots = Vec::new();
    for files in history {
        roots.insert(0, backup(store, source, &before, files).unwrap().root);
        before.clone_from(files);
    }
    roots
}

/// Reads every generation.
fn expected(history: &[Files], wanted: &dyn Fn(&str) -> bool) -> Answer {
    let newest_first: Vec<_> = history.iter().rev().collect();
    let paths: BTreeSet<_> = history.iter().flat_map(|files| files.keys()).collect();
    let mut answer = Answer::new();
    for path in paths.into_iter().filter(|path| wanted(path)) {
        let mut versions: Vec<(Vec<u8>, usize, usize)> = Vec::new();
        for (i, files) in newest_first.iter().enumerate() {
            match (files.get(path), versions.last_mut()) {
                (Some(now), Some((was, _, oldest))) if *oldest + 1 == i && was == now => {
                    *oldest = i
                }
                (Some(now), _) => versions.push((now.clone(), i, i)),
                (None, _) => {}
            }
        }
        answer.insert(path.clone(), versions);
    }
    answer
}

fn content(entry: &FileEntry) -> Vec<u8> {
    match &entry.node {
        Node::File(Content::Inline(bytes)) => bytes.clone(),
        other => panic!("not an inline file: {other:?}"),
    }
}

/// Asks page by page.
fn found(
    store: &Store,
    trees: &[ChunkId],
    wanted: &dyn Fn(&str) -> bool,
    (limit, versions, looks): (usize, usize, usize),
) -> Answer {
    let path = |key: &FileKey| String::from_utf8(key.to_path().unwrap()).unwrap();
    let mut answer = Answer::new();
    let mut after: Option<FileKey> = None;
    loop {
        let page = find(
            &reader(store),
            &Find {
                trees,
                wanted: &|key| wanted(&path(key)),
                after: after.as_ref(),
                limit,
                versions,
                looks,
            },
        )
        .unwrap();
        assert!(page.found.len() <= limit);
        let held: usize = page.found.iter().map(|one| one.versions.len()).sum();
        assert!(held <= versions || page.found.len() == 1, "{held} versions");
        for one in page.found {
            let versions = one.versions.iter();
            let versions = versions.map(|v| (content(&v.entry), v.newest, v.oldest));
            let before = answer.insert(path(&one.key), versions.collect());
            assert_eq!(before, None, "given twice");
        }
        match page.next {
            Some(next) => after = Some(next),
            None => return answer,
        }
    }
}

/// Finding is reading everything, whatever the pages.
#[test]
fn what_is_found_is_what_a_search_through_everything_finds() {
    let wanted: [&dyn Fn(&str) -> bool; 3] = [
        &|path| path.contains("report"),
        &|path| path.ends_with('7'),
        &|_| false,
    ];
    for seed in 0..20 {
        let (env, _) = testkit::env(seed);
        let store = Key::new(&env).create(Arc::new(Memory::new()), &env);
        let history = history(seed, 7);
        let trees = backed_up(&store, &history);
        for wanted in wanted {
            let expected = expected(&history, wanted);
            for page in [
                (1, 1000, 1000),
                (3, 1000, 1000),
                (10, 1000, 1000),
                (1000, 1000, 1000),
                (1000, 1000, 1),
                (1000, 1, 1000),
                (1000, 5, 1000),
                (3, 7, 5),
            ] {
                assert_eq!(
                    found(&store, &trees, wanted, page),
                    expected,
                    "seed {seed}, pages of {page:?}"
                );
            }
        }
    }
}

/// Counts the chunks that are read.
struct Counted<'a> {
    tree: &'a Reading,
    reads: AtomicUsize,
}

impl ChunkReader for Counted<'_> {
    fn read_chunk(&self, id: &ChunkId) -> Result<Arc<Vec<u8>>, Fault> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.tree.read_chunk(id)
    }
}

#[test]
fn a_page_of_what_was_deleted_reads_no_more_than_a_page() {
    let (env, _) = testkit::env(2);
    let store = Key::new(&env).create(Arc::new(Memory::new()), &env);
    let many: Files = (0..20_000)
        .map(|i| (format!("d/report{i:05}"), vec![1; 4]))
        .collect();
    let trees = backed_up(&store, &[many, Files::new()]);
    let reads = |limit, after: Option<&FileKey>| {
        let counted = Counted {
            tree: &reader(&store),
            reads: AtomicUsize::new(0),
        };
        let page = find(
            &counted,
            &Find {
                trees: &trees,
                wanted: &|key| !key.is_root(),
                after,
                limit,
                versions: usize::MAX,
                looks: usize::MAX,
            },
        )
        .unwrap();
        assert_eq!(page.found.len(), limit);
        (counted.reads.into_inner(), page.next.unwrap())
    };
    let (all, _) = reads(19_000, None);
    let (few, next) = reads(10, None);
    let (again, _) = reads(10, Some(&next));
    assert!(few * 4 < all && again * 4 < all, "{few}, {again} of {all}");
}

#[test]
fn a_page_of_what_changed_in_every_tree_holds_no_more_versions_than_it_may() {
    let (env, _) = testkit::env(3);
    let store = Key::new(&env).create(Arc::new(Memory::new()), &env);
    let history: Vec<Files> = (0..10)
        .map(|generation| {
            (0..50)
                .map(|i| (format!("d/report{i:02}"), vec![generation; 4]))
                .collect()
        })
        .collect();
    let trees = backed_up(&store, &history);
    let page = |versions| {
        let find_in = Find {
            trees: &trees,
            wanted: &|key| key.name().starts_with(b"report"),
            after: None,
            limit: 1000,
            versions,
            looks: usize::MAX,
        };
        let page = find(&reader(&store), &find_in).unwrap();
        let told: Vec<usize> = page.found.iter().map(|one| one.versions.len()).collect();
        (told, page.next.is_some())
    };
    assert_eq!(page(500), (vec![10; 50], false));
    assert_eq!(page(499), (vec![10; 49], true));
    assert_eq!(page(65), (vec![10; 6], true));
    // One is always told whole, or a search would never go on.
    assert_eq!(page(3), (vec![10], true));
    let wanted = |path: &str| path.contains("report");
    assert_eq!(
        found(&store, &trees, &wanted, (1000, 65, 1000)),
        expected(&history, &wanted)
    );
}

#[test]
fn without_trees_nothing_is_found() {
    let (env, _) = testkit::env(1);
    let store = Key::new(&env).create(Arc::new(Memory::new()), &env);
    backed_up(&store, &[files(&[("a", b"a")])]);
    assert_eq!(found(&store, &[], &|_| true, (5, 5, 5)), Answer::new());
}
