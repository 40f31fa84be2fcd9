//! The verdicts: what a row's reading, the claims of others and the connector's judgement come to, and what is to be
//! done about it.

use super::claims::{Standing, Strength};
use super::reading::{self, Found, Reading, Slot};
use super::{Analysis, UserFacts};
use crate::ports::{Judgement, RowVerdict};
use crate::{Account, AccountId, LinkState, Operation, Situation, StagedAction, USERNAME, UserId, Verdict};
use gatehouse_schema::{Account as RemoteAccount, Mutability, Status};

/// Why a user is left as they are, where the app's scope fails for them.
const UNDECIDED: &str =
    "whether the user is in the app's scope cannot be told, so nothing is changed; `gatehouse app preview` says why";

impl Analysis {
    /// The user whom the host would link to this account, claims of others aside: the one whose attributes the
    /// connector compares it with. None if there is none, or more than one.
    pub fn proposal(&self, account: &RemoteAccount, known: Option<&Account>) -> Option<UserId> {
        let user = match reading::read(&self.terms, &self.people, account, known) {
            Reading::Manual(user) | Reading::Retained(user) => Some(user),
            Reading::Found(found) => found.sole(),
            Reading::Doubted { .. } | Reading::Gone | Reading::Protected | Reading::LeftAlone | Reading::Nobody => None,
        };
        user.map(|user| self.user(user).id)
    }

    /// The verdict on a row that the survey has seen. `said` is the connector's on the host's proposal, or
    /// [`super::standard_judgement`] where the connector has no say.
    pub fn assess(&self, account: &RemoteAccount, known: Option<&Account>, said: &RowVerdict) -> Verdict {
        let mut verdict = self.judge(account, known, &said.judgement);
        verdict.account = known.map(|known| known.id);
        if verdict.situation.link_state() == LinkState::Linked {
            verdict.drift = self.comparable(&said.drift);
            verdict.action = self.action(&verdict, account, known);
            let undecided =
                verdict.user.and_then(|user| self.people.facts(user)).is_some_and(|user| user.is_undecided());
            if undecided {
                verdict.why = Some(verdict.why.map_or(UNDECIDED.to_owned(), |why| format!("{why}; {UNDECIDED}")));
            }
        }
        verdict
    }

    /// The verdict on an account that a complete collection missed and that reading it says is not found.
    pub fn gone(&self, known: &Account) -> Verdict {
        Verdict { user: known.user, account: Some(known.id), ..verdict(Situation::Deleted, None) }
    }

    /// The verdict on a user who has no account. `place` is the record kept for the account they should have.
    pub fn missing(&self, user: UserId, place: Option<AccountId>) -> Verdict {
        let facts = self.people.facts(user);
        let frozen = facts.is_some_and(|user| user.frozen);
        let undecided = facts.is_some_and(|user| user.is_undecided());
        let create = self.terms.policy.create_missing && !frozen && !undecided && self.enabled(Operation::Create);
        let action = if create { StagedAction::Raise(Operation::Create) } else { StagedAction::None };
        let why = match (undecided, frozen) {
            (true, _) => Some(UNDECIDED.to_owned()),
            (false, true) => Some("the user is frozen; an account is made once they are not".to_owned()),
            (false, false) => None,
        };
        Verdict { user: Some(user), account: place, action, why, ..verdict(Situation::Missing, None) }
    }

    fn judge(&self, account: &RemoteAccount, known: Option<&Account>, said: &Judgement) -> Verdict {
        let of_known = |situation: Situation| Verdict {
            user: known.and_then(|known| known.user),
            why: known.and_then(|known| known.why.clone()),
            ..verdict(situation, None)
        };
        match (reading::read(&self.terms, &self.people, account, known), said) {
            (Reading::Protected, _) => Verdict { why: None, ..of_known(Situation::Protected) },
            (Reading::Gone, _) => Verdict { why: None, ..of_known(Situation::Deleted) },
            (Reading::LeftAlone, _) => of_known(known.map_or(Situation::Excluded, |known| known.situation)),
            (Reading::Manual(user), said) => self.linked(Situation::Confirmed, user, said),
            (_, Judgement::Ignore(why)) => {
                // Whose it was is kept, so that they do not get another account.
                let was = known.filter(|known| known.is_linked() || known.situation == Situation::Excluded);
                Verdict { user: was.and_then(|known| known.user), ..verdict(Situation::Excluded, Some(why.clone())) }
            }
            (Reading::Retained(user), said) => self
                .weighed(user, Strength::RETAINED, account)
                .unwrap_or_else(|| self.linked(Situation::Confirmed, user, said)),
            (Reading::Doubted { held, found }, _) => {
                let (held, now) = (self.user(held).id, self.names(&found));
                let why = format!("was linked to {held}, and the linking rules now find {now}");
                Verdict { user: Some(held), ..verdict(Situation::Ambiguous, Some(why)) }
            }
            (Reading::Found(found), said) => self.of_found(&found, account, said),
            (Reading::Nobody, _) => verdict(Situation::Unassigned, None),
        }
    }

    fn of_found(&self, found: &Found, account: &RemoteAccount, said: &Judgement) -> Verdict {
        let Some(user) = found.sole() else {
            return verdict(Situation::Ambiguous, Some(format!("matches {}", self.names(found))));
        };
        if let Some(lost) = self.weighed(user, Strength::of_rule(found.rule), account) {
            return lost;
        }
        match said {
            Judgement::Doubt(why) => {
                Verdict { user: Some(self.user(user).id), ..verdict(Situation::Ambiguous, Some(why.clone())) }
            }
            _ => self.linked(Situation::Found, user, said),
        }
    }

    /// A link. What the connector has against one that it cannot undo is noted.
    fn linked(&self, situation: Situation, user: Slot, said: &Judgement) -> Verdict {
        let why = match said {
            Judgement::Same => None,
            Judgement::Doubt(why) => Some(format!("the connector doubts it: {why}")),
            Judgement::Ignore(why) => Some(format!("the connector would leave it alone: {why}")),
        };
        Verdict { user: Some(self.user(user).id), ..verdict(situation, why) }
    }

    /// The verdict on a claim that does not win against those of others; none if it wins.
    fn weighed(&self, user: Slot, strength: Strength, account: &RemoteAccount) -> Option<Verdict> {
        let id = self.user(user).id;
        let (situation, why) = match self.claims.standing(user, strength, account) {
            Standing::Wins => return None,
            Standing::Tied(other) => (Situation::Ambiguous, format!("account `{other}` matches {id} just as well")),
            Standing::Lost { to, linked: true } => {
                (Situation::AlreadyLinked, format!("{id} is linked to account `{to}`"))
            }
            Standing::Lost { to, linked: false } => {
                (Situation::AlreadyLinked, format!("account `{to}` matches {id} by a stronger rule"))
            }
            Standing::Outdone(other) => {
                (Situation::Ambiguous, format!("account `{other}` may be the one of {id} rather than this"))
            }
        };
        Some(Verdict { user: Some(id), ..verdict(situation, Some(why)) })
    }

    fn user(&self, slot: Slot) -> &UserFacts {
        &self.people.people()[slot as usize]
    }

    fn names(&self, found: &Found) -> String {
        let names: Vec<_> = found.users.iter().map(|user| self.user(*user).id.to_string()).collect();
        format!("{}{}", names.join(", "), if found.more { " and more" } else { "" })
    }

    /// The drift that means anything: known attributes that can be compared, in order, each once.
    fn comparable(&self, drift: &[String]) -> Vec<String> {
        let means = |name: &&String| {
            let mutability = self.terms.schema.get(name).map(|definition| definition.mutability);
            *name == USERNAME || matches!(mutability, Some(Mutability::ReadWrite | Mutability::Immutable))
        };
        let mut names: Vec<String> = drift.iter().filter(means).cloned().collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// What to do about a linked account: one thing, its status before its attributes.
    fn action(&self, verdict: &Verdict, account: &RemoteAccount, known: Option<&Account>) -> StagedAction {
        let Some(user) = verdict.user.and_then(|user| self.people.facts(user)) else { return StagedAction::None };
        let frozen = known.is_some_and(|known| known.frozen);
        let frozen_only = known.is_some_and(|known| known.frozen && known.status == Status::Active);
        let frozen_with_user = known.is_some_and(|known| known.frozen && known.frozen_with_user);
        let usable = account.status == Status::Active;
        let status = match usable {
            true if !user.has_access() && !user.is_undecided() => Some(Operation::Deactivate),
            // Also where the target lets somebody in again behind a Freeze of ours.
            true if user.frozen || frozen => Some(Operation::Freeze),
            // An Unfreeze must not let in who has left meanwhile.
            false if !user.has_access() && !user.is_undecided() && frozen_only => Some(Operation::Deactivate),
            // A Freeze that followed the user's ends with it; one of the account alone is for a person to end.
            false if user.has_access() && !user.frozen && frozen_with_user => Some(Operation::Unfreeze),
            false if user.has_access() && !user.frozen && !frozen => Some(Operation::Activate),
            _ => None,
        };
        let status = status.filter(|operation| self.terms.policy.correct_status && self.enabled(*operation));
        let changeable = |name: &String| {
            let mutability = self.terms.schema.get(name).map(|definition| definition.mutability);
            name == USERNAME || mutability == Some(Mutability::ReadWrite)
        };
        let differs = self.terms.policy.update_drift && user.has_access() && verdict.drift.iter().any(changeable);
        let update = (differs && self.enabled(Operation::Update)).then_some(Operation::Update);
        status.or(update).map_or(StagedAction::None, StagedAction::Raise)
    }

    fn enabled(&self, operation: Operation) -> bool {
        self.terms.operations.contains(&operation)
    }
}

fn verdict(situation: Situation, why: Option<String>) -> Verdict {
    Verdict { situation, why, user: None, account: None, drift: Vec::new(), action: StagedAction::None }
}
