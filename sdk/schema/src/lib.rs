//! What accounts look like, and when two of them are the same: attribute schemas, canonical values, comparison.
//! Shared by the host and by connectors, so that both mean the same by "differs". Pure: it never does I/O, and it
//! never knows about users, links or requests.

mod account;
mod canonical;
mod compare;
mod definition;

pub use account::{Account, Attributes, Status, Value};
pub use canonical::{NotCanonical, canonical_text};
pub use compare::{drift, same_values};
pub use definition::{AttributeDefinition, AttributeType, Mutability, Schema, SchemaError, is_attribute_name};
