//! Power cuts on the real file systems of Linux, beneath a real store (T13).
//!
//! A store lives through a history on a device that writes everything down ([`crate::recorder`]), beside somebody else who
//! syncs a file of his own all the time, so that what the store wrote goes to the disk at other moments than it asks for. Then
//! the power is cut at moments by chance and right after acknowledgements; what a cut leaves is mounted, which replays the
//! journal, and has to give what was promised: every point acknowledged and not deleted is listed and reads back in full, what
//! was deleted stays deleted, a pack that was damaged is mended, and another backup, collection and verification work. The index lies on the same
//! disk, and is cut off with it.

use std::fs::{self, File};
use std::io::Write;
use std::ops::ControlFlow;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use base::{Env, Fault, PointId, SourceId};
use format::log::ConfigKind;
use objects::Local;
use store::{CommitSpec, Place, Store, VerifyReport, VerifySpec};
use testkit::Dice;

use crate::forgetful::Forgetful;
pub use crate::forgetful::Omitted;
use crate::history::Promise;
use crate::promised::{check, goes_on};
use crate::recorder::{Kind, Recorder, Rest, Tape};
use crate::world::{Files, Key, collect, new_point, write};

/// How often the history goes through all that it does.
const ROUNDS: usize = 3;
/// An image in so many may be one that the file system itself cannot mount: of a write torn in the middle not all of
/// them promise anything.
const UNMOUNTABLE: usize = 12;

/// What was looked at.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Images that power cuts left.
    pub images: usize,
    /// Those that could be mounted: each was looked at in full.
    pub mounted: usize,
    /// Acknowledged points that were looked for in them, altogether.
    pub points: usize,
    /// Writes that the device was told of.
    pub writes: usize,
    /// Flushes.
    pub flushes: usize,
    /// What was wrong, in words.
    pub violations: Vec<String>,
}

/// A store that lives through a history on a device that writes it down.
struct Life<'a> {
    recorder: &'a Recorder,
    omitted: Omitted,
    key: Key,
    env: Env,
    dice: Dice,
    store: Option<Store>,
    sources: [SourceId; 2],
    now: [Files; 2],
    story: Story,
}

/// What was promised, in events of the device.
struct Story {
    /// When the store was made.
    made: usize,
    promises: Vec<Promise>,
    /// Items of configuration: when they were acknowledged, and what they are.
    items: Vec<(usize, Vec<u8>)>,
    /// When a pack was damaged, and when it was mended.
    damaged: Vec<(usize, usize)>,
    states: Vec<Files>,
}

/// Looks at `images` of what power cuts leave of the history of a seed; `None` where nothing can be mounted.
///
/// # Errors
/// In words: what does not work before any power cut, or too many images that cannot be mounted.
pub fn cut(kind: Kind, omitted: Omitted, seed: u64, images: usize) -> Result<Option<Seen>, String> {
    let recorder = Recorder::mount(kind).map_err(|error| error.to_string())?;
    let Some(recorder) = recorder else {
        return Ok(None);
    };
    let path = recorder.path();
    let is_over = AtomicBool::new(false);
    let lived: Result<_, String> = std::thread::scope(|scope| {
        let neighbour = scope.spawn(|| neighbour(&path, &is_over));
        let lived = Life::new(&recorder, omitted, seed).and_then(Life::live);
        is_over.store(true, Ordering::SeqCst);
        let wrote = neighbour.join().expect("a neighbour that does not panic");
        let lived = lived.map_err(|fault| format!("before any cut: {fault:?}"))?;
        wrote.map_err(|error| format!("the neighbour cannot write: {error}"))?;
        Ok(lived)
    });
    let (life, end) = lived?;
    let Life {
        key,
        sources,
        story,
        ..
    } = life;
    let tape = recorder.stop(end);
    let examined = Examined {
        key,
        source: sources[0],
        story,
        omitted,
    };
    examined.look(tape, seed, images).map(Some)
}

/// Writes and syncs a small file over and over.
fn neighbour(path: &Path, is_over: &AtomicBool) -> std::io::Result<()> {
    let mut count = 0_u64;
    while !is_over.load(Ordering::SeqCst) {
        count += 1;
        let mut file = File::create(path.join(format!("neighbour{}", count % 8)))?;
        file.write_all(&count.to_le_bytes().repeat(300))?;
        file.sync_all()?;
    }
    Ok(())
}

/// Opens, or makes, the store beneath a directory: as users do where nothing is omitted.
fn open(root: &Path, key: &Key, env: &Env, omitted: Omitted) -> Result<Store, Fault> {
    let (pool, index) = (root.join("pool"), Place::Directory(root.join("index")));
    let is_new = !pool.is_dir();
    match omitted {
        Omitted::Nothing if is_new => Store::create_at(&pool, &key.slots(), env, index, "test"),
        Omitted::Nothing => Store::open_at(&pool, &key.unlock(), env, index, "test"),
        // Whatever an index syncs would be durable of the pool as well.
        _ => {
            let disk = Forgetful::new(&pool, omitted).expect("a directory");
            if is_new {
                // No copies: the sync of one takes along what was published before it, and hides what is left out.
                fs::write(pool.join("copies"), "in the way").expect("a file");
            }
            let local = Arc::new(Local::open(disk).expect("a disk that opens"));
            match is_new {
                true => Store::create(local, &key.slots(), env, Place::Memory),
                false => Store::open(local, &key.unlock(), env, Place::Memory),
            }
        }
    }
}

impl<'a> Life<'a> {
    fn new(recorder: &'a Recorder, omitted: Omitted, seed: u64) -> Result<Self, Fault> {
        let (env, _) = testkit::env(seed);
        let key = Key::new(&env);
        let store = open(&recorder.path(), &key, &env, omitted)?;
        let story = Story {
            made: recorder.events(),
            promises: Vec::new(),
            items: Vec::new(),
            damaged: Vec::new(),
            states: Vec::new(),
        };
        Ok(Self {
            sources: [(); 2].map(|()| SourceId::random(&env)),
            now: Default::default(),
            dice: Dice::new(seed),
            store: Some(store),
            recorder,
            omitted,
            key,
            env,
            story,
        })
    }

    /// Lives through everything, and says at which event it was over.
    fn live(mut self) -> Result<(Self, usize), Fault> {
        for round in 0..ROUNDS {
            self.back_up(0)?;
            self.back_up(1)?;
            self.configure()?;
            self.back_up(0)?;
            self.delete(0)?;
            self.collect()?;
            self.back_up(1)?;
            self.reopen()?;
            self.synchronize(0)?;
            self.give_up(1)?;
            self.delete(0)?;
            if round == 1 {
                self.store().drop_replica(&self.sources[1])?;
                self.now[1].clear();
            }
            self.collect()?;
            self.mend()?;
        }
        self.back_up(0)?;
        let end = self.recorder.events();
        self.store = None;
        Ok((self, end))
    }

    fn store(&self) -> &Store {
        self.store.as_ref().expect("it is open until the end")
    }

    /// Changes a source: small files, some in chunks, now and then one that is written past the page cache.
    fn change(&mut self, source: usize) -> Files {
        let mut files = self.now[source].clone();
        for _ in 0..2 + self.dice.below(4) {
            let path = format!("f{}", self.dice.below(8));
            let len = [20, 900, 7000, 60_000][self.dice.index(4)];
            let bytes = self.dice.bytes(len);
            files.insert(path, bytes);
        }
        if self.dice.once_in(3) {
            let bytes = self.dice.bytes((1 << 20) + 5000);
            files.insert(String::from("large"), bytes);
        }
        if files.len() > 6 {
            files.pop_first();
        }
        self.story.states.push(files.clone());
        files
    }

    fn session(&mut self, source: usize) -> Result<(store::Session, Files), Fault> {
        let next = self.change(source);
        let id = self.sources[source];
        let base = self.store().replica(&id)?.map(|replica| replica.root);
        let session = self.store().begin(id, base)?;
        write(&session, &self.now[source], &next)?;
        Ok((session, next))
    }

    fn back_up(&mut self, source: usize) -> Result<(), Fault> {
        let (session, next) = self.session(source)?;
        let made = session.commit(CommitSpec::with_point(new_point()))?;
        self.story.promises.push(Promise {
            from: self.recorder.events(),
            to: usize::MAX,
            gone: usize::MAX,
            point: made.point.expect("a point was asked for").id,
            content: next.clone(),
        });
        self.now[source] = next;
        Ok(())
    }

    fn synchronize(&mut self, source: usize) -> Result<(), Fault> {
        let (session, next) = self.session(source)?;
        session.commit(CommitSpec::sync_only())?;
        self.now[source] = next;
        Ok(())
    }

    fn give_up(&mut self, source: usize) -> Result<(), Fault> {
        let (session, _) = self.session(source)?;
        session.abandon();
        Ok(())
    }

    /// Deletes the oldest point but so many.
    fn delete(&mut self, but: usize) -> Result<(), Fault> {
        let events = self.recorder.events();
        let mut alive = self
            .story
            .promises
            .iter_mut()
            .filter(|promise| promise.to == usize::MAX);
        let promise = alive.nth(but).expect("a point that was not deleted");
        promise.to = events;
        let point = promise.point;
        self.store().delete_point(&point)?;
        let events = self.recorder.events();
        let mut promises = self.story.promises.iter_mut();
        let promise = promises.find(|promise| promise.point == point);
        promise.expect("it was there").gone = events;
        Ok(())
    }

    fn collect(&self) -> Result<(), Fault> {
        let report = collect(self.store())?;
        assert!(report.packs > 0, "nothing was collected: {report:?}");
        Ok(())
    }

    fn configure(&mut self) -> Result<(), Fault> {
        let item = self.dice.bytes(60);
        self.store()
            .put_config(ConfigKind::Policy, [1; 16], Some(item.clone()))?;
        self.story.items.push((self.recorder.events(), item));
        Ok(())
    }

    /// Damages the largest pack as a disk would, and has it mended.
    fn mend(&mut self) -> Result<(), Fault> {
        let from = self.recorder.events();
        flip(&self.recorder.path().join("pool/packs")).expect("a pack that can be damaged");
        let report = repair(self.store())?;
        assert_eq!(report.repaired.len(), 1, "{report:?}");
        let report = repair(self.store())?;
        assert!(report.is_sound(), "{:?}", report.faults);
        self.story.damaged.push((from, self.recorder.events()));
        Ok(())
    }

    fn reopen(&mut self) -> Result<(), Fault> {
        self.store = None;
        self.store = Some(open(
            &self.recorder.path(),
            &self.key,
            &self.env,
            self.omitted,
        )?);
        Ok(())
    }
}

/// Flips a bit in the middle of the largest pack.
fn flip(packs: &Path) -> std::io::Result<()> {
    let mut largest = (0, PathBuf::new());
    for shelf in fs::read_dir(packs)? {
        for pack in fs::read_dir(shelf?.path())? {
            let pack = pack?;
            largest = largest.max((pack.metadata()?.len(), pack.path()));
        }
    }
    let (bytes, path) = largest;
    let file = File::options().read(true).write(true).open(path)?;
    let mut byte = [0];
    file.read_exact_at(&mut byte, bytes / 2)?;
    file.write_all_at(&[byte[0] ^ 1], bytes / 2)?;
    file.sync_all()
}

fn repair(store: &Store) -> Result<VerifyReport, Fault> {
    let spec = VerifySpec {
        deep: true,
        repair: true,
        ..VerifySpec::default()
    };
    store.verify(&spec, &mut |_| ControlFlow::Continue(()))
}

impl Story {
    fn known(&self, k: usize) -> Vec<(PointId, &Files)> {
        let promises = self.promises.iter();
        let known = promises.filter(|promise| promise.from <= k && k <= promise.to);
        known
            .map(|promise| (promise.point, &promise.content))
            .collect()
    }

    fn gone(&self, k: usize) -> Vec<PointId> {
        let gone = self.promises.iter().filter(|promise| promise.gone <= k);
        gone.map(|promise| promise.point).collect()
    }

    /// Says whether an item of configuration is one that may be there.
    fn check_item(&self, found: Option<&Vec<u8>>, k: usize) -> Result<(), String> {
        let last = self.items.iter().rposition(|(from, _)| *from <= k);
        let may = match (last, found) {
            (None, None) => true,
            (last, Some(found)) => {
                let since = &self.items[last.unwrap_or(0)..];
                since.iter().any(|(_, item)| item == found)
            }
            (Some(_), None) => false,
        };
        may.then_some(())
            .ok_or_else(|| String::from("an item of configuration is lost"))
    }

    /// Returns a moment: any, or one right after something was acknowledged.
    fn moment(&self, end: usize, dice: &mut Dice) -> usize {
        if dice.once_in(2) {
            return self.made + dice.index(end - self.made + 1);
        }
        let promise = &self.promises[dice.index(self.promises.len())];
        let at = match promise.gone {
            usize::MAX => promise.from,
            gone => [promise.from, gone][dice.index(2)],
        };
        (at + dice.index(4)).min(end)
    }
}

/// A history that is over, to be cut off.
struct Examined {
    key: Key,
    source: SourceId,
    story: Story,
    omitted: Omitted,
}

impl Examined {
    fn look(&self, mut tape: Tape, seed: u64, images: usize) -> Result<Seen, String> {
        let (writes, flushes) = tape.counts();
        let mut seen = Seen {
            images,
            writes,
            flushes,
            ..Seen::default()
        };
        let mut dice = Dice::new(seed);
        let end = writes + flushes;
        let mut cuts: Vec<_> = (0..images)
            .map(|n| {
                (
                    self.story.moment(end, &mut dice),
                    Rest::ALL[n % Rest::ALL.len()],
                )
            })
            .collect();
        cuts.sort_by_key(|(k, _)| *k);
        for (k, rest) in cuts {
            let image = tape
                .image(k, rest, &mut dice)
                .map_err(|error| error.to_string())?;
            let Some(image) = image else {
                continue;
            };
            seen.mounted += 1;
            seen.points += self.story.known(k).len();
            if let Err(what) = self.check(image.path(), k) {
                seen.violations
                    .push(format!("cut after event {k} of {end}, {rest:?}: {what}"));
            }
        }
        let unmountable = seen.images - seen.mounted;
        if unmountable > images.div_ceil(UNMOUNTABLE) {
            return Err(format!(
                "{unmountable} of {images} images cannot be mounted: {seen:?}"
            ));
        }
        Ok(seen)
    }

    /// Says what is wrong with what a cut after `k` events left.
    fn check(&self, root: &Path, k: usize) -> Result<(), String> {
        let (env, handles) = testkit::env(k as u64);
        handles.clock.reboot();
        if !root.join("pool").is_dir() {
            return Err(String::from("the store is lost"));
        }
        let again = || open(root, &self.key, &env, self.omitted);
        let store = again().map_err(|fault| format!("the store does not open: {fault:?}"))?;
        if self
            .story
            .damaged
            .iter()
            .any(|(from, to)| *from <= k && k <= *to)
        {
            repair(&store).map_err(|fault| format!("it cannot be mended: {fault:?}"))?;
        }
        let known = self.story.known(k);
        let states = &self.story.states;
        check(&store, &known, &self.story.gone(k), states)?;
        let item = store.config(ConfigKind::Policy, &[1; 16]);
        let item = item.map_err(|fault| format!("{fault:?}"))?;
        self.story.check_item(item.as_ref(), k)?;
        goes_on(store, self.source, &known, states, &again)
    }
}
