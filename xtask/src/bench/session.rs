//! One run of the bench: which command follows which.
//!
//! Invariants: every tool has its turn in a run before any has its next; a cold command follows a dropped cache, a
//! warm one the same command; what is measured was set up unmeasured, and nothing of ours runs beside it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::args::Run;
use super::data::mutate;
use super::measure::{Invocation, drop_caches, last_line, sync_s};
use super::place::{WorkDir, amount};
use super::result::{Comparison, Results, Sample, SetFacts, ToolFacts};
use super::row::{Cache, Row, RowChoice, Set, Work};
use super::tool::{self, Kind, Tool};
use super::{compare, environment, machine};

struct Session<'a> {
    args: &'a Run,
    data: PathBuf,
    work: WorkDir,
    tools: Vec<Tool>,
    /// Whether this user may drop the page cache.
    cold: bool,
    /// Repositories that hold a backup.
    ready: BTreeSet<(Kind, Set)>,
    results: Results,
}

/// Measures what the arguments ask for.
///
/// # Errors
/// Data, work directory or every tool is missing, or the bench's own files cannot be written.
pub(crate) fn run(args: &Run) -> Result<Results> {
    let mut session = Session::open(args)?;
    for set in Set::ALL.into_iter().filter(|s| args.data.sets.contains(s)) {
        for work in Work::ALL {
            if args.rows.iter().any(|row: &RowChoice| row.names(work, set)) {
                session.rows(work, set)?;
            }
        }
    }
    session.work.clear(args.keep)?;
    Ok(session.results)
}

impl<'a> Session<'a> {
    fn open(args: &'a Run) -> Result<Self> {
        let data = environment::data_dir(args.data.dir.as_deref())?;
        let work = match &args.work {
            Some(dir) => std::path::absolute(dir)?,
            None => data.with_file_name("work"),
        };
        if work.starts_with(&data) {
            bail!("the work directory must not be inside the data");
        }
        let sets = facts(&data, &args.data.sets)?;
        let (tools, missing) = find_tools(args);
        let mut versions = Vec::new();
        for tool in &tools {
            let version = tool.version()?;
            let tool = tool.kind;
            versions.push(ToolFacts { tool, version });
        }
        let work = WorkDir::open(work)?;
        let cold = rustix::process::geteuid().is_root() && drop_caches().is_ok();
        if !cold {
            eprintln!("not root: the page cache is left as found, there are no cold rows");
        }
        let results = Results {
            began: environment::now(),
            runs: args.runs,
            long_s: args.long,
            machine: machine::Machine::here(work.path()),
            sets,
            tools: versions,
            missing,
            samples: Vec::new(),
            comparisons: Vec::new(),
            failures: Vec::new(),
        };
        let ready = BTreeSet::new();
        Ok(Self {
            args,
            data,
            work,
            tools,
            cold,
            ready,
            results,
        })
    }

    /// All runs of one kind of work on one set. Who begins changes from run to run.
    fn rows(&mut self, work: Work, set: Set) -> Result<()> {
        if work == Work::Mutated {
            self.prepare_mutation(set)?;
        }
        let mut order = self.tools.clone();
        for run in 1..=self.args.runs {
            if work == Work::Mutated {
                mutate::round(&self.work.mutated(set), set, run)?;
            }
            for tool in &order {
                if run > 1 && self.is_long(tool.kind, work, set) {
                    continue;
                }
                let done = match work {
                    Work::Full => self.full(tool, set, run),
                    Work::Unchanged => self.unchanged(tool, set, run),
                    Work::Mutated => self.mutated(tool, set, run),
                    Work::Restore => self.restore(tool, set, run),
                    Work::Verify => self.verify(tool, set, run),
                };
                if let Err(e) = done {
                    self.note_failure(work, set, tool.kind, &e);
                }
                self.results.save(self.work.path())?;
            }
            order.rotate_left(1);
        }
        if work == Work::Mutated {
            self.work.throw(&self.work.mutated(set))?;
        }
        Ok(())
    }

    fn note_failure(&mut self, work: Work, set: Set, tool: Kind, e: &anyhow::Error) {
        let what = format!("{} `{}` with {tool}: {e:#}", work.name(), set.name());
        eprintln!("{what}");
        if !self.results.failures.contains(&what) {
            self.results.failures.push(what);
        }
    }

    /// Returns whether a peer's first run was so long that no other follows.
    fn is_long(&self, tool: Kind, work: Work, set: Set) -> bool {
        let Some(limit_s) = self.args.long.filter(|_| tool != Kind::Dozo) else {
            return false;
        };
        self.results.samples.iter().any(|s| {
            s.tool == tool && s.row.work == work && s.row.set == set && s.usage.wall_s > limit_s
        })
    }

    fn source(&self, set: Set) -> PathBuf {
        self.data.join(set.name())
    }

    fn unmeasured_cache(&self) -> Cache {
        match self.cold {
            true => Cache::Cold,
            false => Cache::Found,
        }
    }

    fn full(&mut self, tool: &Tool, set: Set, run: u32) -> Result<()> {
        self.new_repository(tool, set)?;
        let cache = self.unmeasured_cache();
        let row = Row {
            set,
            work: Work::Full,
            cache,
        };
        let backup = tool.backup(&self.work.place(tool.kind, set), &self.source(set));
        self.sample(tool, row, run, &backup)?;
        self.ready.insert((tool.kind, set));
        Ok(())
    }

    fn new_repository(&mut self, tool: &Tool, set: Set) -> Result<()> {
        self.ready.remove(&(tool.kind, set));
        self.make_room(set)?;
        let place = self.work.place(tool.kind, set);
        self.work.fresh(&place.root)?;
        tool.init(&place)
    }

    fn make_room(&mut self, set: Set) -> Result<()> {
        let facts = self.results.sets.iter().find(|f| f.set == set);
        self.work
            .make_room(facts.context("the set was counted at the start")?)
    }

    /// Makes the repository and a backup in it, unless the full row already has.
    fn ensure_backup(&mut self, tool: &Tool, set: Set) -> Result<()> {
        if self.ready.contains(&(tool.kind, set)) {
            return Ok(());
        }
        self.first_backup(tool, set, &self.source(set))
    }

    /// Makes a new repository and a backup of `source` in it, unmeasured.
    fn first_backup(&mut self, tool: &Tool, set: Set, source: &Path) -> Result<()> {
        self.new_repository(tool, set)?;
        eprintln!(
            "{} makes a first backup of {}, unmeasured",
            tool.kind,
            source.display()
        );
        let place = self.work.place(tool.kind, set);
        tool.backup(&place, source).output()?;
        self.ready.insert((tool.kind, set));
        Ok(())
    }

    /// Copies the set to where it may be changed, and lets every tool back the copy up: a tool looks at inodes and
    /// times of change too, so what it knows must be this very copy.
    fn prepare_mutation(&mut self, set: Set) -> Result<()> {
        self.make_room(set)?;
        let copy = self.work.mutated(set);
        self.work.throw(&copy)?;
        eprintln!("copying {} to {}", set.name(), copy.display());
        mutate::copy(&self.source(set), &copy)?;
        for tool in self.tools.clone() {
            if let Err(e) = self.first_backup(&tool, set, &copy) {
                self.note_failure(Work::Mutated, set, tool.kind, &e);
            }
        }
        Ok(())
    }

    fn mutated(&mut self, tool: &Tool, set: Set, run: u32) -> Result<()> {
        if !self.ready.contains(&(tool.kind, set)) {
            return Ok(()); // its first backup failed and was noted
        }
        let backup = tool.backup(&self.work.place(tool.kind, set), &self.work.mutated(set));
        let (work, cache) = (Work::Mutated, self.unmeasured_cache());
        self.sample(tool, Row { set, work, cache }, run, &backup)
    }

    fn verify(&mut self, tool: &Tool, set: Set, run: u32) -> Result<()> {
        self.ensure_backup(tool, set)?;
        let verify = tool.verify(&self.work.place(tool.kind, set))?;
        let (work, cache) = (Work::Verify, self.unmeasured_cache());
        self.sample(tool, Row { set, work, cache }, run, &verify)
    }

    /// Cold, then warm at once: the cache holds what the tool itself left there, and nobody else's.
    fn unchanged(&mut self, tool: &Tool, set: Set, run: u32) -> Result<()> {
        self.ensure_backup(tool, set)?;
        let work = Work::Unchanged;
        let backup = tool.backup(&self.work.place(tool.kind, set), &self.source(set));
        if self.cold {
            let cache = Cache::Cold;
            self.sample(tool, Row { set, work, cache }, run, &backup)?;
        } else {
            backup.output()?;
        }
        let cache = Cache::Warm;
        self.sample(tool, Row { set, work, cache }, run, &backup)
    }

    fn restore(&mut self, tool: &Tool, set: Set, run: u32) -> Result<()> {
        self.ensure_backup(tool, set)?;
        self.make_room(set)?;
        let (source, to) = (self.source(set), self.work.restored(tool.kind));
        self.work.fresh(&to)?;
        let restore = tool.restore(&self.work.place(tool.kind, set), &source, &to)?;
        let cache = self.unmeasured_cache();
        let work = Work::Restore;
        let done = self.sample(tool, Row { set, work, cache }, run, &restore);
        if done.is_ok() && run == 1 {
            self.compare(tool.kind, set, &source, &to)?;
        }
        self.work.throw(&to)?;
        done
    }

    fn compare(&mut self, tool: Kind, set: Set, source: &Path, to: &Path) -> Result<()> {
        let found = compare::trees(source, &tool::restored_root(source, to))?;
        for example in &found.examples {
            eprintln!("  {example}");
        }
        self.results.comparisons.push(Comparison {
            tool,
            set,
            differences: found.count,
            examples: found.examples,
        });
        Ok(())
    }

    /// Runs and records one command.
    fn sample(&mut self, tool: &Tool, row: Row, run: u32, command: &Invocation) -> Result<()> {
        let kind = tool.kind;
        let (work, set) = (row.work.name(), row.set.name());
        let log = self
            .work
            .log(&format!("{work}-{set}-{}-{kind}-{run}", row.cache.name()));
        let place = self.work.place(kind, row.set);
        let (stored_before, _) = tool.sizes(&place)?;
        if row.cache == Cache::Cold {
            drop_caches()?;
        }
        let busy_before_s = machine::busy_s();
        let usage = command.measure(&log)?;
        let other_cpu_s = machine::busy_s() - busy_before_s - usage.cpu_s();
        let sync_s = sync_s();
        let (stored, local) = tool.sizes(&place)?;
        eprintln!(
            "{row}, {kind}, run {run}: {:.2} s, CPU {:.2} s, peak {:.0} MB, repository {:.1} MiB, exit {}",
            usage.wall_s,
            usage.cpu_s(),
            usage.peak_bytes as f64 / 1e6,
            stored.bytes as f64 / f64::from(1 << 20),
            usage.exit
        );
        self.results.samples.push(Sample {
            row,
            tool: kind,
            run,
            usage,
            repository_bytes: stored.bytes,
            added_bytes: stored.bytes as i64 - stored_before.bytes as i64,
            local_bytes: local.bytes,
            sync_s,
            other_cpu_s: other_cpu_s.max(0.0),
        });
        if usage.exit != 0 {
            let said = fs::read(&log).unwrap_or_default();
            let said = String::from_utf8_lossy(&said).into_owned();
            bail!("exit {}: {}", usage.exit, last_line(&said));
        }
        Ok(())
    }
}

fn find_tools(args: &Run) -> (Vec<Tool>, Vec<Kind>) {
    let (mut tools, mut missing) = (Vec::new(), Vec::new());
    for kind in &args.tools {
        let is_named = args.program.iter().any(|(k, _)| k == kind);
        let found = if *kind == Kind::Dozo && !is_named {
            tool::build_dozo().inspect_err(|e| eprintln!("{e:#}")).ok()
        } else {
            tool::find(*kind, &args.program, &args.path)
        };
        match found {
            Some(tool) => tools.push(tool),
            None => {
                eprintln!("{kind} is not found and left out");
                missing.push(*kind);
            }
        }
    }
    (tools, missing)
}

fn facts(data: &Path, sets: &[Set]) -> Result<Vec<SetFacts>> {
    let mut facts = Vec::new();
    for set in Set::ALL.into_iter().filter(|s| sets.contains(s)) {
        let dir = data.join(set.name());
        let found = amount(&dir)?;
        if found.files == 0 {
            bail!(
                "{} is missing or empty; `cargo xtask bench data` makes it",
                dir.display()
            );
        }
        facts.push(SetFacts {
            set,
            files: found.files,
            directories: found.directories,
            bytes: found.bytes,
            allocated_bytes: found.allocated_bytes,
        });
    }
    Ok(facts)
}
