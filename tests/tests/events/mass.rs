//! A whole organisation at once: imported, given an app by its profile, the host killed in the middle. How many people
//! that are is set by GATEHOUSE_MASS.

use crate::desk::Desk;
use crate::support::{Scenario, scim_server};
use gatehouse_tests::counting::{CountingTarget, Options};
use gatehouse_tests::{Gatehouse, until};
use serde_json::{Value, json};
use std::time::Instant;
use tempfile::tempdir;
use ureq::http::Method;

/// People in the test that every run makes.
const PEOPLE: usize = 1_000;

fn people() -> usize {
    std::env::var("GATEHOUSE_MASS").ok().and_then(|text| text.parse().ok()).unwrap_or(PEOPLE)
}

/// As `until`, but for as long as anything gets on.
fn while_it_gets_on(mut progress: impl FnMut() -> (usize, bool)) {
    let mut best = 0;
    loop {
        let got_on = until(|| {
            let (now, done) = progress();
            (done || now > best).then_some((now, done))
        });
        match got_on {
            Some((_, true)) => return,
            Some((now, false)) => best = now,
            None => panic!("nothing gets on at {best}"),
        }
    }
}

fn import(s: &Scenario, count: usize) -> String {
    let row = |n: usize| format!("person{n},person{n}@example.com,Person,{n},crew\n");
    let rows: String = (0..count).map(row).collect();
    s.file("people.csv", &format!("username,email,first_name,last_name,profile\n{rows}"));
    s.run(&["profile", "create", "crew"]);
    s.run(&["user", "import", "people.csv"])
}

fn peak_kib(host: &Gatehouse) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", host.process().id())).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|rest| rest.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
}

#[test]
fn a_profile_of_many_is_given_an_app_through_a_kill_and_taken_again_only_with_consent() {
    let count = people();
    let target = CountingTarget::start_with(Options { unique: true, ..Options::default() }).unwrap();
    let mut s = Scenario::start();
    s.connect_scim_and_reconcile(&target);
    let (began, mut desk) = (Instant::now(), Desk::new(&s));
    import(&s, count);
    let imported = began.elapsed();

    desk.patch("/apps/hr", json!({"profiles": ["staff", "crew"]}));
    let job = desk.last_job();
    let id = job["id"].as_str().unwrap().to_owned();
    assert_eq!((&job["state"], &job["creates"]), (&json!("Held"), &json!(count)), "{job:#}");
    let began = Instant::now();
    desk.post(&format!("/jobs/{id}/approve"), json!({"reason": "we take the app into use"}));
    until(|| (target.users().len() > count / 20).then_some(())).unwrap();
    let before = peak_kib(&s.host);
    s = s.crashed_and_restarted();
    desk = Desk::new(&s);
    let done = || {
        let job = desk.get(&format!("/jobs/{id}"));
        let at_target = target.users().len();
        let raised = job["requests"].as_u64().unwrap() as usize;
        (at_target + raised, job["state"] == "Completed" && at_target == count)
    };
    while_it_gets_on(done);
    let job = desk.job_rests(&id);
    assert_eq!((&job["requests"], &job["failed"], &job["done"]), (&json!(count), &json!(0), &json!(count)), "{job:#}");
    let open =
        || desk.all("/requests?app=hr&state=Committing").len() + desk.all("/requests?app=hr&state=Requested").len();
    while_it_gets_on(|| {
        let open = open();
        (count - open.min(count), open == 0)
    });
    let provisioned = began.elapsed();
    let completed: Vec<Value> = desk.all("/requests?app=hr&state=Completed&operation=Create");
    assert_eq!(completed.len(), count, "every one of them raised once, and done");
    let twice = target.log();
    assert!(twice.taken_twice().is_empty(), "{}", twice.story());

    desk.patch("/apps/hr", json!({"profiles": ["staff"]}));
    let taken = desk.last_job();
    assert_eq!((&taken["state"], &taken["deactivates"]), (&json!("Held"), &json!(count)), "{taken:#}");
    assert!(target.users().iter().all(|user| user["active"] == true));
    println!(
        "{count} people: imported in {:.1} s; {count} requests raised and completed, a kill and its restart among them, in \
         {:.1} s; peak memory {} MiB before the kill, {} MiB after",
        imported.as_secs_f64(),
        provisioned.as_secs_f64(),
        before / 1024,
        peak_kib(&s.host) / 1024,
    );
}

#[test]
fn two_hundred_people_get_their_accounts_at_a_real_server() {
    let directory = tempdir().unwrap();
    let Some(server) = scim_server("two_hundred_people_get_their_accounts_at_a_real_server", &directory) else {
        return;
    };
    let mut s = Scenario::start();
    s.connect_scim_and_reconcile(&server);
    let mut desk = Desk::new(&s);
    let newest = desk.newest();
    import(&s, 200);
    desk.patch("/apps/hr", json!({"profiles": ["staff", "crew"]}));
    let job = desk.last_job();
    assert_eq!(job["state"], "Completed", "200 are within the guard: {job:#}");
    until(|| (server.users().unwrap().len() > 10).then_some(())).unwrap();
    s = s.crashed_and_restarted();
    desk = Desk::new(&s);
    while_it_gets_on(|| {
        let made = server.users().unwrap().len();
        (made, made == 200)
    });
    let raised = desk.raised_since(newest);
    assert_eq!(raised.len(), 200);
    assert!(raised.iter().all(|request| request["state"] == "Completed"), "{raised:#?}");
    assert_eq!(server.users().unwrap().len(), 200);
}

#[test]
fn a_job_killed_on_either_side_of_a_piece_goes_on_there_and_raises_nothing_twice() {
    const PIECES: usize = 3;
    for point in ["job.before_commit", "job.after_commit"] {
        let count = 150 + 200 * (PIECES - 1);
        let target = CountingTarget::start_with(Options { unique: true, ..Options::default() }).unwrap();
        let mut s = Scenario::start();
        s.connect_scim(&target);
        let mut desk = Desk::new(&s);
        desk.configure(|config| config["guard"]["enabled"] = json!(false));
        import(&s, count);
        // While it is paused, every request of the job is still there to be counted.
        desk.ask("/apps/hr/pause");
        let armed = desk.http.send(Method::PUT, "/failpoints", Some(&json!([format!("{point}:2")])), &[]).unwrap();
        assert_eq!(armed.status, 204, "{}: is the host built with its failpoints?", armed.text);
        desk.patch("/apps/hr", json!({"profiles": ["staff", "crew"]}));
        until(|| s.host.process().ended()).unwrap_or_else(|| panic!("{point} is never reached"));
        s = s.crashed_and_restarted();
        desk = Desk::new(&s);
        let job = desk.last_job();
        let said = (&job["state"], &job["requests"], &job["done"]);
        assert_eq!(said, (&json!("Completed"), &json!(count), &json!(count)), "{point}: {job:#}");
        let mut raised: Vec<String> =
            desk.all("/requests?app=hr").iter().map(|request| request["user"].as_str().unwrap().to_owned()).collect();
        assert_eq!(raised.len(), count, "{point}");
        raised.sort_unstable();
        raised.dedup();
        assert_eq!(raised.len(), count, "{point}: somebody got two");
    }
}
