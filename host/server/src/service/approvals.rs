//! Who votes, who stands in for whom, and what is still waited for. Whether a vote counts is for the core to say.

use super::erase::erased;
use super::views::Views;
use super::{Answer, Caller, Paging, ServiceError, Services};
use crate::wire::{
    ApprovalStepView, ById, DelegationChange, DelegationView, NewDelegation, Page, PersonView, VoteView, step_state,
};
use gatehouse_core::access::Action;
use gatehouse_core::approval::{Chain, Delegation, OnDeadline, Step, Vote, Voter, awaited};
use gatehouse_core::ports::{ChangeSet, Sequence, Versioned};
use gatehouse_core::{
    Approval, AuditRecord, DelegationId, Problem, ProvisioningConfig, Request, State, UserId, approval,
};
use gatehouse_engine::approvals::voter;
use gatehouse_policy::Resource;
use jiff::Timestamp;
use serde_json::Value as Json;

fn of_delegation(delegation: &Delegation) -> Resource {
    Resource::Delegation(delegation.user, delegation.delegate)
}

fn no_such_delegation(id: DelegationId) -> ServiceError {
    ServiceError::NotFound(format!("there is no delegation {id}; `gatehouse delegation list` shows all"))
}

impl Services {
    /// Whoever calls, as a voter.
    pub(super) async fn voter(&self, caller: &Caller) -> Result<Voter, ServiceError> {
        Ok(voter(self.store.as_ref(), caller.actor.clone(), caller.user).await?)
    }

    /// Whose approvals somebody can give: their own, and those of whom they stand in for now.
    ///
    /// # Errors
    /// `me` is no person, or there is no such user.
    pub(super) async fn awaited_by(&self, caller: &Caller, named: &str) -> Result<(Voter, Vec<UserId>), ServiceError> {
        let user = match (named, caller.user) {
            ("me", Some(user)) => user,
            ("me", None) => {
                let why = "this token is of the installation itself, not of a person: name a user";
                return Err(ServiceError::invalid("awaiting", why));
            }
            _ => self.find_user(named).await?.id,
        };
        let voter = voter(self.store.as_ref(), caller.actor.clone(), Some(user)).await?;
        let now = self.now();
        let holding = voter.delegations.iter().filter(|(delegation, _)| delegation.holds(now));
        let people = holding.map(|(delegation, _)| delegation.user).chain([user]).collect();
        Ok((voter, people))
    }

    /// All delegations.
    ///
    /// # Errors
    /// The cursor is none of this list.
    pub async fn list_delegations(
        &self,
        caller: &Caller,
        paging: &Paging<ById>,
    ) -> Result<Page<DelegationView>, ServiceError> {
        let page = self.store.delegations(paging.direction(), paging.after.as_deref(), paging.size()?).await?;
        let mut views = self.views();
        let mut items = Vec::with_capacity(page.items.len());
        for delegation in page.items.into_iter().filter(|of| caller.may(Action::ReadDelegation, &of_delegation(of))) {
            items.push(views.delegation(delegation).await?);
        }
        Ok(Page { items, next: page.next })
    }

    /// A delegation.
    ///
    /// # Errors
    /// There is none with that number.
    pub async fn find_delegation(&self, id: DelegationId) -> Result<Delegation, ServiceError> {
        let found = self.store.delegation(id).await?;
        found.ok_or_else(|| no_such_delegation(id))
    }

    /// A delegation, shown.
    ///
    /// # Errors
    /// There is none with that number.
    pub async fn show_delegation(&self, caller: &Caller, id: DelegationId) -> Result<Answer, ServiceError> {
        let delegation = self.find_delegation(id).await?;
        if !caller.may(Action::ReadDelegation, &of_delegation(&delegation)) {
            return Err(no_such_delegation(id));
        }
        Ok(Answer::done(delegation.version, &self.views().delegation(delegation).await?))
    }

    /// Has somebody decide in another's place for a time.
    ///
    /// # Errors
    /// One of them is not there, they are one, or the time is over or ends before it begins.
    pub async fn create_delegation(&self, caller: &Caller, new: NewDelegation) -> Result<Answer, ServiceError> {
        let user = match (&new.user, caller.user) {
            (Some(named), _) => self.find_user(named).await?,
            (None, Some(user)) => self.find_user(&user.to_string()).await?,
            (None, None) => return Err(ServiceError::invalid("user", "name who is away")),
        };
        let delegate = self.find_user(&new.delegate).await?;
        caller.must(Action::Delegate, &Resource::Delegation(user.id, delegate.id))?;
        let now = self.now();
        let mut delegation = Delegation {
            id: DelegationId(0),
            user: user.id,
            delegate: delegate.id,
            from: new.from.unwrap_or(now),
            until: new.until,
            reason: new.reason,
            created_by: caller.actor.clone(),
            created_at: now,
            version: 1,
        };
        let mut problems = time_problems(&delegation);
        problems.extend(erased(&user).map(|why| Problem::new("user", why)));
        if delegation.until <= now {
            problems.push(Problem::new("until", format!("{} is over", delegation.until)));
        }
        if delegation.user == delegation.delegate {
            problems.push(Problem::new("delegate", "nobody stands in for themselves"));
        }
        if !delegate.active || delegate.frozen {
            let why = format!("`{}` is deactivated or frozen, and could decide nothing", delegate.username);
            problems.push(Problem::new("delegate", why));
        }
        ServiceError::unless_empty(problems)?;
        delegation.id = DelegationId(self.store.allocate(Sequence::Delegation, 1));
        let view = self.views().delegation(delegation.clone()).await?;
        let answer = Answer::created(format!("/api/v1/delegations/{}", delegation.id), 1, &view);
        let audit =
            vec![self.delegation_audit(caller, "delegation.create", &delegation).changing(None, Some(&delegation))];
        let mut changes = ChangeSet { audit, delegations: vec![Versioned::new(delegation)], ..ChangeSet::default() };
        caller.remember(&mut changes, &answer);
        self.store.commit(changes).await?;
        Ok(answer)
    }

    /// Gives a delegation another time.
    ///
    /// # Errors
    /// There is none, it has changed meanwhile, or the time ends before it begins.
    pub async fn change_delegation(
        &self,
        caller: &Caller,
        id: DelegationId,
        change: DelegationChange,
    ) -> Result<Answer, ServiceError> {
        let before = self.find_delegation(id).await?;
        if !caller.may(Action::ReadDelegation, &of_delegation(&before)) {
            return Err(no_such_delegation(id));
        }
        caller.must(Action::Delegate, &of_delegation(&before))?;
        caller.has_seen(id.to_string(), before.version)?;
        let (from, until) = (change.from.unwrap_or(before.from), change.until.unwrap_or(before.until));
        let mut after = Delegation { from, until, ..before.clone() };
        ServiceError::unless_empty(time_problems(&after))?;
        after.version = before.version + 1;
        let answer = Answer::done(after.version, &self.views().delegation(after.clone()).await?);
        let record = self.delegation_audit(caller, "delegation.change", &after);
        let audit = vec![record.changing(Some(&before), Some(&after))];
        let delegations = vec![Versioned::replacing(before.version, after)];
        let mut changes = ChangeSet { audit, delegations, ..ChangeSet::default() };
        caller.remember(&mut changes, &answer);
        self.store.commit(changes).await?;
        Ok(answer)
    }

    /// Ends a delegation at once, and forgets it: what was decided under it stays.
    ///
    /// # Errors
    /// There is none.
    pub async fn delete_delegation(&self, caller: &Caller, id: DelegationId) -> Result<(), ServiceError> {
        let delegation = self.find_delegation(id).await?;
        if !caller.may(Action::ReadDelegation, &of_delegation(&delegation)) {
            return Err(no_such_delegation(id));
        }
        caller.must(Action::Delegate, &of_delegation(&delegation))?;
        caller.has_seen(id.to_string(), delegation.version)?;
        let record = self.delegation_audit(caller, "delegation.delete", &delegation);
        let audit = vec![record.changing(Some(&delegation), None)];
        let changes = ChangeSet { audit, remove_delegations: vec![id], ..ChangeSet::default() };
        Ok(self.store.commit(changes).await?)
    }

    fn delegation_audit(&self, caller: &Caller, action: &str, delegation: &Delegation) -> AuditRecord {
        self.audit(caller, action, delegation.id.to_string())
            .about(delegation.user)
            .with("user", delegation.user)
            .with("delegate", delegation.delegate)
            .with("from", delegation.from)
            .with("until", delegation.until)
    }

    /// Users that a configuration's approvals name by username get their numbers: a name may be another's some day.
    pub(super) async fn number_approvers(&self, config: &mut Json) -> Result<(), ServiceError> {
        let mut problems = Vec::new();
        let rules = config.get_mut("approvals").and_then(Json::as_array_mut).into_iter().flatten();
        for (no, rule) in rules.enumerate() {
            let steps = rule.get_mut("steps").and_then(Json::as_array_mut).into_iter().flatten();
            for (step, rule) in steps.enumerate() {
                let at = format!("config.approvals[{no}].steps[{step}]");
                let named = rule.pointer_mut("/approvers/users");
                self.number(named, &format!("{at}.approvers"), &mut problems).await?;
                let named = rule.pointer_mut("/on_deadline/escalate/to/users");
                self.number(named, &format!("{at}.on_deadline.escalate.to"), &mut problems).await?;
            }
        }
        ServiceError::unless_empty(problems)
    }

    async fn number(
        &self,
        users: Option<&mut Json>,
        at: &str,
        problems: &mut Vec<Problem>,
    ) -> Result<(), ServiceError> {
        for user in users.and_then(Json::as_array_mut).into_iter().flatten() {
            let Some(named) = user.as_str() else { continue };
            if let Some(found) = self.person_there(named, at, problems).await? {
                *user = found.id.to_string().into();
            }
        }
        Ok(())
    }

    /// What is wrong with a configuration's approvals that only the directory shows.
    pub(super) async fn approval_problems(&self, config: &ProvisioningConfig) -> Result<Vec<Problem>, ServiceError> {
        let mut problems = Vec::new();
        for (no, rule) in config.approvals.iter().enumerate() {
            for (step, rule) in rule.steps.iter().enumerate() {
                let at = format!("config.approvals[{no}].steps[{step}]");
                let mut asked = vec![(&rule.approvers, rule.quorum, format!("{at}.approvers"))];
                if let OnDeadline::Escalate(to) = &rule.on_deadline {
                    asked.push((&to.to, to.quorum, format!("{at}.on_deadline.escalate.to")));
                }
                for (approvers, quorum, at) in asked {
                    let approval::Approvers::Group(name) = approvers else { continue };
                    let why = match self.store.group(name).await? {
                        None => format!("there is no group `{name}`; make it first"),
                        Some(group) if group.members.len() < quorum as usize => {
                            format!("group `{name}` has {} members, and {quorum} are to agree", group.members.len())
                        }
                        Some(_) => continue,
                    };
                    problems.push(Problem::new(at, why));
                }
            }
        }
        Ok(problems)
    }
}

fn time_problems(delegation: &Delegation) -> Vec<Problem> {
    let (from, until) = (delegation.from, delegation.until);
    (until <= from)
        .then(|| Problem::new("until", format!("{until} is not after {from}, when it begins")))
        .into_iter()
        .collect()
}

impl Views<'_> {
    /// A delegation.
    async fn delegation(&mut self, of: Delegation) -> Result<DelegationView, ServiceError> {
        let (user, delegate) = (self.person(of.user).await?, self.person(of.delegate).await?);
        Ok(DelegationView::new(of, user, delegate, self.now()))
    }

    async fn person(&mut self, user: UserId) -> Result<PersonView, ServiceError> {
        Ok(PersonView { user, name: self.username(Some(user)).await? })
    }

    /// The approvals of a request, step by step.
    pub(super) async fn approvals(&mut self, request: &Request) -> Result<Vec<ApprovalStepView>, ServiceError> {
        let Some(Chain { steps, done }) = &request.approvals else { return Ok(Vec::new()) };
        let mut views = Vec::with_capacity(steps.len());
        for (no, step) in steps.iter().enumerate() {
            let current = no == *done as usize;
            let open = current && awaited(request).is_some();
            let denied = current && request.approval == Approval::Denied && request.state == State::Cancelled;
            let state = step_state(no < *done as usize, open, denied, step.opened_at.is_some());
            views.push(self.step(step, state).await?);
        }
        Ok(views)
    }

    async fn step(&mut self, step: &Step, state: &'static str) -> Result<ApprovalStepView, ServiceError> {
        let round = step.current();
        let mut approvers = Vec::new();
        for user in round.into_iter().flat_map(|round| &round.approvers) {
            approvers.push(self.person(*user).await?);
        }
        let mut votes = Vec::with_capacity(step.votes.len());
        for vote in &step.votes {
            votes.push(self.vote(vote, vote.round != step.round).await?);
        }
        Ok(ApprovalStepView {
            asked: round.map(|round| round.asked.clone()).unwrap_or_default(),
            approvers,
            quorum: round.map_or(1, |round| round.quorum),
            why: round.and_then(|round| round.why.clone()),
            state,
            escalated: step.round > 0,
            opened_at: step.opened_at,
            deadline: step.deadline,
            votes,
        })
    }

    async fn vote(&mut self, vote: &Vote, lapsed: bool) -> Result<VoteView, ServiceError> {
        let person = match vote.user {
            Some(user) => Some(self.person(user).await?),
            None => None,
        };
        let instead_of = match vote.instead_of {
            Some(user) => Some(self.person(user).await?),
            None => None,
        };
        let (at, by, reason) = (vote.at, vote.by.clone(), vote.reason.clone());
        Ok(VoteView { at, by, person, instead_of, agrees: vote.agrees, reason, lapsed })
    }

    fn now(&self) -> Timestamp {
        self.services.now()
    }
}
