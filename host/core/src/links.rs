//! What an administrator's link, unlink or ignore does to account records. Whatever is decided here is a known
//! decision: no later analysis undoes it. Never looks at the target, and never changes it.

use crate::{Account, AccountId, LinkChange, LinkState, Situation, User};
use gatehouse_schema::Status;
use jiff::Timestamp;

/// What the decision is made from.
#[derive(Clone, Debug, Default)]
pub struct LinkFacts {
    /// The account, if there is one.
    pub account: Option<Account>,
    /// The user it is to be linked to, if there is one; for links only.
    pub user: Option<User>,
    /// All account records of that user in the app; for links only.
    pub accounts_of_user: Vec<Account>,
}

/// What the change does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Linked {
    /// The account after it.
    pub account: Account,
    /// Places of a missing account that there is now.
    pub remove: Vec<AccountId>,
}

/// Carries out a change of a link.
///
/// A link is confirmed and known. An unlinked account stays unlinked over the next reconciliations: taking it from
/// somebody is a decision as much as giving it. An ignored one stays ignored.
///
/// # Errors
/// It cannot be done any more; the text says why and what could be done instead.
pub fn change_link(change: LinkChange, facts: LinkFacts, now: Timestamp) -> Result<Linked, String> {
    let (LinkChange::Link { account: id, .. }
    | LinkChange::Unlink { account: id }
    | LinkChange::Ignore { account: id }) = change;
    let mut account = facts.account.clone().ok_or_else(|| format!("there is no account {id} any more"))?;
    if account.external_id.is_none() {
        return Err(format!("{id} is the place of a missing account; request a Create to make the account"));
    }
    if account.status == Status::Deleted || account.situation == Situation::Deleted {
        return Err(format!("{id} is gone from the target; there is nothing to link"));
    }
    let mut remove = Vec::new();
    match change {
        LinkChange::Link { user, .. } => {
            let user = facts.user.as_ref().ok_or_else(|| format!("there is no user {user} any more"))?;
            remove = room_for(&account, user, &facts.accounts_of_user)?;
            account.user = Some(user.id);
            account.set_situation(Situation::Confirmed);
        }
        LinkChange::Unlink { .. } => {
            if account.user.is_none() && account.link_state != LinkState::Ignored {
                return Err(format!("{id} is linked to nobody"));
            }
            account.user = None;
            // What was frozen is simply unusable once there is nobody to unfreeze it for.
            account.status = account.expected_status();
            account.frozen = false;
            account.frozen_with_user = false;
            account.set_situation(Situation::Unassigned);
        }
        LinkChange::Ignore { .. } => account.set_situation(Situation::Excluded),
    }
    account.is_known_link = true;
    account.why = None;
    account.updated_at = now;
    Ok(Linked { account, remove })
}

/// The places that a link makes superfluous, if the user has no other account linked.
fn room_for(account: &Account, user: &User, accounts_of_user: &[Account]) -> Result<Vec<AccountId>, String> {
    let others = || accounts_of_user.iter().filter(|other| other.id != account.id);
    if let Some(other) = others().find(|other| other.is_linked()) {
        return Err(format!(
            "user `{}` is linked to {} (`{}`) already; unlink that one first",
            user.username, other.id, other.username
        ));
    }
    Ok(others().filter(|other| other.external_id.is_none()).map(|other| other.id).collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::UserId;
    use crate::testing::{account, user};

    const LINK: LinkChange = LinkChange::Link { account: AccountId(1), user: UserId(7) };
    const UNLINK: LinkChange = LinkChange::Unlink { account: AccountId(1) };
    const IGNORE: LinkChange = LinkChange::Ignore { account: AccountId(1) };

    fn facts(account: Account) -> LinkFacts {
        LinkFacts { account: Some(account), user: Some(user(7, "ada")), accounts_of_user: Vec::new() }
    }

    fn place(id: u64) -> Account {
        let mut place = account(id, "", Some(7));
        place.external_id = None;
        place.set_situation(Situation::Missing);
        place
    }

    fn done(change: LinkChange, facts: LinkFacts) -> Linked {
        change_link(change, facts, Timestamp::UNIX_EPOCH).unwrap()
    }

    fn refused(change: LinkChange, facts: LinkFacts) -> String {
        change_link(change, facts, Timestamp::UNIX_EPOCH).unwrap_err()
    }

    #[test]
    fn a_link_by_hand_is_confirmed_and_known() {
        let linked = done(LINK, facts(account(1, "ext", None))).account;
        assert_eq!((linked.user, linked.situation), (Some(UserId(7)), Situation::Confirmed));
        assert_eq!((linked.link_state, linked.is_known_link), (LinkState::Linked, true));
    }

    #[test]
    fn a_link_fills_the_place_of_the_missing_account() {
        let facts = LinkFacts { accounts_of_user: vec![place(5)], ..facts(account(1, "ext", None)) };
        assert_eq!(done(LINK, facts).remove, [AccountId(5)]);
    }

    #[test]
    fn a_user_with_another_linked_account_gets_no_second_one() {
        let facts =
            LinkFacts { accounts_of_user: vec![account(2, "other", Some(7))], ..facts(account(1, "ext", None)) };
        assert_eq!(refused(LINK, facts), "user `ada` is linked to ACC-000002 (`other`) already; unlink that one first");
    }

    #[test]
    fn linking_an_account_to_its_own_user_again_makes_the_link_known() {
        let own = account(1, "ext", Some(7));
        let facts = LinkFacts { accounts_of_user: vec![own.clone()], ..facts(own) };
        assert!(done(LINK, facts).account.is_known_link);
    }

    #[test]
    fn an_unlinked_account_is_nobodys_and_known_to_be() {
        let unlinked = done(UNLINK, facts(account(1, "ext", Some(7)))).account;
        assert_eq!((unlinked.user, unlinked.situation), (None, Situation::Unassigned));
        assert!(unlinked.is_known_link);
    }

    #[test]
    fn a_frozen_account_that_is_unlinked_is_a_deactivated_one() {
        let mut frozen = account(1, "ext", Some(7));
        frozen.frozen = true;
        let unlinked = done(UNLINK, facts(frozen)).account;
        assert_eq!((unlinked.frozen, unlinked.status), (false, Status::Deactivated));
    }

    #[test]
    fn what_is_linked_to_nobody_cannot_be_unlinked() {
        assert_eq!(refused(UNLINK, facts(account(1, "ext", None))), "ACC-000001 is linked to nobody");
    }

    #[test]
    fn an_ignored_account_keeps_its_user_and_is_known_to_be_ignored() {
        let ignored = done(IGNORE, facts(account(1, "ext", Some(7)))).account;
        assert_eq!((ignored.user, ignored.situation), (Some(UserId(7)), Situation::Excluded));
        assert!(ignored.is_known_link);
        let unlinked = done(UNLINK, facts(ignored)).account;
        assert_eq!(unlinked.situation, Situation::Unassigned, "unlinking ends the ignoring");
    }

    #[test]
    fn places_and_accounts_that_are_gone_have_no_links_to_change() {
        for change in [LINK, UNLINK, IGNORE] {
            assert!(refused(change, facts(place(1))).contains("place of a missing account"));
            let mut gone = account(1, "ext", Some(7));
            gone.set_situation(Situation::Deleted);
            assert!(refused(change, facts(gone)).contains("gone from the target"));
            assert!(refused(change, LinkFacts::default()).contains("no account ACC-000001"));
        }
        let nobody = LinkFacts { user: None, ..facts(account(1, "ext", None)) };
        assert_eq!(refused(LINK, nobody), "there is no user USR-000007 any more");
    }
}
