//! Who may do what, through the real routes: the matrix of all endpoints, sharing, and tokens.
#![allow(clippy::unwrap_used, missing_docs)]

#[path = "../common/mod.rs"]
mod common;
mod granting;
mod matrix;
mod people;
mod sharing;
mod standing;
mod tokens;
