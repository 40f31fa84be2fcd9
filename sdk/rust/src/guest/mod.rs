//! The glue of a component: bindings made from wit/, and the conversions between their types and the ones authors
//! use. Only in builds for WebAssembly; it decides nothing.

#[allow(missing_docs, unsafe_code, clippy::all, unused_qualifications)]
pub mod bindings {
    wit_bindgen::generate!({
        path: "../../wit",
        world: "connector",
        pub_export_macro: true,
        export_macro_name: "export_connector",
        default_bindings_module: "gatehouse_connector::guest::bindings",
    });
}

mod allocator;
mod convert;
mod describe;
mod exports;
mod wasi_http;

pub use exports::Exported;
