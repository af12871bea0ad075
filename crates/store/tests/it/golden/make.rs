//! Makes the golden store, if it is missing: `cargo test -p store -- --ignored write_the_missing_golden_store`.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use base::{Env, Fault, SourceId};
use format::entry::{FileEntry, FileKey};
use format::keys::{KeyFile, NewSlot, Passphrase, PassphraseCost, Unlock};
use format::log::ConfigKind;
use format::point::Consistency;
use format::replica::ReplicaWriter;
use format::seal::Sealer;
use objects::{Local, Objects};
use store::{CommitSpec, NewPoint, Place, Session, Store};

use super::listing::{self, Head, Line};
use super::sample::{Sample, Samples, first, second};
use super::{PASSPHRASE, path};

#[test]
#[ignore = "writes a golden store, once"]
fn write_the_missing_golden_store() {
    let pool = path("pool");
    if fs::exists(&pool).unwrap() {
        return;
    }
    fs::create_dir_all(&pool).unwrap();
    let (env, world) = testkit::env(2026);
    let key_file = KeyFile::random(&env);
    fs::write(path("server.key"), &**key_file.to_text()).unwrap();
    let objects: Arc<dyn Objects> = Arc::new(Local::create_at(&pool).unwrap());
    let passphrase = Passphrase::new(String::from(PASSPHRASE)).unwrap();
    let cheap = PassphraseCost {
        memory_kib: 64,
        passes: 2,
        lanes: 2,
    };
    let slots = [
        NewSlot::KeyFile(key_file.clone()),
        NewSlot::Passphrase(passphrase, cheap),
    ];
    let store = Store::create(objects.clone(), &slots, &env, Place::Memory).unwrap();
    let source = SourceId::random(&env);
    let mut expected = state(&store, source, &first());
    world.clock.advance(Duration::from_secs(3600));
    let open = leave_traces(&store, &env);
    drop(store);
    std::mem::forget(open);

    // Another writer: the session that was left open is fenced.
    let unlock = Unlock::KeyFile(key_file);
    let store = Store::open(objects, &unlock, &env, Place::Memory).unwrap();
    expected.push_str(&state(&store, source, &second()));
    fs::write(path("expected.txt"), expected).unwrap();
}

/// Brings a source to a state, makes a point of it and returns what it has to read as.
fn state(store: &Store, source: SourceId, samples: &Samples) -> String {
    let session = store.begin(source, None).unwrap();
    let entries = write(&session, samples).unwrap();
    let spec = CommitSpec::with_point(point());
    let made = session.commit(spec).unwrap().point.unwrap();
    let head = Head::of_store(&store.point_object(&made.id).unwrap());
    let contents: Vec<_> = samples.values().map(Sample::content).collect();
    let lines = entries.iter().zip(&contents);
    let lines = lines.map(|((path, entry), content)| (*path, Line::of_store(entry, content)));
    format!("{head}{}\n", listing::text(lines))
}

fn point() -> NewPoint {
    NewPoint {
        address: String::from("golden:files/srv/土蔵"),
        group: String::from("golden group"),
        time_ns: Some(1_767_000_000_123_456_789),
        consistency: Consistency::FileSystem,
        warnings: 300,
        changed: 17,
    }
}

/// Writes all entries, in the order of their keys, and returns them in the order of their paths.
fn write<'a>(session: &Session, samples: &'a Samples) -> Result<Vec<(&'a [u8], FileEntry)>, Fault> {
    let mut written = Vec::new();
    for (path, sample) in samples {
        let key = FileKey::from_path(path).expect("a path");
        written.push((key, path.as_slice(), sample));
    }
    written.sort_by(|a, b| a.0.0.cmp(&b.0.0));
    let mut entries = Vec::new();
    for (key, path, sample) in written {
        let entry = sample.store(session)?;
        session.put_entry(&key, &entry)?;
        entries.push((path, entry));
    }
    entries.sort_by_key(|(path, _)| *path);
    Ok(entries)
}

/// Leaves records of every other kind that a store writes, and returns a session that is never ended.
fn leave_traces(store: &Store, env: &Env) -> Session {
    let id = [7; 16];
    let json = br#"{"keep":"forever"}"#.to_vec();
    store
        .put_config(ConfigKind::Policy, id, Some(json))
        .unwrap();
    store.put_config(ConfigKind::Policy, id, None).unwrap();

    // A source whose point was deleted and whose replica was dropped.
    let gone = SourceId::random(env);
    let mut few = Samples::new();
    few.extend(first().into_iter().take(3));
    state(store, gone, &few);
    let point = store
        .points()
        .unwrap()
        .into_iter()
        .find(|point| point.source == gone);
    store.delete_point(&point.unwrap().id).unwrap();
    store.drop_replica(&gone).unwrap();

    // A session that changed its mind, and one whose owner dies.
    let plain = b"written in vain".repeat(30);
    let abandoned = store.begin(gone, None).unwrap();
    abandoned.put_chunk(&Sealer::hash(&plain), &plain).unwrap();
    abandoned.abandon();
    let open = store.begin(gone, None).unwrap();
    open.put_chunk(&Sealer::hash(b"never"), b"never").unwrap();
    open
}
