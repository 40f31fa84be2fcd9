//! Opens requests on accounts: the same for the API, the CLI behind it and the child requests of a reconciliation.
//! What the change is, is for `planning` to say; nothing is written here.

use crate::approvals::chain_of;
use crate::known::{all_accounts, is_place};
use crate::managers::name_managers;
use gatehouse_core::lifecycle::{NewRequest, Raised, Transition, open};
use gatehouse_core::planning::{Refused, plan_change};
use gatehouse_core::ports::{AccountQuery, RequestQuery, Sequence, Store, StoreError};
use gatehouse_core::schema::Status;
use gatehouse_core::{
    Account, AccountId, Actor, App, AppId, Change, Connector, Operation, Request, RequestId, RequestObject, Situation,
    State, Subject, User, UserId, events,
};
use jiff::Timestamp;

/// Whose account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// This user's.
    User(UserId),
    /// This one, and its user's if it has one.
    Account(AccountId),
}

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Ask {
    /// To do what.
    pub operation: Operation,
    /// To whose account.
    pub whose: Whose,
    /// Who asks.
    pub by: Actor,
    /// Why.
    pub reason: Option<String>,
    /// Where it comes from.
    pub raised: Raised,
}

/// Why no request is opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NotOpened {
    /// The operation makes no sense, or is not to be had; the text says what to do.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// Something it speaks of is not there.
    #[error("{0}")]
    NotThere(String),
    /// An earlier create may have made the account that this one would make.
    #[error("{0} may have made this account, and nobody knows: settle that one first (`gatehouse request show {0}`)")]
    InReview(RequestId),
    /// The store did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Plans an operation on an account of an app, and opens the request for it. Commit the transition, and wake the
/// engine.
///
/// # Errors
/// Says why the operation is not to be had, and what to do.
pub async fn prepare_account_request(
    store: &dyn Store,
    app: &App,
    ask: Ask,
    now: Timestamp,
) -> Result<Transition, NotOpened> {
    let digest = app.connector.digest;
    let connector = store.connector(digest).await?.ok_or_else(|| {
        NotOpened::NotThere(format!("connector {} of app `{}` is not installed any more", app.connector.name, app.name))
    })?;
    let (mut user, account) = parties(store, app, ask.whose).await?;
    name_managers(store, &app.config, &mut user).await?;
    let transition = open_for(store, app, &connector, ask, user.as_ref(), account.as_ref(), now).await?;
    not_in_doubt(store, &transition).await?;
    Ok(transition)
}

/// Whether no create in review may have made the account that this request would make: nobody gets a second one.
///
/// # Errors
/// One may have.
pub(crate) async fn not_in_doubt(store: &dyn Store, opened: &Transition) -> Result<(), NotOpened> {
    let request = &opened.request.record;
    if !request.makes_account() {
        return Ok(());
    }
    let doubtful = creates_in_review(store, request.app, request.subject).await?;
    doubtful.first().map_or(Ok(()), |doubtful| Err(NotOpened::InReview(doubtful.id)))
}

/// Creates of a user in review: the account may be there, and nobody knows.
pub(crate) async fn creates_in_review(
    store: &dyn Store,
    app: AppId,
    subject: Subject,
) -> Result<Vec<Request>, StoreError> {
    let mut found = in_review(store, app, subject).await?;
    found.retain(Request::makes_account);
    Ok(found)
}

/// Requests about a user's account of which nobody knows what came of them, the oldest first.
///
/// # Errors
/// The store is unavailable.
pub async fn in_review(store: &dyn Store, app: AppId, subject: Subject) -> Result<Vec<Request>, StoreError> {
    let of_user = RequestQuery { app: Some(app), subject: Some(subject), ..RequestQuery::default() };
    let mut found = all_requests(store, RequestQuery { needs_review: true, ..of_user }).await?;
    found.reverse();
    Ok(found)
}

/// A user's requests whose date has not come.
pub(crate) async fn dated(store: &dyn Store, app: AppId, subject: Subject) -> Result<Vec<Request>, StoreError> {
    let mut found = Vec::new();
    for state in [State::New, State::Requested] {
        found.extend(in_state(store, app, subject, state).await?);
    }
    found.retain(|request| request.awaits_date);
    Ok(found)
}

/// A user's requests in a state, the newest first.
pub(crate) async fn in_state(
    store: &dyn Store,
    app: AppId,
    subject: Subject,
    state: State,
) -> Result<Vec<Request>, StoreError> {
    let of_user = RequestQuery { app: Some(app), subject: Some(subject), ..RequestQuery::default() };
    all_requests(store, RequestQuery { state: Some(state), ..of_user }).await
}

/// All requests of a filter that few fit.
async fn all_requests(store: &dyn Store, mut query: RequestQuery) -> Result<Vec<Request>, StoreError> {
    query.limit = 100;
    let mut found = Vec::new();
    loop {
        let page = store.requests(&query).await?;
        found.extend(page.items);
        match page.next {
            Some(next) => query.after = Some(next),
            None => return Ok(found),
        }
    }
}

/// As [`prepare_account_request`], for a user and an account that are known already.
pub(crate) async fn open_for(
    store: &dyn Store,
    app: &App,
    connector: &Connector,
    ask: Ask,
    user: Option<&User>,
    account: Option<&Account>,
    now: Timestamp,
) -> Result<Transition, NotOpened> {
    let change = plan_change(ask.operation, user, account, app, &connector.description)?;
    Ok(open(new_request(store, app, ask, change, (user, account)).await?, now))
}

/// The request that makes a change of the account of a user, or of an account without one. The one place where it is
/// decided whose approval that takes.
///
/// # Errors
/// There is neither.
pub(crate) async fn new_request(
    store: &dyn Store,
    app: &App,
    ask: Ask,
    change: Change,
    (user, account): (Option<&User>, Option<&Account>),
) -> Result<NewRequest, NotOpened> {
    let subject = match (user, account) {
        (Some(user), _) => Subject::User(user.id),
        (None, Some(account)) => Subject::Account(account.id),
        (None, None) => return Err(NotOpened::NotThere("neither a user nor an account is named".to_owned())),
    };
    let steps = app.config.approval_steps(ask.operation);
    // As they are about to be, where the request is part of the commit that changes them.
    let approvals = chain_of(store, &steps, user, ask.raised.requested_by).await?;
    Ok(NewRequest {
        id: RequestId(store.allocate(Sequence::Request, 1)),
        app: app.id,
        operation: ask.operation,
        object: object(&ask, user.is_some()),
        subject,
        account: concerned(&change, account),
        change,
        approvals,
        by: ask.by,
        reason: ask.reason,
        raised: ask.raised,
    })
}

/// What kind of thing an operation is about.
fn object(ask: &Ask, of_user: bool) -> RequestObject {
    if let Some(event) = ask.raised.by_event {
        return events::row(event).object;
    }
    match ask.operation {
        Operation::Freeze | Operation::Unfreeze => RequestObject::UserLogin,
        _ if of_user => RequestObject::User,
        _ => RequestObject::Account,
    }
}

/// The record the request concerns: not that of an account which is gone, where another one is to be made.
fn concerned(change: &Change, account: Option<&Account>) -> Option<AccountId> {
    let makes_another = matches!(change, Change::Account { external_id: None, .. });
    account.filter(|account| !makes_another || is_place(account)).map(|account| account.id)
}

/// The user and the account that an ask is about, as far as they are there.
pub(crate) async fn parties(
    store: &dyn Store,
    app: &App,
    whose: Whose,
) -> Result<(Option<User>, Option<Account>), NotOpened> {
    match whose {
        Whose::User(id) => {
            let user = store.user(id).await?.ok_or_else(|| NotOpened::NotThere(format!("there is no user {id}")))?;
            let account = account_of(store, app, id).await?;
            Ok((Some(user), account))
        }
        Whose::Account(id) => {
            let account = store.account(id).await?.filter(|account| account.app == app.id);
            let account = account
                .ok_or_else(|| NotOpened::NotThere(format!("there is no account {id} in app `{}`", app.name)))?;
            // Only a link makes the account the user's: a mere candidate's values are not pushed into it.
            let user = match account.user {
                Some(user) if account.is_linked() || is_place(&account) => store.user(user).await?,
                _ => None,
            };
            Ok((user, Some(account)))
        }
    }
}

/// The account of a user in an app: the linked one, or else the place of the missing one, or else any.
///
/// # Errors
/// The store is unavailable.
pub async fn account_of(store: &dyn Store, app: &App, user: UserId) -> Result<Option<Account>, StoreError> {
    let query = AccountQuery { app: Some(app.id), user: Some(user), ..AccountQuery::default() };
    let accounts = all_accounts(store, query).await?;
    Ok(preferred(accounts))
}

/// Of a user's records in an app: the linked one, or else the place of the missing one, or else any.
pub(crate) fn preferred(accounts: Vec<Account>) -> Option<Account> {
    accounts.into_iter().min_by_key(preference)
}

fn preference(account: &Account) -> (u8, AccountId) {
    let gone = account.status == Status::Deleted || account.situation == Situation::Deleted;
    let rank = match account {
        account if account.is_linked() && !gone => 0,
        account if is_place(account) => 1,
        _ if gone => 3,
        _ => 2,
    };
    (rank, account.id)
}
