//! Keeps everything Gatehouse knows: [`RedbStore`] in one embedded file, [`MemoryStore`] as the simple model of what a
//! store does. It checks versions, uniqueness and claims, and never decides anything about requests, accounts or
//! links; no type of redb leaves it.

mod change;
mod cursor;
mod file;
mod memory;
mod vault;

pub use file::{Compacted, Manifest, OpenOptions, RedbStore, Staged, verify_closed};
pub use memory::MemoryStore;
pub use vault::MasterKey;

#[cfg(feature = "testing")]
pub mod testing;
