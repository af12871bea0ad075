//! The command line as people and programs see it, over a real store, a clock that stands still and seeded chance.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod adopt;
mod archive;
mod bench;
mod few;
mod find;
mod full;
mod garbage;
mod hold;
mod journal;
mod json;
mod judges;
mod kept;
mod kills;
mod lost;
mod mended;
mod mount;
mod nobody;
mod owner;
mod policy;
mod program;
mod read_only;
mod silent;
mod story;
mod strangers;
mod struck;
mod torture;
mod trouble;
mod unmounted;
mod volumes;
