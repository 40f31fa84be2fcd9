//! Which headers answers have, and which of a request's are looked at, for the document. It sets none of them.

use super::facts::Facts;
use std::collections::BTreeSet;
use utoipa::openapi::path::{HttpMethod, Operation, Parameter, ParameterBuilder, ParameterIn, PathItem};
use utoipa::openapi::schema::{Schema, SchemaType, Type};
use utoipa::openapi::{Content, Header, ObjectBuilder, OpenApi, Ref, RefOr, Required, Response};

/// What is made without a place of its own to be looked at.
const WITHOUT_PLACE: [&str; 2] = ["/api/v1/credentials/{name}", "/api/v1/tokens"];

/// The shapes of records: what has a version, which goes along as the ETag.
pub(super) fn records(document: &OpenApi) -> BTreeSet<String> {
    let schemas = document.components.iter().flat_map(|components| &components.schemas);
    let is_record = |schema: &RefOr<Schema>| match schema {
        RefOr::T(Schema::Object(object)) => match object.properties.get("version") {
            Some(RefOr::T(Schema::Object(version))) => version.schema_type == SchemaType::Type(Type::Integer),
            _ => false,
        },
        _ => false,
    };
    schemas.filter(|(_, schema)| is_record(schema)).map(|(name, _)| format!("#/components/schemas/{name}")).collect()
}

/// Adds the headers of an operation that needs a token.
pub(super) fn document(method: &HttpMethod, path: &str, operation: &mut Operation, records: &BTreeSet<String>) {
    let facts = Facts { method, path, operation };
    let (repeated, matched, decides) = (facts.honours_idempotency_key(), facts.honours_if_match(), facts.decides());
    let parameters = operation.parameters.get_or_insert_default();
    if repeated {
        parameters.push(RefOr::T(taken(
            "Idempotency-Key",
            "A text of your own, unique to this call: the call is done once, and a repetition with the same body gets \
             the first answer.",
        )));
    }
    if matched {
        parameters.push(RefOr::T(taken(
            "If-Match",
            "The ETag of the record you have seen, such as `\"3\"`: refused with 412 if it has changed since.",
        )));
    }
    for (status, response) in &mut operation.responses.responses {
        let RefOr::T(response) = response else { continue };
        let good = status.starts_with('2');
        // What was raised can be named, also where the answer tells more than that.
        let raised = status == "202";
        if raised || (good && is_record(response, records)) {
            add(response, "ETag", "The record's version, for If-Match.");
        }
        let made = status == "201" && !WITHOUT_PLACE.contains(&path);
        if made || raised || (good && decides) {
            add(response, "Location", "Where what the answer shows is to be found.");
        }
        if good && repeated {
            add(response, "Idempotency-Replayed", "`true` on an answer that was given before; not there otherwise.");
        }
        match status.as_str() {
            "401" => add(response, "WWW-Authenticate", "What is asked for (RFC 6750)."),
            "429" | "503" => add(response, "Retry-After", "After how many seconds to try again."),
            _ => {}
        }
    }
}

/// Adds what every answer has, of whatever operation.
pub(super) fn named(item: &mut PathItem) {
    for (_, operation) in super::document::operations(item) {
        for response in operation.responses.responses.values_mut() {
            if let RefOr::T(response) = response {
                add(response, "X-Request-Id", "Names the call, in the log and in the audit trail.");
            }
        }
    }
}

fn is_record(response: &Response, records: &BTreeSet<String>) -> bool {
    response.content.values().any(|content| match content {
        RefOr::T(Content { schema: Some(RefOr::Ref(Ref { ref_location, .. })), .. }) => records.contains(ref_location),
        _ => false,
    })
}

fn add(response: &mut Response, name: &str, about: &str) {
    let mut header = Header::new(ObjectBuilder::new().schema_type(SchemaType::Type(Type::String)).build());
    header.description = Some(about.to_owned());
    response.headers.insert(name.to_owned(), RefOr::T(header));
}

fn taken(name: &str, description: &str) -> Parameter {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .description(Some(description))
        .schema(Some(ObjectBuilder::new().schema_type(SchemaType::Type(Type::String))))
        .build()
}
