//! What is said: names instead of numbers, and nothing of what an account holds.

use crate::wire::spelled;
use gatehouse_core::approval::{Notice, NoticeKind};
use gatehouse_core::ports::{Store, StoreError};
use gatehouse_core::{Subject, UserId};
use serde_json::{Value as Json, json};
use std::fmt::Write as _;

/// The names that a notice needs.
#[derive(Debug)]
pub(super) struct Facts {
    app: String,
    about: Option<String>,
    to: Vec<String>,
}

impl Facts {
    pub async fn of(store: &dyn Store, notice: &Notice) -> Result<Self, StoreError> {
        let app = store.app(notice.app).await?.map_or_else(|| notice.app.to_string(), |app| app.name);
        let about = match notice.subject {
            Subject::User(user) => Some(name(store, user).await?),
            Subject::Account(account) => Some(account.to_string()),
            Subject::App => None,
        };
        let mut to = Vec::with_capacity(notice.to.len());
        for user in &notice.to {
            to.push(name(store, *user).await?);
        }
        Ok(Self { app, about, to })
    }

    /// For programs.
    pub fn json(&self, notice: &Notice) -> Json {
        let kind: String = spelled(&notice.kind);
        json!({
            "type": format!("request.{kind}"),
            "timestamp": notice.at,
            "data": {
                "request": notice.request,
                "app": self.app,
                "operation": notice.operation,
                "about": self.about,
                "to": self.to,
                "deadline": notice.deadline,
                "reason": notice.reason,
            },
        })
    }

    /// For people, on one line.
    pub fn line(&self, notice: &Notice) -> String {
        let about = self.about.as_ref().map(|about| format!(" for {about}")).unwrap_or_default();
        let what = format!("{}: {:?}{about} in {}", notice.request, notice.operation, self.app);
        let until = notice.deadline.map(|at| format!(", until {at}")).unwrap_or_default();
        let why = notice.reason.as_ref().map(|why| format!(" ({why})")).unwrap_or_default();
        let line = match notice.kind {
            NoticeKind::ApprovalAsked => format!("{what} waits for your approval{until}"),
            NoticeKind::ApprovalEscalated => {
                format!("{what} waits for your approval{until}, since others did not decide in time")
            }
            NoticeKind::Approved => format!("{what}, which you asked for, was approved"),
            NoticeKind::Denied => format!("{what}, which you asked for, was not approved{why}"),
        };
        line.replace(['\r', '\n'], " ")
    }
}

async fn name(store: &dyn Store, user: UserId) -> Result<String, StoreError> {
    Ok(store.user(user).await?.map_or_else(|| user.to_string(), |user| user.username))
}

/// The subject and the text of a mail with these lines.
pub(super) fn mail(lines: &[String]) -> (String, String) {
    let subject = match lines {
        [one] => one.clone(),
        more => format!("Gatehouse: {} requests", more.len()),
    };
    let mut body = String::new();
    for line in lines {
        let _ = writeln!(body, "- {line}");
    }
    body.push_str(
        "\nWhat waits for you: gatehouse request list --waiting-for-me\nTo look at one: gatehouse request show <number>; \
         then approve or deny it.\n",
    );
    (subject, body)
}
