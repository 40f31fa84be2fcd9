//! What the sweep found, as text for people and as JSON: kills by failpoint and operation, how requests ended, what
//! was fetched or written again.

use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;

/// One kill.
#[derive(Clone, Debug)]
pub struct Kill {
    pub point: String,
    pub nth: u64,
    pub doing: String,
}

/// What a lane, or all of them, have found.
#[derive(Clone, Debug, Default)]
pub struct Report {
    pub lanes: Vec<String>,
    pub kills: Vec<Kill>,
    pub settled: u64,
    /// Reasons of requests that went to review.
    pub in_review: Vec<String>,
    pub writes_taken: u64,
    pub repeated_writes: u64,
    pub pages: u64,
    /// Pages in flight at a kill that were asked for again.
    pub pages_refetched: u64,
    pub most_refetched_per_kill: u64,
    pub stored_pages_refetched: u64,
    pub seeds: Vec<u64>,
    /// Points that an operation does not reach, checked by counting: operation, points.
    pub unreached: BTreeMap<String, Vec<String>>,
}

impl Report {
    pub fn new(lane: &str) -> Self {
        Self { lanes: vec![lane.to_owned()], ..Self::default() }
    }

    pub fn add(&mut self, other: Self) {
        self.lanes.extend(other.lanes);
        self.kills.extend(other.kills);
        self.settled += other.settled;
        self.in_review.extend(other.in_review);
        self.writes_taken += other.writes_taken;
        self.repeated_writes += other.repeated_writes;
        self.pages += other.pages;
        self.pages_refetched += other.pages_refetched;
        self.most_refetched_per_kill = self.most_refetched_per_kill.max(other.most_refetched_per_kill);
        self.stored_pages_refetched += other.stored_pages_refetched;
        self.seeds.extend(other.seeds);
        self.unreached.extend(other.unreached);
    }

    fn table(&self) -> String {
        let column = |kill: &Kill| kill.doing.split(' ').next().unwrap_or_default().to_owned();
        let columns: BTreeSet<String> = self.kills.iter().map(column).collect();
        let mut rows: BTreeMap<&str, BTreeMap<String, u64>> = BTreeMap::new();
        for kill in &self.kills {
            *rows.entry(&kill.point).or_default().entry(column(kill)).or_default() += 1;
        }
        let mut text = format!("{:<22}", "killed at");
        for column in &columns {
            let _ = write!(text, " {column:>11}");
        }
        for (point, counts) in rows {
            let _ = write!(text, "\n{point:<22}");
            for column in &columns {
                let count = counts.get(column).map_or_else(|| "-".to_owned(), u64::to_string);
                let _ = write!(text, " {count:>11}");
            }
        }
        text
    }

    pub fn text(&self) -> String {
        let mut reasons: BTreeMap<&str, u64> = BTreeMap::new();
        self.in_review.iter().for_each(|why| *reasons.entry(why).or_default() += 1);
        let reasons: String = reasons.iter().map(|(why, count)| format!("    {count} x {why}\n")).collect();
        let unreached = self.unreached.iter().map(|(of, points)| format!("    {of}: {}\n", points.join(" ")));
        format!(
            "{}\n\nkills (SIGKILL, each followed by a restart): {}\nrequests settled: {}\nof those gone to review: {}\n{}\
             writes that the target took: {}\nrepeated writes that the target would have taken twice: {}\n\
             pages fetched: {}\nstored pages fetched again: {}\npages in flight at a kill and fetched again: {} (at \
             most {} per kill)\nseeds: {:?} (GATEHOUSE_KILL_SEED=<seed> repeats one)\nlanes: {}\n\
             points that an operation does not reach, checked by counting:\n{}",
            self.table(),
            self.kills.len(),
            self.settled,
            self.in_review.len(),
            reasons,
            self.writes_taken,
            self.repeated_writes,
            self.pages,
            self.stored_pages_refetched,
            self.pages_refetched,
            self.most_refetched_per_kill,
            self.seeds,
            self.lanes.join(", "),
            unreached.collect::<String>(),
        )
    }

    pub fn json(&self) -> Value {
        let kills = self.kills.iter().map(|kill| json!({"at": kill.point, "nth": kill.nth, "during": kill.doing}));
        json!({
            "kills": self.kills.len(), "settled": self.settled, "in_review": self.in_review,
            "writes_taken": self.writes_taken, "repeated_writes": self.repeated_writes, "pages": self.pages,
            "stored_pages_refetched": self.stored_pages_refetched, "pages_refetched": self.pages_refetched,
            "most_refetched_per_kill": self.most_refetched_per_kill, "seeds": self.seeds,
            "each": kills.collect::<Vec<_>>(),
        })
    }

    /// Prints it, and leaves it in the folder of reports.
    #[allow(clippy::print_stdout)]
    pub fn publish(&self, name: &str) {
        let text = self.text();
        println!("{text}");
        let folder = gatehouse_tests::artifacts::reports().unwrap();
        fs::write(folder.join(format!("{name}.txt")), text).unwrap();
        fs::write(folder.join(format!("{name}.json")), format!("{:#}\n", self.json())).unwrap();
    }
}
