//! What authors of Gatehouse connectors depend on: implement [`Connector`] for a type, name it in [`register!`], and
//! build for `wasm32-wasip2`. Everything but the glue of the component compiles natively too, so that a connector is
//! tested with `cargo test` against a [`testing::FakeTransport`]. This crate never handles a secret: the host adds
//! credentials to requests after they have left the connector, and there is no API for doing it here.

mod analysis;
mod connector;
mod context;
mod describe;
mod failure;
#[cfg(target_family = "wasm")]
#[doc(hidden)]
pub mod guest;
mod http;
mod journal;
mod page;
mod settings;
#[cfg(not(target_family = "wasm"))]
pub mod testing;
mod url;

pub use analysis::{Item, Judgement, Verdict, standard_analysis};
pub use connector::{Action, Command, Connector, Desired, Effect, Receipt, Target};
pub use context::{Context, Finding};
pub use describe::{AuthScheme, CredentialSlot, Description, Operation, Setting, SettingType};
pub use failure::Failure;
pub use http::{Method, Request, RequestBuilder, Response, Transport, TransportError};
pub use journal::{Journal, Level, Line, Sink};
pub use page::{Fault, Next, Page, Query};
pub use settings::Settings;
pub use url::{Url, percent_encode};

/// Re-exported, so that connectors name one version.
pub use gatehouse_schema as schema;
pub use gatehouse_schema::{
    Account, AttributeDefinition, AttributeType, Attributes, Mutability, Schema, Status, Value, canonical_text, drift,
    same_values,
};
/// Re-exported, so that connectors name one version.
pub use serde_json as json;

/// The code in the README compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}

/// Makes a type that implements [`Connector`] the connector of this component. Does nothing in a native build.
///
/// ```
/// struct Nothing;
/// impl gatehouse_connector::Connector for Nothing {
///     fn describe() -> gatehouse_connector::Description {
///         gatehouse_connector::Description::new("nothing", "0.1.0", "Does nothing at all.")
///     }
/// }
/// gatehouse_connector::register!(Nothing);
/// ```
#[cfg(not(target_family = "wasm"))]
#[macro_export]
macro_rules! register {
    ($connector:ty) => {
        const _: fn() -> $crate::Description = <$connector as $crate::Connector>::describe;
    };
}

/// Makes a type that implements [`Connector`] the connector of this component. Does nothing in a native build.
#[cfg(target_family = "wasm")]
#[macro_export]
macro_rules! register {
    ($connector:ty) => {
        #[allow(unsafe_code)]
        const _: () = {
            type Exported = $crate::guest::Exported<$connector>;
    $crate::guest::bindings::export_connector!(Exported with_types_in $crate::guest::bindings);
        };
    };
}
