//! Volumes of the pool: taken in, emptied, taken out.

use std::path::{Path, PathBuf};

use base::{Fault, JobId};

use super::Engine;
use crate::jobs::{Cause, JobContext, JobKind, JobReport, JobSpec, Step};

/// A directory or a disk to take into the pool.
#[derive(Clone, Debug)]
pub struct NewVolume {
    /// An absolute path: of a directory, or of a block device.
    pub path: PathBuf,
    /// Its name; `None`: what the path ends with.
    pub name: Option<String>,
    /// The serial number or the size in bytes of a device whose content may go.
    pub wipe: Option<String>,
}

impl Engine {
    /// Takes a volume into the pool, and returns its name. A device is formatted and mounted first.
    ///
    /// # Errors
    /// `VolumeUnfit`, `VolumeNameInvalid`, `DeviceUnfit`; the pool cannot be written.
    pub fn add_volume(&self, new: &NewVolume) -> Result<String, Fault> {
        if let Some(fault) = self.inner.pool.read_only() {
            return Err(fault);
        }
        let name = match &new.name {
            Some(name) => name.clone(),
            None => name_of(&new.path),
        };
        let path = self.inner.worker.prepare_volume(&name, new)?;
        self.inner.pool.add_volume(&name, &path)?;
        self.look_after_pool(self.now())?;
        Ok(name)
    }

    /// Starts to move what a volume holds to the others.
    ///
    /// # Errors
    /// The job cannot be written down.
    pub fn drain_volume(&self, name: &str) -> Result<JobId, Fault> {
        let spec = JobSpec::Drain {
            volume: name.to_owned(),
        };
        let job = self.new_job(JobKind::Drain, None, spec, Cause::Manual);
        self.insert_shared(&job)?;
        Ok(self.launch(job))
    }

    pub(super) fn perform_drain(
        &self,
        volume: &str,
        context: &JobContext,
    ) -> Result<JobReport, Fault> {
        context.step(Step::Move);
        let mut told = 0;
        let moved = self.inner.pool.drain_volume(volume, &mut |done, total| {
            context.totals(None, Some(total));
            context.advance(0, done - told);
            told = done;
            context.stop_if_cancelled()
        })?;
        Ok(JobReport::Drained(moved))
    }

    /// Takes a volume that holds nothing out of the pool; one that is lost whatever it held.
    ///
    /// # Errors
    /// `VolumeUnknown`, `VolumeMissing`, `VolumeNotEmpty`; the pool cannot be written.
    pub fn remove_volume(&self, name: &str, is_lost: bool) -> Result<(), Fault> {
        self.inner.pool.remove_volume(name, is_lost)?;
        self.look_after_pool(self.now())
    }
}

/// Returns a name made of what a path ends with.
fn name_of(path: &Path) -> String {
    let leaf = path.file_name().unwrap_or_default().to_string_lossy();
    let fits = |c: char| match c.to_ascii_lowercase() {
        c if c.is_ascii_alphanumeric() || c == '_' => c,
        _ => '-',
    };
    leaf.chars().map(fits).collect()
}
