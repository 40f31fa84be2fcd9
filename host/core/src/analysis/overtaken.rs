//! What has been decided since the plan was made: a plan may wait for its approval for days, and what an administrator
//! linked meanwhile, or a request of its own made, outlives it.

use crate::{Account, Request, Situation, StagingRow, StagingSource, User, Verdict};
use jiff::Timestamp;

/// Why a row of a plan is not committed: something has been decided since that it does not know of. None if it stands.
///
/// `known` is the record of the row's account as it is now, `of_user` are the records of the verdict's user, and
/// `sealed_at` is when the plan was sealed.
pub fn overtaken(
    row: &StagingRow,
    known: Option<&Account>,
    of_user: &[Account],
    sealed_at: Option<Timestamp>,
) -> Option<String> {
    let verdict = row.verdict.as_ref()?;
    if let StagingSource::MissingUser(user) = row.source {
        let account = of_user.iter().find(|account| account.is_linked())?;
        return Some(format!("{user} has {} by now", account.id));
    }
    let known_decision = known.filter(|known| known.is_known_link && !still_means(known, verdict));
    if let Some(known) = known_decision {
        return Some(format!("{} has been decided by hand since the plan was made", known.id));
    }
    let links = matches!(verdict.situation, Situation::Found | Situation::Confirmed);
    let since = |account: &&Account| sealed_at.is_some_and(|at| account.updated_at > at);
    let mut others = of_user.iter().filter(|other| Some(other.id) != known.map(|known| known.id));
    let rival = others.find(|other| other.is_linked() && other.is_known_link && since(other));
    rival.filter(|_| links).map(|rival| format!("its user has been linked to {} since the plan was made", rival.id))
}

/// Why what a run has planned for a user's account is not raised, to be looked at again by the next run. None: it is.
///
/// `open` are the requests for the account that may still change it: what is right afterwards is not yet known. Those that
/// the guard holds are not among them: whoever commits a plan wants what it plans in their place. A user who has changed
/// since the run was asked for may be planned for as they were before, and so may one whose account has (`known` is its
/// record before this run writes it): a request that was under way during the analysis, and came to its end since, has
/// changed what the analysis took for granted.
pub fn outdated(run: &Request, user: &User, known: Option<&Account>, open: &[Request]) -> Option<String> {
    match open.iter().find(|open| open.held.is_none()) {
        Some(open) => Some(format!("{} is under way", open.id)),
        None if user.updated_at > run.created_at => Some("the user has changed since".to_owned()),
        None if known.is_some_and(|known| known.updated_at > run.created_at) => {
            Some("the account has changed since".to_owned())
        }
        None => None,
    }
}

/// Whether a verdict leaves a known decision as it is, or speaks of something stronger: the account is gone, or the
/// configuration protects it.
fn still_means(known: &Account, verdict: &Verdict) -> bool {
    let stronger = matches!(verdict.situation, Situation::Deleted | Situation::Protected);
    stronger || (known.user == verdict.user && known.link_state == verdict.situation.link_state())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::testing::{account, request, user};
    use crate::{Operation, StagedAction, UserId};
    use gatehouse_schema::Account as RemoteAccount;

    const SEALED: Timestamp = Timestamp::UNIX_EPOCH;

    fn row(situation: Situation, user: Option<u64>) -> StagingRow {
        let source = match situation {
            Situation::Missing => StagingSource::MissingUser(UserId(7)),
            _ => StagingSource::Account(RemoteAccount { external_id: "ext".to_owned(), ..RemoteAccount::default() }),
        };
        let user = user.map(UserId);
        let verdict =
            Verdict { situation, why: None, user, account: None, drift: Vec::new(), action: StagedAction::None };
        StagingRow { no: 0, source, changed: true, verdict: Some(verdict) }
    }

    fn by_hand(id: u64, external_id: &str, user: Option<u64>) -> Account {
        let mut account = account(id, external_id, user);
        account.is_known_link = true;
        account.updated_at = SEALED + std::time::Duration::from_secs(1);
        account
    }

    fn check(row: &StagingRow, known: Option<&Account>, of_user: &[Account], stands: bool) {
        let found = overtaken(row, known, of_user, Some(SEALED));
        assert_eq!(found.is_none(), stands, "{row:?} {known:?} {of_user:?}: {found:?}");
    }

    #[test]
    fn a_row_about_which_nothing_was_decided_stands() {
        let known = account(1, "ext", Some(7));
        check(&row(Situation::Confirmed, Some(7)), Some(&known), std::slice::from_ref(&known), true);
        check(&row(Situation::Found, Some(7)), None, &[], true);
        check(&row(Situation::Missing, Some(7)), None, &[], true);
    }

    #[test]
    fn a_link_made_by_hand_outlives_a_plan_that_does_not_know_it() {
        check(&row(Situation::Unassigned, None), Some(&by_hand(1, "ext", Some(7))), &[], false);
        check(&row(Situation::Found, Some(8)), Some(&by_hand(1, "ext", Some(7))), &[], false);
        check(&row(Situation::Found, Some(7)), Some(&by_hand(1, "ext", None)), &[], false);
        check(&row(Situation::Confirmed, Some(7)), Some(&by_hand(1, "ext", Some(7))), &[], true);
    }

    #[test]
    fn an_account_that_is_gone_or_protected_is_so_whatever_was_decided() {
        for situation in [Situation::Deleted, Situation::Protected] {
            check(&row(situation, None), Some(&by_hand(1, "ext", Some(7))), &[], true);
        }
    }

    #[test]
    fn what_the_guard_holds_gives_way_to_a_plan_and_what_is_under_way_does_not() {
        let open = |held: Option<&str>| {
            let change = crate::Change::Unplanned;
            Request { held: held.map(str::to_owned), ..request(Operation::Create, change) }
        };
        let why = |open: &[Request]| outdated(&open[0], &user(1, "ada"), None, open);
        assert_eq!(why(&[open(Some("a mass"))]), None);
        assert_eq!(why(&[open(Some("a mass")), open(None)]).as_deref(), Some("UPR-000007 is under way"));
    }

    #[test]
    fn a_user_linked_elsewhere_since_gets_no_second_account() {
        check(&row(Situation::Found, Some(7)), None, &[by_hand(2, "other", Some(7))], false);
        let older = Account { updated_at: SEALED, ..by_hand(2, "other", Some(7)) };
        check(&row(Situation::Found, Some(7)), None, &[older], true);
    }

    #[test]
    fn a_user_who_has_an_account_by_now_is_not_missing_one() {
        check(&row(Situation::Missing, Some(7)), None, &[account(2, "other", Some(7))], false);
    }
}
