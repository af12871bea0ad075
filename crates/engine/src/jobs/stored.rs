//! What a job looks like in the catalog's JSON columns: its order, its report, its fault.
//!
//! Local history only: never sent, never in the pool. A column that cannot be read is shown as absent, since
//! no decision hangs on it except a retry's, which is then not made.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use base::{Fault, Timestamp, fault::Code};
use serde::{Deserialize, Serialize};

use super::{JobReport, JobSpec};
use crate::pool::{Collected, VerifyOrder, VerifyReport};
use crate::worker::{BackupReport, CheckReport, Destination, OnConflict, RestoreReport};

#[derive(Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case")]
enum Spec {
    Replica,
    Restore {
        point: String,
        selection: Vec<Bytes>,
        to: To,
        on_conflict: Conflict,
    },
    DeletePoint {
        point: String,
    },
    Expire,
    Verify {
        #[serde(default)]
        deep: bool,
        #[serde(default)]
        percent: Option<f64>,
        #[serde(default)]
        since_s: Option<i64>,
        #[serde(default)]
        rate: Option<u64>,
    },
    Collect {
        dry_run: bool,
    },
    Drain {
        volume: String,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum To {
    Original,
    Directory(Bytes),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Conflict {
    Skip,
    Overwrite,
    Rename,
}

/// A path: text where it is text, bytes in hex where it is not.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum Bytes {
    Text(String),
    Hex { hex: String },
}

impl Bytes {
    pub(crate) fn of(path: &Path) -> Self {
        match path.to_str() {
            Some(text) => Self::Text(text.to_owned()),
            None => {
                let bytes = path.as_os_str().as_bytes();
                let hex = bytes.iter().map(|b| format!("{b:02x}")).collect();
                Self::Hex { hex }
            }
        }
    }

    pub(crate) fn path(&self) -> Option<PathBuf> {
        match self {
            Self::Text(text) => Some(PathBuf::from(text)),
            Self::Hex { hex } => {
                let digits = hex.as_bytes().chunks(2);
                let byte = |pair: &[u8]| u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok();
                let bytes: Option<Vec<u8>> = digits.map(byte).collect();
                Some(PathBuf::from(OsString::from_vec(bytes?)))
            }
        }
    }
}

pub(crate) fn write_spec(spec: &JobSpec) -> String {
    json(&match spec {
        JobSpec::Replica => Spec::Replica,
        JobSpec::Restore {
            point,
            selection,
            destination,
            on_conflict,
        } => Spec::Restore {
            point: point.to_string(),
            selection: selection.iter().map(|path| Bytes::of(path)).collect(),
            to: match destination {
                Destination::Original => To::Original,
                Destination::Directory(path) => To::Directory(Bytes::of(path)),
            },
            on_conflict: match on_conflict {
                OnConflict::Skip => Conflict::Skip,
                OnConflict::Overwrite => Conflict::Overwrite,
                OnConflict::Rename => Conflict::Rename,
            },
        },
        JobSpec::DeletePoint(point) => Spec::DeletePoint {
            point: point.to_string(),
        },
        JobSpec::Expire => Spec::Expire,
        JobSpec::Verify { order, rate } => Spec::Verify {
            deep: order.deep,
            percent: order.percent,
            since_s: order.since.map(|since| since.as_second()),
            rate: *rate,
        },
        JobSpec::Collect { dry_run } => Spec::Collect { dry_run: *dry_run },
        JobSpec::Drain { volume } => Spec::Drain {
            volume: volume.clone(),
        },
    })
}

pub(crate) fn read_spec(text: &str) -> Option<JobSpec> {
    Some(match serde_json::from_str(text).ok()? {
        Spec::Replica => JobSpec::Replica,
        Spec::Restore {
            point,
            selection,
            to,
            on_conflict,
        } => JobSpec::Restore {
            point: point.parse().ok()?,
            selection: selection.iter().map(Bytes::path).collect::<Option<_>>()?,
            destination: match to {
                To::Original => Destination::Original,
                To::Directory(path) => Destination::Directory(path.path()?),
            },
            on_conflict: match on_conflict {
                Conflict::Skip => OnConflict::Skip,
                Conflict::Overwrite => OnConflict::Overwrite,
                Conflict::Rename => OnConflict::Rename,
            },
        },
        Spec::DeletePoint { point } => JobSpec::DeletePoint(point.parse().ok()?),
        Spec::Expire => JobSpec::Expire,
        Spec::Verify {
            deep,
            percent,
            since_s,
            rate,
        } => JobSpec::Verify {
            order: VerifyOrder {
                deep,
                percent,
                since: since_s.and_then(|since| Timestamp::from_second(since).ok()),
            },
            rate,
        },
        Spec::Collect { dry_run } => JobSpec::Collect { dry_run },
        Spec::Drain { volume } => JobSpec::Drain { volume },
    })
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "of", rename_all = "kebab-case")]
enum Report {
    Backup {
        point: Option<String>,
        entries: u64,
        files: u64,
        bytes: u64,
        changed: u64,
        #[serde(default)]
        differences: u64,
        bytes_read: u64,
        new_bytes: u64,
        #[serde(default)]
        looked: u64,
        #[serde(default)]
        everything_because: Option<String>,
        #[serde(default)]
        missed: u64,
    },
    Check {
        entries: u64,
        bytes: u64,
        differences: u64,
        changed: u64,
        new_bytes: u64,
    },
    Restore {
        target: Bytes,
        entries: u64,
        files: u64,
        bytes: u64,
        skipped: u64,
        failed: u64,
        #[serde(default)]
        damaged: u64,
    },
    Deleted {
        points: Vec<String>,
    },
    Verified(Verified),
    Collected(Gone),
    Drained {
        bytes: u64,
    },
}

#[derive(Serialize, Deserialize)]
struct Gone {
    dry_run: bool,
    freed_bytes: u64,
    packs: u64,
    copied_bytes: u64,
    spared_packs: u64,
    stray_objects: u64,
    stored_bytes: u64,
    missing_chunks: u64,
}

impl Gone {
    fn of(report: &Collected) -> Self {
        Self {
            dry_run: report.dry_run,
            freed_bytes: report.freed_bytes,
            packs: report.packs,
            copied_bytes: report.copied_bytes,
            spared_packs: report.spared_packs,
            stray_objects: report.stray_objects,
            stored_bytes: report.stored_bytes,
            missing_chunks: report.missing_chunks,
        }
    }

    fn report(&self) -> Collected {
        Collected {
            dry_run: self.dry_run,
            freed_bytes: self.freed_bytes,
            packs: self.packs,
            copied_bytes: self.copied_bytes,
            spared_packs: self.spared_packs,
            stray_objects: self.stray_objects,
            stored_bytes: self.stored_bytes,
            missing_chunks: self.missing_chunks,
            cut_short: None,
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Verified {
    packs: u64,
    records: u64,
    bytes: u64,
    points: u64,
    damaged: u64,
    hurt: Vec<String>,
    #[serde(default)]
    repaired: u64,
    #[serde(default)]
    packs_away: u64,
}

impl Verified {
    fn of(report: &VerifyReport) -> Self {
        Self {
            packs: report.packs,
            records: report.records,
            bytes: report.bytes,
            points: report.points,
            damaged: report.damaged,
            hurt: report.points_hurt.iter().map(ToString::to_string).collect(),
            repaired: report.repaired,
            packs_away: report.packs_away,
        }
    }

    fn report(self) -> Option<VerifyReport> {
        let hurt: Result<_, _> = self.hurt.iter().map(|id| id.parse()).collect();
        Some(VerifyReport {
            packs: self.packs,
            records: self.records,
            bytes: self.bytes,
            points: self.points,
            damaged: self.damaged,
            points_hurt: hurt.ok()?,
            repaired: self.repaired,
            packs_away: self.packs_away,
            faults: Vec::new(),
            damage: Vec::new(),
        })
    }
}

pub(crate) fn write_report(report: &JobReport) -> String {
    json(&match report {
        JobReport::Backup(r) => Report::Backup {
            point: r.point.map(|id| id.to_string()),
            entries: r.entries,
            files: r.files,
            bytes: r.bytes,
            changed: r.changed,
            differences: r.differences,
            bytes_read: r.bytes_read,
            new_bytes: r.new_bytes,
            looked: r.looked,
            everything_because: r.everything_because.clone(),
            missed: r.missed,
        },
        JobReport::Check(r) => Report::Check {
            entries: r.entries,
            bytes: r.bytes,
            differences: r.differences,
            changed: r.changed,
            new_bytes: r.new_bytes,
        },
        JobReport::Restore(r) => Report::Restore {
            target: Bytes::of(&r.target),
            entries: r.entries,
            files: r.files,
            bytes: r.bytes,
            skipped: r.skipped,
            failed: r.failed,
            damaged: r.damaged,
        },
        JobReport::Deleted(points) => Report::Deleted {
            points: points.iter().map(ToString::to_string).collect(),
        },
        JobReport::Verified(r) => Report::Verified(Verified::of(r)),
        JobReport::Collected(r) => Report::Collected(Gone::of(r)),
        JobReport::Drained(bytes) => Report::Drained { bytes: *bytes },
    })
}

pub(crate) fn read_report(text: &str) -> Option<JobReport> {
    Some(match serde_json::from_str(text).ok()? {
        Report::Backup {
            point,
            entries,
            files,
            bytes,
            changed,
            differences,
            bytes_read,
            new_bytes,
            looked,
            everything_because,
            missed,
        } => JobReport::Backup(BackupReport {
            point: point.map(|id| id.parse()).transpose().ok()?,
            entries,
            files,
            bytes,
            changed,
            differences,
            bytes_read,
            new_bytes,
            looked,
            everything_because,
            missed,
            file_system: None,
        }),
        Report::Check {
            entries,
            bytes,
            differences,
            changed,
            new_bytes,
        } => JobReport::Check(CheckReport {
            entries,
            bytes,
            differences,
            changed,
            new_bytes,
            file_system: None,
        }),
        Report::Restore {
            target,
            entries,
            files,
            bytes,
            skipped,
            failed,
            damaged,
        } => JobReport::Restore(RestoreReport {
            target: target.path()?,
            entries,
            files,
            bytes,
            skipped,
            failed,
            damaged,
        }),
        Report::Deleted { points } => {
            let points: Result<_, _> = points.iter().map(|id| id.parse()).collect();
            JobReport::Deleted(points.ok()?)
        }
        Report::Verified(verified) => JobReport::Verified(verified.report()?),
        Report::Collected(gone) => JobReport::Collected(gone.report()),
        Report::Drained { bytes } => JobReport::Drained(bytes),
    })
}

#[derive(Serialize, Deserialize)]
struct StoredFault {
    code: String,
    params: Vec<(String, String)>,
    causes: Vec<String>,
}

/// What an error below a fault said, once the error itself is gone.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Remembered(String);

pub(crate) fn write_fault(fault: &Fault) -> String {
    let mut causes = Vec::new();
    let mut next = fault.source.as_deref().map(|e| e as &dyn std::error::Error);
    while let Some(error) = next {
        causes.push(error.to_string());
        next = error.source();
    }
    let params = fault.params.iter();
    json(&StoredFault {
        code: fault.code.name().to_owned(),
        params: params.map(|(k, v)| ((*k).to_owned(), v.clone())).collect(),
        causes,
    })
}

pub(crate) fn read_fault(text: &str) -> Option<Fault> {
    let stored: StoredFault = serde_json::from_str(text).ok()?;
    let code = Code::parse(&stored.code)?;
    let mut fault = Fault::new(code);
    for (name, value) in stored.params {
        if let Some(name) = code.params().iter().find(|n| **n == name) {
            fault = fault.with(name, value);
        }
    }
    if !stored.causes.is_empty() {
        fault = fault.because(Remembered(stored.causes.join(": ")));
    }
    Some(fault)
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("plain structures with text keys are always JSON")
}
