//! Accounts: looked at, and tied to users by hand. Every link, unlink and ignore is a Linking request.

use super::{Answer, Caller, Paging, ServiceError, Services};
use crate::wire::{AccountSummary, AccountView, ById, Page, spelled};
use gatehouse_core::access::Action;
use gatehouse_core::lifecycle::{NewRequest, Raised, open};
use gatehouse_core::ports::{AccountQuery, Sequence};
use gatehouse_core::{
    Account, AccountId, Change, LinkChange, LinkState, Operation, RequestId, RequestObject, Situation, Subject, UserId,
};
use gatehouse_engine::approvals::chain_for;
use gatehouse_policy::Resource;

/// Which accounts.
#[derive(Clone, Debug, Default)]
pub struct AccountFilter {
    /// Of this app.
    pub app: Option<String>,
    /// In this link state.
    pub link_state: Option<LinkState>,
    /// In this situation.
    pub situation: Option<Situation>,
    /// Of this user: username or number.
    pub user: Option<String>,
}

/// What an administrator wants of an account's link.
#[derive(Clone, Debug)]
pub enum LinkAsk {
    /// Tie it to this user: username or number.
    Link(String),
    /// Untie it.
    Unlink,
    /// Leave it alone from now on.
    Ignore,
}

impl Services {
    /// Accounts: all, or the caller's own.
    ///
    /// # Errors
    /// The app or user is not there, or the cursor is none of this list.
    pub async fn list_accounts(
        &self,
        caller: &Caller,
        filter: AccountFilter,
        paging: &Paging<ById>,
    ) -> Result<Page<AccountView>, ServiceError> {
        let only = caller.principal.user().filter(|_| !caller.may(Action::ReadAccount, &Resource::Any));
        let nothing = || Page { items: Vec::new(), next: None };
        let app = match &filter.app {
            Some(name) => match self.find_app(name).await {
                Err(ServiceError::NotFound(_)) if only.is_some() => return Ok(nothing()),
                app => Some(app?.id),
            },
            None => None,
        };
        let user = match &filter.user {
            Some(named) => match self.find_user(named).await {
                Err(ServiceError::NotFound(_)) if only.is_some() => return Ok(nothing()),
                user => Some(user?.id),
            },
            None => None,
        };
        if only.is_some() && user.is_some() && only != user {
            return Ok(nothing());
        }
        let user = user.or(only);
        let query = AccountQuery {
            app,
            user,
            link_state: filter.link_state,
            situation: filter.situation,
            direction: paging.direction(),
            after: paging.after.clone(),
            limit: paging.size()?,
        };
        let page = self.store.accounts(&query).await?;
        let mut views = self.views();
        let mut items = Vec::with_capacity(page.items.len());
        for account in &page.items {
            items.push(views.account(account).await?);
        }
        Ok(Page { items, next: page.next })
    }

    /// How many accounts of an app are in each situation.
    ///
    /// # Errors
    /// There is no such app.
    pub async fn summarise_accounts(&self, app: &str) -> Result<AccountSummary, ServiceError> {
        let app = self.find_app(app).await?;
        let mut summary =
            AccountSummary { app: app.name, link_states: Default::default(), situations: Default::default() };
        for (situation, count) in self.store.account_counts(app.id).await? {
            if count > 0 {
                *summary.link_states.entry(spelled(&situation.link_state())).or_default() += count;
                *summary.situations.entry(spelled(&situation)).or_default() += count;
            }
        }
        Ok(summary)
    }

    /// One account.
    ///
    /// # Errors
    /// There is none with that number.
    pub async fn find_account(&self, id: AccountId) -> Result<Account, ServiceError> {
        self.store.account(id).await?.ok_or_else(|| no_such_account(id))
    }

    /// An account, if the caller may see it. One that they may not see is not there.
    ///
    /// # Errors
    /// There is none with that number, for them.
    pub async fn see_account(&self, caller: &Caller, id: AccountId) -> Result<Account, ServiceError> {
        let account = self.find_account(id).await?;
        if caller.may(Action::ReadAccount, &Resource::Account(account.user)) {
            return Ok(account);
        }
        Err(no_such_account(id))
    }

    /// Asks for a change of an account's link: a Linking request.
    ///
    /// # Errors
    /// The account or user is not there. Whether the link can be made is decided when it is made.
    pub async fn change_link(
        &self,
        caller: &Caller,
        id: AccountId,
        ask: LinkAsk,
        reason: Option<String>,
    ) -> Result<Answer, ServiceError> {
        let account = self.find_account(id).await?;
        caller.has_seen(format!("account {id}"), account.version)?;
        let (change, user) = match ask {
            LinkAsk::Link(named) => {
                let user = self.find_user(&named).await?.id;
                (LinkChange::Link { account: id, user }, Some(user))
            }
            LinkAsk::Unlink => (LinkChange::Unlink { account: id }, account.user),
            LinkAsk::Ignore => (LinkChange::Ignore { account: id }, account.user),
        };
        let app = self.store.app(account.app).await?;
        let subject = lane(user, id);
        let approvals = match &app {
            Some(app) => chain_for(self.store.as_ref(), app, Operation::Linking, subject, caller.user).await?,
            None => None,
        };
        let new = NewRequest {
            id: RequestId(self.store.allocate(Sequence::Request, 1)),
            app: account.app,
            operation: Operation::Linking,
            object: RequestObject::Account,
            subject,
            account: Some(id),
            change: Change::Link(change),
            approvals,
            by: caller.actor.clone(),
            reason,
            raised: Raised { requested_by: caller.user, ..Raised::default() },
        };
        self.commit_new_request(caller, open(new, self.now())).await
    }
}

fn no_such_account(id: AccountId) -> ServiceError {
    ServiceError::NotFound(format!("there is no account {id}; `gatehouse account list APP` shows an app's"))
}

/// In line with whatever else is to happen to the user's account.
fn lane(user: Option<UserId>, account: AccountId) -> Subject {
    user.map_or(Subject::Account(account), Subject::User)
}
