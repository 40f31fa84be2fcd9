//! SCIM 2.0 as this target speaks it (RFC 7644): what a request does to the accounts, and what the answer is. Faults
//! are not known here, but for a marker that is forgotten.

use super::accounts::{Account, Accounts};
use super::log::Done;
use super::patch;
use super::wire::{Answer, Asked};
use super::{Lie, Options};
use serde_json::{Value, json};

const LIST: &str = "urn:ietf:params:scim:api:messages:2.0:ListResponse";
const ERROR: &str = "urn:ietf:params:scim:api:messages:2.0:Error";
const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";

/// What came of a request.
pub(super) struct Outcome {
    pub answer: Answer,
    pub done: Done,
    /// The userName and the externalId of the account concerned.
    pub whose: (Option<String>, Option<String>),
}

impl From<Answer> for Outcome {
    fn from(answer: Answer) -> Self {
        Self { answer, done: Done::Nothing, whose: (None, None) }
    }
}

/// An answer that refuses, with a scimType if that says more.
pub(super) fn error(status: u16, scim_type: Option<&str>, detail: &str) -> Answer {
    let mut body = json!({"schemas": [ERROR], "status": status.to_string(), "detail": detail});
    if let Some(scim_type) = scim_type {
        body["scimType"] = Value::from(scim_type);
    }
    Answer::json(status, &body)
}

/// Does what a request asks for. `path` is the one below the base URL.
pub(super) fn serve(accounts: &mut Accounts, options: &Options, asked: &Asked, path: &str, lie: &Lie) -> Outcome {
    match (asked.method.as_str(), path) {
        ("GET", "/ServiceProviderConfig") => Answer::json(200, &provider(options)).into(),
        ("GET", "/Schemas") => Answer::json(200, &whole_list(&[json!({"id": USER, "name": "User"})])).into(),
        ("GET", "/ResourceTypes") => {
            let kind = json!({"id": "User", "name": "User", "endpoint": "/Users", "schema": USER});
            Answer::json(200, &whole_list(&[kind])).into()
        }
        ("GET", "/Users") => list(accounts, options, asked, lie).into(),
        ("POST", "/Users") => create(accounts, options, asked, lie),
        (_, "/Users") => error(405, None, "users are listed and made here").into(),
        (method, path) => match path.strip_prefix("/Users/") {
            None => error(404, None, "there is nothing here").into(),
            Some(id) => of_one(accounts, options, asked, method, id, lie),
        },
    }
}

fn provider(options: &Options) -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"],
        "patch": {"supported": true},
        "bulk": {"supported": false, "maxOperations": 0, "maxPayloadSize": 0},
        "filter": {"supported": true, "maxResults": options.max_results},
        "changePassword": {"supported": false},
        "sort": {"supported": false},
        "etag": {"supported": options.versions},
        "authenticationSchemes": [{"type": "oauthbearertoken", "name": "Bearer", "description": "a fixed token"}],
    })
}

fn whole_list(items: &[Value]) -> Value {
    json!({"schemas": [LIST], "totalResults": items.len(), "startIndex": 1, "itemsPerPage": items.len(), "Resources": items})
}

fn list(accounts: &Accounts, options: &Options, asked: &Asked, lie: &Lie) -> Answer {
    let number = |name: &str| asked.parameter(name).and_then(|text| text.parse::<i64>().ok());
    let start = usize::try_from(number("startIndex").unwrap_or(1).max(1)).unwrap_or(1);
    let most = options.max_results;
    let count = number("count").map_or(most, |count| usize::try_from(count.max(0)).unwrap_or(0).min(most));
    match asked.parameter("filter") {
        None => {
            let page = accounts.all().iter().skip(start - 1).take(count);
            page_of(page, accounts.len(), start, lie)
        }
        Some(filter) => {
            let found = patch::equals(&filter).and_then(|(name, value)| accounts.find(name, &value));
            let Some(found) = found else {
                return error(400, Some("invalidFilter"), "only userName, externalId and id can be searched, by eq");
            };
            let total = found.len();
            page_of(found.into_iter().skip(start - 1).take(count), total, start, lie)
        }
    }
}

/// A list as text, put together from the texts of its users.
fn page_of<'a>(page: impl Iterator<Item = &'a Account>, total: usize, start: usize, lie: &Lie) -> Answer {
    let mut resources = String::new();
    let mut count = 0;
    for account in page.take_while(|_| !lie.empty) {
        resources.push_str(if count > 0 { "," } else { "" });
        resources.push_str(&account.text);
        count += 1;
    }
    let total = if lie.empty { 0 } else { i64::try_from(total).unwrap_or(i64::MAX).saturating_add(lie.total).max(0) };
    let said = lie.per_page.unwrap_or(count);
    Answer::text(
        200,
        format!(
            r#"{{"schemas":["{LIST}"],"totalResults":{total},"startIndex":{start},"itemsPerPage":{said},"Resources":[{resources}]}}"#
        ),
    )
}

fn create(accounts: &mut Accounts, options: &Options, asked: &Asked, lie: &Lie) -> Outcome {
    let sent = match user_in(asked) {
        Ok(user) => user,
        Err(refusal) => return refusal.into(),
    };
    let whose = names(&sent);
    if options.unique && accounts.is_taken(&sent, None) {
        let answer = error(409, Some("uniqueness"), "there is one already");
        return Outcome { answer, done: Done::Nothing, whose };
    }
    let made = accounts.add(kept(sent, lie));
    let location = made.json()["meta"]["location"].as_str().unwrap_or_default().to_owned();
    let answer = with_version(Answer::text(201, made.text.clone()), made, options).with("location", location);
    Outcome { answer, done: Done::Created(made.id()), whose }
}

fn of_one(accounts: &mut Accounts, options: &Options, asked: &Asked, method: &str, id: &str, lie: &Lie) -> Outcome {
    let Some(found) = accounts.get(id) else {
        return error(404, None, "there is no such user").into();
    };
    let (before, etag) = (found.json(), found.etag());
    let whose = names(&before);
    let refused = |answer| Outcome { answer, done: Done::Nothing, whose: whose.clone() };
    if method == "GET" {
        return refused(with_version(Answer::text(200, found.text.clone()), found, options));
    }
    if options.versions && asked.header("if-match").is_some_and(|wanted| wanted != "*" && wanted != etag) {
        return refused(error(412, None, "the user has changed meanwhile"));
    }
    let after = match method {
        "DELETE" => {
            accounts.remove(id);
            let answer = Answer { status: 204, ..Answer::default() };
            return Outcome { answer, done: Done::Removed(id.to_owned()), whose };
        }
        "PUT" => user_in(asked),
        "PATCH" => patched(&before, &asked.json()),
        _ => Err(error(405, None, "a user is read, changed or removed")),
    };
    let after = match after {
        Ok(after) if options.unique && accounts.is_taken(&after, Some(id)) => {
            return refused(error(409, Some("uniqueness"), "another user has that name"));
        }
        Ok(after) => kept(after, lie),
        Err(refusal) => return refused(refusal),
    };
    match accounts.replace(id, after) {
        Some(changed) => {
            let answer = with_version(Answer::text(200, changed.text.clone()), changed, options);
            Outcome { answer, done: Done::Changed(id.to_owned()), whose }
        }
        None => refused(error(404, None, "there is no such user")),
    }
}

fn patched(before: &Value, operations: &Value) -> Result<Value, Answer> {
    let mut after = before.clone();
    patch::apply(&mut after, operations).map_err(|(kind, detail)| error(400, Some(kind), &detail))?;
    Ok(after)
}

/// The user that a body describes: an object with a userName. It is active unless it says otherwise.
fn user_in(asked: &Asked) -> Result<Value, Answer> {
    let mut user = asked.json();
    if user["userName"].as_str().is_none_or(|name| name.trim().is_empty()) {
        return Err(error(400, Some("invalidValue"), "a user needs a userName"));
    }
    if user["active"].is_null() {
        user["active"] = Value::Bool(true);
    }
    Ok(user)
}

fn kept(mut user: Value, lie: &Lie) -> Value {
    if lie.forget_marker
        && let Some(user) = user.as_object_mut()
    {
        user.remove("externalId");
    }
    user
}

fn names(user: &Value) -> (Option<String>, Option<String>) {
    let text = |name: &str| user[name].as_str().map(str::to_owned);
    (text("userName"), text("externalId"))
}

fn with_version(answer: Answer, account: &Account, options: &Options) -> Answer {
    if options.versions { answer.with("etag", account.etag()) } else { answer }
}
