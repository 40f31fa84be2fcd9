//! The parts of the `gatehouse` binary: the HTTP API, the use cases behind it, and the CLI that is a client of it.
//! A library only so that tests can drive them without a process. It never decides what becomes of a request, and
//! names neither a database nor a runtime for connectors: `serve` wires those in.

mod allocator;
pub mod api;
pub mod cli;
pub mod config;
#[cfg(feature = "failpoints")]
mod failpoints;
pub mod notify;
pub mod serve;
pub mod service;
mod start_token;
pub mod telemetry;
mod text;
pub mod wire;
