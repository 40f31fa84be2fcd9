//! What comes in between two looks at the records of one user: held up there by a failpoint, and not missed.
#![cfg(feature = "failpoints")]
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use common::Host;
use common::engine::{finished, take, with_account_of_maria};
use gatehouse_core::AccountId;
use gatehouse_core::lifecycle::Event;
use gatehouse_core::ports::Store as _;
use gatehouse_core::schema::{Account as RemoteAccount, Status};
use gatehouse_failpoints::{arm, hits};
use serde_json::json;
use std::time::{Duration, Instant};

#[test]
#[allow(clippy::disallowed_methods, reason = "it polls, with a deadline")]
fn a_freeze_that_is_done_while_its_end_is_decided_is_undone() {
    let host = Host::start().with_app().looked_at();
    with_account_of_maria(&host);
    assert_eq!(host.post("/users/maria/freeze", &json!({})).status, 200);
    let freeze = host.get("/requests?app=hr&operation=Freeze").body["items"][0]["id"].as_str().unwrap().to_owned();
    take(&host, &freeze, Event::AttemptStarted);

    arm(["events.lane_read:1:pause-2000"]).unwrap();
    std::thread::scope(|scope| {
        let deciding = scope.spawn(|| host.post("/users/maria/unfreeze", &json!({})));
        let since = Instant::now();
        while hits("events.lane_read") == 0 {
            assert!(since.elapsed() < common::GENEROUS, "the open requests were never read");
            std::thread::sleep(Duration::from_millis(5));
        }
        let known = host.wait(host.store.account(AccountId(1))).unwrap().unwrap();
        let left = RemoteAccount {
            external_id: "x1".to_owned(),
            username: "account1".to_owned(),
            status: Status::Deactivated,
            ..RemoteAccount::default()
        };
        finished(&host, &freeze, Ok(left), Some(known));
        assert_eq!(deciding.join().unwrap().status, 200);
    });
    assert_eq!(host.get("/accounts/ACC-000001").body["frozen"], true, "for now");
    let newest = host.get("/requests?app=hr").body["items"][0].clone();
    assert_eq!((&newest["operation"], &newest["event"]), (&json!("Unfreeze"), &json!("unfreeze_user")), "{newest}");
}
