//! Tokens of the API. Only their hashes are kept; a token is shown once, when it is made.

use super::erase::erased;
use super::{Caller, Paging, Recorded, ServiceError, Services, lists::Place};
use crate::wire::{ByNameOrCreation, NewToken, NewTokenView, Page, TokenView, WhoAmIView};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use gatehouse_core::access::{Action, Principal, Scope, may_hand_on};
use gatehouse_core::ports::{ChangeSet, Token, Versioned};
use gatehouse_core::{Actor, AskedFrom, AuditRecord, Digest, Permissions, SystemPermission, User, UserId};
use gatehouse_policy::{Resource, policies};
use jiff::Timestamp;
use std::collections::{BTreeSet, HashMap};

/// What the token of the first start is called.
pub const FIRST_TOKEN: &str = "first";

/// What every token begins with, so that secret scanners know one.
const PREFIX: &str = "ghs_";

/// What a token is looked up by. A token has 256 bits of chance, so that its plain SHA-256 gives nothing away, and
/// looking it up by hash takes the same time whether or not its first characters are right.
pub fn hash_of(token: &str) -> Digest {
    Digest::of(token.as_bytes())
}

/// Who failed sign-ins are written down as.
const NOBODY: &str = "nobody";

/// A token that is to be made.
#[derive(Clone, Debug, Default)]
pub struct TokenAsk {
    /// What to call it.
    pub name: String,
    /// Whose it is; none: the installation's.
    pub user: Option<User>,
    /// What it is good for; empty: everything that its owner may do.
    pub scopes: BTreeSet<Scope>,
    /// From when it is not good any more.
    pub expires_at: Option<Timestamp>,
}

impl Services {
    /// Who calls with this token.
    ///
    /// # Errors
    /// The store is unavailable. A token that is not good is none: revoked, expired, or of somebody who may not sign
    /// in.
    pub async fn authenticate(&self, token: &str) -> Result<Option<Caller>, ServiceError> {
        let found = self.store.token(hash_of(token)).await?;
        let now = self.now();
        let Some(token) = found.filter(|token| is_good(token, now)) else { return Ok(None) };
        let principal = match token.user {
            None => Principal::Installation,
            Some(id) => match self.store.user(id).await?.filter(|user| user.active && !user.frozen) {
                Some(user) => Principal::User { id, permissions: self.permissions_of(&user).await? },
                None => return Ok(None),
            },
        };
        Ok(Some(Caller {
            user: token.user,
            principal,
            scopes: token.scopes,
            expires_at: token.expires_at,
            from: Some(AskedFrom { address: None, token: Some(token.name.clone()) }),
            ..Caller::new(Actor(token.name))
        }))
    }

    /// Who calls, and what they may do.
    ///
    /// # Errors
    /// The store is unavailable.
    pub async fn who_am_i(&self, caller: &Caller) -> Result<WhoAmIView, ServiceError> {
        let user = match caller.user {
            Some(id) => self.store.user(id).await?.map(|user| user.username),
            None => None,
        };
        Ok(WhoAmIView {
            token: caller.actor.clone(),
            installation: caller.user.is_none(),
            user,
            permissions: caller.principal.permissions(),
            scopes: caller.scopes.clone(),
            expires_at: caller.expires_at,
        })
    }

    /// The tokens that the caller may see: all, or their own.
    ///
    /// # Errors
    /// The store is unavailable.
    pub async fn list_tokens(
        &self,
        caller: &Caller,
        paging: &Paging<ByNameOrCreation>,
    ) -> Result<Page<TokenView>, ServiceError> {
        let mut seen = self.store.tokens().await?;
        if !caller.may(Action::ReadToken, &Resource::Any) {
            seen.retain(|token| caller.may(Action::ReadToken, &Resource::Token(token.user, Permissions::new())));
        }
        let page = paging.cut(seen, |token: &Token, key| match key {
            ByNameOrCreation::Name => Place::named(&token.name),
            ByNameOrCreation::CreatedAt => Place::dated(token.created_at, &token.name),
        })?;
        let owners: Vec<UserId> = page.items.iter().filter_map(|token| token.user).collect();
        let owners = self.store.users_by_id(&owners).await?;
        let names: HashMap<UserId, String> =
            owners.into_iter().flatten().map(|user| (user.id, user.username)).collect();
        Ok(Page { items: page.items.iter().map(|token| TokenView::of(token, &names)).collect(), next: page.next })
    }

    /// Makes a token: for whom it says, or else for the caller. The answer is never remembered: nothing stored holds a
    /// token.
    ///
    /// # Errors
    /// The name is taken or malformed, its owner is not there, or the caller may not do what it would be good for.
    pub async fn create_token(&self, caller: &Caller, new: NewToken) -> Result<NewTokenView, ServiceError> {
        let user = match (&new.user, caller.user) {
            (Some(named), _) => Some(self.owner_to_be(caller, named).await?),
            (None, Some(me)) => self.store.user(me).await?,
            (None, None) => None,
        };
        let carries = self.carried_by_owner(user.as_ref()).await?;
        caller.must(Action::MakeToken, &Resource::Token(user.as_ref().map(|user| user.id), carries))?;
        let ask = TokenAsk { name: new.name, user, scopes: new.scopes, expires_at: new.expires_at };
        self.no_better_than(caller, &ask)?;
        let (made, changes) = self.prepare_token(caller, ask).await?;
        self.store.commit(changes).await?;
        Ok(made)
    }

    /// The caller, or somebody else of whom they may know.
    async fn owner_to_be(&self, caller: &Caller, named: &str) -> Result<User, ServiceError> {
        let found = self.find_user(named).await;
        if !found.as_ref().is_ok_and(|user| caller.user == Some(user.id)) {
            caller.must(Action::MakeToken, &Resource::Any)?;
        }
        let found = found.map_err(|error| match error {
            ServiceError::NotFound(why) => ServiceError::invalid("user", why),
            other => other,
        })?;
        match erased(&found) {
            Some(why) => Err(ServiceError::invalid("user", why)),
            None => Ok(found),
        }
    }

    /// A token makes none that is good for more, or for longer.
    fn no_better_than(&self, caller: &Caller, ask: &TokenAsk) -> Result<(), ServiceError> {
        if ask.expires_at.is_some_and(|until| until <= self.now()) {
            return Err(ServiceError::invalid("expires_at", "that is past: the token would never be good"));
        }
        if !may_hand_on(&caller.scopes, &ask.scopes) {
            let held = caller.scopes.iter().map(|scope| scope.name()).collect::<Vec<_>>().join(", ");
            let why = format!("a token makes none that is good for more; this one has {held}");
            return Err(ServiceError::invalid("scopes", why));
        }
        match (caller.expires_at, ask.expires_at) {
            (Some(mine), wanted) if wanted.is_none_or(|wanted| wanted > mine) => {
                let why = format!("a token makes none that is good for longer; this one is until {mine}");
                Err(ServiceError::invalid("expires_at", why))
            }
            _ => Ok(()),
        }
    }

    /// A token, and the change that makes it good.
    ///
    /// # Errors
    /// The name is taken or malformed.
    pub async fn prepare_token(
        &self,
        by: &impl Recorded,
        ask: TokenAsk,
    ) -> Result<(NewTokenView, ChangeSet), ServiceError> {
        let name = ask.name.trim().to_owned();
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.@".contains(c);
        let ours = name == Actor::host().0 || name == NOBODY;
        if name.is_empty() || name.len() > 64 || !name.chars().all(plain) || ours {
            let why = format!("`{name}` is no name for a token: letters, digits, `-`, `_`, `.` and `@`, 64 at most");
            return Err(ServiceError::invalid("name", why));
        }
        if self.store.tokens().await?.iter().any(|token| token.name == name) {
            let text = format!("there is, or was, a token `{name}`; audit records name it, so take another name");
            return Err(ServiceError::Conflict(text));
        }
        let token = random_token()?;
        let record = Token {
            hash: hash_of(&token),
            name,
            user: ask.user.as_ref().map(|user| user.id),
            scopes: ask.scopes,
            created_at: self.now(),
            expires_at: ask.expires_at,
            revoked_at: None,
            version: 0,
        };
        let view = NewTokenView { name: record.name.clone(), token };
        let changes = ChangeSet {
            audit: vec![self.made(by, &record, ask.user.as_ref())],
            tokens: vec![Versioned::new(record)],
            ..ChangeSet::default()
        };
        Ok((view, changes))
    }

    fn made(&self, by: &impl Recorded, token: &Token, owner: Option<&User>) -> AuditRecord {
        let record = self.audit(by, "token.create", format!("token {}", token.name));
        let mut record = record.changing(None, Some(token));
        if let Some(owner) = owner {
            record = record.with("user", &owner.username);
        }
        if !token.scopes.is_empty() {
            let scopes = token.scopes.iter().map(|scope| scope.name()).collect::<Vec<_>>().join(", ");
            record = record.with("scopes", scopes);
        }
        match token.expires_at {
            Some(until) => record.with("expires_at", until),
            None => record,
        }
    }

    /// Whether there is, or was, any token.
    ///
    /// # Errors
    /// The store is unavailable.
    pub async fn has_tokens(&self) -> Result<bool, ServiceError> {
        Ok(!self.store.tokens().await?.is_empty())
    }

    /// Makes a token worthless, at once.
    ///
    /// # Errors
    /// There is none of that name, or it is the last one.
    pub async fn revoke_token(&self, caller: &Caller, name: &str) -> Result<(), ServiceError> {
        let _turn = self.turn.lock().await;
        let all = self.store.tokens().await?;
        let Some(token) = all.iter().find(|token| token.name == name) else {
            return Err(no_such_token(name));
        };
        let owner = match token.user {
            Some(id) => self.store.user(id).await?,
            None => None,
        };
        let of = Resource::Token(token.user, self.carried_by_owner(owner.as_ref()).await?);
        if !policies().allow(&caller.principal, Action::ReadToken, &of) {
            return Err(no_such_token(name));
        }
        caller.must(Action::RevokeToken, &of)?;
        if token.revoked_at.is_some() {
            return Ok(());
        }
        if self.opens_everything(token).await? && !self.others_open_everything(&all, name).await? {
            let whose = if token.user.is_some() { "" } else { " and the installation's own" };
            let text = format!(
                "`{name}` is the last good token that may do everything{whose}: nobody could make another one without \
                 it. Make one first, with `gatehouse token create NAME`, and revoke `{name}` with that"
            );
            return Err(ServiceError::Conflict(text));
        }
        let revoked = Token { revoked_at: Some(self.now()), ..token.clone() };
        let changes = ChangeSet {
            audit: vec![
                self.audit(caller, "token.revoke", format!("token {name}")).changing(Some(token), Some(&revoked)),
            ],
            tokens: vec![Versioned::replacing(token.version, revoked)],
            ..ChangeSet::default()
        };
        self.store.commit(changes).await?;
        self.sign_ins.forget(name);
        Ok(())
    }
}

impl Services {
    async fn others_open_everything(&self, all: &[Token], but: &str) -> Result<bool, ServiceError> {
        for other in all.iter().filter(|other| other.name != but) {
            if self.opens_everything(other).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether a token is good, and good for everything: the installation's own, or that of somebody with all
    /// permissions.
    async fn opens_everything(&self, token: &Token) -> Result<bool, ServiceError> {
        if !token.scopes.is_empty() || !is_good(token, self.now()) {
            return Ok(false);
        }
        let owner = match token.user {
            Some(id) => match self.store.user(id).await? {
                Some(owner) => Some(owner),
                None => return Ok(false),
            },
            None => None,
        };
        let permissions = self.carried_by_owner(owner.as_ref()).await?;
        Ok(SystemPermission::ALL.iter().all(|permission| permissions.contains(permission)))
    }
}

/// Whether a token is good at this moment, as far as it alone tells.
fn is_good(token: &Token, now: Timestamp) -> bool {
    token.revoked_at.is_none() && token.expires_at.is_none_or(|until| until > now)
}

fn no_such_token(name: &str) -> ServiceError {
    ServiceError::NotFound(format!("there is no token `{name}`"))
}

fn random_token() -> Result<String, ServiceError> {
    let mut bytes = [0_u8; 32];
    getrandom::fill(&mut bytes).map_err(|error| ServiceError::Internal(format!("no randomness to be had: {error}")))?;
    Ok(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes)))
}
