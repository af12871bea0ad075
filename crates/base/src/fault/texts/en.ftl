# The English texts of the catalogue (../catalogue.rs).
#
# Three texts a code: -what happened (one line, no full stop), -why, and what to -try (one action a line,
# the best first). $count is a number and can choose a plural; every other parameter is text.

label-what = What happened
label-why = Why
label-try = Try
label-exit = Exit code
label-compat = Also known as
label-unknown = (unknown)
label-severity-critical = critical
label-severity-warning = warning
label-severity-information = information

## The program itself

Internal-what = Dozo made a mistake: {$detail}
Internal-why = The program met a state that it holds impossible. It stopped before it could do harm; what was stored before is untouched.
Internal-try =
    Run the command again; interrupted work is not lost.
    Report it with this text and with what you did before.

UsageError-what = {$detail}
UsageError-why = The command does not say clearly what to do, so nothing was done.
UsageError-try =
    Run `dozo help` or put `--help` after the command to see what it takes.

OutputUnwritable-what = Cannot write the answer
OutputUnwritable-why = The operating system refused: {$reason}.
OutputUnwritable-try =
    Make room where the output goes, then run the command again.

CodeUnknown-what = There is no code "{$code}"
CodeUnknown-why = Codes are names such as PoolFull; error numbers of the original product, such as 33515, are understood too.
CodeUnknown-try =
    Run `dozo explain` without a code to list them all.

ClockSkew-what = This computer's clock is off by {$skew}, compared with {$reference}
ClockSkew-why = Somebody set the clock, or time synchronization does not work. Schedules would run at wrong times; nothing is deleted on the word of a clock that jumped.
ClockSkew-try =
    Run `timedatectl` and switch time synchronization on.
    Run `dozo status` once the clock is right.

## The data directory and the server

DataDirectoryEmpty-what = Nothing is kept in the data directory {$path}
DataDirectoryEmpty-why = Nothing was ever protected with it, or it is the wrong place: nothing is made there by a command that only looks.
DataDirectoryEmpty-try =
    Run `dozo protect PATH` to protect something, or name the right place with `--data-dir` or DOZO_DATA_DIR.

DataDirectoryNotADirectory-what = {$path} is not a directory, so no data can be kept there
DataDirectoryNotADirectory-why = It is a file, a device or a link that leads nowhere, and was named as the data directory or above it. It was left as it is.
DataDirectoryNotADirectory-try =
    Name a directory with `--data-dir` or DOZO_DATA_DIR; one that is not there yet is made.

DataDirectoryInUse-what = No pool can be adopted into the data directory {$path}: it holds {$found}
DataDirectoryInUse-why = It belongs to a server already, or did once. Nothing in it was changed.
DataDirectoryInUse-try =
    If the pool is adopted already, go on with it: `dozo status`.
    Name an empty directory, or one that is not there yet, with `--data-dir`.

AdoptionUnfinished-what = The adoption of the pool {$pool} into the data directory {$path} has not ended
AdoptionUnfinished-why = It was interrupted. Until it is complete nothing is protected and nothing expires; no recovery point is lost.
AdoptionUnfinished-try =
    Run it again: `dozo server adopt --pool {$pool} --key FILE`.

AdoptionReadOnly-what = The pool {$pool} cannot be adopted: it is read-only
AdoptionReadOnly-why = Its file system was mounted so, or the kernel made it read-only after a disk error. The key file {$key} opens it, so it can be looked at and restored from. Nothing was changed.
AdoptionReadOnly-try =
    Only to look and restore: `mkdir -m 700 ./look && cp {$key} ./look/server.key && ln -s {$pool} ./look/pool`, then `dozo point list --data-dir ./look` and `dozo restore SOURCE --to DIR --data-dir ./look`.
    To adopt it, look at `dmesg` for disk errors, mount it writable (`mount -o remount,rw`), and run the command again.

DataDirectoryBusy-what = The data directory {$path} is in use by process {$pid} ({$command})
DataDirectoryBusy-why = Only one process may work on a data directory at a time. That one started at {$since} and is still alive.
DataDirectoryBusy-try =
    Wait until process {$pid} ends, then run the command again.
    Run `dozo job list` to see what it is doing.
    Name another data directory with `--data-dir`.

DataDirectoryUnwritable-what = Cannot write to the data directory {$path}
DataDirectoryUnwritable-why = The operating system refused: {$reason}. Dozo keeps its catalog, its keys and, unless told otherwise, its pool there.
DataDirectoryUnwritable-try =
    Run the command as the directory's owner. If it says "File too large", raise `ulimit -f`, or LimitFSIZE= of the service.
    Make room if its file system is full; look at `dmesg` for disk errors if it is not.
    Name a directory that you may write with `--data-dir` or DOZO_DATA_DIR.

PermissionMissing-what = You are not allowed to use {$operation}
PermissionMissing-why = It needs the permission "{$needs}", and over the network nobody has signed in: only the socket in the data directory grants it.
PermissionMissing-try =
    Run the `dozo` command on the server itself, as the user who owns the data directory.

ServerCannotListen-what = Cannot listen on {$address}
ServerCannotListen-why = The operating system refused: {$reason}.
ServerCannotListen-try =
    Choose another address with `--listen`, or stop the program that uses this one.

ServerUnreachable-what = Cannot reach the server at {$address}
ServerUnreachable-why = Nobody answered: {$reason}. Either the server does not run or something is in between.
ServerUnreachable-try =
    Run `dozo up` to start the server.
    Run `dozo status` to see whether it answers.

ServerSilent-what = The server at {$address} does not answer
ServerSilent-why = It is there, but said nothing for {$limit}: it is stopped, or waits for a disk that does not come. What it was asked for may still be done when it goes on.
ServerSilent-try =
    Look with `ps` whether `dozo up` is stopped (T): `kill -CONT` or `fg` lets it go on. With D it waits for a disk.
    Run the command again when it answers; `dozo job list` shows what was done meanwhile.

ResourcesExhausted-what = The operating system has nothing more to give: {$reason}
ResourcesExhausted-why = This process, or the whole machine, reached its limit of open files, of threads or of memory. Pool and recovery points are sound; what was being done was ended, as what is missing would be missing by chance.
ResourcesExhausted-try =
    Raise how many files a process may open: `ulimit -n`, or LimitNOFILE= of its service; for the whole machine `sysctl fs.file-max`.
    If it is threads, end other programs, or raise `ulimit -u`, or TasksMax= of the service.
    If it is memory that is short, look at `free -m` and `dmesg`; end other programs, or raise MemoryMax= of the service.
    Run the command again.

SchedulerNotRunning-what = No scheduled job has started since {$since}, although some were due
SchedulerNotRunning-why = The scheduler is stopped or stuck. Nothing fails in such a case, so without this warning nobody would notice.
SchedulerNotRunning-try =
    Run `dozo up`: it starts the scheduler, which makes up for what was missed, once for each member.
    Run `dozo job list` to see what ran last.

SlaMissed-what = The newest good recovery point of {$source} is {$age} old; {$promise} was promised
SlaMissed-why = Recovery points failed, were not due often enough, or were not started. What changed since then would be lost today.
SlaMissed-try =
    Run `dozo point create {$source}` to make a recovery point now.
    Run `dozo job list` to see why the last ones failed.

## Data sources and what is read from them

SourcePathMissing-what = There is nothing at {$path}
SourcePathMissing-why = The path was mistyped, was removed, or lies on a file system that is not mounted. Recovery points made earlier can still be restored.
SourcePathMissing-try =
    Check the spelling, or mount the file system.
    Run `dozo source list` to see what is protected.

SourcePathUnreadable-what = Cannot read {$path}
SourcePathUnreadable-why = Opening it failed: {$reason}.
SourcePathUnreadable-try =
    Run the command as root, or as a user who may read it.
    Name a directory or a regular file.

SourceNotMounted-what = The file system of {$source} does not seem to be mounted
SourceNotMounted-why = {$path} is on another file system than at the last synchronization, and of {$count} entries that were there {$left} can be found. A synchronization would take the rest for deleted. The replica and all recovery points stay as they are.
SourceNotMounted-try =
    Mount the file system at {$path}, then run `dozo sync {$source}`.
    If the disk was replaced, restore what was on it: `dozo restore {$source} --original`.
    If the source is meant to be what is there now, run `dozo source accept {$source}`.

SourceInsidePool-what = {$path} cannot be protected: it lies in the data directory {$pool}
SourceInsidePool-why = Every recovery point would contain the ones before it, and the pool would grow without end.
SourceInsidePool-try =
    Protect what lies elsewhere: of a path that holds the data directory, all the rest is protected.
    Put the data directory elsewhere with `--data-dir`.

SourceUnknown-what = No data source is called "{$source}"
SourceUnknown-why = A data source is named by its address, machine:kind/path, by any beginning of it that only one has, or by its path.
SourceUnknown-try =
    Run `dozo source list` to see them all.
    Run `dozo protect PATH` to add one.

SourceAmbiguous-what = "{$source}" could be several data sources: {$matches}
SourceAmbiguous-why = Nothing is done unless exactly one is meant.
SourceAmbiguous-try =
    Type more of the name; `dozo source list` shows all of them.

SourceWithoutPoints-what = {$source} has no recovery point yet
SourceWithoutPoints-why = None was finished so far, or all of them have expired or were deleted.
SourceWithoutPoints-try =
    Run `dozo point create {$source}` to make one.
    Run `dozo job list` to see whether one failed.

SourceDeviceNotReady-what = The device below {$path} stopped answering
SourceDeviceNotReady-why = Reading failed with: {$reason}. A disk or a network file system went away, or a snapshot was dropped because it ran full. No recovery point was made from what could not be read.
SourceDeviceNotReady-try =
    Look at `dmesg` and at the device, and mount the file system again.
    Run `dozo sync SOURCE` once it answers; what was already sent is not sent again.

SnapshotProviderUnavailable-what = No snapshot of {$path} could be made with {$provider}
SnapshotProviderUnavailable-why = {$reason}. Without a snapshot the files are read one after the other, each as it is at that moment: the consistency level of the recovery point is `live`, and files that belong together may not fit together.
SnapshotProviderUnavailable-try =
    Put the data on a btrfs subvolume and run Dozo as root.
    Stop the programs that write there while the backup runs.

FileAccessBlocked-what = Another program keeps {$path} from being read
FileAccessBlocked-why = Opening or reading it was refused: {$reason}. Usually it is a virus scanner, a lock, or a security policy. The file is not in the recovery point; everything else is.
FileAccessBlocked-try =
    Make the scanner or policy let Dozo read this path.
    Run `dozo sync SOURCE` afterwards.

FileChangedWhileRead-what = {$path} kept changing while it was read
FileChangedWhileRead-why = A program was writing to it during each attempt, so the copy may mix old and new content.
FileChangedWhileRead-try =
    Protect it from a snapshot (btrfs), or when nothing writes to it.
    Leave it out with `--exclude` if it is a cache or a log.

FileVanished-what = {$path} disappeared before it could be read
FileVanished-why = Something deleted or renamed it during the run. It is not in the recovery point.
FileVanished-try =
    Nothing needs doing if the file was temporary.
    Leave such files out with `--exclude`.

FileUnreadable-what = Cannot read {$path}
FileUnreadable-why = Reading failed: {$reason}. It is not in the recovery point; everything else is.
FileUnreadable-try =
    Run the command as root if permission is what is missing.
    Look at `dmesg` if the disk reports errors.
    Leave it out with `--exclude` if it is not needed.

ExcludePatternInvalid-what = The exclude pattern "{$pattern}" cannot be understood
ExcludePatternInvalid-why = {$reason}. Patterns are written as in a .gitignore file.
ExcludePatternInvalid-try =
    Correct the pattern, for example `--exclude "*.tmp"` or `--exclude /var/cache/`.

MountRefused-what = Nothing can be mounted at {$path}
MountRefused-why = {$reason}.
MountRefused-try =
    Name an empty directory of your own.
    If recovery points are mounted there, end that: `fusermount3 -u {$path}`, or as root `umount -l {$path}`.
    As another user than root, install the package `fuse3`.
    Where there is no `/dev/fuse` (in some containers), use `dozo restore --to` instead.

MountDead-what = What is mounted at {$path} is dead
MountDead-why = The process that answered for it has ended without taking it away, so nothing there can be read or written.
MountDead-try =
    Take it away: `fusermount3 -u {$path}`, or as root `umount -l {$path}`. Then run the command again.

FindPatternInvalid-what = The pattern "{$pattern}" cannot be understood
FindPatternInvalid-why = {$reason}.
FindPatternInvalid-try =
    Type a part of the name, or a pattern such as `"*.conf"`, `"report-[0-9]*"` or `"etc/**/hosts"`.

ProtectionWarnings-what = { $count ->
        [one] The recovery point of {$source} was made without {$count} entry
       *[other] The recovery point of {$source} was made without {$count} entries
    }
ProtectionWarnings-why = They could not be read, or kept changing, also when tried again. Everything else is in the recovery point.
ProtectionWarnings-try =
    Run `dozo job show JOB` to see each path and its reason.
    Leave out with `--exclude` what need not be protected.

## Recovery points

PointUnknown-what = There is no recovery point "{$point}"
PointUnknown-why = It was mistyped, has expired, or was deleted.
PointUnknown-try =
    Run `dozo point list` to see them all.

PointAmbiguous-what = "{$point}" could be several recovery points: {$matches}
PointAmbiguous-why = Nothing is done unless exactly one is meant.
PointAmbiguous-try =
    Type more of the id; `dozo point list` shows all of them.

PointNoneSoOld-what = {$source} has no recovery point from {$time} or before
PointNoneSoOld-why = Its oldest recovery point is {$oldest}. Older ones were never made, have expired or were deleted.
PointNoneSoOld-try =
    Name a later time, or a recovery point by its id; `dozo point list {$source}` shows all of them.

PointInUse-what = Recovery point {$point} is in use by job {$job}
PointInUse-why = It is being read, for example by a restore, and is not deleted under a reader's hands.
PointInUse-try =
    Run `dozo job watch {$job}` to wait for the end, then delete it.
    Run `dozo job cancel {$job}` to stop that job.

PointHeld-what = Recovery point {$point} is held
PointHeld-why = Somebody holds it, so that it neither expires nor is deleted. Reason given: {$reason}.
PointHeld-try =
    Run `dozo point release {$point}` if it is not needed any more, then delete it.

PointsWouldExpire-what = The new policy of group {$group} would delete {$count ->
        [one] a recovery point
       *[other] {$count} recovery points
    } at once
PointsWouldExpire-why = The rules that keep them would be gone, and what is deleted cannot be got back. Nothing was changed. Points that are held are not among them.
PointsWouldExpire-try =
    See which they are: run the command again with `--dry-run`.
    If they may go, run it again with `--yes`.

HoldReasonTooLong-what = The reason is too long
HoldReasonTooLong-why = The reason for holding a recovery point has at most {$limit} characters.
HoldReasonTooLong-try =
    Give a shorter reason: a case number, say.

PointDamaged-what = Recovery point {$point} is damaged
PointDamaged-why = Its description in the pool is not what was written: {$reason}. Other recovery points do not depend on it.
PointDamaged-try =
    Run `dozo point create SOURCE` to make a new recovery point.
    Run `dozo point list` and restore from the one before or after it.
    Look at `dmesg` and test the disk that holds the pool.

## Groups and members

GroupUnknown-what = There is no protection group "{$group}"
GroupUnknown-why = It was mistyped or has been removed.
GroupUnknown-try =
    Run `dozo group list` to see them all.
    Run `dozo group create {$group}` to make it.

GroupExists-what = There is a protection group "{$group}" already
GroupExists-why = Names of groups are unique.
GroupExists-try =
    Run `dozo group set {$group}` to change its policy.
    Choose another name.

GroupNameInvalid-what = "{$group}" cannot be the name of a protection group
GroupNameInvalid-why = {$reason}. A name has 1 to 64 characters, at least one of them a letter, and no slash, pipe, parenthesis or dot.
GroupNameInvalid-try =
    Choose another name, for example `dozo group create Documents`.

MemberInOtherGroup-what = {$source} is a member of the protection group "{$group}" already
MemberInOtherGroup-why = A data source belongs to one group at a time, so that only one policy decides about it.
MemberInOtherGroup-try =
    Run `dozo group remove {$group} {$source}` first; its recovery points stay.
    Leave it where it is and change that group: `dozo group set {$group}`.

MemberUnknown-what = {$source} is not a member of the protection group "{$group}"
MemberUnknown-why = It belongs to another group or to none.
MemberUnknown-try =
    Run `dozo group show {$group}` to see its members.

MemberFailed-what = The last job of {$source} failed: {$reason}
MemberFailed-why = Every member is a task of its own, so the other members of "{$group}" went on.
MemberFailed-try =
    Run `dozo sync {$source}` to try this member alone.
    Run `dozo job list` to see its history.

## Jobs

JobUnknown-what = There is no job "{$job}"
JobUnknown-why = It was mistyped, or it is so old that it was cleared away.
JobUnknown-try =
    Run `dozo job list` to see them all.

JobAmbiguous-what = "{$job}" could be several jobs: {$matches}
JobAmbiguous-why = Nothing is done unless exactly one is meant.
JobAmbiguous-try =
    Type more of the id; `dozo job list` shows all of them.

JobCancelled-what = Job {$job} was cancelled
JobCancelled-why = Somebody asked for it, or the program was told to stop. No half recovery point was left behind.
JobCancelled-try =
    Run the command again to go on; what was already stored is not sent again.

JobInterrupted-what = Job {$job} was interrupted
JobInterrupted-why = The program or the computer stopped while it ran. No half recovery point was left behind, and older ones are untouched.
JobInterrupted-try =
    Run the command again to go on; what was already stored is not sent again.
    Run `dozo job show {$job}` to see how far it came.

JobTimedOut-what = Job {$job} did not end within {$limit}
JobTimedOut-why = It is slower than expected or waits for something that does not come. It may still be running.
JobTimedOut-try =
    Run `dozo job watch {$job}` to see whether it moves.
    Run `dozo job cancel {$job}` to stop it.

## The storage pool

PoolMissing-what = There is no pool at {$path}
PoolMissing-why = Its file system is not mounted, or it was moved or removed. A new, empty pool is never made in its place, because that would look like a loss.
PoolMissing-try =
    Mount the file system that holds the pool, then run `dozo pool status`.
    Name the right place with `--data-dir`, or with `--pool` if it is to be adopted.

PoolUnreadable-what = Cannot read from the pool {$path}
PoolUnreadable-why = The operating system refused: {$reason}. Nothing was changed; what was being read may well be there.
PoolUnreadable-try =
    Run `dozo pool status` to see whether its disk answers.
    Run the command again.

PoolUnwritable-what = Cannot write to the pool {$path}
PoolUnwritable-why = The operating system refused: {$reason}. Existing recovery points can still be restored.
PoolUnwritable-try =
    Run the command as the pool's owner. If it says "File too large", raise `ulimit -f`, or LimitFSIZE= of the service.
    Run `dozo pool status` once it is writable.

PoolReadOnly-what = Nothing can be protected: the pool {$path} is read-only
PoolReadOnly-why = Its file system was mounted so, the kernel made it read-only after a disk error, or Dozo itself stopped writing because the disk would not say that something was stored for good. Existing recovery points can still be looked at and restored.
PoolReadOnly-try =
    Look at `dmesg` for disk errors before anything else.
    Mount it writable again: `mount -o remount,rw {$path}`; then start `dozo up` anew.

PoolRolledBack-what = The pool {$path} was set back to an earlier state: {$count ->
        [one] a recovery point is
       *[other] {$count} recovery points are
    } gone
PoolRolledBack-why = Record {$record} of its log is missing, or is not the one that this server has seen; the record before it is of {$since}. A snapshot of the machine or an older copy of the pool was put back, or somebody else writes to a copy. What was decided since then, members and groups too, is gone with it. Dozo goes on with what the pool has.
PoolRolledBack-try =
    If the newer pool still exists, stop `dozo up` and put that one back: what is gone is in it.
    Run `dozo source list` to see whether everything is still protected, and `dozo point create SOURCE` for each source.
    This is told for a week at least, and until every source has a new recovery point.

PoolFull-what = The pool {$path} is full ({$free} free)
PoolFull-why = 5 % of its file system are kept free (at least 64.0 MiB, at most 32.0 GiB), so that recovery points can still be deleted and their space given back. The job stopped before it could do harm: no recovery point is lost and no replica became inconsistent. What was stored counts when it is tried again.
PoolFull-try =
    Run `dozo pool status` to see what takes the space.
    Delete what is not needed, `dozo point delete POINT`, or shorten the retention of a group, `dozo group set GROUP`; then run `dozo pool gc`.
    Enlarge the file system.

PoolLowSpace-what = The pool {$path} is nearly full: {$free} of {$total} free
PoolLowSpace-why = It grows with every change until old recovery points expire. When less than 5 % is free (at most 32.0 GiB), nothing new is stored.
PoolLowSpace-try =
    Run `dozo pool status` to see what takes the space.
    Enlarge the file system, or shorten the retention of a group: `dozo group set GROUP`.

CollectionBlocked-what = Garbage collection cannot go on: {$item} cannot be read to its end
CollectionBlocked-why = What hangs below the damage is not known, so nothing can be said to be unneeded: {$reason}. Nothing was removed.
CollectionBlocked-try =
    Run `dozo pool verify` to see what is damaged.
    Run `dozo source check SOURCE` if it is a replica: what is damaged is stored anew from the source.
    Run `dozo point delete POINT` if it is a recovery point that you can do without.
    Run `dozo pool gc` again.

CollectionRunning-what = Garbage collection or a repair is running already
CollectionRunning-why = What one has marked must not go by the hand of another.
CollectionRunning-try =
    Run `dozo job list` to see how far it has come.

SessionOvertaken-what = What the synchronization of {$source} relied on was collected meanwhile
SessionOvertaken-why = It was held up longer than garbage collection could wait. The replica and all recovery points are as they were.
SessionOvertaken-try =
    Run `dozo sync SOURCE` again.

PoolInsufficientSpace-what = The job needs about {$needed}, the pool {$path} has {$free} free
PoolInsufficientSpace-why = A job that cannot end is not started.
PoolInsufficientSpace-try =
    Enlarge the file system, or delete what is not needed: `dozo point delete POINT`.
    Protect less: `dozo protect PATH --exclude PATTERN`.

VolumeMissing-what = Volume {$volume} of the pool is not there
VolumeMissing-why = Nothing of this pool is mounted at {$path}. Recovery points that need what is on it wait for it; the others, and new synchronizations, go on. Nothing is damaged.
VolumeMissing-try =
    Mount the disk at {$path}, and look at `dozo pool status`.
    If it is mounted elsewhere now: `dozo pool add PATH`.
    If it will never come back: `dozo pool remove {$volume} --lost`, then `dozo source check SOURCE` for each source.

VolumeUnknown-what = The pool has no volume "{$volume}"
VolumeUnknown-why = It was mistyped, or has been taken out of the pool.
VolumeUnknown-try =
    Run `dozo pool status` to see its volumes.

VolumeNameInvalid-what = "{$volume}" cannot be the name of a volume
VolumeNameInvalid-why = It takes 1 to 32 small letters, digits, - and _.
VolumeNameInvalid-try =
    Give another one: `dozo pool add PATH --name NAME`.

VolumeUnfit-what = {$path} cannot become a volume of the pool
VolumeUnfit-why = {$reason}. Nothing was changed.
VolumeUnfit-try =
    Choose an empty directory on another disk.

VolumeNotEmpty-what = Volume {$volume} still holds {$count ->
    [one] 1 pack
   *[other] {$count} packs
}
VolumeNotEmpty-why = Recovery points need what is on it.
VolumeNotEmpty-try =
    Run `dozo pool drain {$volume}` to move it to the other volumes.

DeviceUnfit-what = {$device} cannot become a volume of the pool
DeviceUnfit-why = {$reason}. Nothing was changed.
DeviceUnfit-try =
    Choose a disk that nothing uses; `lsblk -f` shows them.
    If what is on it may go, say which disk it is: `dozo pool add {$device} --wipe SERIAL`, or its size in bytes.

PoolOwned-what = The pool {$path} belongs to process {$pid} ({$command})
PoolOwned-why = Only one process may write to a pool. That one started at {$since} and is still alive; an owner that died would have been replaced without asking.
PoolOwned-try =
    Wait until process {$pid} ends, or stop it, then run the command again.

PoolNotAPool-what = {$path} is not a pool
PoolNotAPool-why = It has no object `format`, with which every pool begins.
PoolNotAPool-try =
    A pool is the directory `pool` in a data directory: name that one.
    Check the path, and whether the right file system is mounted.

PoolNotEmpty-what = Cannot make a pool in {$path}: the directory is not empty
PoolNotEmpty-why = A new pool begins in an empty directory, so that nothing is mixed up or overwritten.
PoolNotEmpty-try =
    Name an empty or a new directory with `--data-dir`.

## What is stored

StoreVersionUnsupported-what = The pool {$path} has format version {$found}; this program knows {$supported}
StoreVersionUnsupported-why = A newer version of Dozo made or changed it. Nothing was touched.
StoreVersionUnsupported-try =
    Install that newer version of Dozo and run the command again.

StoreKeyMissing-what = The key file {$path} is missing
StoreKeyMissing-why = Everything in the pool is encrypted, and the server opens it with this file.
StoreKeyMissing-try =
    Put the key file back from your copy.
    Open the pool with its passphrase, if one was set.

StoreKeyWrong-what = The key file {$path} does not open this pool
StoreKeyWrong-why = It belongs to another pool, or is damaged. Nothing was touched.
StoreKeyWrong-try =
    Use this pool's own key file: `server.key` from the data directory of the server that made the pool, or a copy of that.
    Open the pool with its passphrase, if one was set.

KeyFileUnusable-what = {$path} cannot be used as a key file
KeyFileUnusable-why = {$reason}. Nothing was touched.
KeyFileUnusable-try =
    Name `server.key` from the data directory of the server that made the pool, or a copy of that.
    A copy on paper is one line that begins with `dozo-key-1`; a slip in typing it is noticed.

PassphraseMismatch-what = The passphrase is not the right one
PassphraseMismatch-why = It does not open the keys of this store. Nothing was changed or read.
PassphraseMismatch-try =
    Type it again; capital letters, spaces and the keyboard layout count.
    Use the key file if you have it.

PassphraseTooShort-what = The passphrase is too short
PassphraseTooShort-why = It needs at least {$minimum} characters: whoever gets hold of the pool may try as many as they like.
PassphraseTooShort-try =
    Choose a longer one, for example five or more random words.

PassphraseNotSet-what = No passphrase was set
PassphraseNotSet-why = Without one the data can be opened by the server's key file alone, and would be lost with it.
PassphraseNotSet-try =
    Set a passphrase of at least 16 characters, and keep it somewhere else.

ChunkMissing-what = Chunk {$chunk} is missing
ChunkMissing-why = A recovery point needs it, but no pack in the pool holds it. A file was removed from the pool, or the disk lost it.
ChunkMissing-try =
    Run `dozo source check SOURCE`: it stores again what the source still has.
    Look at `dmesg` and test the disk that holds the pool.

ChunkDamaged-what = Chunk {$chunk} in pack {$pack} is damaged
ChunkDamaged-why = The bytes read are not the ones written. Usually it is the disk, sometimes memory or a cable. Damaged bytes are never restored.
ChunkDamaged-try =
    Run `dozo source check SOURCE`: it stores again what the source still has.
    Look at `dmesg` and test the disk that holds the pool.

PackMissing-what = Pack {$pack} is missing
PackMissing-why = The log says that it was stored. A file was removed from the pool, or the disk lost it.
PackMissing-try =
    Put the file back if somebody, or a virus scanner, moved it away.
    Run `dozo source check SOURCE`: it stores again what the source still has.

PackDamaged-what = Pack {$pack} is damaged
PackDamaged-why = The bytes read are not the ones written: {$reason}. Damaged bytes are never restored.
PackDamaged-try =
    Run `dozo source check SOURCE`: it stores again what the source still has.
    Look at `dmesg` and test the disk that holds the pool.

LogDamaged-what = Log record {$sequence} is damaged
LogDamaged-why = It is not what was written: {$reason}. The log says what the pool holds, so nothing is changed until it can be read.
LogDamaged-try =
    Look at `dmesg` and test the disk that holds the pool.
    Put the record back from a copy of the pool.

LogConflict-what = Another process wrote log record {$sequence} first
LogConflict-why = It has taken over this pool. This process stopped writing; nothing it had finished is lost.
LogConflict-try =
    Run `dozo job list` to see what else is running.
    Run the command again.

EntryRefused-what = An entry cannot be stored
EntryRefused-why = It is outside what a file tree holds: {$reason}.
EntryRefused-try =
    Look for an unusual name or very large extended attributes.
    Exclude the entry if it is not needed.

TreeDamaged-what = Tree node {$chunk} makes no sense
TreeDamaged-why = It opened, but its content breaks the rules of the format: {$reason}. A part of a recovery point's directory cannot be read.
TreeDamaged-try =
    Run `dozo source check SOURCE` to make the replica anew.
    Restore the rest, or another recovery point: `dozo point list`.

IndexRebuilt-what = The chunk index was made anew
IndexRebuilt-why = {$reason}. The index is a cache: making it anew costs time, never data.
IndexRebuilt-try =
    Nothing needs doing.

CatalogVersionNewer-what = The catalog {$path} has version {$found}; this program knows {$supported}
CatalogVersionNewer-why = A newer version of Dozo has used this data directory. Nothing was touched.
CatalogVersionNewer-try =
    Install that newer version of Dozo and run the command again.
    Name another data directory with `--data-dir`.

CatalogDamaged-what = The catalog {$path} is damaged
CatalogDamaged-why = {$reason}. The catalog is a copy of what the pool's log says, so no recovery point is lost.
CatalogDamaged-try =
    Run `dozo status`: the catalog is made anew from the pool.
    Look at `dmesg` and test the disk that holds it.

CatalogRebuilt-what = The catalog was made anew from the pool
CatalogRebuilt-why = {$reason}. Groups, data sources and recovery points came back; the history of old jobs did not.
CatalogRebuilt-try =
    Nothing needs doing; `dozo status` shows what is there.

## Replicas

ReplicaInconsistent-what = The replica of {$source} is inconsistent since {$since}
ReplicaInconsistent-why = It can no longer be proven equal to the source: {$reason}. Older recovery points stay restorable; new ones wait for the consistency check, which starts by itself.
ReplicaInconsistent-try =
    Run `dozo source check {$source}` to check and repair it now.

ReplicaBusy-what = The replica of {$source} is in use by job {$job}
ReplicaBusy-why = Two jobs must not change one replica at the same time.
ReplicaBusy-try =
    Run `dozo job watch {$job}` to wait for it, then run the command again.
    Run `dozo job cancel {$job}` to stop that job.

ReplicaMissing-what = {$source} has no replica
ReplicaMissing-why = The first copy was never finished, or the replica was removed from the pool.
ReplicaMissing-try =
    Run `dozo sync {$source}` to make it.

## Restore

RestoreTargetUnwritable-what = Cannot write to {$path}
RestoreTargetUnwritable-why = The operating system refused: {$reason}. Nothing was restored there.
RestoreTargetUnwritable-try =
    Name a directory that you may write: `dozo restore SOURCE --to DIR`.
    Run the command as root.

RestoreTargetInsidePool-what = {$path} lies in the pool or the data directory {$pool}
RestoreTargetInsidePool-why = Restored files there would be mixed with what Dozo stores.
RestoreTargetInsidePool-try =
    Name a directory elsewhere: `dozo restore SOURCE --to DIR`.

RestoreTargetFull-what = No room is left at {$path}
RestoreTargetFull-why = The restore stopped where the room ended. What was finished is complete and is not restored again.
RestoreTargetFull-try =
    Make room, then run the same command again: it goes on.
    Restore elsewhere with `dozo restore SOURCE --to DIR`, or only the paths you need.

RestoreConflict-what = { $count ->
        [one] {$count} entry to restore is in {$path} already
       *[other] {$count} entries to restore are in {$path} already
    }
RestoreConflict-why = Nothing is overwritten unless you say so.
RestoreConflict-try =
    Look first: `dozo restore SOURCE --to DIR --plan`.
    Choose `--on-conflict skip`, `rename` or `overwrite`.
    Name an empty directory: `dozo restore SOURCE --to DIR`.

RestorePathUnknown-what = Recovery point {$point} has nothing at "{$path}"
RestorePathUnknown-why = The path was mistyped, was excluded, or did not exist when the recovery point was made.
RestorePathUnknown-try =
    Run `dozo point browse {$point}` to see what is in it.
    Run `dozo point list` and look into an earlier or later one.

RestoreEntryKept-what = {$path} was not restored: something else stands there
RestoreEntryKept-why = What is in the way is never overwritten unless you say so.
RestoreEntryKept-try =
    Replace it with `--on-conflict overwrite`, or restore it under another name with `--on-conflict rename`.
    Restore elsewhere with `dozo restore SOURCE --to DIR`.

RestoreEntryFailed-what = Not restored as it was: {$path}
RestoreEntryFailed-why = {$reason}. Everything else goes on.
RestoreEntryFailed-try =
    Remove the reason, then run the same command again: only what is missing is restored.

RestoreIncomplete-what = { $count ->
        [one] {$count} entry could not be restored to {$path}
       *[other] {$count} entries could not be restored to {$path}
    }
RestoreIncomplete-why = The report names each with its reason. Everything else was restored and verified.
RestoreIncomplete-try =
    Remove the reasons, then run the same command again: only what is missing is restored.

RestorePrivilegeMissing-what = { $count ->
        [one] {$count} entry was restored without its owner, device or protected attributes
       *[other] {$count} entries were restored without their owners, devices or protected attributes
    }
RestorePrivilegeMissing-why = The user {$user} may not set them. Contents, names, times and permissions are restored.
RestorePrivilegeMissing-try =
    Run the same command as root to restore those too.

## Policies and input

PolicyInvalid-what = The policy cannot be used: {$reason}
PolicyInvalid-why = Parts of it contradict one another or are out of range, so nothing was changed.
PolicyInvalid-try =
    Run `dozo group show GROUP` to see the policy in force.
    Correct the value and run `dozo group set GROUP` again.

ScheduleInvalid-what = The schedule "{$text}" cannot be understood
ScheduleInvalid-why = {$reason}.
ScheduleInvalid-try =
    Write times, with days before them if it is not every day: `22:00`, `mon-fri 12:00,22:00`, `sat,sun 03:30`.

SyncFrequencyInvalid-what = "{$text}" is no time between synchronizations
SyncFrequencyInvalid-why = {$reason}.
SyncFrequencyInvalid-try =
    Use `--sync` with `15m`, `30m`, `1h`, `6h`, `24h` or another part of a day, or with `before-point`.

TimeInvalid-what = "{$text}" is not a point in time
TimeInvalid-why = A date, a date with a time, a time with its offset, `yesterday` or `3 days ago` is understood; without an offset the local time zone counts.
TimeInvalid-try =
    Write for example `2026-03-01`, `2026-03-01T14:30` or `2026-03-01T14:30:00+01:00`.

SizeInvalid-what = "{$text}" is not a size
SizeInvalid-why = A size is a number with a unit: B, KiB, MiB, GiB, TiB, or kB, MB, GB, TB in thousands.
SizeInvalid-try =
    Write for example `500MiB`, `1.5 GiB` or `2TB`.

RetentionBelowMinimum-what = {$requested} is below the minimum retention of {$minimum} for {$class} recovery points
RetentionBelowMinimum-why = The minimums protect against anyone who would like the recovery points gone sooner.
RetentionBelowMinimum-try =
    Keep at least {$minimum}: `dozo group set GROUP`.
