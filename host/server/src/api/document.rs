//! The OpenAPI document, generated from the routes. What holds for every call (the token, keys for repeating,
//! versions) is added here once.

use super::guard::Guarded;
use super::{FieldProblem, Rules, examples, failures, headers, open, protected};
use axum::http::Method;
use gatehouse_core::access::Action;
use utoipa::OpenApi;
use utoipa::openapi::path::{HttpMethod, Operation, Parameter, ParameterIn, PathItem};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{RefOr, schema::Schema};

/// What calls without a token do not need.
const TOKEN: &str = "token";

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Gatehouse",
        description = "Manages user accounts in third-party applications. Send the token as `Authorization: Bearer`. \
            Lists come in pages of at most `limit` items: hand `next` in as `after`, with \
            the same filters and the same `sort`, until it is null. `sort=name` has the lowest first, `sort=-name` the \
            highest; each list says what it can be sorted by. Errors are problem+json (RFC 9457). \
            Records carry their version as ETag; send it back as If-Match, and a change of something else is refused \
            with 412. A POST that takes an Idempotency-Key is done once with it, however often it is sent. \
            A token may make so many calls a minute (60000, unless `calls_per_minute` of the host's configuration says \
            otherwise); one too many is answered with 429 and a Retry-After. Every answer has an X-Request-Id, the \
            caller's or one that is made for it: it is in the log, in the audit trail and in the requests that the \
            call made. Work on accounts is done \
            by requests: a call that answers 202 has made one; follow it at its Location, or by its events.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0")
    ),
    // Named by the answers that every call may give; the routes name the others.
    components(schemas(FieldProblem)),
    tags(
        (name = "connectors", description = "Installed connectors."),
        (name = "apps", description = "Connected apps: a connector, its settings, and how to provision."),
        (name = "jobs", description = "What is done for many users, piece by piece."),
        (name = "users", description = "People, their attributes, and what gives them access: profiles, permission sets, groups."),
        (name = "accounts", description = "What ties users to accounts in apps."),
        (name = "requests", description = "User provisioning requests: the one unit of work."),
        (name = "delegations", description = "Who approves in whose place while they are away."),
        (name = "credentials", description = "Secrets the host adds to connectors' requests. They never come out."),
        (name = "system", description = "Tokens, the audit trail, health and metrics.")
    )
)]
struct Document;

/// The document.
pub fn openapi() -> utoipa::openapi::OpenApi {
    let mut document = Document::openapi();
    let Guarded { router, rules } = protected();
    document.merge(with_token(router.into_openapi(), &rules));
    document.merge(open().into_openapi());
    document.paths.paths.values_mut().for_each(headers::named);
    examples::add(&mut document);
    let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("ghs_…").build();
    document.components.get_or_insert_default().add_security_scheme(TOKEN, SecurityScheme::Http(scheme));
    document
}

fn with_token(mut document: utoipa::openapi::OpenApi, rules: &Rules) -> utoipa::openapi::OpenApi {
    let records = headers::records(&document);
    for (path, item) in &mut document.paths.paths {
        for (method, operation) in operations(item) {
            let scopes = rules.get(&word(&method), path).and_then(Action::scope).map(|scope| scope.name().to_owned());
            operation.security = Some(vec![SecurityRequirement::new(TOKEN, Vec::from_iter(scopes))]);
            failures::document(&method, path, operation);
            headers::document(&method, path, operation, &records);
            operation.parameters.iter_mut().flatten().for_each(bounded);
        }
    }
    document
}

/// Says of parameters that every call reads alike what they may be.
fn bounded(parameter: &mut RefOr<Parameter>) {
    let RefOr::T(parameter) = parameter else { return };
    let Some(RefOr::T(Schema::Object(schema))) = &mut parameter.schema else { return };
    match (&parameter.parameter_in, parameter.name.as_str()) {
        (ParameterIn::Query, "limit") => {
            schema.minimum = Some(1.into());
            schema.maximum = Some(1000.into());
        }
        (ParameterIn::Query, "mode") => schema.enum_values = Some(vec!["each".into(), "all_or_nothing".into()]),
        (ParameterIn::Header, "Idempotency-Key") => {
            (schema.min_length, schema.max_length) = (Some(1), Some(255));
        }
        _ => {}
    }
}

/// The method as calls have it.
pub(super) fn word(of: &HttpMethod) -> Method {
    match of {
        HttpMethod::Put => Method::PUT,
        HttpMethod::Post => Method::POST,
        HttpMethod::Patch => Method::PATCH,
        HttpMethod::Delete => Method::DELETE,
        _ => Method::GET,
    }
}

pub(super) fn operations(item: &mut PathItem) -> impl Iterator<Item = (HttpMethod, &mut Operation)> {
    [
        (HttpMethod::Get, &mut item.get),
        (HttpMethod::Put, &mut item.put),
        (HttpMethod::Post, &mut item.post),
        (HttpMethod::Patch, &mut item.patch),
        (HttpMethod::Delete, &mut item.delete),
    ]
    .into_iter()
    .filter_map(|(method, operation)| Some((method, operation.as_mut()?)))
}
