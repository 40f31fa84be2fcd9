//! Who asks and what about, as Cedar sees them. Names are ours and plain, so that none of them can fail to be one.

use crate::Resource;
use cedar_policy::{Context, Entities, Entity, EntityId, EntityTypeName, EntityUid, RestrictedExpression};
use gatehouse_core::access::{Action, Principal};
use gatehouse_core::{Permissions, UserId};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::str::FromStr as _;
use std::sync::LazyLock;

/// Something that Cedar does not take: a bug of ours, which refuses the call.
#[derive(Debug)]
pub(crate) struct NotTaken;

/// Of things none in particular.
const ANY: &str = "any";

/// The kinds of the schema. Reading a name takes longer than asking all policies, so it is done once.
static KINDS: LazyLock<BTreeMap<&'static str, EntityTypeName>> = LazyLock::new(|| {
    let kinds = Action::ALL.iter().map(|action| action.kind());
    let kinds = kinds.chain(["Action", "Permission", "Installation", "User", "Directory"]);
    kinds.filter_map(|kind| Some((kind, EntityTypeName::from_str(kind).ok()?))).collect()
});

fn uid(kind: &'static str, id: &str) -> EntityUid {
    let id = EntityId::new(id);
    match KINDS.get(kind) {
        Some(kind) => EntityUid::from_type_name_and_id(kind.clone(), id),
        // Not reached: a test reads every kind. No policy speaks of an action by that name.
        None => EntityUid::from_type_name_and_id(KINDS["Action"].clone(), EntityId::new("")),
    }
}

fn user_uid(id: UserId) -> EntityUid {
    uid("User", &id.to_string())
}

pub(crate) fn principal_uid(who: &Principal) -> EntityUid {
    match who {
        Principal::Installation => uid("Installation", ANY),
        Principal::User { id, .. } => user_uid(*id),
    }
}

pub(crate) fn action_uid(action: Action) -> EntityUid {
    uid("Action", action.name())
}

pub(crate) fn resource_uid(action: Action, to: &Resource) -> EntityUid {
    match to {
        Resource::User(id) | Resource::Grant(Some(id), _) => user_uid(*id),
        Resource::Grant(None, _) => uid("Directory", ANY),
        _ => uid(action.kind(), ANY),
    }
}

fn permissions(of: &Permissions) -> RestrictedExpression {
    let one = |name| RestrictedExpression::new_entity_uid(uid("Permission", name));
    RestrictedExpression::new_set(of.iter().map(|permission| one(permission.name())))
}

pub(crate) fn context(to: &Resource) -> Context {
    let Resource::Grant(_, carries) = to else { return Context::empty() };
    // A pair without another of its name is always taken.
    Context::from_pairs([("carries".to_owned(), permissions(carries))]).unwrap_or_else(|_| Context::empty())
}

type Attributes = HashMap<String, RestrictedExpression>;

/// The principal, and what the action is done to.
pub(crate) fn entities(who: &Principal, action: Action, to: &Resource) -> Result<Entities, NotTaken> {
    let principal = match who {
        Principal::Installation => Attributes::new(),
        Principal::User { permissions: held, .. } => Attributes::from([("permissions".to_owned(), permissions(held))]),
    };
    let principal = Entity::new(principal_uid(who), principal, HashSet::new()).map_err(|_| NotTaken)?;
    let mut all = vec![principal];
    let resource = resource_uid(action, to);
    // Of a user it is enough to know who that is.
    if !matches!(to, Resource::User(_) | Resource::Grant(..)) {
        all.push(Entity::new(resource, attributes(who, action, to), HashSet::new()).map_err(|_| NotTaken)?);
    }
    Entities::from_entities(all, None).map_err(|_| NotTaken)
}

fn attributes(who: &Principal, action: Action, to: &Resource) -> Attributes {
    let mut all = Attributes::new();
    let mut user = |name: &str, id: &Option<UserId>| {
        if let Some(id) = id {
            all.insert(name.to_owned(), RestrictedExpression::new_entity_uid(user_uid(*id)));
        }
    };
    let if_caller = |is: bool| {
        let caller = who.user().filter(|_| is).map(|id| RestrictedExpression::new_entity_uid(user_uid(id)));
        RestrictedExpression::new_set(caller)
    };
    match to {
        Resource::Account(of) => user("user", of),
        Resource::Delegation(of, delegate) => {
            user("user", &Some(*of));
            user("delegate", &Some(*delegate));
        }
        Resource::Token(of, carries) => {
            user("user", of);
            all.insert("carries".to_owned(), permissions(carries));
        }
        Resource::Request { about, reads, decides } => {
            user("about", about);
            all.insert("readers".to_owned(), if_caller(*reads));
            all.insert("deciders".to_owned(), if_caller(*decides));
        }
        Resource::Any if action.kind() == "Request" => {
            all.insert("readers".to_owned(), if_caller(false));
            all.insert("deciders".to_owned(), if_caller(false));
        }
        Resource::Any if action.kind() == "Token" => {
            all.insert("carries".to_owned(), permissions(&Permissions::new()));
        }
        _ => {}
    }
    all
}
