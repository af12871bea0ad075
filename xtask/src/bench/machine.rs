//! What the figures depend on: the machine, and how busy it was with something else.

use std::fs;
use std::path::Path;
use std::thread;

use serde::{Deserialize, Serialize};

/// Facts about the machine a run was made on.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(crate) struct Machine {
    pub(crate) processor: String,
    pub(crate) cores: u64,
    pub(crate) memory_bytes: u64,
    pub(crate) kernel: String,
    pub(crate) system: String,
    /// Of the repositories and restored trees.
    pub(crate) file_system: String,
}

impl Machine {
    /// Returns the facts; what the kernel does not tell is "unknown".
    pub(crate) fn here(work: &Path) -> Self {
        let after = |path: &str, key: &str, separator: char| {
            let text = fs::read_to_string(path).unwrap_or_default();
            let line = text.lines().find(|l| l.starts_with(key)).unwrap_or("");
            let value = line.split_once(separator).map_or("", |(_, v)| v);
            value.trim().trim_matches('"').to_owned()
        };
        let known = |value: String| match value.is_empty() {
            true => "unknown".into(),
            false => value,
        };
        let memory_kib = after("/proc/meminfo", "MemTotal", ':');
        let memory_kib = memory_kib.trim_end_matches(" kB").parse().unwrap_or(0u64);
        let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        Self {
            processor: known(after("/proc/cpuinfo", "model name", ':')),
            cores: thread::available_parallelism().map_or(0, |n| n.get() as u64),
            memory_bytes: memory_kib * 1024,
            kernel: known(kernel.trim().to_owned()),
            system: known(after("/etc/os-release", "PRETTY_NAME", '=')),
            file_system: known(file_system(work)),
        }
    }
}

/// Returns the kind of the file system `path` is on: that of the longest mount point above it.
fn file_system(path: &Path) -> String {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    mounts
        .lines()
        .filter_map(|line| {
            let mut fields = line.split(' ');
            Some((fields.nth(1)?, fields.next()?))
        })
        .filter(|(point, _)| path.starts_with(point))
        .max_by_key(|(point, _)| point.len())
        .map_or_else(String::new, |(_, kind)| kind.to_owned())
}

/// Returns the CPU time all programs have had since boot, in seconds.
pub(crate) fn busy_s() -> f64 {
    // /proc/stat counts in USER_HZ, which is 100 on every Linux there is to user space.
    const TICKS: f64 = 100.0;
    let text = fs::read_to_string("/proc/stat").unwrap_or_default();
    let fields: Vec<f64> = text
        .lines()
        .next()
        .unwrap_or("")
        .split_whitespace()
        .skip(1)
        .filter_map(|f| f.parse().ok())
        .collect();
    // user nice system idle iowait irq softirq
    [0, 1, 2, 5, 6]
        .iter()
        .filter_map(|i| fields.get(*i))
        .sum::<f64>()
        / TICKS
}
