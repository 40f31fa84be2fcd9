//! Provisioning that follows the organisation: events of the directory, through the HTTP API of the real binary, against
//! real SCIM servers.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

#[path = "../support/mod.rs"]
mod support;

mod desk;
mod eleven;
mod guard;
mod mass;
mod random;
