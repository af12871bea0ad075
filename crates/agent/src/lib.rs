//! A job on a host: reads sources into a replica, puts points back.
//!
//! [`backup`] and [`restore`] are pipelines of threads and bounded channels over two doors of `format::replica`;
//! they do not know whether a store or a network is behind them, and hold no key.

pub mod backup;
pub mod journal;
pub mod monitor;
pub mod place;
pub mod restore;

mod content;
mod flow;
mod range;

pub use monitor::{Monitor, Progress, Warning};
pub use range::{data_ranges, read_range};
