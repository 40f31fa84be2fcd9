//! Whether an app is configured as its connector needs it: settings, credentials, origins, provisioning. Finds
//! everything that is wrong at once; never fixes anything silently, and never looks at users or accounts.

use crate::ports::{CredentialRecord, EgressGrant};
use crate::problem::{Problem, one_of, unknown};
use crate::{
    App, AuthScheme, CredentialSlot, Description, Operation, Origin, ProvisioningConfig, SettingDefinition,
    SettingType, approval, linking, mapping,
};
use gatehouse_schema::is_attribute_name;
use serde_json::Value as Json;
use std::collections::BTreeMap;

/// Everything that is wrong with the settings of an app.
pub fn validate_settings(description: &Description, settings: &BTreeMap<String, Json>) -> Vec<Problem> {
    let at = |name: &str| format!("settings.{name}");
    let names = || description.settings.iter().map(|s| s.name.as_str());
    let strangers = settings.keys().filter(|name| !names().any(|known| known == name.as_str()));
    let mut problems: Vec<_> =
        strangers.map(|name| Problem::new(at(name), unknown("setting", name, names()))).collect();
    for definition in &description.settings {
        match settings.get(&definition.name) {
            Some(value) => {
                let why = setting_problem(definition, value);
                problems.extend(why.map(|why| Problem::new(at(&definition.name), why)));
            }
            None if definition.required && definition.default.is_none() => {
                let why = format!("is required: {}", wanted(definition));
                problems.push(Problem::new(at(&definition.name), why));
            }
            None => {}
        }
    }
    problems
}

/// What is wrong with the value of a setting.
fn setting_problem(definition: &SettingDefinition, value: &Json) -> Option<String> {
    let fits = match (definition.kind, value) {
        (SettingType::Text, Json::String(text)) => !(definition.required && text.trim().is_empty()),
        (SettingType::Boolean, Json::Bool(_)) => true,
        (SettingType::Integer, Json::Number(number)) => number.is_i64() || number.is_u64(),
        (SettingType::Url, Json::String(text)) => return text.parse::<Origin>().err().map(|e| e.to_string()),
        (SettingType::Choice, Json::String(text)) => definition.choices.contains(text),
        _ => false,
    };
    (!fits).then(|| format!("{value} is not what it takes: {}", wanted(definition)))
}

/// What a setting takes.
fn wanted(definition: &SettingDefinition) -> String {
    match definition.kind {
        SettingType::Text if definition.required => "a text that is not empty".to_owned(),
        SettingType::Text => "a text".to_owned(),
        SettingType::Boolean => "true or false".to_owned(),
        SettingType::Integer => "a whole number".to_owned(),
        SettingType::Url => "an http or https URL such as \"https://app.example.com/api\"".to_owned(),
        SettingType::Choice => one_of(&definition.choices.iter().map(String::as_str).collect::<Vec<_>>()),
    }
}

/// The settings as the connector sees them: JSON text by name, defaults filled in.
pub fn effective_settings(description: &Description, settings: &BTreeMap<String, Json>) -> BTreeMap<String, String> {
    let value = |d: &SettingDefinition| settings.get(&d.name).or(d.default.as_ref()).map(Json::to_string);
    description.settings.iter().filter_map(|d| Some((d.name.clone(), value(d)?))).collect()
}

/// The origin of a URL setting, its default included.
fn origin_of(app: &App, description: &Description, setting: &str) -> Option<Origin> {
    let definition = description.settings.iter().find(|d| d.name == setting && d.kind == SettingType::Url)?;
    app.settings.get(setting).or(definition.default.as_ref())?.as_str()?.parse().ok()
}

/// The origins a connector may reach for an app: those of its URL settings, each once.
pub fn effective_grants(app: &App, description: &Description) -> Vec<EgressGrant> {
    let mut origins: Vec<_> =
        description.settings.iter().filter_map(|d| origin_of(app, description, &d.name)).collect();
    origins.sort();
    origins.dedup();
    let grant = |origin| EgressGrant { allow_private: app.private_origins.contains(&origin), origin };
    origins.into_iter().map(grant).collect()
}

/// Everything that is wrong with how credentials are bound to a connector's slots, and with the private origins.
/// `credentials` are all there are, by whatever name.
pub fn validate_credentials(app: &App, description: &Description, credentials: &[CredentialRecord]) -> Vec<Problem> {
    let slots = || description.credentials.iter().map(|slot| slot.name.as_str());
    let mut problems = Vec::new();
    for (slot, name) in &app.credentials {
        let found = description.credentials.iter().find(|s| s.name == *slot);
        let record = credentials.iter().find(|c| c.name == *name);
        let why = match (found, record) {
            (None, _) => Some(unknown("credential slot", slot, slots())),
            (_, None) => Some(unknown("credential", name, credentials.iter().map(|c| c.name.as_str()))),
            (Some(slot), Some(record)) => unfit(app, description, slot, record),
        };
        problems.extend(why.map(|why| Problem::new(format!("credentials.{slot}"), why)));
    }
    let missing = description.credentials.iter().filter(|s| s.required && !app.credentials.contains_key(&s.name));
    problems.extend(missing.map(|slot| {
        let why = format!("is required: bind a credential of scheme {}", schemes(slot));
        Problem::new(format!("credentials.{}", slot.name), why)
    }));
    let grants = effective_grants(app, description);
    let stray = app.private_origins.iter().filter(|origin| !grants.iter().any(|grant| grant.origin == **origin));
    problems.extend(stray.map(|origin| {
        Problem::new("private_origins", format!("`{origin}` is the origin of no setting, so nothing would reach it"))
    }));
    problems
}

/// Why a credential does not fit a slot.
fn unfit(app: &App, description: &Description, slot: &CredentialSlot, record: &CredentialRecord) -> Option<String> {
    let name = &record.name;
    if !slot.schemes.contains(&record.scheme) {
        let scheme = scheme_name(record.scheme);
        return Some(format!("credential `{name}` is of scheme `{scheme}`; this takes {}", schemes(slot)));
    }
    let same_header = match (&slot.header, &record.header) {
        (Some(wanted), Some(found)) => wanted.eq_ignore_ascii_case(found),
        (wanted, found) => wanted.is_none() || found.is_none(),
    };
    if record.scheme == AuthScheme::Header && !same_header {
        let (wanted, found) = (slot.header.as_deref()?, record.header.as_deref()?);
        return Some(format!("credential `{name}` goes into header `{found}`; this takes `{wanted}`"));
    }
    match origin_of(app, description, &slot.setting) {
        Some(origin) if origin == record.origin => None,
        Some(origin) => Some(format!(
            "credential `{name}` may only be sent to {}, and setting `{}` is at {origin}",
            record.origin, slot.setting
        )),
        None => Some(format!("setting `{}`, which says where it is sent, has no valid URL", slot.setting)),
    }
}

fn schemes(slot: &CredentialSlot) -> String {
    one_of(&slot.schemes.iter().map(|scheme| scheme_name(*scheme)).collect::<Vec<_>>())
}

fn scheme_name(scheme: AuthScheme) -> &'static str {
    match scheme {
        AuthScheme::Bearer => "bearer",
        AuthScheme::Basic => "basic",
        AuthScheme::Header => "header",
    }
}

/// Everything that is wrong with a provisioning configuration.
pub fn validate_config(config: &ProvisioningConfig, description: &Description) -> Vec<Problem> {
    let mut problems = match description.schema() {
        Ok(schema) => {
            let mut problems = mapping::validate(&config.mapping, &schema);
            problems.extend(linking::validate(&config.linking, &schema));
            problems
        }
        Err(error) => vec![Problem::new("connector", error.to_string())],
    };
    for operation in config.operations.iter().filter(|operation| !description.supports(**operation)) {
        let connector = format!("connector {} {}", description.name, description.version);
        problems.push(Problem::new("operations", format!("{connector} cannot do {operation:?}")));
    }
    for name in config.update_on.iter().flatten().filter(|name| !is_attribute_name(name)) {
        problems.push(Problem::new("update_on", format!("`{name}` is no attribute of a user")));
    }
    if let Some(why) = config.scope.as_ref().and_then(mapping::of_user_alone) {
        problems.push(Problem::new("scope", why));
    }
    for operation in config.approval_required.difference(&config.operations) {
        problems.push(Problem::new("approval_required", format!("{operation:?} is none of the operations")));
    }
    problems.extend(approval::validate(&config.approvals, &config.operations));
    for name in config.protected.iter().filter(|name| name.trim().is_empty()) {
        problems.push(Problem::new("protected", format!("`{name}` is no username")));
    }
    problems.extend(range_problems(config));
    problems
}

fn range_problems(config: &ProvisioningConfig) -> Vec<Problem> {
    let retry = &config.retry;
    let ranges = [
        ("page_size", config.page_size, 1..=1000),
        ("concurrency", config.concurrency, 1..=64),
        ("reconcile.max_vanished_percent", u32::from(config.reconcile.max_vanished_percent), 0..=100),
        ("retry.max_attempts", retry.max_attempts, 1..=20),
        ("retry.base_seconds", retry.base_seconds, 0..=3600),
        ("retry.max_seconds", retry.max_seconds, retry.base_seconds.min(3600)..=86_400),
        ("retry.settle_seconds", retry.settle_seconds, 0..=3600),
        ("guard.max_percent", u32::from(config.guard.max_percent), 0..=100),
        ("guard.window_minutes", config.guard.window_minutes, 1..=10_080),
    ];
    let outside = ranges.into_iter().filter(|(_, value, range)| !range.contains(value));
    outside
        .map(|(at, value, range)| {
            Problem::new(at, format!("{value} is not between {} and {}", range.start(), range.end()))
        })
        .collect()
}

/// The configuration a new app starts with: what the connector suggests and can do. Delete stays off.
pub fn suggested_config(description: &Description) -> ProvisioningConfig {
    let default = ProvisioningConfig::default();
    let possible = |operation: &Operation| description.supports(*operation);
    ProvisioningConfig {
        operations: default.operations.iter().copied().filter(possible).collect(),
        mapping: mapping::suggested(description),
        linking: linking::suggested(description),
        ..default
    }
}

#[cfg(test)]
mod tests;
