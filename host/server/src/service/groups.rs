//! Groups: named lists of users, changed in bulk. What belonging to one means is said where it is named.

use super::{Answer, Caller, Paging, ServiceError, Services, lists::Place, named};
use crate::wire::{ById, ByName, GroupChange, GroupView, MemberView, MembersBody, NewGroup, Page};
use gatehouse_core::ports::{ChangeSet, Versioned};
use gatehouse_core::sharing::{Audience, Owner, SharingRule};
use gatehouse_core::{AuditRecord, Group, Problem, UserId};
use serde::Serialize;
use std::collections::BTreeSet;

/// Members that a record of the audit trail names on a side; beyond that it says how many more there were.
const TOLD: usize = 200;

/// What the audit trail says of a group. Groups are large, so that of members only those who left stand before, and only
/// those who came after.
#[derive(Serialize)]
struct Told {
    name: String,
    description: String,
    members: Vec<String>,
}

impl Told {
    fn of(group: &Group, other: Option<&Group>) -> Self {
        let differ = |id: &&UserId| other.is_none_or(|other| !other.members.contains(id));
        let count = group.members.iter().filter(differ).count();
        let named = group.members.iter().filter(differ).take(TOLD).map(UserId::to_string);
        let more = count.checked_sub(TOLD).filter(|more| *more > 0).map(|more| format!("and {more} more"));
        Self { name: group.name.clone(), description: group.description.clone(), members: named.chain(more).collect() }
    }
}

impl Services {
    /// A group by name.
    ///
    /// # Errors
    /// There is none of that name.
    pub async fn find_group(&self, name: &str) -> Result<Group, ServiceError> {
        if let Some(group) = self.store.group(name).await? {
            return Ok(group);
        }
        let all = self.store.groups().await?;
        let why = named::unknown("group", "group", name, all.iter().map(|group| group.name.as_str()));
        Err(ServiceError::NotFound(why))
    }

    /// All groups, by name.
    ///
    /// # Errors
    /// The store is unavailable.
    pub async fn list_groups(&self, paging: &Paging<ByName>) -> Result<Page<GroupView>, ServiceError> {
        let all = self.store.groups().await?.iter().map(GroupView::from).collect();
        paging.cut(all, |group: &GroupView, _| Place::named(&group.name))
    }

    /// Who belongs to a group, by number.
    ///
    /// # Errors
    /// There is none of that name, or the cursor is none of this list.
    pub async fn list_members(&self, name: &str, paging: &Paging<ById>) -> Result<Page<MemberView>, ServiceError> {
        let group = self.find_group(name).await?;
        let page = paging.cut(group.members.into_iter().collect(), |member: &UserId, _| Place::numbered(member.0))?;
        let users = self.store.users_by_id(&page.items).await?;
        Ok(Page { items: users.iter().flatten().map(MemberView::from).collect(), next: page.next })
    }

    /// Makes a group.
    ///
    /// # Errors
    /// The name is taken or malformed, or a member is nobody: each is named.
    pub async fn create_group(&self, caller: &Caller, new: NewGroup) -> Result<Answer, ServiceError> {
        let name = named::checked(&new.name, "group")?;
        if self.store.group(&name).await?.is_some() {
            return Err(ServiceError::Conflict(format!("there is a group `{name}` already")));
        }
        let mut problems = Vec::new();
        let members: BTreeSet<UserId> =
            self.members("members", &new.members, &mut problems).await?.into_iter().collect();
        ServiceError::unless_empty(problems)?;
        self.may_join(caller, &BTreeSet::new(), &members)?;
        let group = Group { name, description: new.description, members, version: 1 };
        let location = format!("/api/v1/groups/{}", named::segment(&group.name));
        let answer = Answer::created(location, 1, &GroupView::from(&group));
        let mut changes = ChangeSet {
            audit: vec![self.group_audit(caller, "group.create", (None, Some(&group)))],
            groups: vec![Versioned::new(group)],
            ..ChangeSet::default()
        };
        caller.remember(&mut changes, &answer);
        self.store.commit(changes).await?;
        Ok(answer)
    }

    /// Changes a group, but not who belongs to it.
    ///
    /// # Errors
    /// There is none of that name, or it has changed meanwhile.
    pub async fn change_group(&self, caller: &Caller, name: &str, change: GroupChange) -> Result<Answer, ServiceError> {
        let before = self.find_group(name).await?;
        let mut group = before.clone();
        group.description = change.description.unwrap_or(group.description);
        self.save_group(caller, "group.change", before, group).await
    }

    /// Changes who belongs to a group: all that is asked, or nothing.
    ///
    /// # Errors
    /// There is none of that name, somebody is nobody or both to come and to go, or it has changed meanwhile.
    pub async fn change_members(&self, caller: &Caller, name: &str, body: MembersBody) -> Result<Answer, ServiceError> {
        let before = self.find_group(name).await?;
        let mut problems = Vec::new();
        let add: BTreeSet<UserId> = self.members("add", &body.add, &mut problems).await?.into_iter().collect();
        let remove = self.members("remove", &body.remove, &mut problems).await?;
        for (at, id) in remove.iter().enumerate().filter(|(_, id)| add.contains(id)) {
            problems.push(Problem::new(format!("remove[{at}]"), format!("{id} is to be added as well")));
        }
        ServiceError::unless_empty(problems)?;
        let mut group = before.clone();
        group.members.extend(add);
        let gone: BTreeSet<UserId> = remove.into_iter().collect();
        group.members.retain(|id| !gone.contains(id));
        self.save_group(caller, "group.members", before, group).await
    }

    async fn save_group(
        &self,
        caller: &Caller,
        action: &str,
        before: Group,
        mut group: Group,
    ) -> Result<Answer, ServiceError> {
        caller.has_seen(format!("group `{}`", before.name), before.version)?;
        self.may_join(caller, &before.members, &group.members)?;
        if group == before {
            return Ok(Answer::done(group.version, &GroupView::from(&group)));
        }
        group.version += 1;
        let answer = Answer::done(group.version, &GroupView::from(&group));
        let added = group.members.difference(&before.members).count();
        let removed = before.members.difference(&group.members).count();
        let record = self.group_audit(caller, action, (Some(&before), Some(&group)));
        let mut changes = ChangeSet {
            audit: vec![record.with("added", added).with("removed", removed)],
            groups: vec![Versioned::replacing(before.version, group)],
            ..ChangeSet::default()
        };
        caller.remember(&mut changes, &answer);
        self.store.commit(changes).await?;
        Ok(answer)
    }

    /// Deletes a group.
    ///
    /// # Errors
    /// There is none of that name, or it has changed meanwhile.
    pub async fn delete_group(&self, caller: &Caller, name: &str) -> Result<(), ServiceError> {
        let group = self.find_group(name).await?;
        caller.has_seen(format!("group `{name}`"), group.version)?;
        let names_it = |rule: &SharingRule| {
            rule.audience == Audience::Group(group.name.clone()) || rule.owner == Owner::Group(group.name.clone())
        };
        if let Some(rule) = self.store.sharing_rules().await?.iter().find(|rule| names_it(rule)) {
            let text = format!("sharing rule `{}` names group `{name}`; delete that rule first", rule.name);
            return Err(ServiceError::Conflict(text));
        }
        let changes = ChangeSet {
            audit: vec![self.group_audit(caller, "group.delete", (Some(&group), None))],
            remove_groups: vec![group.name],
            ..ChangeSet::default()
        };
        Ok(self.store.commit(changes).await?)
    }

    fn group_audit(
        &self,
        caller: &Caller,
        action: &str,
        (before, after): (Option<&Group>, Option<&Group>),
    ) -> AuditRecord {
        let name = after.or(before).map_or("", |group| &group.name);
        let was = before.map(|group| Told::of(group, after));
        let is = after.map(|group| Told::of(group, before));
        self.audit(caller, action, format!("group {name}")).changing(was.as_ref(), is.as_ref())
    }

    /// The users that were named; what is wrong with a name stands at its place in the list.
    async fn members(
        &self,
        list: &str,
        names: &[String],
        problems: &mut Vec<Problem>,
    ) -> Result<Vec<UserId>, ServiceError> {
        let mut found = Vec::with_capacity(names.len());
        for (at, name) in names.iter().enumerate() {
            found.extend(self.person_there(name, &format!("{list}[{at}]"), problems).await?.map(|user| user.id));
        }
        Ok(found)
    }
}
