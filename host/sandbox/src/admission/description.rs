//! What a connector says of itself: turned into domain types, and checked. Every problem is named, not only the
//! first, since each costs its author a build.

use super::refusal;
use crate::Limits;
use crate::bindings::guest::descriptor as wit;
use crate::journal::cut;
use gatehouse_core::ports::AdmissionError;
use gatehouse_core::schema::{AttributeDefinition, AttributeType, Mutability, is_attribute_name};
use gatehouse_core::{
    AuthScheme, Capability, CredentialSlot, Description, Interface, SettingDefinition, SettingType, Template, USERNAME,
};
use serde_json::Value;
use std::collections::BTreeSet;

/// The most things of one sort (attributes, settings, paths) that a description may have.
const MOST: usize = 1_000;

/// The longest text of a connector's that stands in a refusal, in bytes.
const SHOWN: usize = 200;

/// The description in domain types.
pub(super) fn convert(from: wit::Description, limits: &Limits) -> Result<Description, AdmissionError> {
    let parts = [
        from.attributes.len(),
        from.settings.len(),
        from.credentials.len(),
        from.searchable.len(),
        from.search_paths.len(),
    ];
    if parts.iter().any(|count| *count > MOST) {
        return Err(refusal("description", format!("the description lists more than {MOST} things of one sort")));
    }
    let mut settings = Vec::new();
    for setting in from.settings {
        settings.push(setting_in(setting)?);
    }
    let description = Description {
        name: from.name,
        version: from.version,
        summary: from.summary,
        capabilities: from.operations.into_iter().map(capability_in).collect(),
        attributes: from.attributes.into_iter().map(attribute_in).collect(),
        settings,
        credentials: from.credentials.into_iter().map(slot_in).collect(),
        searchable: from.searchable,
        search_paths: from.search_paths,
    };
    let size = serde_json::to_vec(&description).map_or(u64::MAX, |json| json.len() as u64);
    if size > limits.returned_bytes.min(1 << 20) {
        return Err(refusal("description", format!("the description has {size} bytes as JSON; 1 MiB is allowed")));
    }
    Ok(description)
}

fn capability_in(operation: wit::Operation) -> Capability {
    match operation {
        wit::Operation::Create => Capability::Create,
        wit::Operation::Read => Capability::Read,
        wit::Operation::Update => Capability::Update,
        wit::Operation::Deactivate => Capability::Deactivate,
        wit::Operation::Activate => Capability::Activate,
        wit::Operation::Delete => Capability::Delete,
        wit::Operation::Reconcile => Capability::Reconcile,
    }
}

fn attribute_in(from: wit::AttributeDefinition) -> AttributeDefinition {
    AttributeDefinition {
        name: from.name,
        description: from.description,
        kind: match from.type_ {
            wit::AttributeType::Text => AttributeType::Text,
            wit::AttributeType::Boolean => AttributeType::Boolean,
            wit::AttributeType::Integer => AttributeType::Integer,
            wit::AttributeType::Decimal => AttributeType::Decimal,
            wit::AttributeType::DateTime => AttributeType::DateTime,
            wit::AttributeType::Reference => AttributeType::Reference,
            wit::AttributeType::Binary => AttributeType::Binary,
        },
        multi_valued: from.multi_valued,
        case_exact: from.case_exact,
        mutability: match from.mutability {
            wit::Mutability::ReadOnly => Mutability::ReadOnly,
            wit::Mutability::ReadWrite => Mutability::ReadWrite,
            wit::Mutability::Immutable => Mutability::Immutable,
            wit::Mutability::WriteOnly => Mutability::WriteOnly,
        },
        required: from.required,
        unique: from.unique,
        sensitive: from.sensitive,
        suggested: from.suggested,
    }
}

fn setting_in(from: wit::SettingDefinition) -> Result<SettingDefinition, AdmissionError> {
    let parsed = from.default.map(|json| {
        serde_json::from_str::<Value>(&json).map_err(|error| {
            let (name, json) = (cut(&from.name, SHOWN), cut(&json, SHOWN));
            let text = format!("setting `{name}`: its default `{json}` is not JSON: {error}; a text has quotes");
            refusal("description", text)
        })
    });
    Ok(SettingDefinition {
        default: parsed.transpose()?,
        name: from.name,
        description: from.description,
        kind: match from.type_ {
            wit::SettingType::Text => SettingType::Text,
            wit::SettingType::Boolean => SettingType::Boolean,
            wit::SettingType::Integer => SettingType::Integer,
            wit::SettingType::Url => SettingType::Url,
            wit::SettingType::Choice => SettingType::Choice,
        },
        required: from.required,
        choices: from.choices,
    })
}

fn slot_in(from: wit::CredentialSlot) -> CredentialSlot {
    let scheme = |scheme: wit::AuthScheme| match scheme {
        wit::AuthScheme::Bearer => AuthScheme::Bearer,
        wit::AuthScheme::Basic => AuthScheme::Basic,
        wit::AuthScheme::Header => AuthScheme::Header,
    };
    CredentialSlot {
        name: from.name,
        description: from.description,
        schemes: from.schemes.into_iter().map(scheme).collect(),
        header: from.header,
        setting: from.setting,
        required: from.required,
    }
}

/// Checks a description; gives what an administrator should know before consenting.
pub(super) fn check(of: &Description, exports: &BTreeSet<Interface>) -> Result<Vec<String>, AdmissionError> {
    let mut problems = Vec::new();
    check_identity(of, &mut problems);
    check_capabilities(of, exports, &mut problems);
    check_attributes(of, &mut problems);
    check_settings(of, &mut problems);
    check_credentials(of, &mut problems);
    check_search_paths(of, &mut problems);
    check_texts(of, &mut problems);
    if !problems.is_empty() {
        // Each as short as it can be: they quote the connector, which may write what it likes.
        let problems: Vec<_> = problems.iter().map(|problem| cut(problem, 4 * SHOWN)).collect();
        return Err(refusal("description", format!("the connector's description is wrong: {}", problems.join("; "))));
    }
    Ok(warnings(of))
}

fn warnings(of: &Description) -> Vec<String> {
    let mut warnings: Vec<String> = of
        .search_paths
        .iter()
        .map(|path| {
            format!(
                "it may send POST to `{path}` while collecting, on its word that this is a search and changes nothing"
            )
        })
        .collect();
    if of.credentials.is_empty() && of.settings.iter().any(|setting| setting.kind == SettingType::Url) {
        warnings.push("it declares no credential: its target would be open to everybody".to_owned());
    }
    warnings
}

fn check_identity(of: &Description, problems: &mut Vec<String>) {
    let body = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let well_formed = of.name.starts_with(|c: char| c.is_ascii_lowercase()) && of.name.chars().all(body);
    if !well_formed || of.name.len() > 64 {
        problems.push(format!(
            "name `{}`: it takes a small letter, then small letters, digits and `-`, 64 at most",
            of.name
        ));
    }
    if let Err(error) = semver::Version::parse(&of.version) {
        problems.push(format!("version `{}` is not semver 2.0.0: {error}", of.version));
    }
}

/// Administrators read these in a terminal.
fn check_texts(of: &Description, problems: &mut Vec<String>) {
    let attributes = of.attributes.iter().map(|one| &one.description);
    let settings = of.settings.iter().flat_map(|one| one.choices.iter().chain([&one.description]));
    let credentials = of.credentials.iter().map(|one| &one.description);
    let paths = of.search_paths.iter();
    let mut texts = attributes.chain(settings).chain(credentials).chain(paths).chain([&of.summary]);
    if let Some(text) = texts.find(|text| text.contains(char::is_control)) {
        problems.push(format!("`{text}` has control characters; a text takes one line"));
    }
}

fn check_capabilities(of: &Description, exports: &BTreeSet<Interface>, problems: &mut Vec<String>) {
    for capability in &of.capabilities {
        let (needed, name) = match capability {
            Capability::Read | Capability::Reconcile => (Interface::Collector, "collector"),
            _ => (Interface::Committer, "committer"),
        };
        if !exports.contains(&needed) {
            problems.push(format!("operation `{capability:?}` needs the interface `{name}`, which is not exported"));
        }
    }
}

fn check_attributes(of: &Description, problems: &mut Vec<String>) {
    let mut seen = BTreeSet::new();
    for attribute in &of.attributes {
        let name = &attribute.name;
        if !is_attribute_name(name) {
            problems.push(format!("attribute `{name}`: it takes a letter, then letters, digits, `.`, `_`, `-` or `:`"));
        }
        if !seen.insert(name.as_str()) {
            problems.push(format!("attribute `{name}` is defined twice"));
        }
        let Some(suggested) = &attribute.suggested else { continue };
        if let Err(error) = suggested.parse::<Template>() {
            problems.push(format!("attribute `{name}`: its suggested mapping is no template: {error}"));
        }
        if attribute.mutability == Mutability::ReadOnly {
            problems.push(format!("attribute `{name}` has a suggested mapping and cannot be written"));
        }
    }
    let mut searchable = BTreeSet::new();
    for name in &of.searchable {
        if name != USERNAME && !seen.contains(name.as_str()) {
            problems.push(format!("searchable attribute `{name}` is not defined"));
        }
        if !searchable.insert(name) {
            problems.push(format!("searchable attribute `{name}` is listed twice"));
        }
    }
}

fn check_settings(of: &Description, problems: &mut Vec<String>) {
    let mut seen = BTreeSet::new();
    for setting in &of.settings {
        let name = &setting.name;
        if !is_attribute_name(name) {
            problems.push(format!("setting `{name}`: it takes a letter, then letters, digits, `.`, `_`, `-` or `:`"));
        }
        if !seen.insert(name) {
            problems.push(format!("setting `{name}` is defined twice"));
        }
        if (setting.kind == SettingType::Choice) == setting.choices.is_empty() {
            problems.push(format!("setting `{name}`: `choices` belong to a choice, and only to one"));
        }
        if let Some(default) = &setting.default
            && let Err(wanted) = is_of_type(setting, default)
        {
            problems.push(format!("setting `{name}`: its default {default} is not {wanted}"));
        }
    }
}

/// Whether a value is of the setting's type; if not, what it should be.
fn is_of_type(setting: &SettingDefinition, value: &Value) -> Result<(), String> {
    let (fits, wanted) = match setting.kind {
        SettingType::Text => (value.is_string(), "a text".to_owned()),
        SettingType::Boolean => (value.is_boolean(), "true or false".to_owned()),
        SettingType::Integer => (value.is_i64() || value.is_u64(), "a whole number".to_owned()),
        SettingType::Url => {
            let address = value.as_str().is_some_and(|text| text.parse::<gatehouse_core::Origin>().is_ok());
            (address, "an http or https address".to_owned())
        }
        SettingType::Choice => {
            let chosen = value.as_str().is_some_and(|text| setting.choices.iter().any(|choice| choice == text));
            (chosen, format!("one of {}", setting.choices.join(", ")))
        }
    };
    if fits { Ok(()) } else { Err(wanted) }
}

fn check_credentials(of: &Description, problems: &mut Vec<String>) {
    let mut seen = BTreeSet::new();
    for slot in &of.credentials {
        let name = &slot.name;
        if !is_attribute_name(name) {
            problems
                .push(format!("credential `{name}`: it takes a letter, then letters, digits, `.`, `_`, `-` or `:`"));
        }
        if !seen.insert(name) {
            problems.push(format!("credential `{name}` is defined twice"));
        }
        if !of.settings.iter().any(|setting| setting.name == slot.setting && setting.kind == SettingType::Url) {
            problems.push(format!("credential `{name}` is for setting `{}`, which is no url setting", slot.setting));
        }
        if slot.schemes.is_empty() {
            problems.push(format!("credential `{name}` has no scheme"));
        }
        let header = slot.header.as_deref().map(http::HeaderName::try_from);
        match (slot.schemes.contains(&AuthScheme::Header), header) {
            (true, Some(Ok(_))) | (false, None) => {}
            _ => problems.push(format!("credential `{name}`: scheme `header` needs the name of a header, and only it")),
        }
    }
}

fn check_search_paths(of: &Description, problems: &mut Vec<String>) {
    for path in &of.search_paths {
        let plain = path.starts_with('/') && !path.contains(['?', '#', '%', '\\', ';']) && !path.contains("//");
        let dots = path.split('/').any(|segment| matches!(segment, "." | ".."));
        let stars = path.split('/').any(|segment| segment.contains('*') && segment != "*");
        if !plain || dots || stars || path.split('/').all(|segment| segment.is_empty() || segment == "*") {
            problems.push(format!(
                "search path `{path}`: it takes `/` and plain segments, one of them not `*`, without query and dots"
            ));
        }
    }
}
