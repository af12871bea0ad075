//! The table of faults: the one place where a code, its number in the original product, its severity,
//! its exit status and its parameters are decided.
//!
//! A new fault is one entry here and three texts in each of `texts/en.ftl` and `texts/ja.ftl`; the tests
//! in `tests/it/fault.rs` name what is missing. A name that was released is never renamed or reused.

use super::{Kind, Severity};

/// What the table says about a code.
#[derive(Debug)]
pub(super) struct Facts {
    pub(super) name: &'static str,
    pub(super) severity: Severity,
    pub(super) kind: Kind,
    pub(super) exit: u8,
    pub(super) guide: &'static [u8],
    pub(super) compat: &'static [&'static str],
    pub(super) params: &'static [&'static str],
}

/// One entry: name, severity, kind, exit code; `s[..]` items of the original's troubleshooting guide
/// (S01..S66); `ids[..]` its error numbers; `(..)` the parameters of the texts.
macro_rules! catalogue {
    ($($(#[doc = $doc:literal])+ $name:ident $severity:ident $kind:ident $exit:literal
        s[$($guide:literal)*] ids[$($id:literal)*] ($($param:ident)*);)*) => {
        /// A stable name in the catalogue.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Code {
            $($(#[doc = $doc])+ $name,)*
        }

        impl Code {
            /// Returns every code, in the catalogue's order.
            pub const fn all() -> &'static [Self] {
                &[$(Self::$name,)*]
            }

            pub(super) const fn facts(self) -> &'static Facts {
                match self {
                    $(Self::$name => &Facts {
                        name: stringify!($name),
                        severity: Severity::$severity,
                        kind: Kind::$kind,
                        exit: $exit,
                        guide: &[$($guide,)*],
                        compat: &[$($id,)*],
                        params: &[$(stringify!($param),)*],
                    },)*
                }
            }
        }
    };
}

catalogue! {
    /// A defect of the program.
    Internal Critical Bug 1 s[] ids[] (detail);
    /// The command line or a request does not say what to do.
    UsageError Warning FixInput 2 s[] ids[] (detail);
    /// What a command answers cannot be written.
    OutputUnwritable Warning Retry 1 s[] ids[] (reason);
    /// `explain` was asked about a code that does not exist.
    CodeUnknown Warning NotFound 4 s[] ids[] (code);
    /// The clock is wrong or has jumped.
    ClockSkew Warning FixInput 3 s[12] ids["100141" "130052"] (skew reference);

    /// The data directory holds nothing yet.
    DataDirectoryEmpty Warning NotFound 4 s[] ids[] (path);
    /// What was named as data directory is none.
    DataDirectoryNotADirectory Warning FixInput 5 s[] ids[] (path);
    /// The data directory that shall adopt a pool holds something already.
    DataDirectoryInUse Warning FixInput 5 s[] ids[] (path found);
    /// The adoption of a pool has begun in the data directory, and has not ended.
    AdoptionUnfinished Warning FixInput 5 s[] ids[] (path pool);
    /// A pool that cannot be written cannot be adopted.
    AdoptionReadOnly Warning Denied 5 s[] ids[] (pool key);
    /// Another process works on the data directory.
    DataDirectoryBusy Warning Retry 6 s[] ids[] (path pid since command);
    /// The data directory cannot be made or written.
    DataDirectoryUnwritable Critical Denied 5 s[] ids[] (path reason);
    /// Whoever asked is not allowed to do that.
    PermissionMissing Warning Denied 5 s[] ids[] (operation needs);
    /// The server cannot listen where it should.
    ServerCannotListen Critical Retry 6 s[] ids[] (address reason);
    /// The server does not answer.
    ServerUnreachable Critical Retry 7 s[] ids[] (address reason);
    /// The server is there and does not answer.
    ServerSilent Critical Retry 9 s[] ids[] (address limit);
    /// The process or the machine may not open more files, or has no more memory.
    ResourcesExhausted Critical Retry 1 s[] ids[] (reason);
    /// Due work is not being started.
    SchedulerNotRunning Critical Retry 1 s[8] ids["3008" "976" "4355"] (since);
    /// The newest good recovery point is older than promised.
    SlaMissed Critical Retry 1 s[8] ids["33442" "3183"] (source age promise);

    /// The path to protect does not exist.
    SourcePathMissing Critical NotFound 4 s[] ids[] (path);
    /// The path to protect may not be read.
    SourcePathUnreadable Critical Denied 5 s[] ids[] (path reason);
    /// The path to protect is on another file system than before, and nearly nothing of what was there is left.
    SourceNotMounted Critical FixInput 5 s[] ids[] (source path left count);
    /// The path to protect lies in the data directory.
    SourceInsidePool Warning FixInput 5 s[] ids[] (path pool);
    /// No data source has that name.
    SourceUnknown Warning NotFound 4 s[] ids[] (source);
    /// Several data sources have that name.
    SourceAmbiguous Warning FixInput 2 s[] ids[] (source matches);
    /// A data source has no recovery point yet.
    SourceWithoutPoints Warning NotFound 4 s[] ids[] (source);
    /// The device below the data source stopped answering.
    SourceDeviceNotReady Critical Retry 7 s[46] ids["104" "0x80070015" "55" "100074"] (path reason);
    /// No stable view of the source could be made.
    SnapshotProviderUnavailable Warning FixInput 1 s[19] ids["960" "30111" "100183"] (path provider reason);
    /// Another program keeps a file from being read.
    FileAccessBlocked Warning Denied 3 s[7 52] ids["37" "49" "109" "34529"] (path reason);
    /// A file was written to while it was read.
    FileChangedWhileRead Warning Retry 3 s[] ids[] (path);
    /// A file disappeared between being listed and being read.
    FileVanished Warning Retry 3 s[] ids[] (path);
    /// A file could not be read.
    FileUnreadable Warning Retry 3 s[] ids[] (path reason);
    /// An exclude pattern cannot be understood.
    ExcludePatternInvalid Warning FixInput 2 s[] ids[] (pattern reason);
    /// Recovery points cannot be mounted.
    MountRefused Warning FixInput 5 s[] ids[] (path reason);
    /// What is mounted somewhere has lost the process that answered for it.
    MountDead Warning FixInput 5 s[] ids[] (path);
    /// A pattern of names to find cannot be understood.
    FindPatternInvalid Warning FixInput 2 s[] ids[] (pattern reason);
    /// A recovery point was made, but some files are not in it.
    ProtectionWarnings Warning Retry 3 s[] ids[] (source count);

    /// No recovery point has that id.
    PointUnknown Warning NotFound 4 s[] ids[] (point);
    /// Several recovery points begin with that text.
    PointAmbiguous Warning FixInput 2 s[] ids[] (point matches);
    /// A data source has recovery points, but none from that time or before.
    PointNoneSoOld Warning NotFound 4 s[] ids[] (source time oldest);
    /// A recovery point is being used and cannot be deleted.
    PointInUse Warning Retry 6 s[65] ids["40002"] (point job);
    /// A recovery point is held and cannot be deleted.
    PointHeld Warning FixInput 6 s[] ids[] (point reason);
    /// A change of policy would let recovery points go at once.
    PointsWouldExpire Warning Denied 5 s[] ids[] (group count);
    /// The reason for holding a recovery point is too long.
    HoldReasonTooLong Warning FixInput 2 s[] ids[] (limit);
    /// A recovery point's own object is not what was written.
    PointDamaged Critical Damaged 8 s[63] ids["100134" "4223"] (point reason);

    /// No protection group has that name.
    GroupUnknown Warning NotFound 4 s[] ids[] (group);
    /// A protection group of that name is there already.
    GroupExists Warning FixInput 6 s[] ids[] (group);
    /// A text cannot be the name of a protection group.
    GroupNameInvalid Warning FixInput 2 s[] ids["146"] (group reason);
    /// The data source is a member of another group.
    MemberInOtherGroup Warning FixInput 6 s[] ids[] (source group);
    /// The data source is not a member of that group.
    MemberUnknown Warning NotFound 4 s[] ids[] (source group);
    /// One member of a group failed; the others went on.
    MemberFailed Critical Retry 1 s[47] ids["104"] (source group reason);

    /// No job has that id.
    JobUnknown Warning NotFound 4 s[] ids[] (job);
    /// Several jobs begin with that text.
    JobAmbiguous Warning FixInput 2 s[] ids[] (job matches);
    /// Somebody cancelled the job.
    JobCancelled Warning Retry 1 s[] ids[] (job);
    /// The program ended while the job ran.
    JobInterrupted Warning Retry 1 s[] ids[] (job);
    /// The job did not end in the time it had.
    JobTimedOut Warning Retry 9 s[] ids["3151"] (job limit);

    /// The pool's place is empty or not mounted.
    PoolMissing Critical NotFound 4 s[] ids["3120"] (path);
    /// The pool does not answer a read.
    PoolUnreadable Critical Retry 7 s[] ids[] (path reason);
    /// The pool cannot be written.
    PoolUnwritable Critical Denied 5 s[] ids[] (path reason);
    /// The pool lies on a file system that is mounted read-only.
    PoolReadOnly Critical Denied 5 s[] ids[] (path);
    /// The pool is in an earlier state than this server has seen it in.
    PoolRolledBack Critical Damaged 8 s[] ids[] (path record since count);
    /// The pool is full.
    PoolFull Critical Retry 1 s[18] ids["33515" "58" "4222"] (path free);
    /// The pool will be full soon.
    PoolLowSpace Warning Retry 3 s[18] ids["33514"] (path free total);
    /// Garbage collection cannot tell what is needed, because a tree cannot be read to its end.
    CollectionBlocked Critical Damaged 8 s[] ids[] (item reason);
    /// The pool is being collected already.
    CollectionRunning Warning Retry 6 s[] ids[] ();
    /// What a session relied upon was collected before it could commit.
    SessionOvertaken Warning Retry 1 s[] ids[] (source);
    /// A job was refused because the pool cannot hold what it would write.
    PoolInsufficientSpace Critical Retry 5 s[42] ids["171" "33510" "33511" "180" "136" "40005" "40006"] (path needed free);
    /// A volume of the pool is not there.
    VolumeMissing Critical Retry 7 s[] ids[] (volume path);
    /// The pool has no volume of that name.
    VolumeUnknown Warning NotFound 4 s[] ids[] (volume);
    /// A text cannot be the name of a volume.
    VolumeNameInvalid Warning FixInput 2 s[] ids[] (volume);
    /// A directory cannot become a volume of the pool.
    VolumeUnfit Warning FixInput 5 s[] ids[] (path reason);
    /// A volume holds packs and cannot be taken out of the pool.
    VolumeNotEmpty Warning FixInput 6 s[] ids[] (volume count);
    /// A device cannot become a volume of the pool.
    DeviceUnfit Warning FixInput 5 s[] ids[] (device reason);
    /// Another process owns the pool.
    PoolOwned Warning Retry 6 s[] ids[] (path pid since command);
    /// The directory is not a pool.
    PoolNotAPool Warning FixInput 5 s[] ids[] (path);
    /// A pool cannot be made where something else is.
    PoolNotEmpty Warning FixInput 6 s[] ids[] (path);

    /// The pool was written by a newer version.
    StoreVersionUnsupported Critical FixInput 5 s[] ids[] (path found supported);
    /// The server's key file is not there.
    StoreKeyMissing Critical Denied 5 s[] ids[] (path);
    /// The key file belongs to another pool.
    StoreKeyWrong Critical Denied 5 s[] ids[] (path);
    /// A file that was named as key file cannot be read, or is none.
    KeyFileUnusable Warning FixInput 5 s[] ids[] (path reason);
    /// The passphrase is not the one the data was encrypted under.
    PassphraseMismatch Warning Denied 5 s[24] ids["34507" "100262"] ();
    /// The passphrase is too short.
    PassphraseTooShort Warning FixInput 2 s[] ids["100042"] (minimum);
    /// No passphrase was set.
    PassphraseNotSet Warning FixInput 5 s[22] ids["34505"] ();
    /// A chunk that a recovery point needs is nowhere.
    ChunkMissing Critical Damaged 8 s[] ids[] (chunk);
    /// A chunk's bytes are not what was written.
    ChunkDamaged Critical Damaged 8 s[] ids[] (chunk pack);
    /// A pack is not there.
    PackMissing Critical Damaged 8 s[] ids[] (pack);
    /// A pack's bytes are not what was written.
    PackDamaged Critical Damaged 8 s[] ids[] (pack reason);
    /// A log record is not what was written.
    LogDamaged Critical Damaged 8 s[] ids[] (sequence reason);
    /// Another writer took over the log.
    LogConflict Critical Retry 6 s[] ids[] (sequence);
    /// A file tree does not take an entry.
    EntryRefused Warning FixInput 3 s[] ids[] (reason);
    /// A tree node makes no sense.
    TreeDamaged Critical Damaged 8 s[] ids[] (chunk reason);
    /// The chunk index was made anew.
    IndexRebuilt Information Retry 0 s[] ids[] (reason);
    /// The catalog was written by a newer version.
    CatalogVersionNewer Critical FixInput 5 s[] ids[] (path found supported);
    /// The catalog cannot be read.
    CatalogDamaged Critical Damaged 8 s[] ids[] (path reason);
    /// The catalog was made anew from the pool.
    CatalogRebuilt Information Retry 0 s[] ids[] (reason);

    /// The replica can no longer be proven equal to the source.
    ReplicaInconsistent Critical Damaged 8 s[16] ids["3106" "91" "109" "112" "3163" "1206" "3128" "3129" "30135"] (source since reason);
    /// Another job works on the replica.
    ReplicaBusy Warning Retry 6 s[66] ids["100193" "100140" "3189" "95" "96" "97" "98" "99" "100" "114"] (source job);
    /// There is no replica yet, or no longer.
    ReplicaMissing Critical NotFound 4 s[62] ids["3101" "33518"] (source);

    /// The directory to restore to cannot be written.
    RestoreTargetUnwritable Warning Denied 5 s[] ids[] (path reason);
    /// The directory to restore to lies in the pool or in the data directory.
    RestoreTargetInsidePool Warning FixInput 5 s[] ids[] (path pool);
    /// There is no room for what is restored.
    RestoreTargetFull Warning Retry 1 s[] ids[] (path);
    /// Files are in the way of a restore.
    RestoreConflict Warning FixInput 6 s[] ids[] (path count);
    /// The recovery point has no such path.
    RestorePathUnknown Warning NotFound 4 s[] ids[] (path point);
    /// An entry was left out of a restore because something else stands in its place.
    RestoreEntryKept Warning FixInput 3 s[] ids[] (path);
    /// One entry, or a part of its metadata, could not be restored.
    RestoreEntryFailed Warning Retry 3 s[] ids[] (path reason);
    /// Some entries could not be restored.
    RestoreIncomplete Warning Retry 3 s[] ids["3111" "3165"] (path count);
    /// Owners, devices or attributes were left out for lack of privilege.
    RestorePrivilegeMissing Warning Denied 3 s[] ids[] (count user);

    /// A policy contradicts itself.
    PolicyInvalid Warning FixInput 2 s[] ids[] (reason);
    /// A schedule cannot be understood.
    ScheduleInvalid Warning FixInput 2 s[] ids[] (text reason);
    /// How often to synchronize cannot be understood.
    SyncFrequencyInvalid Warning FixInput 2 s[] ids[] (text reason);
    /// A point in time cannot be understood.
    TimeInvalid Warning FixInput 2 s[] ids[] (text);
    /// A size cannot be understood.
    SizeInvalid Warning FixInput 2 s[] ids[] (text);
    /// Retention would be shorter than is allowed.
    RetentionBelowMinimum Warning Denied 5 s[44] ids["100132" "100207" "33468"] (class requested minimum);
}
