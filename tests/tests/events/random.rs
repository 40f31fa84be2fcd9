//! Whatever happens to an organisation, in whatever order, with approvals given late and the host killed in between: in
//! the end the target holds exactly those accounts that it should, in the right status. Seeds are printed, and repeated
//! by GATEHOUSE_EVENT_SEED; how many there are is set by GATEHOUSE_EVENT_SEEDS.

use crate::desk::Desk;
use crate::support::Scenario;
use gatehouse_tests::counting::{CountingTarget, Options};
use gatehouse_tests::until;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use ureq::http::Method;

/// People, steps, and how many of the steps are a crash.
const PEOPLE: u64 = 8;
const STEPS: u64 = 160;

/// SplitMix64: small, and the same everywhere.
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }

    fn coin(&mut self) -> bool {
        self.below(2) == 0
    }
}

/// What the organisation is like, as simply as can be said.
#[derive(Clone, Debug, Default)]
struct Person {
    made: bool,
    active: bool,
    frozen: bool,
    profile: Option<&'static str>,
    vpn: bool,
    name: u64,
}

#[derive(Debug, Default)]
struct Model {
    people: BTreeMap<u64, Person>,
    staff: bool,
    crew: bool,
    vpn: bool,
}

impl Model {
    fn has_access(&self, person: &Person) -> bool {
        let by_profile = match person.profile {
            Some("staff") => self.staff,
            Some("crew") => self.crew,
            _ => false,
        };
        by_profile || (person.vpn && self.vpn)
    }

    fn should_be_usable(&self, person: &Person) -> bool {
        person.made && person.active && !person.frozen && self.has_access(person)
    }
}

/// One thing that happens, to the host and to the model alike.
fn step(desk: &Desk, model: &mut Model, chance: &mut Chance, story: &mut Vec<String>) {
    let who = chance.below(PEOPLE);
    let path = format!("/users/p{who}");
    let made = model.people.get(&who).is_some_and(|person| person.made);
    if !made {
        let profile = [None, Some("staff"), Some("staff"), Some("crew")][chance.below(4) as usize];
        let active = chance.below(5) > 0;
        story.push(format!("p{who} is made: {profile:?}, active {active}"));
        let body = json!({"username": format!("p{who}"), "first_name": "0", "last_name": "P", "profile": profile, "active": active});
        desk.post("/users", body);
        model.people.insert(who, Person { made: true, active, profile, ..Person::default() });
        return;
    }
    let Some(person) = model.people.get_mut(&who) else { return };
    match chance.below(10) {
        0 => {
            person.profile = [None, Some("staff"), Some("staff"), Some("crew")][chance.below(4) as usize];
            story.push(format!("p{who} gets profile {:?}", person.profile));
            desk.patch(&path, json!({ "profile": person.profile }));
        }
        1 => {
            person.vpn = chance.coin();
            story.push(format!("p{who} has vpn: {}", person.vpn));
            let method = if person.vpn { Method::POST } else { Method::DELETE };
            desk.call(method, &format!("{path}/permission-sets/vpn"), None);
        }
        2 => flag(desk, &path, "disable", story, || person.active = false),
        3 => flag(desk, &path, "enable", story, || person.active = true),
        4 => flag(desk, &path, "freeze", story, || person.frozen = true),
        5 => flag(desk, &path, "unfreeze", story, || person.frozen = false),
        6 => flag(desk, &path, "reactivate", story, || person.active = true),
        7 => {
            person.name = chance.below(4);
            story.push(format!("p{who} is called {}", person.name));
            desk.patch(&path, json!({ "first_name": person.name.to_string() }));
        }
        8 => {
            (person.active, person.profile) = (chance.coin(), chance.coin().then_some("staff"));
            story.push(format!("p{who} at once: active {}, {:?}", person.active, person.profile));
            desk.patch(&path, json!({"active": person.active, "profile": person.profile}));
        }
        _ => {
            (model.staff, model.crew, model.vpn) = (chance.below(6) > 0, chance.coin(), chance.coin());
            story.push(format!("the app is given to staff {}, crew {}, vpn {}", model.staff, model.crew, model.vpn));
            let names = |of: &[(bool, &'static str)]| -> Vec<&'static str> {
                of.iter().filter(|(given, _)| *given).map(|(_, name)| *name).collect()
            };
            let (profiles, sets) =
                (names(&[(model.staff, "staff"), (model.crew, "crew")]), names(&[(model.vpn, "vpn")]));
            desk.patch("/apps/hr", json!({"profiles": profiles, "permission_sets": sets}));
        }
    }
}

fn flag(desk: &Desk, path: &str, verb: &str, story: &mut Vec<String>, change: impl FnOnce()) {
    story.push(format!("{path} {verb}"));
    desk.ask(&format!("{path}/{verb}"));
    change();
}

/// Approves what waits for approval: one of it, or all.
fn approve(desk: &Desk, chance: Option<&mut Chance>) {
    let waiting: Vec<Value> = desk.all("/requests?app=hr&state=New");
    let some = match chance {
        Some(chance) if !waiting.is_empty() => {
            let one = chance.below(waiting.len() as u64) as usize;
            waiting[one..=one].to_vec()
        }
        Some(_) => Vec::new(),
        None => waiting,
    };
    for request in some {
        let path = format!("/api/v1/requests/{}/approve", request["id"].as_str().unwrap());
        // It may have been withdrawn meanwhile.
        let answer = desk.http.post(&path, &json!({"digest": request["digest"]})).unwrap();
        assert!(answer.status < 300 || answer.status == 409, "{}", answer.text);
    }
}

fn settle(desk: &Desk) {
    let settled = || {
        approve(desk, None);
        // Jobs first: what one raises at its end is there once it is done.
        let jobs = ["Counting", "Running"].map(|state| desk.all(&format!("/jobs?state={state}")).len());
        let open = ["New", "Requested", "Committing"].map(|state| desk.all(&format!("/requests?state={state}")).len());
        (open == [0; 3] && jobs == [0; 2]).then_some(())
    };
    until(settled).unwrap_or_else(|| panic!("it never comes to rest: {:#?}", desk.all("/requests?limit=50")));
}

fn check(model: &Model, target: &CountingTarget, seed: u64, story: &[String]) {
    let accounts = target.users();
    for (who, person) in &model.people {
        let name = format!("p{who}");
        let of: Vec<_> = accounts.iter().filter(|account| account["userName"] == *name).collect();
        let told = || format!("seed {seed}: {name} is {person:?}, the target has {of:#?}\n{}", story.join("\n"));
        assert!(of.len() <= 1, "a second account: {}", told());
        let usable = of.iter().any(|account| account["active"] == true);
        assert_eq!(usable, model.should_be_usable(person), "{}", told());
        if usable {
            assert_eq!(of[0]["name"]["givenName"], person.name.to_string(), "an older name: {}", told());
        }
    }
    let log = target.log();
    assert!(log.taken_twice().is_empty(), "seed {seed}: {}", log.story());
}

#[test]
fn in_the_end_exactly_those_have_accounts_who_should() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seeds: Vec<u64> = match number("GATEHOUSE_EVENT_SEED") {
        Some(seed) => vec![seed],
        None => (1..=number("GATEHOUSE_EVENT_SEEDS").unwrap_or(3)).collect(),
    };
    for seed in seeds {
        let target = CountingTarget::start_with(Options { unique: true, ..Options::default() }).unwrap();
        let mut s = Scenario::start();
        s.connect_scim(&target);
        let mut desk = Desk::new(&s);
        desk.post("/profiles", json!({"name": "crew"}));
        desk.post("/permission-sets", json!({"name": "vpn"}));
        desk.configure(|config| {
            config["approval_required"] = json!(["Create"]);
            config["guard"]["enabled"] = json!(false);
            config["retry"]["settle_seconds"] = json!(0);
        });
        let (mut chance, mut story) = (Chance(seed), Vec::new());
        let mut model = Model { staff: true, ..Model::default() };
        let mut crashes = 0;
        for no in 0..STEPS {
            match chance.below(24) {
                0..=2 => approve(&desk, Some(&mut chance)),
                3 => approve(&desk, None),
                // Some are done with before anything else happens to them.
                4 | 5 => settle(&desk),
                6 if no > 10 => {
                    story.push("the host is killed".to_owned());
                    crashes += 1;
                    s = s.crashed_and_restarted();
                    desk = Desk::new(&s);
                }
                _ => step(&desk, &mut model, &mut chance, &mut story),
            }
        }
        settle(&desk);
        check(&model, &target, seed, &story);
        let requests = desk.all("/requests").len();
        println!("seed {seed}: {STEPS} steps, {crashes} crashes, {requests} requests: as the model says");
    }
}
