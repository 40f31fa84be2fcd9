//! The harness of the scenario tests and of `cargo xtask demo`: starts the real binary and real targets, runs CLI
//! commands, asks targets directly. It knows no vocabulary of the domain and decides nothing: what is right is in
//! the tests.
//!
//! It works on what `cargo xtask test` prepares and names in the environment ([`artifacts`]); by hand, it falls back
//! to where those things lie in the target directory.

pub mod artifacts;
pub mod counting;
mod gatehouse;
mod http;
mod process;
mod scim2;
mod skip;
mod target;

pub use artifacts::{guest, scim2_server};
pub use gatehouse::{Gatehouse, Output, typed};
pub use http::{Answer, Http};
pub use process::{Running, free_port, stop_all, stop_all_on_interrupt, until};
pub use scim2::Scim2Server;
pub use skip::skip;
pub use target::Target;
pub use ureq::http::Method;
