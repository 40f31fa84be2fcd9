//! Accounts: what ties a user to an account of an app, and what is known of both sides.

use crate::{AccountId, AppId, Digest, RequestId, UserId};
use gatehouse_schema::{Attributes, Status};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Whether and how an account is tied to a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum LinkState {
    /// Changes to the user are queued for the account.
    Linked,
    /// An associated account exists besides this one, or several users match.
    Duplicate,
    /// One side is missing.
    Orphaned,
    /// Changes to the user leave the account alone.
    Ignored,
}

/// The finer verdict behind a link state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Situation {
    /// Linked: known before, by an earlier run, an administrator or our own Create.
    Confirmed,
    /// Linked: found by a linking rule.
    Found,
    /// Duplicate: several users match, or several accounts match one user, or the connector doubts it.
    Ambiguous,
    /// Duplicate: its user is linked to another account already.
    AlreadyLinked,
    /// Orphaned: an account without a user.
    Unassigned,
    /// Orphaned: a user with access and no account.
    Missing,
    /// Orphaned: the account was there and is gone.
    Deleted,
    /// Ignored: named in the configuration.
    Protected,
    /// Ignored: by an administrator or by the connector.
    Excluded,
}

impl LinkState {
    /// All, in the order in which people look at them.
    pub const ALL: [Self; 4] = [Self::Linked, Self::Duplicate, Self::Orphaned, Self::Ignored];
}

impl Situation {
    /// All, in the order in which people look at them.
    pub const ALL: [Self; 9] = [
        Self::Confirmed,
        Self::Found,
        Self::Ambiguous,
        Self::AlreadyLinked,
        Self::Unassigned,
        Self::Missing,
        Self::Deleted,
        Self::Protected,
        Self::Excluded,
    ];

    /// The link state it is a case of.
    pub fn link_state(self) -> LinkState {
        match self {
            Self::Confirmed | Self::Found => LinkState::Linked,
            Self::Ambiguous | Self::AlreadyLinked => LinkState::Duplicate,
            Self::Unassigned | Self::Missing | Self::Deleted => LinkState::Orphaned,
            Self::Protected | Self::Excluded => LinkState::Ignored,
        }
    }
}

/// One account, or the place of one that is missing. At least one of `external_id` and `user` is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// The number.
    pub id: AccountId,
    /// The app it is in.
    pub app: AppId,
    /// The target's own id; none while the account is missing. Unique in the app.
    #[serde(default)]
    pub external_id: Option<String>,
    /// The user it belongs to, or would belong to (see `link_state`).
    #[serde(default)]
    pub user: Option<UserId>,
    /// What its owner signs in with.
    #[serde(default)]
    pub username: String,
    /// As mapped from the user's `email`.
    #[serde(default)]
    pub email: Option<String>,
    /// As mapped from the user's `first_name`.
    #[serde(default)]
    pub first_name: Option<String>,
    /// As mapped from the user's `last_name`.
    #[serde(default)]
    pub last_name: Option<String>,
    /// The attributes, as the target last showed them.
    #[serde(default)]
    pub attributes: Attributes,
    /// Whether it is provisioned for use. A frozen account is Active here and unusable in the target.
    pub status: Status,
    /// Made unusable for the time being, by a Freeze.
    #[serde(default)]
    pub frozen: bool,
    /// Whether that Freeze followed its user's, and so ends with it.
    #[serde(default)]
    pub frozen_with_user: bool,
    /// Whether and how it is tied to its user. Always `situation.link_state()`.
    pub link_state: LinkState,
    /// The finer verdict.
    pub situation: Situation,
    /// Why, where the situation alone does not say it.
    #[serde(default)]
    pub why: Option<String>,
    /// Whether the link (or the ignoring) was decided by an administrator or made by our own Create, so that no
    /// analysis may undo it.
    #[serde(default)]
    pub is_known_link: bool,
    /// The target's mark of the version last seen.
    #[serde(default)]
    pub revision: Option<String>,
    /// The digest of what was last seen, see [`fingerprint`]; none while the account is missing.
    #[serde(default)]
    pub fingerprint: Option<Digest>,
    /// When the target last showed it.
    #[serde(default)]
    pub last_seen: Option<Timestamp>,
    /// The run that last saw it.
    #[serde(default)]
    pub last_run: Option<RequestId>,
    /// Counts changes.
    pub version: u64,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

impl Account {
    /// A record of which nothing is known yet: nobody's, and not to be used.
    pub fn blank(id: AccountId, app: AppId, now: Timestamp) -> Self {
        Self {
            id,
            app,
            external_id: None,
            user: None,
            username: String::new(),
            email: None,
            first_name: None,
            last_name: None,
            attributes: Attributes::new(),
            status: Status::Deactivated,
            frozen: false,
            frozen_with_user: false,
            link_state: LinkState::Orphaned,
            situation: Situation::Unassigned,
            why: None,
            is_known_link: false,
            revision: None,
            fingerprint: None,
            last_seen: None,
            last_run: None,
            version: 0,
            updated_at: now,
        }
    }

    /// The status the target should show: a frozen account is unusable there.
    pub fn expected_status(&self) -> Status {
        if self.frozen && self.status == Status::Active { Status::Deactivated } else { self.status }
    }

    /// Whether changes to its user are provisioned to it.
    pub fn is_linked(&self) -> bool {
        self.link_state == LinkState::Linked && self.user.is_some()
    }

    /// Sets the situation, and the link state with it.
    pub fn set_situation(&mut self, situation: Situation) {
        self.situation = situation;
        self.link_state = situation.link_state();
    }
}

/// The digest of what a collected account says, its revision aside: rows with the fingerprint that is known need no
/// analysis.
pub fn fingerprint(account: &gatehouse_schema::Account) -> Digest {
    Digest::of_json(&(&account.external_id, &account.username, account.status, &account.attributes))
}
