//! What the engine leaves behind, where none is running: accounts, and requests that have come some way. It checks
//! nothing.

use super::Host;
use super::calls::{requested, user};
use gatehouse_core::lifecycle::{
    AnalysisReport, AttemptReport, Event, Looked, Moment, NameAttributes, OutcomeReport, Resolution, step,
};
use gatehouse_core::ports::{ChangeSet, Store as _, Versioned};
use gatehouse_core::schema::{Account as RemoteAccount, Status};
use gatehouse_core::{
    Account, AccountId, AppId, CallFailure, Digest, FailureKind, Reading, RequestId, Showed, Situation, UserId,
};
use serde_json::json;

/// An active account of app 1, linked to this user if there is one.
pub fn account_of(id: u64, user: Option<UserId>) -> Account {
    let mut account = Account::blank(AccountId(id), AppId(1), "2026-06-01T08:00:00Z".parse().unwrap());
    account.external_id = Some(format!("x{id}"));
    account.user = user;
    account.username = format!("account{id}");
    account.status = Status::Active;
    account.situation = if user.is_some() { Situation::Confirmed } else { Situation::Unassigned };
    account.link_state = account.situation.link_state();
    account
}

/// Makes accounts.
pub fn with_accounts(host: &Host, accounts: impl IntoIterator<Item = Account>) {
    let accounts = accounts.into_iter().map(Versioned::new).collect();
    host.wait(host.store.commit(ChangeSet { accounts, ..ChangeSet::default() })).unwrap();
}

/// Makes an account: where it is.
pub fn account(host: &Host, user: Option<UserId>) -> String {
    let account = Account { username: "maria".to_owned(), ..account_of(1, user) };
    with_accounts(host, [account]);
    "/accounts/ACC-000001".to_owned()
}

/// Makes a request that has failed: its number.
pub fn failed(host: &Host) -> String {
    let id = requested(host);
    take(host, &id, Event::Fail { why: "the target answers 403".to_owned() });
    id
}

/// Makes a Create in review: its number.
pub fn in_review(host: &Host) -> String {
    let id = requested(host);
    into_review(host, &id);
    id
}

/// The Create that maria gets with a profile, in review: its number.
pub fn in_review_by_event(host: &Host) -> String {
    user(host);
    assert_eq!(host.call("PATCH", "/users/maria", &[], Some(&json!({"profile": "staff"}))).status, 200);
    let id = host.get("/requests?app=hr").body["items"][0]["id"].as_str().unwrap().to_owned();
    into_review(host, &id);
    id
}

/// An account of maria's, who has access.
pub fn with_account_of_maria(host: &Host) {
    user(host);
    with_accounts(host, [account_of(1, Some(UserId(1)))]);
    assert_eq!(host.call("PATCH", "/users/maria", &[], Some(&json!({"profile": "staff"}))).status, 200);
}

/// The Deactivate that maria gets when she leaves, in review: its number.
pub fn deactivate_in_review(host: &Host) -> String {
    with_account_of_maria(host);
    assert_eq!(host.post("/users/maria/disable", &json!({})).status, 200);
    let id = host.get("/requests?app=hr").body["items"][0]["id"].as_str().unwrap().to_owned();
    into_review(host, &id);
    id
}

/// How the call of an attempt has ended. The account is left as `result` says.
pub fn finished(host: &Host, id: &str, result: Result<RemoteAccount, CallFailure>, known: Option<Account>) {
    let report = AttemptReport {
        result: result.map(|account| (Some(account), true)),
        write_left: true,
        writes: Vec::new(),
        known,
        refreshed: None,
        new_account: AccountId(1),
        names: NameAttributes::default(),
    };
    take(host, id, Event::AttemptFinished(Box::new(report)));
}

/// Nobody knows what came of the write of a request.
fn into_review(host: &Host, id: &str) {
    let names = NameAttributes::default();
    let at = "2026-01-01T00:00:00Z".parse().unwrap();
    let showed = Showed::Unclear;
    let reading = Reading { at, asked: "accounts".to_owned(), found: Vec::new(), showed, why: "of it".to_owned() };
    let looked = Looked { resolution: Resolution::Unprovable("nobody knows".to_owned()), reading };
    take(host, id, Event::AttemptStarted);
    finished(host, id, Err(CallFailure::new(FailureKind::Unavailable, "no answer")), None);
    let report = OutcomeReport { looked, known: None, new_account: AccountId(1), names };
    take(host, id, Event::OutcomeRead(Box::new(report)));
}

/// Makes a reconciliation whose plan waits: its number.
pub fn analysed(host: &Host) -> String {
    let run = host.post("/apps/hr/reconcile", &json!({"staged": [{"external_id": "1"}]}));
    let id = run.body["id"].as_str().unwrap().to_owned();
    let basis = host.wait(async {
        let app = host.store.app_by_name("hr").await.unwrap().unwrap();
        app.analysis_basis(host.store.directory_epoch().await.unwrap())
    });
    let analysis = AnalysisReport { through: 1, rows: 1, ..AnalysisReport::default() };
    take(host, &id, Event::AnalysisBegan { basis });
    take(host, &id, Event::RowsAnalyzed(analysis));
    take(host, &id, Event::PlanSealed { plan: Digest::of(b"plan"), auto_commit: false });
    id
}

/// Has something happen to a request.
pub fn take(host: &Host, id: &str, event: Event) {
    let number: RequestId = id.parse().unwrap();
    host.wait(async {
        let app = host.store.app_by_name("hr").await.unwrap().unwrap();
        let request = host.store.request(number).await.unwrap().unwrap();
        let moment = Moment { now: request.created_at, jitter: 0, retry: app.config.retry.clone() };
        let transition = step(&request, event, &moment).unwrap();
        host.store.commit(transition.into_changes(None)).await.unwrap();
    });
}
