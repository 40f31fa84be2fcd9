//! Tokens of the API. Only their hashes are kept; a token is shown once, when it is made.

use super::{Caller, Paging, Recorded, ServiceError, Services};
use crate::wire::{NewToken, NewTokenView, Page, TokenView};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use gatehouse_core::ports::{ChangeSet, Token, Versioned};
use gatehouse_core::{Actor, AskedFrom, Digest};

/// What the token of the first start is called.
pub const FIRST_TOKEN: &str = "first";

/// What every token begins with, so that secret scanners know one.
const PREFIX: &str = "ghs_";

/// What a token is looked up by. A token has 256 bits of chance, so that its plain SHA-256 gives nothing away, and
/// looking it up by hash takes the same time whether or not its first characters are right.
pub fn hash_of(token: &str) -> Digest {
    Digest::of(token.as_bytes())
}

impl Services {
    /// Who calls with this token.
    ///
    /// # Errors
    /// The store is unavailable. A token that is not good is none.
    pub async fn authenticate(&self, token: &str) -> Result<Option<Caller>, ServiceError> {
        let found = self.store.token(hash_of(token)).await?;
        let good = found.filter(|token| token.revoked_at.is_none());
        Ok(good.map(|token| {
            let from = AskedFrom { address: None, token: Some(token.name.clone()) };
            Caller { user: token.user, from: Some(from), ..Caller::new(Actor(token.name)) }
        }))
    }

    /// All tokens.
    ///
    /// # Errors
    /// The store is unavailable.
    pub async fn list_tokens(&self, paging: &Paging) -> Result<Page<TokenView>, ServiceError> {
        let all = self.store.tokens().await?.iter().map(TokenView::from).collect();
        paging.cut(all, |token: &TokenView| token.name.clone())
    }

    /// Makes a token. The answer is never remembered: nothing stored holds a token.
    ///
    /// # Errors
    /// The name is taken or malformed.
    pub async fn create_token(&self, by: &impl Recorded, new: NewToken) -> Result<NewTokenView, ServiceError> {
        let (made, changes) = self.prepare_token(by, &new.name).await?;
        self.store.commit(changes).await?;
        Ok(made)
    }

    /// A token, and the change that makes it good.
    ///
    /// # Errors
    /// The name is taken or malformed.
    pub async fn prepare_token(
        &self,
        by: &impl Recorded,
        name: &str,
    ) -> Result<(NewTokenView, ChangeSet), ServiceError> {
        let name = name.trim().to_owned();
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.@".contains(c);
        if name.is_empty() || name.len() > 64 || !name.chars().all(plain) || name == Actor::host().0 {
            let why = format!("`{name}` is no name for a token: letters, digits, `-`, `_`, `.` and `@`, 64 at most");
            return Err(ServiceError::invalid("name", why));
        }
        if self.store.tokens().await?.iter().any(|token| token.name == name) {
            let text = format!("there is, or was, a token `{name}`; audit records name it, so take another name");
            return Err(ServiceError::Conflict(text));
        }
        let token = random_token()?;
        let record =
            Token { hash: hash_of(&token), name, user: None, created_at: self.now(), revoked_at: None, version: 0 };
        let view = NewTokenView { name: record.name.clone(), token };
        let changes = ChangeSet {
            audit: vec![self.audit(by, "token.create", format!("token {}", record.name)).changing(None, Some(&record))],
            tokens: vec![Versioned::new(record)],
            ..ChangeSet::default()
        };
        Ok((view, changes))
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
            return Err(ServiceError::NotFound(format!("there is no token `{name}`")));
        };
        if token.revoked_at.is_some() {
            return Ok(());
        }
        if all.iter().filter(|token| token.revoked_at.is_none()).count() == 1 {
            let text =
                format!("`{name}` is the last good token, and nobody could get in without it; make another one first");
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
        Ok(())
    }
}

fn random_token() -> Result<String, ServiceError> {
    let mut bytes = [0_u8; 32];
    getrandom::fill(&mut bytes).map_err(|error| ServiceError::Internal(format!("no randomness to be had: {error}")))?;
    Ok(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes)))
}
