//! The trait a connector implements. Every function has a default that says `unsupported`, so that a connector
//! consists of what its target can do. Nothing kept in memory survives a call: each gets a fresh instance.

use crate::{
    Account, Attributes, Context, Description, Failure, Finding, Item, Page, Query, Status, Verdict, standard_analysis,
};

/// What to make of an account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Desired {
    /// What its owner is to sign in with.
    pub username: String,
    /// The attributes it is to have.
    pub attributes: Attributes,
    /// Whether it is to be usable.
    pub status: Status,
}

/// A change of one account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Make one.
    Create(Desired),
    /// Give the listed attributes these values (none: clear), and leave all others alone.
    Update(Attributes),
    /// Make it usable or unusable, and change nothing else.
    SetStatus(Status),
    /// Remove it for good.
    Remove,
}

/// One change, to be made at most once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// The same for every attempt at the same change; at most 64 characters of `A-Za-z0-9-`.
    pub idempotency_key: String,
    /// The account; none for a create.
    pub external_id: Option<String>,
    /// The version the change was planned against; none if the target keeps none or none is wanted.
    pub expected_revision: Option<String>,
    /// The change.
    pub action: Action,
}

/// The account that a change is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target<'a> {
    /// The same for every attempt at the same change.
    pub idempotency_key: &'a str,
    /// The account.
    pub external_id: &'a str,
    /// The version the change was planned against: fail with [`Failure::Stale`] if the account has moved on.
    pub expected_revision: Option<&'a str>,
}

/// Whether something was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It was.
    Applied,
    /// The target already was as it should be.
    AlreadyApplied,
}

/// What came of a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The account after the change, as the target now has it; none after a removal.
    pub account: Option<Account>,
    /// Whether something was changed.
    pub effect: Effect,
}

impl Receipt {
    /// The change was made, and this is the account now.
    pub fn applied(account: Account) -> Self {
        Self { account: Some(account), effect: Effect::Applied }
    }

    /// Nothing had to be changed: this is the account.
    pub fn already_applied(account: Account) -> Self {
        Self { account: Some(account), effect: Effect::AlreadyApplied }
    }

    /// The account is gone, by this change or already.
    pub fn removed(effect: Effect) -> Self {
        Self { account: None, effect }
    }
}

/// A connector. Implement what the target can do, list it in [`Description::operations`], and name the type in
/// [`crate::register!`].
pub trait Connector {
    /// Says what the connector is. Called at installation, with no egress; gives the same answer each time.
    fn describe() -> Description;

    /// Checks that the configuration can reach the target and sign in, and reports what was learnt of the target.
    /// The standard one reads one account's worth of the first page.
    ///
    /// # Errors
    /// The target cannot be reached, or does not accept the credential.
    fn check(context: &Context<'_>) -> Result<Vec<Finding>, Failure> {
        let page = Self::collect(context, &Query { limit: 1, ..Query::default() })?;
        let found = match page.estimate {
            Some(count) => format!("accepted; the target has {count} accounts"),
            None => "accepted".to_owned(),
        };
        Ok(vec![Finding::new("sign-in", found)])
    }

    /// Collects one page of at most `query.limit` accounts. Must not depend on earlier calls except through the
    /// cursor.
    ///
    /// # Errors
    /// [`Failure::CursorExpired`] if the target no longer honours the cursor.
    fn collect(context: &Context<'_>, query: &Query) -> Result<Page, Failure> {
        let _ = (context, query);
        Err(Failure::unsupported("collecting accounts"))
    }

    /// Reads one account.
    ///
    /// # Errors
    /// [`Failure::NotFound`] only if the target says so of this very account.
    fn read(context: &Context<'_>, external_id: &str) -> Result<Account, Failure> {
        let _ = (context, external_id);
        Err(Failure::unsupported("reading an account"))
    }

    /// Finds the accounts, at most 100, that have a value for an attribute listed in [`Description::searchable`].
    /// The name `username` means the account's username. None found is an empty list.
    ///
    /// # Errors
    /// The target cannot search.
    fn find(context: &Context<'_>, attribute: &str, value: &str) -> Result<Vec<Account>, Failure> {
        let _ = (context, attribute, value);
        Err(Failure::unsupported("searching for accounts"))
    }

    /// Judges what was collected: one verdict for each item, in order. Pure: nothing leaves.
    fn analyze(batch: &[Item]) -> Vec<Verdict> {
        standard_analysis(&Self::describe(), batch)
    }

    /// Makes an account. If one stands in the way, look for it and fail with [`Failure::Conflict`].
    ///
    /// # Errors
    /// Nothing was changed, as far as can be told; when it cannot be told, [`Failure::Unavailable`].
    fn create(context: &Context<'_>, desired: &Desired, idempotency_key: &str) -> Result<Receipt, Failure> {
        let _ = (context, desired, idempotency_key);
        Err(Failure::unsupported("making accounts"))
    }

    /// Gives the listed attributes these values (none: clear), and leaves all others alone.
    ///
    /// # Errors
    /// Nothing was changed, as far as can be told; when it cannot be told, [`Failure::Unavailable`].
    fn update(context: &Context<'_>, target: Target<'_>, changes: &Attributes) -> Result<Receipt, Failure> {
        let _ = (context, target, changes);
        Err(Failure::unsupported("changing attributes"))
    }

    /// Makes an account usable or unusable, and changes nothing else.
    ///
    /// # Errors
    /// Nothing was changed, as far as can be told; when it cannot be told, [`Failure::Unavailable`].
    fn set_status(context: &Context<'_>, target: Target<'_>, status: Status) -> Result<Receipt, Failure> {
        let _ = (context, target, status);
        Err(Failure::unsupported("activating and deactivating accounts"))
    }

    /// Removes an account for good. One that is gone already is [`Effect::AlreadyApplied`].
    ///
    /// # Errors
    /// Nothing was changed, as far as can be told; when it cannot be told, [`Failure::Unavailable`].
    fn remove(context: &Context<'_>, target: Target<'_>) -> Result<Receipt, Failure> {
        let _ = (context, target);
        Err(Failure::unsupported("removing accounts"))
    }

    /// Makes one change, by the function for it. There is rarely a reason to write another.
    ///
    /// # Errors
    /// Those of the function for it; or the command names no account.
    fn commit(context: &Context<'_>, command: &Command) -> Result<Receipt, Failure> {
        let target = || match &command.external_id {
            Some(id) => Ok(Target {
                idempotency_key: &command.idempotency_key,
                external_id: id,
                expected_revision: command.expected_revision.as_deref(),
            }),
            None => Err(Failure::rejected("the command names no account")),
        };
        match &command.action {
            Action::Create(desired) => Self::create(context, desired, &command.idempotency_key),
            Action::Update(changes) => Self::update(context, target()?, changes),
            Action::SetStatus(status) => Self::set_status(context, target()?, *status),
            Action::Remove => Self::remove(context, target()?),
        }
    }
}
