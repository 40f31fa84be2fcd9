//! Whether somebody can vote on a request, and in whose place. It never counts anybody twice, never lets anybody decide
//! about what they asked for or about their own account, and takes no delegation that has ended.

use super::{Round, awaited, barred, expired};
use crate::{Actor, DelegationId, Request, Subject, SystemPermission, UserId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Somebody is away, and another decides in their place meanwhile.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delegation {
    /// The number.
    pub id: DelegationId,
    /// Who is away.
    pub user: UserId,
    /// Who decides in their place.
    pub delegate: UserId,
    /// From when on.
    pub from: Timestamp,
    /// Until when, that moment no longer included.
    pub until: Timestamp,
    /// Why.
    #[serde(default)]
    pub reason: Option<String>,
    /// Who made it.
    pub created_by: Actor,
    /// When.
    pub created_at: Timestamp,
    /// Counts changes.
    pub version: u64,
}

impl Delegation {
    /// Whether it holds at this moment.
    pub fn holds(&self, now: Timestamp) -> bool {
        self.from <= now && now < self.until
    }
}

/// A person as they are at present.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// Who.
    pub id: UserId,
    /// What people call them.
    pub name: String,
    /// Whether they are active, and not frozen.
    pub in_office: bool,
    /// What they may do.
    pub permissions: BTreeSet<SystemPermission>,
}

/// Somebody who votes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Voter {
    /// By which token.
    pub by: Actor,
    /// Which person; none: a token of the installation itself, which may do everything, and is named as such.
    pub person: Option<Person>,
    /// Delegations to that person, whenever they hold, each with who gave it.
    pub delegations: Vec<(Delegation, Person)>,
    /// Whether a sharing rule lets that person approve the request: they are asked where whoever manages requests is.
    pub shared: bool,
}

impl Voter {
    /// A token of the installation itself.
    pub fn installation(by: Actor) -> Self {
        Self { by, person: None, delegations: Vec::new(), shared: false }
    }
}

/// As whom somebody votes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Which person votes; none: the installation itself.
    pub user: Option<UserId>,
    /// In whose place.
    pub instead_of: Option<UserId>,
}

/// As whom somebody can vote on a request now.
///
/// # Errors
/// They cannot; the text says why.
pub fn standing(request: &Request, voter: &Voter, now: Timestamp) -> Result<Standing, String> {
    if expired(request, now).is_some() {
        return Err("the time to decide is over; what follows is about to be done".to_owned());
    }
    let Some(person) = &voter.person else { return Ok(Standing { user: None, instead_of: None }) };
    if !person.in_office {
        return Err(format!("{} is deactivated or frozen, and decides nothing", person.name));
    }
    if request.requested_by == Some(person.id) {
        return Err(format!("{} asked for it, and nobody decides about their own request", person.name));
    }
    if request.subject == Subject::User(person.id) {
        return Err(format!("it is about the account of {}, and nobody decides about their own", person.name));
    }
    let Some(step) = awaited(request) else {
        // Made before there were chains.
        return Ok(Standing { user: Some(person.id), instead_of: None });
    };
    let Some(round) = step.current() else { return Err("there is nobody to ask".to_owned()) };
    let involved = step.involved();
    if step.counting().any(|vote| vote.user == Some(person.id)) {
        return Err(format!("{} has decided about this step already, and counts once", person.name));
    }
    if involved.contains(&person.id) {
        return Err(format!("somebody has decided about this step in the place of {}, who counts once", person.name));
    }
    let barred = barred(request);
    let can = |person: &Person| is_asked(person, round) && !barred.contains(&person.id);
    let by_rule = voter.shared && round.needs == MANAGERS.into() && !barred.contains(&person.id);
    if can(person) || by_rule {
        return Ok(Standing { user: Some(person.id), instead_of: None });
    }
    let given = || voter.delegations.iter().filter(|(delegation, _)| delegation.delegate == person.id);
    let holding = given().filter(|(delegation, from)| delegation.holds(now) && delegation.user == from.id);
    let free = holding.map(|(_, from)| from).filter(|from| can(from) && !involved.contains(&from.id));
    match free.map(|from| from.id).min() {
        Some(from) => Ok(Standing { user: Some(person.id), instead_of: Some(from) }),
        None => Err(why_not(person, round, voter, &barred, &involved, now)),
    }
}

/// What a step for whoever manages requests takes.
const MANAGERS: [SystemPermission; 2] = [SystemPermission::ViewSetup, SystemPermission::ManageUsers];

fn is_asked(person: &Person, round: &Round) -> bool {
    round.approvers.contains(&person.id) && person.in_office && round.needs.is_subset(&person.permissions)
}

/// Why somebody who is not asked cannot vote: the nearest reason there is.
fn why_not(
    person: &Person,
    round: &Round,
    voter: &Voter,
    barred: &BTreeSet<UserId>,
    involved: &BTreeSet<UserId>,
    now: Timestamp,
) -> String {
    let given = voter.delegations.iter().filter(|(delegation, _)| delegation.delegate == person.id);
    let mut nearest = None;
    for (delegation, from) in given {
        let (id, of, to) = (delegation.id, &from.name, &person.name);
        let why = if barred.contains(&from.id) {
            format!("{of} asked for it or is whom it is about, so {to} cannot decide in their place either")
        } else if !round.approvers.contains(&from.id) {
            continue;
        } else if delegation.until <= now {
            format!("{to} decided in the place of {of} until {} ({id}), and no longer does", delegation.until)
        } else if delegation.from > now {
            format!("{to} decides in the place of {of} from {} on ({id}), not before", delegation.from)
        } else if involved.contains(&from.id) {
            format!("{of}, in whose place {to} decides, has been counted already")
        } else {
            format!("{of}, in whose place {to} decides, is not, or no longer, one who could")
        };
        nearest = nearest.or(Some(why));
    }
    let lost = round.approvers.contains(&person.id);
    nearest.unwrap_or_else(|| match lost {
        true => format!("{} was asked, and has lost the permission that this takes since", person.name),
        false => format!("{} is not asked: it waits for {}", person.name, round.asked),
    })
}
