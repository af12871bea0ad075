//! Rows of the folded log as bytes. As private as [`super::rows`].

use std::time::Duration;

use base::{ChunkId, PointId, SessionId, SourceId};
use format::log::{Chain, RecordHash};
use format::point::{Consistency, PointHash, Stats};
use format::wire::{Reader, WireError, Writer};

use super::IndexError;
use super::projection::Applied;
use crate::points::{PointInfo, Replica};
use crate::retention::Anchor;

impl From<WireError> for IndexError {
    fn from(_: WireError) -> Self {
        Self::Row
    }
}

pub(super) fn encode_applied(applied: &Applied) -> Vec<u8> {
    let mut out = Writer::with_capacity(64);
    out.u64(applied.chain.next)
        .raw(&applied.chain.head.0)
        .u64(applied.chain.epoch)
        .i64(applied.retention_now_ns);
    out.finish()
}

pub(super) fn decode_applied(row: &[u8]) -> Result<Applied, IndexError> {
    let mut fields = Reader::new(row);
    let applied = Applied {
        chain: Chain {
            next: fields.u64()?,
            head: RecordHash(fields.array()?),
            epoch: fields.u64()?,
        },
        retention_now_ns: fields.i64()?,
    };
    fields.finish()?;
    Ok(applied)
}

pub(super) fn encode_anchor(anchor: &Anchor) -> Vec<u8> {
    let since_boot = u64::try_from(anchor.since_boot.as_nanos()).unwrap_or(u64::MAX);
    let mut out = Writer::with_capacity(32);
    out.raw(&anchor.boot)
        .u64(since_boot)
        .i64(anchor.retention_now_ns);
    out.finish()
}

pub(super) fn decode_anchor(row: &[u8]) -> Result<Anchor, IndexError> {
    let mut fields = Reader::new(row);
    let anchor = Anchor {
        boot: fields.array()?,
        since_boot: Duration::from_nanos(fields.u64()?),
        retention_now_ns: fields.i64()?,
    };
    fields.finish()?;
    Ok(anchor)
}

pub(super) fn encode_replica(replica: &Replica) -> Vec<u8> {
    let mut out = Writer::with_capacity(48);
    out.raw(&replica.root.0)
        .u64(replica.seq)
        .i64(replica.time_ns);
    out.finish()
}

pub(super) fn decode_replica(source: SourceId, row: &[u8]) -> Result<Replica, IndexError> {
    let mut fields = Reader::new(row);
    let replica = Replica {
        source,
        root: ChunkId(fields.array()?),
        seq: fields.u64()?,
        time_ns: fields.i64()?,
    };
    fields.finish()?;
    Ok(replica)
}

pub(super) fn encode_point(point: &PointInfo) -> Vec<u8> {
    let Stats {
        entries,
        files,
        bytes,
        changed,
        stored_bytes,
    } = point.stats;
    let mut out = Writer::with_capacity(192);
    out.raw(&point.source.0)
        .raw(&point.root.0)
        .i64(point.time_ns)
        .u8(point.consistency.code())
        .u64(point.warnings)
        .u64(entries)
        .u64(files)
        .u64(bytes)
        .u64(changed)
        .u64(stored_bytes)
        .raw(&point.session.0)
        .u64(point.seq)
        .raw(&point.object.0);
    out.finish()
}

pub(super) fn decode_point(id: PointId, row: &[u8]) -> Result<PointInfo, IndexError> {
    let mut fields = Reader::new(row);
    let point = PointInfo {
        id,
        source: SourceId(fields.array()?),
        root: ChunkId(fields.array()?),
        time_ns: fields.i64()?,
        consistency: Consistency::from_code(fields.u8()?).ok_or(IndexError::Row)?,
        warnings: fields.u64()?,
        stats: Stats {
            entries: fields.u64()?,
            files: fields.u64()?,
            bytes: fields.u64()?,
            changed: fields.u64()?,
            stored_bytes: fields.u64()?,
        },
        session: SessionId(fields.array()?),
        seq: fields.u64()?,
        object: PointHash(fields.array()?),
    };
    fields.finish()?;
    Ok(point)
}
