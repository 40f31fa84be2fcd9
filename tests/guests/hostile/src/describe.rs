//! The description, and its misdeeds: a marker in the binary chooses, since there are no settings yet.

use crate::descriptor::{
    AttributeDefinition, AttributeType, AuthScheme, CredentialSlot, Description, Mutability, Operation,
    SettingDefinition, SettingType,
};
use crate::misdeeds::misbehave;
use std::hint::black_box;

/// Tests overwrite the last two bytes.
static MARKER: &[u8; 18] = b"describe-marker=00";

pub fn describe() -> Description {
    let marker = black_box(MARKER);
    let digit = |at: usize| usize::from(black_box(marker[at]).wrapping_sub(b'0'));
    let mut description = honest();
    match digit(16) * 10 + digit(17) {
        1 => misbehave("trap"),
        2 => misbehave("loop"),
        3 => misbehave("grow-memory"),
        4 => description.summary = format!("{}", wasip2::random::random::get_random_u64()),
        5 => wrong(&mut description),
        6 => description.search_paths.push("/Users/.search".to_owned()),
        7 => {
            if let Err(error) = fetch() {
                description.summary = error;
            }
        }
        8 => description.settings[0].default = Some("not json".to_owned()),
        9 => description.name = "second".to_owned(),
        #[allow(clippy::disallowed_methods)] // taking long is the misdeed
        10 => std::thread::sleep(std::time::Duration::from_millis(500)),
        11 => misbehave("sleep"),
        _ => {}
    }
    description
}

fn fetch() -> Result<(), String> {
    use wasip2::http::types::{Fields, OutgoingRequest};
    let request = OutgoingRequest::new(Fields::new());
    request.set_authority(Some("example.com")).map_err(|()| "authority")?;
    request.set_path_with_query(Some("/")).map_err(|()| "path")?;
    let pending = wasip2::http::outgoing_handler::handle(request, None).map_err(|code| format!("{code:?}"))?;
    pending.subscribe().block();
    let answer = pending.get().ok_or("not ready")?.map_err(|()| "taken")?;
    answer.map(drop).map_err(|code| format!("{code:?}"))
}

/// Only `url` is known to be one: an address in `elsewhere` is granted by nobody.
fn settings() -> Vec<SettingDefinition> {
    let setting = |name: &str, kind: SettingType| SettingDefinition {
        name: name.to_owned(),
        description: String::new(),
        type_: kind,
        required: false,
        default: None,
        choices: Vec::new(),
    };
    let texts = ["elsewhere", "method", "header", "body", "times", "n"];
    let mut settings = vec![setting("behaviour", SettingType::Text), setting("url", SettingType::Url)];
    settings.extend(texts.map(|name| setting(name, SettingType::Text)));
    settings
}

/// Only `pin` is sensitive.
fn attribute(name: &str, suggested: Option<&str>) -> AttributeDefinition {
    AttributeDefinition {
        name: name.to_owned(),
        description: String::new(),
        type_: AttributeType::Text,
        multi_valued: false,
        case_exact: false,
        mutability: Mutability::ReadWrite,
        required: false,
        unique: false,
        sensitive: name == "pin",
        suggested: suggested.map(str::to_owned),
    }
}

fn honest() -> Description {
    Description {
        name: "hostile".to_owned(),
        version: "0.1.0".to_owned(),
        summary: "Does what no connector may.".to_owned(),
        operations: vec![Operation::Create, Operation::Read, Operation::Reconcile],
        attributes: vec![attribute("email", Some("{email}")), attribute("pin", None)],
        settings: settings(),
        credentials: vec![CredentialSlot {
            name: "main".to_owned(),
            description: String::new(),
            schemes: vec![AuthScheme::Bearer, AuthScheme::Basic, AuthScheme::Header],
            header: Some("x-api-key".to_owned()),
            setting: "url".to_owned(),
            required: false,
        }],
        searchable: vec!["username".to_owned(), "email".to_owned()],
        search_paths: Vec::new(),
    }
}

/// One mistake of every sort.
fn wrong(description: &mut Description) {
    description.name = "Not A Name".to_owned();
    description.version = "one".to_owned();
    let mut twice = description.attributes[0].clone();
    twice.suggested = Some("{email".to_owned());
    description.attributes.push(twice);
    description.searchable.push("unheard-of".to_owned());
    description.settings[0].default = Some("1".to_owned());
    description.credentials[0].setting = "behaviour".to_owned();
    description.search_paths.push("/a/../b".to_owned());
}
