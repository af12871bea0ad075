//! From condemned to gone, in an order that cannot be written otherwise: [`Condemned`] packs are waited for, and only what has
//! been waited for ([`Drained`]) can be deleted; only what a record has deleted is removed.

use std::collections::HashSet;

use base::Fault;
use base::limits::{COLLECT_DELETE_PACKS, LOG_PACKS_MAX};
use format::log::Body;
use format::pack::Class;
use objects::DeleteError;

use super::marks::Marker;
use super::{CollectProgress, Collection, CollectionReport, OnCollect, Victim, go_on, stray};
use crate::core::Core;
use crate::durable::object_name;
use crate::faults;

/// A collection whose packs are condemned.
struct Condemned(Collection);

/// A collection whose packs no session that is open can have been told of.
struct Drained(Collection);

impl Collection {
    /// Carries the plan out.
    ///
    /// # Errors
    /// As [`crate::Store::plan_collection`]; a record cannot be written. What was given back until then is; what is still condemned is
    /// spared, by the next collection if that cannot be written either.
    pub fn execute(self, on_progress: OnCollect<'_>) -> Result<CollectionReport, Fault> {
        if self.has_nothing_to_do() {
            return Ok(CollectionReport::default());
        }
        let core = std::sync::Arc::clone(&self.core);
        let planned: Vec<Victim> = self.dead.iter().chain(&self.copied).cloned().collect();
        let done = self
            .condemn()
            .and_then(|condemned| condemned.wait(on_progress))
            .and_then(|drained| drained.delete(on_progress));
        done.inspect_err(|_| {
            if let Err(fault) = spare(&core, &planned) {
                tracing::warn!(fault = ?fault, "condemned packs stay so until the next collection");
            }
        })
    }

    fn has_nothing_to_do(&self) -> bool {
        let packs = [&self.dead, &self.copied, &self.spared];
        packs.iter().all(|packs| packs.is_empty()) && self.stray.is_empty()
    }

    /// Condemns the packs of the plan that are not yet, and spares those that an earlier collection left condemned.
    fn condemn(self) -> Result<Condemned, Fault> {
        spare(&self.core, &self.spared)?;
        let mut news = Vec::new();
        for victim in self.dead.iter().chain(&self.copied) {
            if self.core.index.condemned_at(victim.ordinal)?.is_none() {
                news.push((victim.class, victim.name));
            }
        }
        for packs in news.chunks(LOG_PACKS_MAX) {
            let packs = packs.to_vec();
            self.core.append(Body::Condemn { packs })?;
        }
        Ok(Condemned(self))
    }
}

impl Condemned {
    /// Waits until every session has ended that is open now.
    fn wait(self, on_progress: OnCollect<'_>) -> Result<Drained, Fault> {
        let core = &self.0.core;
        let before = core.log().last();
        loop {
            // Those that ended and could not say so are asked once more: nobody else waits for them.
            core.close_unclosed()?;
            let sessions = core.index.sessions_begun_before(before)?;
            if sessions == 0 {
                return Ok(Drained(self.0));
            }
            go_on(on_progress, CollectProgress::Waiting { sessions })?;
            core.await_session_end();
        }
    }
}

impl Drained {
    /// Deletes what is still dead, copies the rest of what is mostly dead and deletes that, and removes stray objects.
    fn delete(self, on_progress: OnCollect<'_>) -> Result<CollectionReport, Fault> {
        let Self(mut collection) = self;
        let mut freeing = Freeing {
            total: collection.plan.dead_bytes + collection.plan.copied_bytes,
            done: 0,
            report: CollectionReport::default(),
            gone_bytes: 0,
            core: &collection.core,
            marker: &mut collection.marker,
            on_progress,
        };
        freeing.remove_strays(&collection.stray)?;
        for packs in collection.dead.chunks(COLLECT_DELETE_PACKS) {
            freeing.delete(packs)?;
        }
        for packs in collection.copied.chunks(COLLECT_DELETE_PACKS) {
            if freeing.report.cut_short.is_none() {
                freeing.copy(packs)?;
            }
            // Those that were not copied are spared here.
            freeing.delete(packs)?;
        }
        let (gone, copied) = (freeing.gone_bytes, freeing.report.copied_bytes);
        freeing.report.freed_bytes = gone.saturating_sub(copied);
        Ok(freeing.report)
    }
}

/// Giving back what is condemned and waited for.
pub(super) struct Freeing<'a> {
    pub(super) core: &'a std::sync::Arc<Core>,
    pub(super) marker: &'a mut Marker,
    pub(super) on_progress: OnCollect<'a>,
    pub(super) report: CollectionReport,
    total: u64,
    done: u64,
    gone_bytes: u64,
}

impl Freeing<'_> {
    /// Deletes those of some condemned packs in which nothing live is found and spares the others, then removes the objects of
    /// the deleted ones.
    fn delete(&mut self, packs: &[Victim]) -> Result<(), Fault> {
        let (gone, stay) = self.decide(packs)?;
        self.report.spared_packs += stay as u64;
        for victim in &gone {
            remove(self.core, victim)?;
            self.report.packs += 1;
            self.gone_bytes += victim.bytes;
        }
        self.done += packs.iter().map(|victim| victim.bytes).sum::<u64>();
        let (done, total) = (self.done, self.total);
        go_on(self.on_progress, CollectProgress::Freeing { done, total })
    }

    /// Writes into the log which packs are deleted, and which spared, by what is live at that very place. Returns the deleted
    /// ones, and how many were spared.
    fn decide(&mut self, packs: &[Victim]) -> Result<(Vec<Victim>, usize), Fault> {
        loop {
            self.marker.mark_all(self.core, self.on_progress)?;
            let mut log = self.core.log();
            // Under the log's lock no root appears that a record makes, and a reader's root has been there before (R14).
            if !self.marker.has_marked(&self.core.roots()?) {
                continue;
            }
            let mut gone = Vec::new();
            let mut stay = Vec::new();
            for victim in packs {
                match self.core.index.is_needed(victim.ordinal, self.marker)? {
                    true => stay.push((victim.class, victim.name)),
                    false => gone.push(victim.clone()),
                }
            }
            let spared = stay.len();
            let deleted: Vec<_> = gone.iter().map(|v| (v.class, v.name)).collect();
            for packs in chunks(&stay) {
                self.core.append_to(&mut log, Body::Spare { packs })?;
            }
            for packs in chunks(&deleted) {
                self.core.append_to(&mut log, Body::Delete { packs })?;
            }
            return Ok((gone, spared));
        }
    }

    fn remove_strays(&mut self, strays: &[stray::Stray]) -> Result<(), Fault> {
        for stray in strays {
            if stray.remove(self.core)? {
                self.report.stray_objects += 1;
                self.gone_bytes += stray.bytes();
            }
        }
        Ok(())
    }
}

/// Writes into the log that packs are condemned no longer, those that are.
fn spare(core: &Core, packs: &[Victim]) -> Result<(), Fault> {
    let mut condemned = Vec::new();
    let mut seen = HashSet::new();
    for victim in packs {
        if core.index.condemned_at(victim.ordinal)?.is_some() && seen.insert(victim.ordinal) {
            condemned.push((victim.class, victim.name));
        }
    }
    for packs in chunks(&condemned) {
        core.append(Body::Spare { packs })?;
    }
    Ok(())
}

/// Removes the object of a pack that a record has deleted.
fn remove(core: &Core, victim: &Victim) -> Result<(), Fault> {
    if !core.index.is_deleted(&victim.name)? {
        // The record was void: the fold has the last word.
        return Ok(());
    }
    match core
        .objects
        .delete(&object_name(victim.class, &victim.name))
    {
        Ok(()) | Err(DeleteError::Missing { .. }) => Ok(()),
        // It is deleted all the same: the next collection finds its object astray.
        Err(error) => Err(faults::delete(&core.place, error)),
    }
}

fn chunks(
    packs: &[(Class, base::PackName)],
) -> impl Iterator<Item = Vec<(Class, base::PackName)>> + '_ {
    packs.chunks(LOG_PACKS_MAX).map(<[_]>::to_vec)
}
