//! Kills at random: many requests at a time, deaths one after the other, all from a seed that is printed.

use crate::lane::{ACCOUNTS, Lane};
use crate::operations::{Asked, CYCLE, Person, check, prepare};
use serde_json::Value;

/// SplitMix64: small, and the same everywhere.
pub struct Chance(pub u64);

impl Chance {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    fn one_of<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[usize::try_from(self.below(of.len() as u64)).unwrap()]
    }
}

/// Where requests under way may be killed, besides what they always come by.
const MORE: &[&str] = &[
    "store.before_commit",
    "store.after_commit",
    "open.before_commit",
    "lost.before_commit",
    "lost.after_commit",
    "settle.before_read",
    "settle.after_read",
    "settle.before_commit",
    "settle.after_commit",
];

/// People whose accounts go through the cycle at the same time.
const PEOPLE: usize = 6;

/// The whole cycle of six people at once, with deaths from this seed.
pub fn cycle(lane: &mut Lane, seed: u64) {
    lane.report.seeds.push(seed);
    let points = [crate::ONCE, MORE].concat();
    let mut chance = Chance(seed);
    lane.configure(ACCOUNTS, |config| config["retry"]["settle_seconds"] = 1.into());
    let mut people: Vec<Person> = (0..PEOPLE).map(|_| Person::new(lane, ACCOUNTS)).collect();
    for operation in CYCLE {
        let asks: Vec<(String, Value)> = people.iter_mut().map(|person| prepare(lane, person, operation)).collect();
        lane.doing = format!("Random {} seed {seed}", operation.name);
        let since = lane.accounts.requests();
        let arming = |chance: &mut Chance| format!("{}:{}", chance.one_of(&points), 1 + chance.below(4));
        let next_starts: Vec<String> = (0..chance.below(3)).map(|_| arming(&mut chance)).collect();
        lane.arm_next_starts(&next_starts);
        lane.arm(&[arming(&mut chance)]);
        let mut asked = Vec::new();
        for (path, body) in &asks {
            let key = lane.key();
            let id = lane.ask(path, body, &key)["id"].as_str().unwrap().to_owned();
            asked.push(Asked { id, since });
        }
        for asked in &asked {
            lane.settled(&asked.id, &[]);
        }
        // Whatever is still armed must not hit what follows; what has just been hit is noticed here.
        lane.arm_next_starts(&[]);
        lane.through_deaths(|lane| lane.try_arm(&[]));
        for (person, asked) in people.iter_mut().zip(&asked) {
            check(lane, person, operation, asked);
        }
    }
    lane.configure(ACCOUNTS, |config| config["retry"]["settle_seconds"] = 0.into());
}
