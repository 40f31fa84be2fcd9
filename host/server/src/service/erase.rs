//! Erasing people who have left: what is said of them goes from the directory and from the audit trail, in one commit.
//! It never touches an account: what is in the apps is theirs to erase. An erased user stays erased: nothing is said of
//! them again.

use super::{Answer, Caller, ServiceError, Services};
use gatehouse_core::ports::{ChangeSet, RequestQuery, Token, TrailChange, Versioned};
use gatehouse_core::{Group, Problem, Request, State, Subject, User};

/// Whether anything may still be said of the user.
///
/// # Errors
/// They were erased; the text says when.
pub(super) fn not_erased(user: &User) -> Result<(), ServiceError> {
    erased(user).map_or(Ok(()), |why| Err(ServiceError::Conflict(why)))
}

/// That nothing is said of the user any more, if they were erased.
pub(super) fn erased(user: &User) -> Option<String> {
    let at = user.erased_at?.strftime("%Y-%m-%d");
    let text = format!(
        "{} was erased on {at}, and stays so: whoever comes back is a new user, made with `gatehouse user create`",
        user.id
    );
    Some(text)
}

impl Services {
    /// The user who is named at a place of what was sent. One who is not there, or was erased, is a problem there.
    pub(super) async fn person_there(
        &self,
        named: &str,
        at: &str,
        problems: &mut Vec<Problem>,
    ) -> Result<Option<User>, ServiceError> {
        let why = match self.find_user(named).await {
            Ok(user) => match erased(&user) {
                Some(why) => why,
                None => return Ok(Some(user)),
            },
            Err(ServiceError::NotFound(why)) => why,
            Err(other) => return Err(other),
        };
        problems.push(Problem::new(at, why));
        Ok(None)
    }

    /// Erases a user: the record keeps its number and says nothing any more, no audit record says anything of them, they
    /// belong to no group, and their tokens are worthless. Whoever is erased already is left as they are.
    ///
    /// # Errors
    /// There is no such user, they are active, or something is still to be done for them.
    pub async fn erase_user(&self, caller: &Caller, named: &str) -> Result<Answer, ServiceError> {
        let _people = self.people.read().await;
        let before = self.find_user(named).await?;
        caller.has_seen(format!("user {}", before.username), before.version)?;
        if before.erased_at.is_some() {
            return Ok(Answer::done(before.version, &self.views().user(&before).await?));
        }
        if before.active {
            let text = format!("user `{0}` is active; `gatehouse user disable {0}` first", before.username);
            return Err(ServiceError::Conflict(text));
        }
        if let Some(request) = self.unsettled_request(&before).await? {
            let what = if request.is_in_review() {
                "may have changed an account, and nobody knows; settle it first (`gatehouse request show` says how)"
            } else {
                "is not done; see that it ends, or cancel it"
            };
            let text = format!("{} of user `{}` {what}", request.id, before.username);
            return Err(ServiceError::Conflict(text));
        }
        let after = self.without_person(&before);
        let answer = Answer::done(after.version, &self.views().user(&after).await?);
        let record = self.audit(caller, "user.erase", format!("user {}", before.id)).about(before.id);
        let mut changes = ChangeSet {
            audit: vec![record],
            trail: TrailChange { erase: vec![before.id], ..TrailChange::default() },
            users: vec![Versioned::replacing(before.version, after)],
            groups: self.groups_without(&before).await?,
            tokens: self.tokens_revoked(&before).await?,
            ..ChangeSet::default()
        };
        caller.remember(&mut changes, &answer);
        self.store.commit(changes).await?;
        Ok(answer)
    }

    fn without_person(&self, user: &User) -> User {
        User {
            active: false,
            frozen: user.frozen,
            created_at: user.created_at,
            erased_at: Some(self.now()),
            updated_at: self.now(),
            version: user.version + 1,
            id: user.id,
            ..self.blank_user(&format!("erased-{}", user.id.0))
        }
    }

    async fn unsettled_request(&self, user: &User) -> Result<Option<Request>, ServiceError> {
        let of_user = RequestQuery { subject: Some(Subject::User(user.id)), limit: 1, ..RequestQuery::default() };
        let open = State::ALL.into_iter().filter(|state| !state.is_settled());
        let open = open.map(|state| RequestQuery { state: Some(state), ..of_user.clone() });
        // What is in review may have made an account, which nobody could tell whose it is.
        let in_review = RequestQuery { needs_review: true, ..of_user.clone() };
        for query in open.chain([in_review]) {
            if let Some(request) = self.store.requests(&query).await?.items.pop() {
                return Ok(Some(request));
            }
        }
        Ok(None)
    }

    async fn groups_without(&self, user: &User) -> Result<Vec<Versioned<Group>>, ServiceError> {
        let groups = self.store.groups_of_user(user.id).await?.into_iter();
        Ok(groups
            .map(|mut group| {
                group.members.remove(&user.id);
                Versioned::replacing(group.version, group)
            })
            .collect())
    }

    async fn tokens_revoked(&self, user: &User) -> Result<Vec<Versioned<Token>>, ServiceError> {
        let tokens = self.store.tokens().await?.into_iter();
        let theirs = tokens.filter(|token| token.user == Some(user.id) && token.revoked_at.is_none());
        let revoked =
            |token: Token| Versioned::replacing(token.version, Token { revoked_at: Some(self.now()), ..token });
        Ok(theirs.map(revoked).collect())
    }
}
