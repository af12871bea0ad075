//! What a run of the bench found out, as it is kept: `results.json` whole, `rows.tsv` one measurement a line.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

use super::machine::Machine;
use super::row::{Cache, Row, Set};
use super::tool::Kind;

/// Everything a run found out.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Results {
    /// When it began.
    pub(crate) began: String,
    /// Measurements a cell that were asked for.
    pub(crate) runs: u32,
    /// A peer slower than this was measured once.
    pub(crate) long_s: Option<f64>,
    pub(crate) machine: Machine,
    pub(crate) sets: Vec<SetFacts>,
    pub(crate) tools: Vec<ToolFacts>,
    /// Tools that were asked for and not found.
    pub(crate) missing: Vec<Kind>,
    pub(crate) samples: Vec<Sample>,
    pub(crate) comparisons: Vec<Comparison>,
    /// What went wrong, a sentence each.
    pub(crate) failures: Vec<String>,
}

/// What a set of data holds.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub(crate) struct SetFacts {
    pub(crate) set: Set,
    pub(crate) files: u64,
    pub(crate) directories: u64,
    pub(crate) bytes: u64,
    pub(crate) allocated_bytes: u64,
}

/// Which program was measured.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct ToolFacts {
    pub(crate) tool: Kind,
    pub(crate) version: String,
}

/// One measured command.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Sample {
    #[serde(flatten)]
    pub(crate) row: Row,
    pub(crate) tool: Kind,
    pub(crate) run: u32,
    #[serde(flatten)]
    pub(crate) usage: Usage,
    /// The repository afterwards: apparent sizes of its files.
    pub(crate) repository_bytes: u64,
    /// How much larger it is than before. Earlier versions did not note it.
    #[serde(default)]
    pub(crate) added_bytes: i64,
    /// Caches, keys and catalogs the tool keeps beside it.
    pub(crate) local_bytes: u64,
    /// How long `sync` took right afterwards: what the tool left in the page cache.
    pub(crate) sync_s: f64,
    /// CPU time of other programs meanwhile: noise.
    pub(crate) other_cpu_s: f64,
}

/// What the kernel counted for one command.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub(crate) struct Usage {
    pub(crate) wall_s: f64,
    pub(crate) user_s: f64,
    pub(crate) system_s: f64,
    /// The largest single process.
    pub(crate) peak_bytes: u64,
    /// Its exit code; 128 and the signal's number if it was killed.
    pub(crate) exit: i32,
}

/// Whether what a tool restored is what it was given.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Comparison {
    pub(crate) tool: Kind,
    pub(crate) set: Set,
    /// Entries that differ in name, kind, mode, owner, time or content.
    pub(crate) differences: u64,
    /// The first of them.
    pub(crate) examples: Vec<String>,
}

impl Usage {
    /// Returns the CPU time, user and system.
    pub(crate) fn cpu_s(&self) -> f64 {
        self.user_s + self.system_s
    }
}

impl Results {
    /// Writes both files anew, so that an interrupted run loses nothing it measured.
    ///
    /// # Errors
    /// The directory cannot be written.
    pub(crate) fn save(&self, dir: &Path) -> Result<()> {
        let json = serde_json::to_vec_pretty(self).context("results as JSON")?;
        replace(&dir.join("results.json"), &json)?;
        replace(&dir.join("rows.tsv"), self.tsv().as_bytes())
    }

    /// Adds what another run measured on the same machine, with other data: no cell is made of two runs.
    ///
    /// # Errors
    /// It is another machine, another count of runs, or a set is measured in both.
    pub(crate) fn join(&mut self, other: Self) -> Result<()> {
        ensure!(self.machine == other.machine, "it is another machine");
        ensure!(self.runs == other.runs, "it has another count of runs");
        let known = |set: &SetFacts| self.sets.iter().any(|own| own.set == set.set);
        ensure!(!other.sets.iter().any(known), "it has a set twice");
        for tool in other.tools {
            match self.tools.iter().find(|own| own.tool == tool.tool) {
                Some(own) => ensure!(own.version == tool.version, "it has other versions"),
                None => self.tools.push(tool),
            }
        }
        self.sets.extend(other.sets);
        self.samples.extend(other.samples);
        self.comparisons.extend(other.comparisons);
        self.failures.extend(other.failures);
        Ok(())
    }

    fn tsv(&self) -> String {
        let mut text = String::from(
            "work\tset\tcache\ttool\trun\twall_s\tuser_s\tsystem_s\tpeak_bytes\trepository_bytes\tadded_bytes\tlocal_bytes\tsync_s\tother_cpu_s\texit\n",
        );
        for s in &self.samples {
            let cache = match s.row.cache {
                Cache::Found => "found",
                cache => cache.name(),
            };
            text.push_str(&format!(
                "{}\t{}\t{cache}\t{}\t{}\t{:.3}\t{:.3}\t{:.3}\t{}\t{}\t{}\t{}\t{:.2}\t{:.2}\t{}\n",
                s.row.work.name(),
                s.row.set.name(),
                s.tool,
                s.run,
                s.usage.wall_s,
                s.usage.user_s,
                s.usage.system_s,
                s.usage.peak_bytes,
                s.repository_bytes,
                s.added_bytes,
                s.local_bytes,
                s.sync_s,
                s.other_cpu_s,
                s.usage.exit,
            ));
        }
        text
    }
}

fn replace(path: &Path, bytes: &[u8]) -> Result<()> {
    let new = path.with_extension("new");
    fs::write(&new, bytes).with_context(|| format!("writing {}", new.display()))?;
    fs::rename(&new, path).with_context(|| format!("writing {}", path.display()))
}
