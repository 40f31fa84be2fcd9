//! What an operation on an account comes to: the sealed change of a request, planned when the request is made. It
//! decides whether the operation makes sense for this user and account; it never carries anything out, and never
//! looks at the target.

use crate::mapping::{self, MappingError, Purpose};
use crate::{
    Account, AccountId, App, Change, CommitStep, Description, LinkState, Operation, Situation, USERNAME, User,
};
use gatehouse_schema::{Attributes, Mutability, Schema, SchemaError, Status};

/// Why no change is planned. The texts say what could be done instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// The app's configuration does not name the operation.
    #[error("{operation:?} is off for app `{app}`; add it to the operations of its configuration")]
    Off {
        /// The operation.
        operation: Operation,
        /// The app.
        app: String,
    },
    /// The connector cannot do it.
    #[error("connector {connector} cannot do {operation:?}")]
    Unsupported {
        /// The operation.
        operation: Operation,
        /// Name and version of the connector.
        connector: String,
    },
    /// The operation is about an app or a link, and is requested in another way.
    #[error("{0:?} is no operation on an account")]
    NotOfAccount(Operation),
    /// The operation needs a user.
    #[error("{operation:?} needs a user, and {about}")]
    NoUser {
        /// The operation.
        operation: Operation,
        /// What there is instead.
        about: String,
    },
    /// The user has no account to do it to.
    #[error("{who} has no account in app `{app}` to {operation:?}; request a Create, or link an account first")]
    NoAccount {
        /// The operation.
        operation: Operation,
        /// The user.
        who: String,
        /// The app.
        app: String,
    },
    /// The account is not one that the user's changes go to.
    #[error("{account} is {state:?} ({situation:?}): {remedy}")]
    NotLinked {
        /// The account.
        account: AccountId,
        /// Its link state.
        state: LinkState,
        /// Its situation.
        situation: Situation,
        /// What to do.
        remedy: &'static str,
    },
    /// The operation makes no sense for an account in this condition.
    #[error("{account} is {condition}: {remedy}")]
    AccountIs {
        /// The account.
        account: AccountId,
        /// The condition.
        condition: &'static str,
        /// What to do.
        remedy: &'static str,
    },
    /// The operation would let a user in who may not.
    #[error("user `{user}` is {condition}: {remedy}")]
    UserIs {
        /// The username.
        user: String,
        /// The condition.
        condition: &'static str,
        /// What to do.
        remedy: &'static str,
    },
    /// No attribute is mapped that could be changed.
    #[error("app `{app}` maps no attribute that can be changed; add one to its mapping")]
    NothingMapped {
        /// The app.
        app: String,
    },
    /// The mapping does not fit this user.
    #[error(transparent)]
    Mapping(#[from] MappingError),
    /// The connector's schema is malformed.
    #[error(transparent)]
    Schema(#[from] SchemaError),
}

/// The change that an operation on an account comes to.
///
/// `account` is the user's account in the app (the place of a missing one is none), or the account itself where the
/// operation is about one without a user. A paused app refuses nothing: its requests wait.
///
/// # Errors
/// The operation is off or not supported, or makes no sense for this user and account.
pub fn plan_change(
    operation: Operation,
    user: Option<&User>,
    account: Option<&Account>,
    app: &App,
    description: &Description,
) -> Result<Change, Refused> {
    let planner = Planner { operation, user, app, schema: description.schema()? };
    planner.possible(description)?;
    // What an open Create will make has no id yet.
    let account =
        account.filter(|account| account.external_id.is_some() || account.situation.link_state() == LinkState::Linked);
    match operation {
        Operation::Create => planner.create(account, description),
        Operation::Reconcile | Operation::Linking => Err(Refused::NotOfAccount(operation)),
        Operation::Read => planner.read(account),
        Operation::Update => planner.update(planner.linked(account)?),
        Operation::Deactivate => planner.steps(planner.linked(account)?, vec![deactivate()], None),
        Operation::Activate => planner.activate(planner.linked(account)?),
        Operation::Reactivate => planner.reactivate(planner.linked(account)?),
        Operation::Freeze => planner.steps(planner.linked(account)?, vec![deactivate()], Some(true)),
        Operation::Unfreeze => planner.unfreeze(planner.linked(account)?),
        Operation::Delete => planner.steps(planner.linked(account)?, vec![CommitStep::Remove], None),
    }
}

struct Planner<'a> {
    operation: Operation,
    user: Option<&'a User>,
    app: &'a App,
    schema: Schema,
}

fn deactivate() -> CommitStep {
    CommitStep::SetStatus(Status::Deactivated)
}

fn activate() -> CommitStep {
    CommitStep::SetStatus(Status::Active)
}

impl<'a> Planner<'a> {
    fn possible(&self, description: &Description) -> Result<(), Refused> {
        let operation = self.operation;
        if !description.supports(operation) {
            let connector = format!("{} {}", description.name, description.version);
            return Err(Refused::Unsupported { operation, connector });
        }
        if !self.app.config.operations.contains(&operation) {
            return Err(Refused::Off { operation, app: self.app.name.clone() });
        }
        Ok(())
    }

    /// Makes an account, or brings back the user's own deactivated one.
    fn create(&self, account: Option<&Account>, description: &Description) -> Result<Change, Refused> {
        let user = self.user_who_may_sign_in(account)?;
        let account = account.filter(|account| account.situation != Situation::Deleted);
        let Some(account) = account else {
            let desired = mapping::desired(&self.app.config.mapping, user, &self.schema, Purpose::Create)?;
            let steps = vec![CommitStep::Create(desired)];
            return Ok(Change::Account { external_id: None, steps, frozen: None, with_user: false });
        };
        self.must_be_linked(account)?;
        if account.status == Status::Active && !account.frozen {
            return Err(account_is(
                account,
                "active already",
                "the user has it; request an Update to assert its values",
            ));
        }
        Planner { operation: Operation::Reactivate, schema: self.schema.clone(), ..*self }.possible(description)?;
        self.reactivate(account)
    }

    fn read(&self, account: Option<&Account>) -> Result<Change, Refused> {
        let account = account.ok_or_else(|| self.no_account())?;
        let external_id = account.external_id.clone().ok_or_else(|| self.no_account())?;
        Ok(Change::Read { external_id })
    }

    fn update(&self, account: &Account) -> Result<Change, Refused> {
        let wanted = self.mapped(self.user(Some(account))?)?;
        if wanted.is_empty() {
            return Err(Refused::NothingMapped { app: self.app.name.clone() });
        }
        self.steps(account, vec![CommitStep::Update(wanted)], None)
    }

    fn activate(&self, account: &Account) -> Result<Change, Refused> {
        self.user_who_may_sign_in(Some(account))?;
        self.must_be_deactivated(account)?;
        self.steps(account, vec![activate()], None)
    }

    fn reactivate(&self, account: &Account) -> Result<Change, Refused> {
        let user = self.user_who_may_sign_in(Some(account))?;
        self.must_be_deactivated(account)?;
        let wanted = self.mapped(user)?;
        let update = (!wanted.is_empty()).then_some(CommitStep::Update(wanted));
        self.steps(account, std::iter::once(activate()).chain(update).collect(), None)
    }

    /// A frozen account that was deactivated besides stays unusable.
    fn unfreeze(&self, account: &Account) -> Result<Change, Refused> {
        if !account.frozen {
            return Err(account_is(account, "not frozen", "nothing is to be undone"));
        }
        let user = self.user(Some(account))?;
        if user.frozen {
            return Err(user_is(user, "frozen", "unfreeze the user first"));
        }
        let usable_again = account.status == Status::Active && user.active;
        self.steps(account, usable_again.then(activate).into_iter().collect(), Some(false))
    }

    fn steps(&self, account: &Account, steps: Vec<CommitStep>, frozen: Option<bool>) -> Result<Change, Refused> {
        let external_id = account.external_id.clone();
        let with_user = frozen == Some(true) && self.user.is_some_and(|user| user.frozen);
        Ok(Change::Account { external_id, steps, frozen, with_user })
    }

    /// What an update asserts: every mapped attribute that can be changed, whether or not it is known to differ,
    /// since what is known may be old.
    fn mapped(&self, user: &User) -> Result<Attributes, Refused> {
        let mut wanted = mapping::desired(&self.app.config.mapping, user, &self.schema, Purpose::Update)?.attributes;
        let changes = |name: &str| self.schema.get(name).is_some_and(|d| d.mutability != Mutability::Immutable);
        wanted.retain(|name, _| name == USERNAME || changes(name));
        Ok(wanted)
    }

    fn user(&self, account: Option<&Account>) -> Result<&'a User, Refused> {
        self.user.ok_or_else(|| Refused::NoUser {
            operation: self.operation,
            about: account.map_or("none is named".to_owned(), |account| format!("{} has none", account.id)),
        })
    }

    /// The user, for operations that make an account usable.
    fn user_who_may_sign_in(&self, account: Option<&Account>) -> Result<&'a User, Refused> {
        let user = self.user(account)?;
        barred(user).map_or(Ok(user), Err)
    }

    fn linked<'b>(&self, account: Option<&'b Account>) -> Result<&'b Account, Refused> {
        let account = account.ok_or_else(|| self.no_account())?;
        if account.status == Status::Deleted || account.situation == Situation::Deleted {
            return Err(account_is(account, "gone from the target", "request a Create to make another"));
        }
        self.must_be_linked(account)?;
        Ok(account)
    }

    /// Accounts named in the configuration are protected from now on, not from the next reconciliation on.
    fn must_be_linked(&self, account: &Account) -> Result<(), Refused> {
        if self.app.config.is_protected(&account.username) {
            let remedy = "nothing is done to it; take its username out of `protected` first";
            return Err(account_is(account, "protected by the app's configuration", remedy));
        }
        if account.is_linked() {
            return Ok(());
        }
        let remedy = match account.link_state {
            LinkState::Ignored => "changes leave it alone; link it to a user first",
            LinkState::Duplicate => "decide whose it is first: link it to a user, or ignore it",
            LinkState::Orphaned | LinkState::Linked => "link it to a user first",
        };
        let (state, situation) = (account.link_state, account.situation);
        Err(Refused::NotLinked { account: account.id, state, situation, remedy })
    }

    fn must_be_deactivated(&self, account: &Account) -> Result<(), Refused> {
        if account.frozen {
            return Err(account_is(account, "frozen", "request an Unfreeze first"));
        }
        if account.status == Status::Active {
            return Err(account_is(account, "active already", "request a Read or a Reconcile if the target disagrees"));
        }
        Ok(())
    }

    fn no_account(&self) -> Refused {
        let who = self.user.map_or("nobody".to_owned(), |user| format!("user `{}`", user.username));
        Refused::NoAccount { operation: self.operation, who, app: self.app.name.clone() }
    }
}

fn account_is(account: &Account, condition: &'static str, remedy: &'static str) -> Refused {
    Refused::AccountIs { account: account.id, condition, remedy }
}

fn user_is(user: &User, condition: &'static str, remedy: &'static str) -> Refused {
    Refused::UserIs { user: user.username.clone(), condition, remedy }
}

/// Why an account that a sealed step would make usable is not to become so any more: its user may not sign in. What
/// took that away may have come while nobody could withdraw the request.
pub fn not_to_be_usable(user: &User) -> Option<String> {
    barred(user).map(|why| why.to_string())
}

fn barred(user: &User) -> Option<Refused> {
    match (user.active, user.frozen) {
        _ if user.erased_at.is_some() => Some(user_is(user, "erased", "whoever comes back is a new user")),
        (false, _) => Some(user_is(user, "disabled", "enable the user first")),
        (true, true) => Some(user_is(user, "frozen", "unfreeze the user first")),
        (true, false) => None,
    }
}

/// Why an account that a sealed Create would make is not to be made any more. Until the turn of a Create comes, a
/// request before it, a reconciliation or a link may have given the user an account (the target may accept a second
/// one without a word), or the user may have been disabled.
pub fn not_to_be_made(user: &User, account: Option<&Account>, app: &App, description: &Description) -> Option<String> {
    match plan_change(Operation::Create, Some(user), account, app, description) {
        Ok(Change::Account { external_id: None, .. }) => None,
        Ok(_) => {
            let which = account.map_or_else(String::new, |account| format!(" ({})", account.id));
            let who = &user.username;
            Some(format!("user `{who}` has an account by now{which}; request a Create again to bring it back"))
        }
        Err(why) => Some(why.to_string()),
    }
}

#[cfg(test)]
mod tests;
