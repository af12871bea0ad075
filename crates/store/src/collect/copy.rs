//! Copying what is live out of condemned packs: a session like any other, whose new packs take over when the log names them.
//!
//! Chunks are copied as they are sealed, after each has been opened and compared with its name. What cannot be read is left
//! behind, and its pack with it.

use std::sync::Arc;

use base::fault::Code;
use base::{ChunkId, Fault, SessionId, SourceId};
use format::log::Body;
use format::seal::Sealed;

use super::Victim;
use super::condemned::Freeing;
use crate::core::Core;
use crate::index::Location;
use crate::space::Load;
use crate::writer::Writer;

/// The source of sessions that copy: none.
const NO_SOURCE: SourceId = SourceId([0; 16]);

impl Freeing<'_> {
    /// Copies what is live in some condemned packs. If the pool has no room for that, the copies are given up and the report says
    /// so.
    ///
    /// # Errors
    /// A record cannot be written; the place does not answer.
    pub(super) fn copy(&mut self, packs: &[Victim]) -> Result<(), Fault> {
        let session = SessionId::random(&self.core.env);
        self.core.append(Body::Open {
            session,
            source: NO_SOURCE,
        })?;
        let copied = self.copy_by(session, packs);
        match copied {
            Ok(bytes) => {
                self.report.copied_bytes += bytes;
                Ok(())
            }
            Err(fault) if fault.code == Code::PoolFull => {
                self.report.cut_short = Some(fault);
                Ok(())
            }
            Err(fault) => Err(fault),
        }
    }

    fn copy_by(&self, session: SessionId, packs: &[Victim]) -> Result<u64, Fault> {
        let writer = Writer::start(self.core, session, Load::Copies);
        let writer = writer.inspect_err(|_| self.core.close_session(session, Vec::new()))?;
        let copied = packs
            .iter()
            .try_for_each(|victim| {
                for (id, place) in self.core.index.live_of(victim.ordinal, self.marker)? {
                    if let Some(sealed) = read(self.core, &id, &place)? {
                        writer.put_sealed(sealed)?;
                    }
                }
                Ok(())
            })
            .and_then(|()| writer.flush());
        writer.stop();
        // Also what was copied before it failed: durable packs of no name would be nobody's.
        self.core.close_session(session, writer.take_loose());
        copied.map(|()| writer.added().0)
    }
}

/// Returns a chunk as it is sealed, or none if it cannot be read.
fn read(core: &Arc<Core>, id: &ChunkId, place: &Location) -> Result<Option<Sealed>, Fault> {
    match core.read_sealed(id, place) {
        Ok(sealed) => Ok(Some(sealed)),
        Err(fault)
            if matches!(
                fault.code,
                Code::ChunkMissing | Code::ChunkDamaged | Code::VolumeMissing
            ) =>
        {
            Ok(None)
        }
        Err(fault) => Err(fault),
    }
}
