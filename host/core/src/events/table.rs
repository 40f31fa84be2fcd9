//! The events of the directory as one table: what each raises, and what kind of thing it happened to. Nothing else
//! says so.

use crate::{Operation, RequestObject};
use serde::{Deserialize, Serialize};

/// What happens to a user, or to what gives users access.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DirectoryEvent {
    /// A user is made.
    CreateUser,
    /// Attributes of a user change.
    UpdateUser,
    /// A user leaves.
    DisableUser,
    /// A user is back.
    EnableUser,
    /// A user may not sign in for the time being.
    FreezeUser,
    /// A user may sign in again.
    UnfreezeUser,
    /// A user is back, and every mapped attribute is asserted again.
    ReactivateUser,
    /// A user gets another profile.
    ChangeUserProfile,
    /// A permission set is given to a user or taken from one.
    AssignPermissionSet,
    /// An app is given to a profile or taken from one.
    AssignProfileToApp,
    /// An app is given to a permission set or taken from one.
    AssignPermissionSetToApp,
}

/// A row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// What happens.
    pub event: DirectoryEvent,
    /// What it raises where a user has, or gets, access.
    pub gives: Option<Operation>,
    /// What it raises where a user loses access.
    pub takes: Option<Operation>,
    /// What kind of thing it happens to.
    pub object: RequestObject,
}

/// All events, in the order of the design.
pub const TABLE: [Row; 11] = {
    use DirectoryEvent as E;
    use Operation as O;
    use RequestObject as Of;
    const fn row(event: E, gives: Option<O>, takes: Option<O>, object: Of) -> Row {
        Row { event, gives, takes, object }
    }
    [
        row(E::CreateUser, Some(O::Create), None, Of::User),
        row(E::UpdateUser, Some(O::Update), None, Of::User),
        row(E::DisableUser, None, Some(O::Deactivate), Of::User),
        row(E::EnableUser, Some(O::Activate), None, Of::User),
        row(E::FreezeUser, None, Some(O::Freeze), Of::UserLogin),
        row(E::UnfreezeUser, Some(O::Unfreeze), None, Of::UserLogin),
        row(E::ReactivateUser, Some(O::Reactivate), None, Of::User),
        row(E::ChangeUserProfile, Some(O::Create), Some(O::Deactivate), Of::User),
        row(E::AssignPermissionSet, Some(O::Create), Some(O::Deactivate), Of::PermissionSetAssignment),
        row(E::AssignProfileToApp, Some(O::Create), Some(O::Deactivate), Of::SetupEntityAccess),
        row(E::AssignPermissionSetToApp, Some(O::Create), Some(O::Deactivate), Of::SetupEntityAccess),
    ]
};

/// The row of an event.
pub fn row(event: DirectoryEvent) -> &'static Row {
    &TABLE[event as usize]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_event_has_its_own_row() {
        for (at, found) in TABLE.iter().enumerate() {
            assert_eq!(found.event as usize, at, "{found:?} stands in another event's place");
            assert_eq!(row(found.event), found);
        }
    }
}
