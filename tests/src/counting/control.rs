//! Control of a target by HTTP, for one that is a process: below `/_control`, with the target's own bearer token.
//! These requests are not logged, not counted and befallen by no fault.
//!
//! | Request | Answer |
//! | --- | --- |
//! | `GET /log?since=N` | the log after request N, an array of [`Seen`](super::Seen) |
//! | `DELETE /log?through=N` | the log up to request N is forgotten; all of it without N |
//! | `GET /counts` | `{requests, users, befell}` |
//! | `GET /users` | all accounts, an array |
//! | `POST /users` | makes an account: `{id}` |
//! | `POST /seed` `{count}` | makes users as [`seeded`](super::seeded) describes them |
//! | `POST /faults` | sets a [`Rule`](super::Rule) |
//! | `DELETE /faults` | takes back all rules |
//! | `PATCH /options` | changes some of [`Options`] |

use super::faults::Rule;
use super::wire::{Answer, Asked};
use super::{Options, Shared, locked};
use serde_json::{Value, json};

/// Where control begins.
pub(super) const PREFIX: &str = "/_control";

/// Does what is asked for.
pub(super) fn serve(shared: &Shared, asked: &Asked, command: &str) -> Answer {
    let token = locked(&shared.options).token.clone();
    if asked.header("authorization") != Some(&format!("Bearer {token}")) {
        return Answer::json(401, &json!({"detail": "control takes the token of the target"}));
    }
    let number = |name: &str| asked.parameter(name).and_then(|text| text.parse::<u64>().ok());
    match (asked.method.as_str(), command) {
        ("GET", "/log") => {
            let log = locked(&shared.log).since(number("since").unwrap_or(0));
            answer(&log)
        }
        ("DELETE", "/log") => {
            locked(&shared.log).forget(number("through").unwrap_or(u64::MAX));
            nothing()
        }
        ("GET", "/counts") => Answer::json(
            200,
            &json!({
                "requests": locked(&shared.log).count(),
                "users": locked(&shared.accounts).len(),
                "befell": locked(&shared.faults).befell(),
            }),
        ),
        ("GET", "/users") => {
            let texts: Vec<String> =
                locked(&shared.accounts).all().iter().map(|account| account.text.clone()).collect();
            Answer::text(200, format!("[{}]", texts.join(",")))
        }
        ("POST", "/users") => {
            let id = locked(&shared.accounts).add(asked.json()).id();
            Answer::json(200, &json!({ "id": id }))
        }
        ("POST", "/seed") => {
            let count = asked.json()["count"].as_u64().and_then(|count| usize::try_from(count).ok());
            count.map_or_else(
                || refused("seed takes {count}"),
                |count| {
                    shared.seed(count);
                    nothing()
                },
            )
        }
        ("POST", "/faults") => match serde_json::from_str::<Rule>(&asked.body) {
            Ok(rule) => {
                locked(&shared.faults).add(rule);
                nothing()
            }
            Err(error) => refused(&error.to_string()),
        },
        ("DELETE", "/faults") => {
            locked(&shared.faults).clear();
            nothing()
        }
        ("PATCH", "/options") => change(shared, &asked.json()),
        _ => Answer::json(404, &json!({"detail": "there is no such control"})),
    }
}

fn change(shared: &Shared, changes: &Value) -> Answer {
    let mut options = serde_json::to_value(&*locked(&shared.options)).unwrap_or_default();
    for (name, value) in changes.as_object().into_iter().flatten() {
        options[name.as_str()] = value.clone();
    }
    match serde_json::from_value::<Options>(options) {
        Ok(changed) => {
            shared.set(|options| *options = changed);
            nothing()
        }
        Err(error) => refused(&error.to_string()),
    }
}

fn answer(value: &impl serde::Serialize) -> Answer {
    match serde_json::to_string(value) {
        Ok(text) => Answer::text(200, text),
        Err(error) => Answer::json(500, &json!({"detail": error.to_string()})),
    }
}

fn nothing() -> Answer {
    Answer { status: 204, ..Answer::default() }
}

fn refused(why: &str) -> Answer {
    Answer::json(400, &json!({ "detail": why }))
}
