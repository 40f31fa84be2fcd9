//! Every way in which an app can be configured wrongly, with the text an administrator gets.

#![allow(clippy::unwrap_used)]
use super::*;
use crate::Capability;
use crate::testing::{app, description};
use jiff::Timestamp;
use serde_json::json;

fn texts(problems: Vec<Problem>) -> Vec<String> {
    problems.iter().map(Problem::to_string).collect()
}

/// The problems of settings that are right but for these; null leaves one out.
fn check_settings(change: Json, expected: &[&str]) {
    let mut settings = app().settings;
    for (name, value) in change.as_object().unwrap() {
        match value {
            Json::Null => settings.remove(name),
            value => settings.insert(name.clone(), value.clone()),
        };
    }
    assert_eq!(texts(validate_settings(&description(), &settings)), expected, "{change}");
}

#[test]
fn settings_of_the_declared_types_are_fine() {
    check_settings(json!({}), &[]);
    check_settings(json!({"patch": false, "page_size": 50, "tenant": "t", "api": "v2"}), &[]);
    check_settings(json!({"base_url": "http://[::1]:8080/x"}), &[]);
}

#[test]
fn a_wrong_setting_is_named_with_what_it_takes() {
    check_settings(
        json!({"base_ulr": "x"}),
        &["settings.base_ulr: there is no setting `base_ulr`; did you mean `base_url`?"],
    );
    check_settings(
        json!({"base_url": null}),
        &["settings.base_url: is required: an http or https URL such as \"https://app.example.com/api\""],
    );
    check_settings(
        json!({"base_url": 5}),
        &["settings.base_url: 5 is not what it takes: an http or https URL such as \"https://app.example.com/api\""],
    );
    check_settings(
        json!({"base_url": "ftp://x"}),
        &["settings.base_url: `ftp://x` is no http or https address: the scheme is neither http nor https"],
    );
    check_settings(
        json!({"base_url": "https://u:p@x"}),
        &["settings.base_url: `https://u:p@x` is no http or https address: it carries a user name or password; \
         make a credential of it instead"],
    );
    check_settings(json!({"patch": "yes"}), &["settings.patch: \"yes\" is not what it takes: true or false"]);
    check_settings(json!({"page_size": 1.5}), &["settings.page_size: 1.5 is not what it takes: a whole number"]);
    check_settings(json!({"tenant": []}), &["settings.tenant: [] is not what it takes: a text"]);
    check_settings(json!({"api": "v3"}), &["settings.api: \"v3\" is not what it takes: `v1` or `v2`"]);
}

#[test]
fn the_connector_sees_defaults_where_nothing_is_set() {
    let seen = effective_settings(&description(), &app().settings);
    let seen: Vec<_> = seen.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(seen, [("base_url", "\"https://hr.example.com/scim/v2\""), ("patch", "true")]);
}

#[test]
fn only_origins_of_url_settings_are_granted_and_private_ones_only_where_said() {
    let mut app = app();
    app.settings.insert("tenant".to_owned(), json!("https://elsewhere.example"));
    let grants = |app: &App| {
        let shown = |g: EgressGrant| format!("{} {}", g.origin, g.allow_private);
        effective_grants(app, &description()).into_iter().map(shown).collect::<Vec<_>>()
    };
    assert_eq!(grants(&app), ["https://hr.example.com false"]);
    app.private_origins.insert("https://hr.example.com".parse().unwrap());
    assert_eq!(grants(&app), ["https://hr.example.com true"]);
    app.settings.clear();
    assert_eq!(grants(&app), Vec::<String>::new());
}

fn credential(origin: &str, scheme: AuthScheme) -> CredentialRecord {
    let origin = origin.parse().unwrap();
    CredentialRecord { name: "hr".to_owned(), origin, scheme, header: None, updated_at: Timestamp::UNIX_EPOCH }
}

fn check_credentials(change: impl Fn(&mut App), record: CredentialRecord, expected: &[&str]) {
    let mut app = app();
    change(&mut app);
    assert_eq!(texts(validate_credentials(&app, &description(), &[record])), expected);
}

#[test]
fn a_credential_must_fit_its_slot_and_the_origin_it_is_sent_to() {
    let good = || credential("https://hr.example.com", AuthScheme::Bearer);
    check_credentials(|_| {}, good(), &[]);
    check_credentials(|_| {}, credential("https://hr.example.com", AuthScheme::Basic), &[]);
    check_credentials(
        |_| {},
        credential("https://hr.example.com", AuthScheme::Header),
        &["credentials.token: credential `hr` is of scheme `header`; this takes `bearer` or `basic`"],
    );
    check_credentials(
        |_| {},
        credential("https://hr.example.com:8443", AuthScheme::Bearer),
        &["credentials.token: credential `hr` may only be sent to https://hr.example.com:8443, \
         and setting `base_url` is at https://hr.example.com"],
    );
    check_credentials(
        |app| app.credentials.clear(),
        good(),
        &["credentials.token: is required: bind a credential of scheme `bearer` or `basic`"],
    );
    check_credentials(
        |app| app.credentials = [("token".to_owned(), "hrr".to_owned())].into(),
        good(),
        &["credentials.token: there is no credential `hrr`; did you mean `hr`?"],
    );
    check_credentials(
        |app| _ = app.credentials.insert("tokens".to_owned(), "hr".to_owned()),
        good(),
        &["credentials.tokens: there is no credential slot `tokens`; did you mean `token`?"],
    );
    check_credentials(
        |app| app.settings.clear(),
        good(),
        &["credentials.token: setting `base_url`, which says where it is sent, has no valid URL"],
    );
    check_credentials(
        |app| _ = app.private_origins.insert("http://localhost:1".parse().unwrap()),
        good(),
        &["private_origins: `http://localhost:1` is the origin of no setting, so nothing would reach it"],
    );
}

#[test]
fn a_header_credential_must_go_into_the_header_of_its_slot() {
    let mut description = description();
    description.credentials[0].schemes = vec![AuthScheme::Header];
    description.credentials[0].header = Some("X-Api-Key".to_owned());
    let check = |header: Option<&str>, expected: &[&str]| {
        let header = header.map(str::to_owned);
        let record = CredentialRecord { header, ..credential("https://hr.example.com", AuthScheme::Header) };
        assert_eq!(texts(validate_credentials(&app(), &description, &[record])), expected);
    };
    check(None, &[]);
    check(Some("x-api-key"), &[]);
    check(Some("x-key"), &["credentials.token: credential `hr` goes into header `x-key`; this takes `X-Api-Key`"]);
}

fn check_config(change: impl Fn(&mut ProvisioningConfig), expected: &[&str]) {
    let mut config = suggested_config(&description());
    change(&mut config);
    assert_eq!(texts(validate_config(&config, &description())), expected);
}

#[test]
fn what_is_suggested_is_valid_and_does_not_delete() {
    check_config(|_| {}, &[]);
    let mut poor = description();
    poor.capabilities = [Capability::Reconcile, Capability::Read].into();
    let config = suggested_config(&poor);
    assert_eq!(config.operations, [Operation::Read, Operation::Reconcile, Operation::Linking].into());
    assert_eq!(validate_config(&config, &poor), []);
    assert!(!suggested_config(&description()).operations.contains(&Operation::Delete));
}

#[test]
fn a_wrong_configuration_is_named_in_every_part() {
    check_config(|c| c.page_size = 0, &["page_size: 0 is not between 1 and 1000"]);
    check_config(|c| c.concurrency = 65, &["concurrency: 65 is not between 1 and 64"]);
    check_config(
        |c| c.reconcile.max_vanished_percent = 101,
        &["reconcile.max_vanished_percent: 101 is not between 0 and 100"],
    );
    check_config(|c| c.retry.max_attempts = 21, &["retry.max_attempts: 21 is not between 1 and 20"]);
    check_config(|c| c.retry.max_seconds = 1, &["retry.max_seconds: 1 is not between 2 and 86400"]);
    check_config(|c| _ = c.protected.insert(" ".to_owned()), &["protected: ` ` is no username"]);
    check_config(
        |c| _ = c.approval_required.insert(Operation::Delete),
        &["approval_required: Delete is none of the operations"],
    );
    check_config(
        |c| c.mapping[0].attribute = "external".to_owned(),
        &["mapping[0].attribute: there is no attribute `external`; did you mean `externalId`?"],
    );
    check_config(
        |c| c.linking[2].account_attribute = "email".to_owned(),
        &["linking[2].account_attribute: there is no attribute `email`; did you mean `emails`?"],
    );
    let mut poor = description();
    poor.capabilities.remove(&Capability::Deactivate);
    let problems = validate_config(&suggested_config(&description()), &poor);
    assert_eq!(
        texts(problems),
        ["operations: connector scim 0.1.0 cannot do Deactivate", "operations: connector scim 0.1.0 cannot do Freeze",]
    );
}
