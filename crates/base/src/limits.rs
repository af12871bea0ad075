//! Every limit of the program, in one place, with its origin.
//!
//! Sizes are bytes unless the name says otherwise. A limit that two parts rely on together is asserted at
//! compile time at the end.

/// Smallest content-defined chunk, except a file's last.
pub const CHUNK_BYTES_MIN: usize = 256 << 10;
/// Where content-defined chunks end on average.
pub const CHUNK_BYTES_AVG: usize = 1 << 20;
/// Largest plain chunk of any kind.
pub const CHUNK_BYTES_MAX: usize = 4 << 20;
/// Files up to this size are bundled with their neighbours in walk order instead of being chunked alone.
pub const BUNDLED_FILE_BYTES_MAX: usize = 512 << 10;
/// A bundle ends at the next content-defined file boundary from here on.
pub const BUNDLE_BYTES_MIN: usize = 1 << 20;
/// A bundle ends before it would grow past this.
pub const BUNDLE_BYTES_MAX: usize = 2 << 20;
/// Files up to this size live inside the tree.
pub const INLINE_BYTES_MAX: usize = 256;

/// A pack that is whole and up to this size is copied together with others, if there are [`COLLECT_SMALL_PACKS`] of them: every
/// synchronization leaves one or two.
pub const COLLECT_SMALL_BYTES: u64 = (PACK_BYTES as u64) / 8;

/// So many small packs of a class are copied into few.
pub const COLLECT_SMALL_PACKS: usize = 64;

/// Packs that one look at what is live deletes: for so long no record can be written. Also how many are copied before
/// they are deleted: so much more space a collection needs.
pub const COLLECT_DELETE_PACKS: usize = 128;

/// How often a collection that waits for sessions looks whether it was cancelled.
pub const COLLECT_LOOKS_EVERY: std::time::Duration = std::time::Duration::from_millis(100);

/// What of a pool's file system is kept free, as a share of it in percent and at most so many bytes, each below the one before:
/// when less is free an alert says so; when less is free no new data is stored; and what is below that only records of the log
/// may take, so that points can still be deleted and their space given back. At least [`POOL_RESERVE_BYTES`].
pub const POOL_WARN: (u64, u64) = (15, 256 << 30);
/// See [`POOL_WARN`].
pub const POOL_STOP: (u64, u64) = (5, 32 << 30);
/// See [`POOL_WARN`].
pub const POOL_RESERVE: (u64, u64) = (2, 8 << 30);

/// What of a pool is verified every day, in percent of its bytes: all of it in less than a month (R21).
pub const VERIFY_DAILY_PERCENT: f64 = 3.5;

/// Volumes of a pool: each is asked for what the others do not have.
pub const VOLUMES_MAX: usize = 64;
/// Bytes of a volume's name.
pub const VOLUME_NAME_BYTES_MAX: usize = 32;

/// Days that tell how fast a pool grows.
pub const GROWTH_DAYS: i32 = 14;
/// Points that tell how much room the next one of their source needs.
pub const ADMIT_POINTS: usize = 5;

/// A pack is finished when its sealed records reach this. Packs stay in memory until they are durable (an
/// fsync that failed is answered by writing them again under another name), so this times
/// [`PACKS_OPEN`] plus [`PACKS_IN_FLIGHT`] is memory.
pub const PACK_BYTES: usize = 16 << 20;
/// No pack is larger than this: what a reader may be asked to hold.
pub const PACK_BYTES_MAX: usize = 64 << 20;
/// Most records in a pack.
pub const PACK_RECORDS_MAX: usize = 1 << 16;
/// Data packs open at once; a chunk goes to one of them by chance, so that neighbours in a pack do not tell
/// neighbours in a file.
pub const PACKS_OPEN: usize = 2;
/// Packs being made durable at once.
pub const PACKS_IN_FLIGHT: usize = 2;
/// Space that packs leave free, so that records can be written, points deleted and packs rewritten when the
/// pool is full: two packs for each thread that writes them.
pub const POOL_RESERVE_BYTES: u64 = (PACK_BYTES as u64) * 2 * PACKS_IN_FLIGHT as u64;
/// Every sector of a pack has its own hash.
pub const PACK_SECTOR_BYTES: usize = 64 << 10;
/// Shortest sector of a pack with parity, for small packs: what disks lose at once.
pub const PACK_SECTOR_BYTES_MIN: usize = 4 << 10;
/// Sectors of a pack that share [`PARITY_SECTORS`]: 6.25 % of a large pack, and a burst of 1 MiB in 16 MiB can be rebuilt.
pub const STRIPE_SECTORS: usize = 32;
/// Sectors of a stripe that may be lost.
pub const PARITY_SECTORS: usize = 2;
/// Damaged objects of one pack that are kept: each is left by a repair, or by one that was interrupted.
pub const QUARANTINED_MAX: u32 = 1000;

/// Natural end of a tree node, on average, in items.
pub const NODE_ITEMS_AVG: usize = 512;
/// Most items in a tree node.
pub const NODE_ITEMS_MAX: usize = 4096;
/// A tree node ends with the item that takes the weight of its items to this.
pub const NODE_BYTES_MAX: usize = 1 << 20;
/// Heaviest item of a tree: an entry with more extended attributes than that is refused.
pub const NODE_ITEM_BYTES_MAX: usize = 2 << 20;
/// Deepest tree: 512^16 items are more than there will ever be.
pub const TREE_DEPTH_MAX: usize = 16;
/// Longest key of a tree: twice a path of 64 KiB (escapes), so that paths longer than PATH_MAX fit.
pub const TREE_KEY_BYTES_MAX: usize = 128 << 10;
/// Longest name of one directory entry, in bytes (Linux: 255; others more).
pub const NAME_BYTES_MAX: usize = 1024;
/// Names that are remembered to have changed in a file system since the replicas of what is on it were made equal to it;
/// about 150 bytes each. With more, everything is looked at.
pub const CHANGES_REMEMBERED_MAX: usize = 1 << 17;
/// Longest command in a stream of what differs between two btrfs snapshots (`BTRFS_SEND_BUF_SIZE_V1`: 64 KiB with its header).
pub const SEND_COMMAND_BYTES_MAX: u32 = 64 << 10;
/// Longest path in such a stream (Linux: `PATH_MAX`).
pub const SEND_PATH_BYTES_MAX: usize = 4096;
/// Names that two snapshots may differ in for a synchronization to look there alone; what is new has two. The same memory as
/// names remembered. With more, everything is looked at.
pub const DIFFERENCES_MAX: usize = 2 * CHANGES_REMEMBERED_MAX;
/// Bytes of their paths, for names that are long or deep.
pub const DIFFERENCES_BYTES_MAX: usize = 32 << 20;
/// Subvolumes that may stand in the one that a source is in for its changes to be followed. With as many as there may be entries
/// in trouble, every synchronization looks at everything anyhow.
pub const SUBVOLUMES_BELOW_MAX: usize = UNSETTLED_MAX;
/// A snapshot is kept for the next synchronization if of its file system this part is free, one in so many: it holds what is
/// deleted meanwhile, and whoever deletes on a full disk wants room.
pub const KEPT_FREE_ONE_IN: u64 = 20;
/// Largest record of a kept snapshot: paths of entries in trouble are nearly all of it.
pub const KEPT_RECORD_BYTES_MAX: u64 = 16 << 20;
/// Entries that a synchronization of what changed looks at although nothing is known to have happened to them: one after
/// another, through the whole tree and again.
pub const SAMPLED_ENTRIES: usize = 512;
/// A source that is on another file system than before is taken for one that is not mounted if less than this part of what
/// was there is left, one in so many: what is moved is moved whole, and a mount point may hold a few stray files.
pub const LEFT_ONE_IN: u64 = 20;
/// Entries found to be other than they should be that are named.
pub const SUSPECTS_MAX: usize = 64;
/// Entries in trouble that the next synchronization looks at again; with more it looks at everything.
pub const UNSETTLED_MAX: usize = 1024;
/// After this everything is looked at once, whatever is known to have changed.
pub const CHANGES_TRUSTED_FOR: std::time::Duration = std::time::Duration::from_hours(24);
/// Attempts at opening a directory by its handle when the kernel finds no memory at the moment.
pub const HANDLE_ATTEMPTS: usize = 5;
/// Events are taken from the kernel at least so often. Its queue holds 16384 (`fs.fanotify.max_queued_events`), and twice the
/// same is one as long as it waits there.
pub const EVENTS_EVERY: std::time::Duration = std::time::Duration::from_millis(20);
/// Deepest directory nesting that is walked or restored.
pub const PATH_DEPTH_MAX: usize = 4096;
/// Extents kept inside an entry; a file with more has an extent map of its own.
pub const EXTENTS_PER_ENTRY_MAX: usize = 32;
/// Most extended attributes of one entry.
pub const XATTRS_PER_ENTRY_MAX: usize = 1024;
/// Largest value of one extended attribute (Linux: XATTR_SIZE_MAX, 64 KiB).
pub const XATTR_BYTES_MAX: usize = 64 << 10;
/// Names and values of all extended attributes of one entry; what is beyond is left out, with a warning. Half of what a node
/// of a tree can hold ([`NODE_ITEM_BYTES_MAX`]), and far more than anybody was seen to use.
pub const XATTRS_BYTES_MAX: usize = 1 << 20;
/// Longest target of a symbolic link.
pub const SYMLINK_BYTES_MAX: usize = 64 << 10;

/// Bytes of small files read ahead of the bundler.
pub const READ_AHEAD_BYTES_MAX: usize = 12 << 20;
/// Entries between the comparison with the earlier tree and the bundler.
pub const READ_AHEAD_ENTRIES_MAX: usize = 1024;
/// Entries that one reader takes at once, and bytes of their content from which on it takes no more: few enough that all
/// readers have something of a cold disk to wait for.
pub const READ_BATCH_ENTRIES: usize = 16;
/// See [`READ_BATCH_ENTRIES`].
pub const READ_BATCH_BYTES: usize = 256 << 10;
/// What the system is asked to read ahead of a large file, beyond the buffer that it is cut in.
pub const SOURCE_AHEAD_BYTES: u64 = 4 * CHUNK_BYTES_MAX as u64;
/// Threads that read small files: a cold disk answers 45 000 files a second to 32 readers and 14 000 to 2
/// (measured), a warm one needs no more than the cores.
pub const READER_THREADS: usize = 16;
/// Runs of data and holes that are held of a sparse file while it is cut: two for each block of 4 KiB of the buffer, which
/// holds two largest chunks, so that only file systems with smaller blocks come to it.
pub const CHUNK_RUNS_MAX: usize = 4096;
/// Entries that wait for their bundle to fill; a bundle ends when there are more.
pub const BUNDLE_ENTRIES_MAX: usize = 8192;
/// Bytes of extended attributes of those entries; a bundle ends when there are more. Well below [`READ_AHEAD_BYTES_MAX`], of
/// which they have a part.
pub const BUNDLE_XATTR_BYTES_MAX: usize = 4 << 20;
/// Chunks between the bundler and the sealing threads.
pub const CHUNKS_QUEUED_MAX: usize = 2;
/// Entries between the bundler and the tree.
pub const TREE_QUEUED_MAX: usize = 16384;
/// Contents remembered within one run, so that hard links and copies are read or stored once: a copy takes some 60 bytes, a
/// file with several names some 250, and up to 1.5 KiB more if it stands in many pieces.
pub const CONTENTS_REMEMBERED_MAX: usize = 200_000;
/// Threads that write restored files: making files is mostly waiting for the file system's locks.
pub const WRITER_THREADS: usize = 4;
/// Files between the tree and the writers of a restore.
pub const RESTORES_QUEUED_MAX: usize = 256;
/// A restore rests after so many directories: those that nothing is to come into get their metadata and leave memory. Some
/// 250 bytes stay for each of the others: of a million side by side, of all of them.
pub const RESTORE_REST_DIRECTORIES: usize = 4096;
/// A restore rests after so many hard links: they are made and leave memory.
pub const RESTORE_REST_LINKS: usize = 4096;
/// A restore rests after so many files that carry a mark until they are durable: some 200 bytes each, twice as
/// many while a sync is under way.
pub const RESTORE_REST_FILES: usize = 16_384;
/// Conflicting paths a restore plan names; the rest is counted.
pub const CONFLICTS_SHOWN_MAX: usize = 100;
/// A run tells how far it is each time it has dealt with so many bytes: a thousand times a second at a gigabyte a
/// second, which is what a watcher that locks can take.
pub const PROGRESS_EVERY_BYTES: u64 = 1 << 20;
/// An entry counts as so many of these bytes beside its own: 64 entries are told at once.
pub const PROGRESS_ENTRY_BYTES: u64 = PROGRESS_EVERY_BYTES / 64;
/// How long a waiting stage may take to notice that the run is ending.
pub const STOP_NOTICED_WITHIN: std::time::Duration = std::time::Duration::from_millis(100);

/// Most bytes of a file that one request reads: a largest chunk, so that no read opens more than two.
pub const READ_BYTES_MAX: usize = CHUNK_BYTES_MAX;

/// Ranges of data of one file that one answer lists.
pub const RANGES_LISTED_MAX: u32 = 10_000;
/// Pieces of one file that are looked at for one list of ranges, whatever comes of it: some hundred milliseconds' work.
pub const RANGES_LOOKS_MAX: usize = 1_000_000;

/// Ranges of data of one file that an archive tells apart: 16 MiB of them. What comes after them is stored with its holes.
pub const ARCHIVE_RANGES_MAX: usize = 1 << 20;
/// Directories, from the innermost, whose entries are kept while an archive is made; outer ones are asked for again.
pub const ARCHIVE_LEVELS_HELD: usize = 16;

/// Contents of listed files that are kept for whoever reads them next: at most some 8 MB.
pub const LOOK_CONTENTS_MAX: usize = 4096;
/// Recovery points that are known by what they were asked for by, so that looking into one does not ask the catalog each time.
pub const POINTS_KNOWN_MAX: usize = 1000;

/// Entries of the newest tree, and differences of each older one, that a search looks at for one page, whatever it finds:
/// about a second's work each.
pub const FIND_LOOKS_MAX: usize = 2_000_000;
/// Versions of entries that one page of a search holds, unless one entry alone has more: some 40 MB.
pub const FIND_VERSIONS_MAX: usize = 100_000;
/// Longest pattern of names to find.
pub const PATTERN_BYTES_MAX: usize = 1 << 10;
/// Most opening braces in one: nested deeper than some 200, what compiles patterns gives up by a panic.
pub const PATTERN_BRACES_MAX: usize = 64;
/// How much of a pattern a fault repeats.
pub const PATTERN_SHOWN_CHARS: usize = 100;
/// Bytes of extended attributes in one page of full entries: it ends early, so that an answer stays small
/// whatever the entries hold.
pub const PAGE_XATTR_BYTES_MAX: usize = 16 << 20;
/// Largest extended attributes of an entry that a mount remembers.
pub const MOUNT_DETAIL_XATTR_BYTES_MAX: usize = 4 << 10;

/// Entries that a mount lets the kernel know at once: some 30 MB here, and more there.
pub const MOUNT_ENTRIES_MAX: usize = 100_000;
/// Entries of a mount that are kept with all their metadata.
pub const MOUNT_DETAILS_MAX: usize = 4096;
/// Entries of a directory that a mount asks for at once.
pub const MOUNT_PAGE_ENTRIES: u32 = 1000;
/// Threads that answer the kernel for a mount.
pub const MOUNT_THREADS: usize = 4;

/// Arenas of the C library's allocator: more than two cores' worth serve nobody, and each keeps what was freed
/// in it. With its own eight a core, a backup of 220,000 files held 270 MB; so it holds 155 (2026-11).
pub const MALLOC_ARENAS_MAX: i32 = 4;
/// From here on memory comes from the system, and goes back to it when it is freed: packs, not chunks.
pub const MALLOC_MMAP_BYTES: i32 = 4 << 20;
/// Freed memory at the end of an arena that is kept for the next chunk: the few largest in flight.
pub const MALLOC_KEPT_BYTES_MAX: i32 = 16 << 20;

/// Threads of a walk. Warm, two are as fast as it gets; a disk that seeks and a network want many requests.
pub const WALK_THREADS: usize = 8;
/// Entries a walk lists ahead of its consumer, and names that it has read of more: some 8 MB. When all of it is taken, one
/// thread at a time does what the consumer waits for: with half of it, a walk of 250,000 cold entries took a fifth longer.
pub const WALK_ENTRIES_AHEAD_MAX: usize = 16384;
/// Entries a thread of a walk looks at in one piece of work.
pub const WALK_BATCH_ENTRIES: usize = 256;
/// Directories under way at once in a walk, beyond two a thread: on a cold disk one may take as long as hundreds of others.
pub const WALK_DIRS_AHEAD_MAX: usize = 512;
/// Open files that are not a walk's: catalog, index, packs, sockets, and what the process was given. Some twenty were
/// counted while a server ran two jobs.
pub const FILES_OF_OTHERS: u64 = 32;
/// Directories a walk holds open, if the process may open four times as many files beside [`FILES_OF_OTHERS`].
pub const WALK_DIRS_OPEN_MAX: usize = 256;
/// An entry whose times are not older than this when a run begins is looked at again by the next: it may change
/// once more without a new time. The coarsest times of a file system are those of FAT, two seconds; ext4 with
/// small inodes and HFS+ keep seconds, Linux before 6.13 some milliseconds.
pub const TIMES_DOUBTED_NS: i64 = 2_000_000_000;
/// A modification time so much further ahead was set by a program: no clock of a file server is so wrong, and a file from
/// the future is not to be read by every run.
pub const MTIMES_DOUBTED_AHEAD_NS: i64 = 24 * 3600 * 1_000_000_000;
/// Attempts at a file that changes while it is read.
pub const READ_ATTEMPTS: usize = 3;
/// Directories a restore holds open; more cost a few calls each to open again.
pub const RESTORE_DIRS_OPEN_MAX: usize = 128;
/// Names tried for a restored entry whose own name is taken.
pub const RESTORE_NAMES_MAX: usize = 1000;
/// Largest answer of a name service about one account: a group hands over all its members.
pub const ACCOUNT_BYTES_MAX: usize = 16 << 20;

/// Largest log record as stored.
pub const LOG_RECORD_BYTES_MAX: usize = 64 << 10;
/// Pack names in one log record.
pub const LOG_PACKS_MAX: usize = 1024;
/// Bytes of copies of small objects after which they are stored even if what they belong to is not over.
pub const COPIES_BYTES: usize = 1 << 20;
/// Most records whose copies are in one object.
pub const COPIES_RECORDS_MAX: u64 = 10_000;
/// Chunks whose places an index keeps at hand, twice over: 4 MiB at most, with packs of average chunks.
pub const INDEX_RECENT_CHUNKS: usize = 1 << 14;
/// Packs whose places an index reads when it is asked for a chunk of the first of them.
pub const INDEX_PACKS_AHEAD: u32 = 8;
/// Chunks of these packs at most, those of the first aside.
pub const INDEX_CHUNKS_AHEAD: usize = 512;
/// Packs whose trailers are read ahead of the records that name them, when an index is built anew.
pub const TRAILERS_AHEAD_MAX: usize = 64;
/// Records read ahead likewise: 16 MiB of the largest.
pub const RECORDS_AHEAD_MAX: usize = 256;
/// Threads that read trailers: reading them is waiting.
pub const TRAILER_THREADS: usize = 8;
/// Threads that read packs to verify them: two that hash while two wait. Each holds 4 MiB.
pub const VERIFY_THREADS: usize = 4;
/// Largest recovery point object.
pub const POINT_BYTES_MAX: usize = 64 << 10;
/// Largest key object.
pub const KEY_OBJECT_BYTES_MAX: usize = 64 << 10;
/// Most domains of a key ring: more than fit [`KEY_OBJECT_BYTES_MAX`].
pub const KEY_DOMAINS_MAX: usize = 512;
/// Most generations of a domain likewise.
pub const KEY_GENERATIONS_MAX: usize = 1024;
/// Longest component of an object's name: 32 bytes as hex.
pub const OBJECT_NAME_PART_BYTES_MAX: usize = 64;
/// Most components of an object's name.
pub const OBJECT_NAME_PARTS_MAX: usize = 8;
/// Largest object: a pack. A reader refuses more before it allocates.
pub const OBJECT_BYTES_MAX: usize = PACK_BYTES_MAX;
/// Shortest passphrase, in characters (PRODUCT.md: 16, as the original).
pub const PASSPHRASE_CHARS_MIN: usize = 16;
/// Most memory that a stored slot may ask for to work out a passphrase (Argon2id), in KiB.
pub const ARGON_MEMORY_KIB_MAX: u32 = 1 << 20;
/// Most passes likewise.
pub const ARGON_PASSES_MAX: u32 = 64;
/// Most lanes likewise.
pub const ARGON_LANES_MAX: u32 = 16;
/// Largest JSON of one configuration item in the log.
pub const CONFIG_BYTES_MAX: usize = 48 << 10;
/// Longest address text of a source, longest name of a group.
pub const ADDRESS_BYTES_MAX: usize = 8 << 10;
/// Chunks sealed under one data key generation. With random 96-bit nonces the chance of a repeat stays
/// below 2^-33 (NIST SP 800-38D, section 8.3, allows 2^32).
pub const GENERATION_CHUNKS_MAX: u64 = 1 << 31;
/// Most characters of a group's name (the original's rule, its message 146).
pub const GROUP_NAME_CHARS_MAX: usize = 64;
/// Longest reason for holding a recovery point.
pub const HOLD_REASON_CHARS_MAX: usize = 200;
/// Most days, weeks, months or years of a retention class: a hundred years of days (the original's longest goal
/// is 99 years).
pub const RETENTION_COUNT_MAX: u32 = 36_525;
/// Most times of the day in a schedule: one a quarter of an hour.
pub const SCHEDULE_TIMES_MAX: usize = 96;
/// Shortest synchronization interval, in minutes (PRODUCT.md: 15 min .. 24 h, as the original).
pub const SYNC_MINUTES_MIN: u16 = 15;
/// Longest synchronization interval, in minutes: a day, which every interval divides.
pub const SYNC_MINUTES_MAX: u16 = 24 * 60;
/// Longest text about its owner that is read from a lock file, where of a command line a thousand characters are kept.
pub const OWNER_BYTES_MAX: u64 = 64 << 10;
/// Recovery points that are named of each member that a change of policy takes them from.
pub const EXPIRING_LISTED_MAX: usize = 5;
/// Longest text that is read for a key file, which is one line of a hundred bytes.
pub const KEY_FILE_BYTES_MAX: u64 = 4 << 10;
/// Times the ownership of a directory is tried to be taken, and the time between them.
pub const OWNER_TRIES: u32 = 20;
/// See [`OWNER_TRIES`].
pub const OWNER_TRIED_AGAIN_AFTER: std::time::Duration = std::time::Duration::from_millis(10);
/// Room without which a catalog is not opened for writing but kept in memory: several times what the longest command
/// writes into one, so that none comes to the end of the room half way.
pub const CATALOG_ROOM_BYTES: usize = 512 << 10;
/// What is written into a data directory that is in use, to see whether it can still be written.
pub const TRY_BYTES: usize = 4 << 10;

/// Jobs that run at the same time: each keeps both cores of a small server busy by itself, and a second one
/// fills the time the first waits for a disk.
pub const JOBS_RUNNING_MAX: usize = 2;
/// Warnings of a job that are kept with their path and reason; all are counted.
pub const JOB_WARNINGS_MAX: usize = 1000;
/// Candidates that an ambiguous name lists: as many as are read at a glance.
pub const CANDIDATES_MAX: u32 = 8;
/// Jobs that a list shows: a month of a few members.
pub const JOBS_LISTED_MAX: u32 = 200;
/// Open alerts that a status lists.
pub const ALERTS_LISTED_MAX: u32 = 100;
/// Entries of one page of a directory of a recovery point: some 2 MB, so that a million are listed in pages.
pub const PAGE_ENTRIES_MAX: u32 = 10_000;
/// Largest request to the server: a restore that names a hundred thousand paths.
pub const REQUEST_BYTES_MAX: usize = 16 << 20;
/// Connections from the network at once. What is granted there is answered in a moment, and each takes up to half a megabyte
/// while it is read.
pub const STRANGERS_MAX: usize = 64;
/// Longest time that a connection from the network is kept.
pub const STRANGER_WITHIN: std::time::Duration = std::time::Duration::from_secs(10);
/// Largest answer that a client reads: lists are paged long before.
pub const ANSWER_BYTES_MAX: u64 = 256 << 20;
/// Longest wait for an answer. Planning a restore of millions of entries is the slowest of them.
pub const ANSWER_WITHIN: std::time::Duration = std::time::Duration::from_secs(600);
/// Files that a command has to be able to open before it begins: with fewer not even an empty pool can be worked on, and
/// libraries panic where they find none left.
pub const DESCRIPTORS_MIN: usize = 24;
/// Longest wait for an answer that a healthy server has at hand: what it remembers, told without reading the pool.
pub const ANSWER_AT_HAND_WITHIN: std::time::Duration = std::time::Duration::from_secs(60);
/// How often whoever waits for an answer is asked whether to go on: a person who gives up does not notice it.
pub const ANSWER_LOOK: std::time::Duration = std::time::Duration::from_millis(100);
/// Silence of a server that a person is told of: longer than nearly every answer takes.
pub const SILENCE_TOLD: std::time::Duration = std::time::Duration::from_secs(3);
/// How long a server may take for an answer after a person wants the command to end: jobs that it has started are
/// stopped meanwhile.
pub const SILENCE_ENDURED: std::time::Duration = std::time::Duration::from_secs(2);
/// Largest file that proves a first recovery point: the proof shall not take longer than the backup.
pub const PROOF_BYTES_MAX: u64 = 64 << 20;
/// Directories looked into for such a file.
pub const PROOF_DIRECTORIES_MAX: usize = 1000;

const _: () = assert!(LOG_PACKS_MAX * 33 + 4096 <= LOG_RECORD_BYTES_MAX);
const _: () = assert!(CONFIG_BYTES_MAX + 4096 <= LOG_RECORD_BYTES_MAX);
const _: () = assert!(2 * ADDRESS_BYTES_MAX + 4096 <= POINT_BYTES_MAX);
const _: () = assert!(BUNDLE_BYTES_MAX + BUNDLED_FILE_BYTES_MAX <= CHUNK_BYTES_MAX);
const _: () =
    assert!(CHUNK_BYTES_MAX < PACK_BYTES && PACK_BYTES + CHUNK_BYTES_MAX < PACK_BYTES_MAX);
const _: () = assert!(NODE_BYTES_MAX + NODE_ITEM_BYTES_MAX + (64 << 10) <= CHUNK_BYTES_MAX);
const _: () = assert!(TREE_KEY_BYTES_MAX * 2 < NODE_BYTES_MAX);
const _: () = assert!(INLINE_BYTES_MAX < BUNDLED_FILE_BYTES_MAX);
// The largest body a writer makes, its parity, and two trailers of most records, each 49 bytes.
const _: () = assert!(
    (PACK_BYTES + 2 * CHUNK_BYTES_MAX) * (STRIPE_SECTORS + PARITY_SECTORS) / STRIPE_SECTORS
        + 2 * PACK_RECORDS_MAX * 50
        < PACK_BYTES_MAX - (1 << 20)
);
