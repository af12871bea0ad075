//! What the protocol rests on, each part of which can be switched off.

/// The defences. All are on by default.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rules {
    /// A session is in the log before it is told of any chunk.
    pub sessions_are_logged: bool,
    /// The commit of a session that was fenced does not count.
    pub fenced_commits_are_void: bool,
    /// Packs that a fenced session names do not count.
    pub fenced_packs_are_refused: bool,
    /// A commit is void if the replica is no longer the one the session started from.
    pub commits_have_a_base: bool,
    /// A commit makes sure that everything it refers to is still there.
    pub commits_look_again: bool,
    /// A pack is durable before a record names it.
    pub packs_are_durable_first: bool,
    /// What is in a condemned pack is not known to writers.
    pub condemned_is_unknown: bool,
    /// New copies take the place of those in condemned packs.
    pub copies_replace_condemned: bool,
    /// Of several packs with the same chunk the last that was named is where it is found, whenever the index was built.
    pub last_named_is_found: bool,
    /// A copy that no record names yet is no reason to delete another.
    pub unnamed_copies_do_not_count: bool,
    /// Deleting waits for all sessions that were open when the packs were condemned.
    pub deleting_waits: bool,
    /// Deleting looks at what is live once more, and spares what became so.
    pub deleting_looks_again: bool,
    /// It does so at the very place of the log where it deletes.
    pub deleting_is_atomic: bool,
    /// What was deleted is not known to writers.
    pub deleted_is_unknown: bool,
    /// Objects go after the record that deletes them.
    pub records_come_first: bool,
    /// Packs that no record names go only when the session that made them has ended.
    pub orphans_have_no_session: bool,
    /// Packs are taken in only if they are there.
    pub adoption_looks: bool,
    /// No name is used twice.
    pub names_are_new: bool,
    /// Replicas are live, not only points.
    pub replicas_are_live: bool,
    /// What a reader reads is live.
    pub readers_are_live: bool,
    /// Who repacks is a session.
    pub repacking_is_a_session: bool,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            sessions_are_logged: true,
            fenced_commits_are_void: true,
            fenced_packs_are_refused: true,
            commits_have_a_base: true,
            commits_look_again: true,
            packs_are_durable_first: true,
            condemned_is_unknown: true,
            copies_replace_condemned: true,
            last_named_is_found: true,
            unnamed_copies_do_not_count: true,
            deleting_waits: true,
            deleting_looks_again: true,
            deleting_is_atomic: true,
            deleted_is_unknown: true,
            records_come_first: true,
            orphans_have_no_session: true,
            adoption_looks: true,
            names_are_new: true,
            replicas_are_live: true,
            readers_are_live: true,
            repacking_is_a_session: true,
        }
    }
}
