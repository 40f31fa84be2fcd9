//! Named credentials: they go in, and never come out again.

use super::{Caller, Paging, ServiceError, Services, lists::Place};
use crate::wire::{ByNameOrUpdate, CredentialBody, CredentialView, Page};
use gatehouse_core::ports::{ChangeSet, CredentialRecord};
use gatehouse_core::{AuthScheme, Origin, Problem};
use gatehouse_sandbox::SHORTEST_SECRET;
use secrecy::SecretString;

/// Headers that a credential may not be put into, because they mean something to HTTP itself.
const NOT_FOR_SECRETS: [&str; 6] = ["host", "content-length", "transfer-encoding", "connection", "cookie", "upgrade"];

impl Services {
    /// All credentials, without their secrets.
    ///
    /// # Errors
    /// The store is unavailable.
    pub async fn list_credentials(
        &self,
        paging: &Paging<ByNameOrUpdate>,
    ) -> Result<Page<CredentialView>, ServiceError> {
        let all = self.store.credentials().await?.iter().map(CredentialView::from).collect();
        paging.cut(all, |credential: &CredentialView, key| match key {
            ByNameOrUpdate::Name => Place::named(&credential.name),
            ByNameOrUpdate::UpdatedAt => Place::dated(credential.updated_at, &credential.name),
        })
    }

    /// Makes a credential, or gives one another secret. Whether it was made.
    ///
    /// # Errors
    /// Something of it is malformed, or apps use it for another origin.
    pub async fn set_credential(
        &self,
        caller: &Caller,
        name: &str,
        body: CredentialBody,
    ) -> Result<(CredentialView, bool), ServiceError> {
        let problems = problems(name, &body);
        let origin = match body.origin.parse::<Origin>() {
            Ok(origin) if problems.is_empty() => origin,
            Ok(_) => return Err(ServiceError::Invalid(problems)),
            Err(error) => {
                let bad = Problem::new("origin", error.to_string());
                return Err(ServiceError::Invalid(std::iter::once(bad).chain(problems).collect()));
            }
        };
        let before = self.store.credentials().await?.into_iter().find(|c| c.name == name);
        let moved = before.as_ref().is_some_and(|before| before.origin != origin);
        let users = self.apps_with_credential(name).await?;
        if moved && !users.is_empty() {
            return Err(ServiceError::Conflict(format!(
                "credential `{name}` is for {} and in use by app {}; make another one for {origin} and bind it there",
                before.map(|b| b.origin.to_string()).unwrap_or_default(),
                users.join(", ")
            )));
        }
        let record = CredentialRecord {
            name: name.to_owned(),
            origin,
            scheme: body.scheme,
            header: body.header,
            updated_at: self.now(),
        };
        let view = CredentialView::from(&record);
        let audit = self
            .audit(caller, "credential.set", format!("credential {name}"))
            .with("origin", &record.origin)
            .changing(before.as_ref(), Some(&record));
        let credentials = vec![(record, SecretString::from(body.secret))];
        self.store.commit(ChangeSet { audit: vec![audit], credentials, ..ChangeSet::default() }).await?;
        Ok((view, before.is_none()))
    }

    /// Deletes a credential.
    ///
    /// # Errors
    /// Apps use it, or there is none.
    pub async fn delete_credential(&self, caller: &Caller, name: &str) -> Result<(), ServiceError> {
        let _turn = self.turn.lock().await;
        let Some(before) = self.store.credentials().await?.into_iter().find(|c| c.name == name) else {
            return Err(ServiceError::NotFound(format!("there is no credential `{name}`")));
        };
        let users = self.apps_with_credential(name).await?;
        if !users.is_empty() {
            return Err(ServiceError::Conflict(format!(
                "credential `{name}` is in use by app {}; bind another one there first",
                users.join(", ")
            )));
        }
        let record = self.audit(caller, "credential.delete", format!("credential {name}"));
        let audit = vec![record.changing(Some(&before), None)];
        let remove_credentials = vec![name.to_owned()];
        self.store.commit(ChangeSet { audit, remove_credentials, ..ChangeSet::default() }).await?;
        Ok(())
    }

    async fn apps_with_credential(&self, name: &str) -> Result<Vec<String>, ServiceError> {
        let apps = self.store.apps().await?;
        let using = apps.iter().filter(|app| app.credentials.values().any(|bound| bound == name));
        Ok(using.map(|app| format!("`{}`", app.name)).collect())
    }
}

fn problems(name: &str, body: &CredentialBody) -> Vec<Problem> {
    let mut problems = Vec::new();
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if name.is_empty() || name.len() > 64 || !name.chars().all(plain) {
        let why = format!("`{name}` is no name for a credential: letters, digits, `-`, `_` and `.`, 64 at most");
        problems.push(Problem::new("name", why));
    }
    match (body.scheme, &body.header) {
        (AuthScheme::Header, None) => {
            problems.push(Problem::new("header", "scheme `header` needs the name of the header"));
        }
        (AuthScheme::Header, Some(header)) if !is_field_name(header) => {
            problems.push(Problem::new("header", format!("`{header}` cannot carry a credential")));
        }
        (AuthScheme::Bearer | AuthScheme::Basic, Some(_)) => {
            problems.push(Problem::new("header", "only scheme `header` has a header of its own"));
        }
        _ => {}
    }
    // The secret itself is never part of a text.
    if body.secret.is_empty() {
        problems.push(Problem::new("secret", "it is empty"));
    } else if body.secret.chars().any(char::is_control) {
        problems.push(Problem::new("secret", "it has control characters in it, such as a line break"));
    } else if body.scheme == AuthScheme::Basic && !body.secret.contains(':') {
        problems.push(Problem::new("secret", "scheme `basic` takes user:password, and there is no colon in it"));
    } else if !gatehouse_sandbox::is_searchable(body.scheme, &body.secret) {
        let what = if body.scheme == AuthScheme::Basic { "its password (or else its user name)" } else { "it" };
        problems.push(Problem::new(
            "secret",
            format!(
                "{what} takes at least {SHORTEST_SECRET} bytes: a shorter one would be found in any text, so that \
                 answers could not be searched for it; have the target make a longer one"
            ),
        ));
    }
    problems
}

/// A field name (RFC 9110 section 5.1) that is free for this.
fn is_field_name(name: &str) -> bool {
    let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    !name.is_empty() && name.chars().all(token) && !NOT_FOR_SECRETS.contains(&name.to_ascii_lowercase().as_str())
}
