//! The async shell: takes due work from the store, calls the connector, applies the outcome. It decides nothing: what
//! follows an event is for `gatehouse_core` to say, and what a claim is worth for the store. It never names a store,
//! a sandbox or a web server.

mod account;
pub mod approvals;
mod clock;
mod clockwork;
mod config;
mod engine;
pub mod events;
mod hold;
mod job;
mod jobs;
mod known;
pub mod lately;
mod links;
mod loading;
mod managers;
mod noted;
pub mod requests;
mod retention;
mod runs;
mod schedule;
mod search;
mod settle;
mod shell;
mod telemetry;
mod told;

pub use clock::SystemClock;
pub use config::{ConfigError, EngineConfig};
pub use engine::{AdoptTrace, Engine};
pub use jobs::linked;
pub use managers::{name_managers, name_managers_among};
pub use retention::Removed;
pub use settle::Review;
