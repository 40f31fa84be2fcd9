//! Whose approval an operation takes, as an app's configuration says it, and how that becomes a chain for one request.
//! It never looks at the directory: who is found is passed in.

use super::{Chain, Round, Step};
use crate::{Operation, ProvisioningConfig, SystemPermission, UserId, problem::Problem};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// How many persons can be asked in one step. Of more, those with the lowest numbers are.
pub const MOST_APPROVERS: usize = 500;

/// The longest time that a step can be given: ten years.
const LONGEST: u64 = 10 * 365 * 24 * 3600;

/// Which operations take which approvals.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApprovalRule {
    /// The operations; each stands in one rule at most.
    pub operations: BTreeSet<Operation>,
    /// Who has to agree, one after the other.
    pub steps: Vec<StepRule>,
}

/// One step: who is asked, how many of them have to agree, and by when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StepRule {
    /// Who is asked.
    pub approvers: Approvers,
    /// How many different persons have to agree.
    #[serde(default = "one")]
    pub quorum: u32,
    /// How long they have; none: for as long as it takes.
    #[serde(default)]
    pub deadline_seconds: Option<u64>,
    /// What follows then.
    #[serde(default)]
    pub on_deadline: OnDeadline,
}

/// Who is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Approvers {
    /// The manager of the user that the request is about.
    Manager,
    /// These users.
    Users(BTreeSet<UserId>),
    /// The members of a group.
    Group(String),
    /// Whoever has a system permission.
    Permission(SystemPermission),
    /// Whoever may manage requests: has View Setup and Manage Users.
    RequestManagers,
}

/// What follows when nobody has decided in time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnDeadline {
    /// It counts as refused.
    #[default]
    Deny,
    /// Others are asked in their place.
    Escalate(Escalation),
}

/// Who is asked when others have not decided in time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Escalation {
    /// Who.
    pub to: Approvers,
    /// How many different persons of them have to agree.
    #[serde(default = "one")]
    pub quorum: u32,
    /// How long they have; then it counts as refused. None: for as long as it takes.
    #[serde(default)]
    pub deadline_seconds: Option<u64>,
}

fn one() -> u32 {
    1
}

impl Approvers {
    /// What its people must have when they vote, besides having been asked.
    fn needs(&self) -> BTreeSet<SystemPermission> {
        match self {
            Self::Permission(permission) => [*permission].into(),
            Self::RequestManagers => [SystemPermission::ViewSetup, SystemPermission::ManageUsers].into(),
            Self::Manager | Self::Users(_) | Self::Group(_) => BTreeSet::new(),
        }
    }

    /// In words.
    fn named(&self) -> String {
        match self {
            Self::Manager => "the user's manager".to_owned(),
            Self::Users(_) => "the named users".to_owned(),
            Self::Group(name) => format!("group `{name}`"),
            Self::Permission(permission) => format!("whoever has {permission:?}"),
            Self::RequestManagers => "whoever may manage requests".to_owned(),
        }
    }
}

impl ProvisioningConfig {
    /// The steps that an operation takes; none: no approval. `approval_required` is one step for whoever may manage
    /// requests.
    pub fn approval_steps(&self, operation: Operation) -> Vec<StepRule> {
        if let Some(rule) = self.approvals.iter().find(|rule| rule.operations.contains(&operation)) {
            return rule.steps.clone();
        }
        let anybody = StepRule {
            approvers: Approvers::RequestManagers,
            quorum: 1,
            deadline_seconds: None,
            on_deadline: OnDeadline::Deny,
        };
        self.approval_required.contains(&operation).then_some(anybody).into_iter().collect()
    }
}

/// Who was found for a step.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Persons who can be asked: active, and not frozen.
    pub people: BTreeSet<UserId>,
    /// Why that is nobody, where it is: `grace has no manager`.
    pub why_nobody: Option<String>,
}

/// The chain for one request. A round that nobody can carry, or fewer than its quorum, goes to whoever has Manage Users
/// (`fallback`), with the same quorum: it is neither passed nor left to hang.
pub fn resolve(
    rules: &[StepRule],
    find: impl Fn(&Approvers) -> Found,
    barred: &BTreeSet<UserId>,
    fallback: &BTreeSet<UserId>,
) -> Option<Chain> {
    let round = |approvers: &Approvers, quorum: u32, deadline_seconds: Option<u64>| {
        round(approvers, quorum.max(1), deadline_seconds, find(approvers), barred, fallback)
    };
    let step = |rule: &StepRule| {
        let mut rounds = vec![round(&rule.approvers, rule.quorum, rule.deadline_seconds)];
        if let OnDeadline::Escalate(to) = &rule.on_deadline {
            rounds.push(round(&to.to, to.quorum, to.deadline_seconds));
        }
        Step::new(rounds)
    };
    (!rules.is_empty()).then(|| Chain::new(rules.iter().map(step).collect()))
}

fn round(
    approvers: &Approvers,
    quorum: u32,
    deadline_seconds: Option<u64>,
    found: Found,
    barred: &BTreeSet<UserId>,
    fallback: &BTreeSet<UserId>,
) -> Round {
    let able = |people: &BTreeSet<UserId>| -> BTreeSet<UserId> {
        people.difference(barred).copied().take(MOST_APPROVERS).collect()
    };
    let asked = if quorum > 1 { format!("{quorum} of {}", approvers.named()) } else { approvers.named() };
    let people = able(&found.people);
    if people.len() >= quorum as usize {
        let needs = approvers.needs();
        return Round { asked, approvers: people, needs, quorum, why: None, deadline_seconds };
    }
    let why = found.why_nobody.filter(|_| found.people.is_empty()).unwrap_or_else(|| match people.len() {
        0 if !found.people.is_empty() => "nobody is left but those whom the request is of or about".to_owned(),
        left => format!("{left} can be asked, {quorum} are needed"),
    });
    let people = able(fallback);
    let mut why = format!("{asked}: {why}; so whoever has Manage Users is asked");
    if people.len() < quorum as usize {
        why.push_str(", and there are too few of them: only a token of the installation itself can decide");
    }
    let needs = [SystemPermission::ManageUsers].into();
    Round { asked, approvers: people, needs, quorum, why: Some(why), deadline_seconds }
}

/// What is wrong with the rules of a configuration, as far as that can be seen without the directory.
pub fn validate(rules: &[ApprovalRule], operations: &BTreeSet<Operation>) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut ruled = BTreeMap::new();
    for (no, rule) in rules.iter().enumerate() {
        let at = |what: &str| format!("approvals[{no}].{what}");
        if rule.operations.is_empty() {
            problems.push(Problem::new(at("operations"), "name the operations that it is for"));
        }
        for operation in &rule.operations {
            if !operations.contains(operation) {
                problems.push(Problem::new(at("operations"), format!("{operation:?} is none of the operations")));
            }
            if let Some(before) = ruled.insert(*operation, no).filter(|before| *before != no) {
                let why = format!("{operation:?} stands in approvals[{before}] already; one rule is for it");
                problems.push(Problem::new(at("operations"), why));
            }
        }
        if rule.steps.is_empty() {
            problems.push(Problem::new(at("steps"), "name whom to ask; without a step there is nothing to approve"));
        }
        for (step, rule) in rule.steps.iter().enumerate() {
            problems.extend(step_problems(rule, &at(&format!("steps[{step}]"))));
        }
    }
    problems
}

fn step_problems(rule: &StepRule, at: &str) -> Vec<Problem> {
    let mut problems = asked_problems(&rule.approvers, rule.quorum, rule.deadline_seconds, at, "approvers");
    if let OnDeadline::Escalate(to) = &rule.on_deadline {
        let at = format!("{at}.on_deadline.escalate");
        problems.extend(asked_problems(&to.to, to.quorum, to.deadline_seconds, &at, "to"));
        if rule.deadline_seconds.is_none() {
            problems.push(Problem::new(at, "without deadline_seconds it never comes to that"));
        }
    }
    problems
}

fn asked_problems(approvers: &Approvers, quorum: u32, seconds: Option<u64>, at: &str, name: &str) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut wrong = |what: &str, why: String| problems.push(Problem::new(format!("{at}.{what}"), why));
    match approvers {
        Approvers::Users(users) if users.is_empty() => wrong(name, "name at least one user".to_owned()),
        Approvers::Group(group) if group.trim().is_empty() => wrong(name, "name the group".to_owned()),
        _ => {}
    }
    let most = match approvers {
        Approvers::Manager => 1,
        Approvers::Users(users) => users.len().max(1),
        _ => MOST_APPROVERS,
    };
    if quorum == 0 || quorum as usize > most {
        wrong("quorum", format!("{quorum} is not between 1 and {most}, as many as can be asked"));
    }
    if seconds.is_some_and(|seconds| !(1..=LONGEST).contains(&seconds)) {
        wrong("deadline_seconds", format!("is not between 1 and {LONGEST}"));
    }
    problems
}
