//! The work that every contender of the bench does: the same Rust code as a Gatehouse connector, natively, in an
//! Extism plugin and in a child process. It makes pages of accounts, parses pages of SCIM JSON, and judges batches.
//! It never does I/O, so that what differs between contenders is how they are called, and nothing else.

#[cfg(not(target_family = "wasm"))]
pub mod host;
mod pages;
mod task;
pub mod wire;

pub use gatehouse_connector::{Account, Item, Next, Page, Verdict};
pub use pages::{PARSE, account_of, items, page_text, username};
pub use task::{Task, WorkUndone};

use gatehouse_connector::{
    Action, AttributeDefinition, Command, Connector, Context, Description, Failure, Finding, Operation, Query, Receipt,
    Status,
};

/// The connector.
pub struct Work;

impl Connector for Work {
    fn describe() -> Description {
        let text = |name: &str, template: &str| AttributeDefinition::text(name, "").suggested(template);
        Description::new("bench", env!("CARGO_PKG_VERSION"), "Does what the bench measures")
            .operations(Operation::ALL)
            .attributes([
                text("externalId", "{id}").case_exact(),
                text("displayName", "{first_name} {last_name}"),
                text("name.givenName", "{first_name}"),
                text("name.familyName", "{last_name}"),
                text("emails", "{email}").multi_valued(),
            ])
            .searchable(["externalId", "username"])
    }

    /// The least that a call can be.
    fn check(_: &Context<'_>) -> Result<Vec<Finding>, Failure> {
        Ok(Vec::new())
    }

    /// A page made up on the spot, or one parsed from JSON where the filter says [`PARSE`].
    fn collect(_: &Context<'_>, query: &Query) -> Result<Page, Failure> {
        collect(query.filter.as_deref(), query.cursor.as_deref(), query.limit)
    }

    fn read(_: &Context<'_>, external_id: &str) -> Result<Account, Failure> {
        pages::number_of(external_id).map(account_of).ok_or(Failure::NotFound)
    }

    /// Says that it was done. Nothing is: what the host makes of it is what is measured.
    fn commit(_: &Context<'_>, command: &Command) -> Result<Receipt, Failure> {
        let account = |command: &Command| Account {
            external_id: command.external_id.clone().unwrap_or_else(|| format!("of-{}", command.idempotency_key)),
            revision: Some(command.idempotency_key.clone()),
            ..Account::default()
        };
        Ok(Receipt::applied(match &command.action {
            Action::Create(desired) => Account {
                username: desired.username.clone(),
                attributes: desired.attributes.clone(),
                status: desired.status,
                ..account(command)
            },
            Action::Update(changes) => Account { attributes: changes.clone(), ..account(command) },
            Action::SetStatus(status) => Account { status: *status, ..account(command) },
            Action::Remove => Account { status: Status::Deleted, ..account(command) },
        }))
    }
}

/// What the connector's function of that name does, for contenders who know no context.
///
/// # Errors
/// The cursor is none of ours.
pub fn collect(filter: Option<&str>, cursor: Option<&str>, limit: u32) -> Result<Page, Failure> {
    if filter == Some(PARSE) {
        return pages::parsed();
    }
    let from = cursor.map_or(Ok(0), |cursor| cursor.parse::<u32>().map_err(|_| Failure::CursorExpired))?;
    Ok(pages::page(from, limit))
}

/// What the connector's function of that name does.
pub fn analyze(batch: &[Item]) -> Vec<Verdict> {
    Work::analyze(batch)
}
