//! Who may do what. The rules are Cedar policies, text files in `policies/` for a reviewer to read; this crate alone
//! names Cedar, and asks them. It never looks anything up, and knows nothing of HTTP: who asks, what for and about what
//! is passed in.

mod entities;
mod needs;

pub use needs::Needs;

use cedar_policy::{Authorizer, Decision, PolicySet, Request};
use entities::{action_uid, context, entities, principal_uid, resource_uid};
use gatehouse_core::access::{Action, Principal};
use gatehouse_core::{Permissions, UserId};
use std::collections::BTreeMap;
use std::sync::{LazyLock, OnceLock};

/// The policies, by the name of their file.
pub const POLICIES: [(&str, &str); 5] = [
    ("installation.cedar", include_str!("../policies/installation.cedar")),
    ("apps.cedar", include_str!("../policies/apps.cedar")),
    ("people.cedar", include_str!("../policies/people.cedar")),
    ("requests.cedar", include_str!("../policies/requests.cedar")),
    ("system.cedar", include_str!("../policies/system.cedar")),
];

/// What the policies are written against.
pub const SCHEMA: &str = include_str!("../policies/schema.cedarschema");

/// Why there are no policies to ask.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// A file is no Cedar.
    #[error("{file}: {why}")]
    Text {
        /// Which.
        file: String,
        /// What Cedar says of it.
        why: String,
    },
}

/// What something is done to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resource {
    /// Things of the action's kind, none in particular.
    Any,
    /// A user of the directory.
    User(UserId),
    /// A user who is to have something that carries these permissions; none: a profile or permission set is to.
    Grant(Option<UserId>, Permissions),
    /// An account, and whose it is.
    Account(Option<UserId>),
    /// A request.
    Request {
        /// The user it is about.
        about: Option<UserId>,
        /// Whether whoever asks may see it for another reason than permissions (`core::sharing`).
        reads: bool,
        /// Whether they may decide about it for such a reason.
        decides: bool,
    },
    /// Who decides in whose place: who is away, and who stands in.
    Delegation(UserId, UserId),
    /// A token: whose it is, and what its owner may do.
    Token(Option<UserId>, Permissions),
}

/// Policies that can be asked.
#[derive(Debug)]
pub struct Policies {
    set: PolicySet,
    authorizer: Authorizer,
    needs: BTreeMap<Action, OnceLock<Needs>>,
}

impl Policies {
    /// Reads policies.
    ///
    /// # Errors
    /// One is no Cedar; the text says where.
    pub fn read<'a>(files: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, PolicyError> {
        let mut set = PolicySet::new();
        for (file, text) in files {
            let bad = |why: String| PolicyError::Text { file: file.to_owned(), why };
            let found: PolicySet = text.parse().map_err(|error: cedar_policy::ParseErrors| bad(error.to_string()))?;
            for policy in found.policies() {
                let policy = policy.new_id(format!("{file}:{}", policy.id()).parse().map_err(|_| bad("id".into()))?);
                set.add(policy).map_err(|error| bad(error.to_string()))?;
            }
        }
        Ok(Self::of(set))
    }

    fn of(set: PolicySet) -> Self {
        let needs = Action::ALL.iter().map(|action| (*action, OnceLock::new())).collect();
        Self { set, authorizer: Authorizer::new(), needs }
    }

    /// Whether somebody may do something. What cannot be decided is refused.
    pub fn allow(&self, who: &Principal, action: Action, to: &Resource) -> bool {
        let request = Request::new(principal_uid(who), action_uid(action), resource_uid(action, to), context(to), None);
        let (Ok(request), Ok(entities)) = (request, entities(who, action, to)) else { return false };
        self.authorizer.is_authorized(&request, &self.set, &entities).decision() == Decision::Allow
    }

    /// The permissions that an action takes, of somebody who has nothing else to do with what it is done to.
    pub fn needs(&self, action: Action) -> &Needs {
        static NONE: Needs = Needs::nobody();
        self.needs.get(&action).map_or(&NONE, |needs| needs.get_or_init(|| Needs::of(self, action)))
    }
}

/// The policies of this build. A test holds that they can be read; if they could not, nobody would be let do anything.
pub fn policies() -> &'static Policies {
    static STANDARD: LazyLock<Policies> =
        LazyLock::new(|| Policies::read(POLICIES).unwrap_or_else(|_| Policies::of(PolicySet::new())));
    &STANDARD
}
