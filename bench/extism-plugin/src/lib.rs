//! The work as an Extism plugin: JSON in, JSON out.
#![allow(unsafe_code, clippy::unwrap_used, missing_docs, reason = "what the plugin macro makes")]

use bench_work::wire::{Question, answer};
use extism_pdk::{FnResult, plugin_fn};

#[plugin_fn]
pub fn call(question: Vec<u8>) -> FnResult<Vec<u8>> {
    let question: Question<'_> = serde_json::from_slice(&question)?;
    Ok(serde_json::to_vec(&answer(question))?)
}
