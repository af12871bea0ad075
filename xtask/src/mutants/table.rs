//! The defences: where each stands, and who has to miss it.

/// A defence that is switched off.
pub(super) struct Mutant {
    /// What is missing.
    pub(super) name: &'static str,
    /// Where it stands; in more than one place if it is several that stand in for one another.
    pub(super) edits: &'static [Edit],
    /// The package with the tests.
    pub(super) package: &'static str,
    /// A part of their names.
    pub(super) tests: &'static str,
}

/// A place in the source.
pub(super) struct Edit {
    /// The file, from the root of the repository.
    pub(super) file: &'static str,
    /// What stands there, once.
    pub(super) stands: &'static str,
    /// What stands there instead.
    pub(super) instead: &'static str,
}

pub(super) const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "no sync of a file under its name",
        edits: &[Edit {
            file: "crates/objects/src/local.rs",
            stands: "        let synced = self.disk.sync(&draft);\n        drop(draft);\n        self.sync_entry(name, synced)\n    }\n\n    fn mend(",
            instead: "        let synced = Ok(());\n        drop(draft);\n        self.sync_entry(name, synced)\n    }\n\n    fn mend(",
        }],
        package: "objects",
        tests: "crash",
    },
    Mutant {
        name: "no sync of a directory",
        edits: &[Edit {
            file: "crates/objects/src/local.rs",
            stands: "                let synced = self.disk.sync_dir(name.dir());\n                synced.inspect_err(|errno| self.close_after(*errno))\n            })\n            .map_err(|errno| unsure(name, errno))",
            instead: "                let synced = Ok(());\n                synced.inspect_err(|errno| self.close_after(*errno))\n            })\n            .map_err(|errno| unsure(name, errno))",
        }],
        package: "objects",
        tests: "crash",
    },
    Mutant {
        name: "writing goes on after a sync that failed",
        edits: &[Edit {
            file: "crates/objects/src/local.rs",
            stands: "            .inspect_err(|_| self.close())\n",
            instead: "",
        }],
        package: "objects",
        tests: "errors",
    },
    Mutant {
        name: "a record that is found is not made durable, nor copied",
        edits: &[
            Edit {
                file: "crates/store/src/log.rs",
                stands: "            self.objects\n                .settle(&slot(last))\n                .map_err(|error| faults::put(self.place, None, error))?;\n",
                instead: "",
            },
            // Opening copies what has no copy, which is as good.
            Edit {
                file: "crates/store/src/copies.rs",
                stands: "        if pending.first == 0 {\n",
                instead: "        if pending.first < u64::MAX {\n",
            },
        ],
        package: "store",
        tests: "crash",
    },
    Mutant {
        name: "a slot that somebody else has taken counts as ours",
        edits: &[Edit {
            file: "crates/store/src/log.rs",
            stands: "(Ok(found), Ok(())) if found == bytes => Ok(())",
            instead: "(Ok(_), Ok(())) => Ok(())",
        }],
        package: "store",
        tests: "faults",
    },
    Mutant {
        name: "packs are taken over unseen",
        edits: &[Edit {
            file: "crates/store/src/durable.rs",
            stands: "let trailer = format::pack::verify(store, &name, &bytes)?;",
            instead: "let _ = store;\n        let trailer = trailer(objects, &object, &name)?;",
        }],
        package: "store",
        tests: "index",
    },
    Mutant {
        name: "a commit does not ask whether its packs are there",
        edits: &[Edit {
            file: "crates/store/src/core.rs",
            stands: "if !self.index.has_all(relied_upon)? {",
            instead: "if !self.index.has_all(&BTreeSet::new())? && relied_upon.is_empty() {",
        }],
        package: "store",
        tests: "core",
    },
    Mutant {
        name: "a commit does not ask whether the replica is as it was",
        edits: &[Edit {
            file: "crates/store/src/core.rs",
            stands: "if replica.map(|replica| replica.root) != commit.base {",
            instead: "if replica.is_none() && commit.base.is_some() {",
        }],
        package: "store",
        tests: "core",
    },
    Mutant {
        name: "a collection waits for no session",
        edits: &[Edit {
            file: "crates/store/src/collect/condemned.rs",
            stands: "            if sessions == 0 {",
            instead: "            if sessions < u64::MAX {",
        }],
        package: "store",
        tests: "collect",
    },
    Mutant {
        name: "records of unfinished work are left out though something behind them is over",
        edits: &[Edit {
            file: "crates/store/src/log.rs",
            stands: "                        && !self.ends_something(&key, seq + 1, last) =>",
            instead: "                        && (seq > last || !self.ends_something(&key, last + 1, last)) =>",
        }],
        package: "store",
        tests: "faults",
    },
    Mutant {
        name: "records have no copies",
        edits: &[Edit {
            file: "crates/store/src/copies.rs",
            stands: "        if self.push(seq, bytes) || ends_something(body) {",
            instead: "        if self.push(seq, bytes) && ends_something(body) {",
        }],
        package: "store",
        tests: "faults",
    },
    Mutant {
        name: "the retention clock is the wall clock",
        edits: &[Edit {
            file: "crates/store/src/retention.rs",
            stands: "        let advanced = self.now_ns.saturating_add(ahead).min(nanoseconds(env));",
            instead: "        let advanced = self.now_ns.saturating_add(ahead).max(nanoseconds(env));",
        }],
        package: "store",
        tests: "clock",
    },
    Mutant {
        name: "content is given out under another name",
        edits: &[Edit {
            file: "crates/format/src/seal.rs",
            stands: "        if self.id(kind, &Self::hash(plain)) != *id {",
            instead: "        if self.id(kind, &Self::hash(plain)) != *id && plain.is_empty() {",
        }],
        package: "format",
        tests: "seal",
    },
    Mutant {
        name: "a restore follows links",
        edits: &[Edit {
            file: "crates/sources/src/files/restore/dirs.rs",
            stands: "    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;\n    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;",
            instead: "    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;\n    let resolve = ResolveFlags::empty();",
        }],
        package: "sources",
        tests: "restore_attacks",
    },
    Mutant {
        name: "points that are held expire",
        edits: &[Edit {
            file: "crates/engine/src/expiry.rs",
            stands: "            *verdict == Verdict::Expire && !stays(id)",
            instead: "            *verdict == Verdict::Expire && (!stays(id) || stays(id))",
        }],
        package: "engine",
        tests: "retention",
    },
];
