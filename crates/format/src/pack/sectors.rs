//! Where the sectors of a pack stand: arithmetic on the length of its body.
//!
//! The sectors of the body and, behind them, those of parity are numbered through, and sector i belongs to stripe i modulo
//! the number of stripes. So neighbours are in different stripes, and of any run of twice as many sectors as there are
//! stripes each stripe has two. Between body and parity stands the copy of the trailer, which is no sector.

use std::ops::Range;

use base::limits::{PACK_SECTOR_BYTES, PACK_SECTOR_BYTES_MIN, PARITY_SECTORS, STRIPE_SECTORS};

/// What a pack has to mend itself with.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Parity {
    /// Nothing: damage is found and stays.
    None,
    /// Two sectors for each stripe of up to 32, and its trailer twice.
    #[default]
    Double,
}

impl Parity {
    /// Returns its byte on disk.
    pub(super) fn code(self) -> u8 {
        match self {
            Self::None => 0,
            Self::Double => 1,
        }
    }

    /// Returns the parity of a byte on disk.
    pub(super) fn from_code(code: u8) -> Option<Self> {
        match code {
            0 => Some(Self::None),
            1 => Some(Self::Double),
            _ => None,
        }
    }
}

/// The sectors of a pack.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sectors {
    body_bytes: usize,
    sector_bytes: usize,
    /// None without parity.
    stripes: usize,
}

impl Sectors {
    pub(super) fn of(parity: Parity, body_bytes: usize) -> Self {
        let sector_bytes = match parity {
            Parity::None => PACK_SECTOR_BYTES,
            Parity::Double => body_bytes
                .div_ceil(STRIPE_SECTORS)
                .next_power_of_two()
                .clamp(PACK_SECTOR_BYTES_MIN, PACK_SECTOR_BYTES),
        };
        let stripes = match parity {
            Parity::None => 0,
            Parity::Double => body_bytes.div_ceil(sector_bytes).div_ceil(STRIPE_SECTORS),
        };
        Self {
            body_bytes,
            sector_bytes,
            stripes,
        }
    }

    /// Returns the length of every sector but the body's last.
    pub(super) fn sector_bytes(&self) -> usize {
        self.sector_bytes
    }

    pub(super) fn stripes(&self) -> usize {
        self.stripes
    }

    pub(super) fn in_body(&self) -> usize {
        self.body_bytes.div_ceil(self.sector_bytes)
    }

    pub(super) fn of_parity(&self) -> usize {
        self.stripes * PARITY_SECTORS
    }

    pub(super) fn count(&self) -> usize {
        self.in_body() + self.of_parity()
    }

    pub(super) fn parity_bytes(&self) -> usize {
        self.of_parity() * self.sector_bytes
    }

    /// Returns the length of a pack with a trailer of this length.
    pub(super) fn pack_bytes(&self, trailer_bytes: usize) -> usize {
        self.body_bytes + self.copy_bytes(trailer_bytes) + self.parity_bytes() + trailer_bytes
    }

    fn copy_bytes(&self, trailer_bytes: usize) -> usize {
        if self.stripes == 0 { 0 } else { trailer_bytes }
    }

    /// Returns where the copy of the trailer stands.
    pub(super) fn copy(&self, trailer_bytes: usize) -> Range<usize> {
        self.body_bytes..self.body_bytes + self.copy_bytes(trailer_bytes)
    }

    /// Returns where a sector stands.
    pub(super) fn range(&self, index: usize, trailer_bytes: usize) -> Option<Range<usize>> {
        let in_body = self.in_body();
        if index < in_body {
            let start = index * self.sector_bytes;
            return Some(start..(start + self.sector_bytes).min(self.body_bytes));
        }
        let start = self.copy(trailer_bytes).end + (index - in_body) * self.sector_bytes;
        (index < self.count()).then_some(start..start + self.sector_bytes)
    }

    /// Returns the sectors of a stripe: its part of the body in order, then the two of parity.
    pub(super) fn stripe(&self, stripe: usize) -> impl Iterator<Item = usize> + Clone + use<> {
        (stripe..self.count()).step_by(self.stripes.max(1))
    }
}
