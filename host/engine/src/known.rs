//! Finds the account record that a request is about. Records move while calls are under way (a reconciliation sees
//! the new account first, an administrator links it), so they are looked up when an outcome is written, not before.

use crate::shell::Shell;
use gatehouse_core::ports::{AccountQuery, StoreError};
use gatehouse_core::schema::Account as RemoteAccount;
use gatehouse_core::{Account, AccountId, AppId, Change, Operation, Request, Situation, Subject, UserId};

/// The record a request is about, and the places that it makes superfluous.
#[derive(Debug, Default)]
pub(crate) struct Known {
    pub account: Option<Account>,
    /// Places of missing accounts of the same user, to be removed with the commit that fills one.
    pub superfluous: Vec<AccountId>,
}

/// The record of the account that a request is about; where the target has just shown one, its record above all.
pub(crate) async fn known(
    shell: &Shell,
    request: &Request,
    shown: Option<&RemoteAccount>,
) -> Result<Known, StoreError> {
    let places = match request.subject {
        Subject::User(user) => places(shell, request.app, user).await?,
        _ => Vec::new(),
    };
    let account = match (by_external_id(shell, request, shown).await?, request.account, request.subject) {
        (Some(account), ..) => Some(account),
        (None, Some(id), _) => shell.store.account(id).await?,
        // It was asked for behind the Create that was to make the account.
        (None, None, Subject::User(user)) if request.operation != Operation::Create => {
            accounts_of(shell, request.app, user).await?.into_iter().find(|account| account.is_linked())
        }
        (None, None, _) => None,
    };
    let Some(account) = account else {
        return Ok(Known { account: places.into_iter().next(), superfluous: Vec::new() });
    };
    let superfluous = places.into_iter().map(|place| place.id).filter(|id| *id != account.id).collect();
    Ok(Known { account: Some(account), superfluous })
}

async fn by_external_id(
    shell: &Shell,
    request: &Request,
    shown: Option<&RemoteAccount>,
) -> Result<Option<Account>, StoreError> {
    let sealed = match &request.change.content {
        Change::Account { external_id, .. } => external_id.as_deref(),
        Change::Read { external_id } => Some(external_id.as_str()),
        _ => None,
    };
    match shown.map(|account| account.external_id.as_str()).or(sealed) {
        Some(external_id) => shell.store.account_by_external_id(request.app, external_id).await,
        None => Ok(None),
    }
}

/// The places of a user's missing accounts in an app. There is one at most, unless something went wrong.
pub(crate) async fn places(shell: &Shell, app: AppId, user: UserId) -> Result<Vec<Account>, StoreError> {
    let accounts = accounts_of(shell, app, user).await?;
    Ok(accounts.into_iter().filter(is_place).collect())
}

/// Whether it is the place of an account that is yet to be made.
pub(crate) fn is_place(account: &Account) -> bool {
    account.external_id.is_none() && account.situation == Situation::Missing
}

/// All account records of a user in an app.
pub(crate) async fn accounts_of(shell: &Shell, app: AppId, user: UserId) -> Result<Vec<Account>, StoreError> {
    all_accounts(shell.store.as_ref(), AccountQuery { app: Some(app), user: Some(user), ..AccountQuery::default() })
        .await
}

/// All account records that a query finds; for queries that find few.
pub(crate) async fn all_accounts(
    store: &dyn gatehouse_core::ports::Store,
    mut query: AccountQuery,
) -> Result<Vec<Account>, StoreError> {
    query.limit = 500;
    let mut found = Vec::new();
    loop {
        let mut page = store.accounts(&query).await?;
        found.append(&mut page.items);
        match page.next {
            Some(next) => query.after = Some(next),
            None => return Ok(found),
        }
    }
}
