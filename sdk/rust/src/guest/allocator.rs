//! The allocator of a component. Every text that crosses the boundary is a piece of memory of its own, hundreds in a
//! page of accounts: with Rust's usual allocator for WebAssembly a reconciliation takes a tenth more of the processor.

use talc::wasm::{WasmDynamicTalc, new_wasm_dynamic_allocator};

#[global_allocator]
static ALLOCATOR: WasmDynamicTalc = new_wasm_dynamic_allocator();
