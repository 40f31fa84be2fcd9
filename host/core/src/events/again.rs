//! Whether what followed from the directory may be done again: a request that failed is taken up days later, and the
//! directory may say something else by now. What somebody asked for by hand is theirs to ask for again.

use super::raising::opposed;
use crate::mapping::{self, Purpose};
use crate::planning::not_to_be_made;
use crate::{Account, App, Change, CommitStep, Description, Operation, Request, USERNAME, User};
use gatehouse_schema::Attributes;

/// What a request is about, as it is now.
#[derive(Clone, Copy, Debug)]
pub struct About<'a> {
    /// The app.
    pub app: &'a App,
    /// Whose account.
    pub user: &'a User,
    /// That account, as far as it is known.
    pub account: Option<&'a Account>,
    /// The app's connector.
    pub connector: &'a Description,
}

/// Why a request is not to be taken up again, and what to do instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotAgain {
    /// Why.
    pub why: String,
    /// What to do.
    pub what: String,
}

impl std::fmt::Display for NotAgain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}; {}", self.why, self.what)
    }
}

/// Why a request is not to be taken up again; none if it may be. `looks_first`: it is in review, and the target is looked
/// at before anything is written.
pub fn not_again(about: About<'_>, request: &Request, looks_first: bool) -> Option<NotAgain> {
    let About { app, user, connector, .. } = about;
    let (id, who) = (request.id, &user.username);
    let leave = format!("leave this one with `gatehouse request complete {id} --note …`");
    let no = |why: String, what: &str| Some(NotAgain { why, what: what.to_owned() });
    if request.makes_account()
        && let Some(not) = a_second_one(about, looks_first, &leave)
    {
        return Some(not);
    }
    if !request.followed() {
        return None;
    }
    if let Some(why) = contradicted(app, user, request.operation) {
        let settle = format!("say what came of it with `gatehouse request settle {id} --made`, or `--not-made`");
        let instead = if looks_first { &settle } else { &leave };
        return no(format!("{:?} for `{who}` is not wanted any more: {why}", request.operation), instead);
    }
    // Whether an earlier write came through is for the target to tell; with other values it could not be recognised.
    let changed = if looks_first { None } else { changed(app, user, connector, request) };
    changed.and_then(|what| {
        let operation = format!("{:?}", request.operation).to_lowercase();
        let anew =
            format!("ask for what is right now with `gatehouse request create {} {operation} --user {who}`", app.name);
        let why = format!("{what}, so what was to be written to the account of `{who}` is out of date");
        no(why, &format!("{leave}, and {anew}"))
    })
}

/// Why somebody would get a second account: whoever asked for it, nobody is to have two.
fn a_second_one(about: About<'_>, looks_first: bool, leave: &str) -> Option<NotAgain> {
    let About { app, user, connector, .. } = about;
    let account = about.account?;
    if !looks_first {
        let why = not_to_be_made(user, Some(account), app, connector)?;
        return Some(NotAgain { why, what: leave.to_owned() });
    }
    let id = account.id;
    account.is_linked().then(|| NotAgain {
        why: format!("user `{}` is linked to {id} by now", user.username),
        what: format!(
            "unlink that one first (`gatehouse account unlink {id}`), or {leave} and reconcile the app: what was made may be \
             there besides"
        ),
    })
}

/// Why the directory says the opposite of an operation by now. Where the scope cannot be evaluated, it says nothing.
fn contradicted(app: &App, user: &User, operation: Operation) -> Option<&'static str> {
    opposed(operation, app.entitles(user), user)
}

/// What is not as it was sealed: the values that the mapping gives, or that it gives any.
fn changed(app: &App, user: &User, connector: &Description, request: &Request) -> Option<String> {
    let Change::Account { steps, .. } = &request.change.content else { return None };
    let schema = connector.schema().ok()?;
    let now = |purpose| mapping::desired(&app.config.mapping, user, &schema, purpose);
    steps.iter().skip(request.steps_done as usize).find_map(|step| match step {
        CommitStep::Create(sealed) => match now(Purpose::Create) {
            Ok(now) => {
                let named = (sealed.username != now.username).then(|| USERNAME.to_owned());
                differing(&sealed.attributes, &now.attributes).chain(named).next().map(has_changed)
            }
            Err(error) => Some(error.to_string()),
        },
        CommitStep::Update(sealed) => match now(Purpose::Update) {
            Ok(now) => differing(sealed, &now.attributes).next().map(has_changed),
            Err(error) => Some(error.to_string()),
        },
        CommitStep::SetStatus(_) | CommitStep::Remove => None,
    })
}

fn has_changed(attribute: String) -> String {
    format!("`{attribute}` has changed since")
}

/// The names of the attributes that are not the same any more, or that there are none of any more.
fn differing<'a>(sealed: &'a Attributes, now: &'a Attributes) -> impl Iterator<Item = String> + 'a {
    let differs = |(name, values): &(&String, _)| now.get(*name) != Some(*values);
    sealed.iter().filter(differs).map(|(name, _)| name.clone())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::events::DirectoryEvent;
    use crate::planning::plan_change;
    use crate::testing::{account, app, description, request, user};
    use crate::{RequestId, UserId};

    fn failed(operation: Operation, of: &User) -> Request {
        let account = Account { user: Some(UserId(1)), ..account(1, "x1", Some(1)) };
        let account = match operation {
            Operation::Create => None,
            Operation::Activate | Operation::Reactivate => {
                Some(Account { status: gatehouse_schema::Status::Deactivated, ..account })
            }
            Operation::Unfreeze => Some(Account { frozen: true, ..account }),
            _ => Some(account),
        };
        let change = plan_change(operation, Some(of), account.as_ref(), &app(), &description()).unwrap();
        let event = Some(DirectoryEvent::UpdateUser);
        Request { event, state: crate::State::Failed, ..request(operation, change) }
    }

    fn check(app: &App, user: &User, request: &Request, looks_first: bool) -> Option<String> {
        let about = About { app, user, account: None, connector: &description() };
        not_again(about, request, looks_first).map(|not| not.to_string())
    }

    fn ada() -> User {
        User { email: Some("ada@example.com".to_owned()), ..user(1, "ada") }
    }

    fn why(operation: Operation, change: impl FnOnce(&mut User)) -> String {
        let mut now = ada();
        let request = failed(operation, &now);
        change(&mut now);
        check(&app(), &now, &request, false).unwrap_or_default()
    }

    #[test]
    fn what_the_directory_still_wants_may_be_done_again() {
        for operation in [Operation::Create, Operation::Update, Operation::Activate, Operation::Reactivate] {
            assert_eq!(why(operation, |_| {}), "", "{operation:?}");
        }
        assert_eq!(why(Operation::Deactivate, |user| user.active = false), "");
        assert_eq!(why(Operation::Deactivate, |user| user.profile = None), "");
        assert_eq!(why(Operation::Freeze, |user| user.frozen = true), "");
        assert_eq!(why(Operation::Unfreeze, |_| {}), "");
    }

    #[test]
    fn what_it_contradicts_may_not() {
        let says = |operation, change: fn(&mut User), text: &str| {
            let why = why(operation, change);
            assert!(why.contains(text) && why.contains("request complete"), "{operation:?}: {why}");
        };
        for operation in [Operation::Create, Operation::Activate, Operation::Reactivate] {
            says(operation, |user| user.profile = None, "lost access");
            says(operation, |user| user.active = false, "disabled");
            says(operation, |user| user.frozen = true, "frozen");
        }
        says(Operation::Deactivate, |_| {}, "is to have an account");
        says(Operation::Freeze, |_| {}, "frozen no longer");
    }

    #[test]
    fn old_values_are_not_written_over_newer_ones() {
        let moved = |user: &mut User| user.email = Some("ada@example.org".to_owned());
        for operation in [Operation::Create, Operation::Update, Operation::Reactivate] {
            let why = why(operation, moved);
            assert!(why.contains("has changed since") && why.contains("gatehouse request create hr "), "{why}");
        }
        assert_eq!(why(Operation::Activate, moved), "", "it writes no values");
    }

    #[test]
    fn what_was_asked_for_by_hand_is_not_looked_at() {
        let mut now = ada();
        let by_hand = Request { event: None, ..failed(Operation::Create, &now) };
        now.profile = None;
        assert_eq!(check(&app(), &now, &by_hand, false), None);
        let by_run = Request { raised_by: Some(RequestId(9)), ..by_hand };
        assert!(check(&app(), &now, &by_run, false).is_some());
    }

    #[test]
    fn nobody_who_has_an_account_by_now_is_made_another() {
        let (now, hers) = (ada(), account(1, "x1", Some(1)));
        let by_hand = Request { event: None, ..failed(Operation::Create, &now) };
        let (app, connector) = (app(), description());
        let about = About { app: &app, user: &now, account: Some(&hers), connector: &connector };
        let why = not_again(about, &by_hand, false).unwrap().to_string();
        assert!(why.contains("is active already") && why.contains("request complete UPR-000007 --note"), "{why}");
        let why = not_again(about, &by_hand, true).unwrap().to_string();
        assert!(why.contains("linked to ACC-000001 by now; unlink that one first"), "nobody gets a second one: {why}");
        assert_eq!(not_again(About { account: None, ..about }, &by_hand, false), None, "its twin");
    }

    #[test]
    fn what_looks_first_does_so_with_its_old_values_and_not_at_all_where_it_is_not_wanted() {
        let mut now = ada();
        let create = failed(Operation::Create, &now);
        now.email = Some("ada@example.org".to_owned());
        let why = |now: &User, looks_first| check(&app(), now, &create, looks_first);
        assert_eq!(why(&now, true), None);
        assert!(why(&now, false).is_some_and(|why| why.contains("has changed since")));
        now.profile = None;
        assert!(why(&now, true).is_some_and(|why| why.contains("gatehouse request settle")));
        assert!(why(&now, false).is_some_and(|why| why.contains("gatehouse request complete")));
    }

    #[test]
    fn where_the_scope_cannot_be_evaluated_nothing_is_contradicted() {
        let mut app = app();
        app.config.scope = Some(crate::Expression::new("user.attributes.grade[0] == '7'"));
        for operation in [Operation::Create, Operation::Deactivate] {
            let request = failed(operation, &ada());
            assert_eq!(check(&app, &ada(), &request, false), None, "{operation:?}");
        }
    }
}
