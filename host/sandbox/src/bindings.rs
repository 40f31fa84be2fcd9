//! The host's side of `wit/`, generated. Nothing of it leaves this crate: `wire` turns it into domain types.
#![allow(missing_docs)] // generated

wasmtime::component::bindgen!({
    path: "../../wit",
    world: "connector",
    exports: { default: async },
});

pub(crate) use exports::gatehouse::connector as guest;
pub(crate) use gatehouse::connector as host;
