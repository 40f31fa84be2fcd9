//! The sweep: the real binary is killed (SIGKILL) at every failpoint of every operation and in every phase of a
//! reconciliation, restarted, and looked at. Nothing may be lost, and nothing done twice.
#![allow(clippy::unwrap_used, missing_docs)]

mod conflicts;
mod lane;
mod operations;
mod random;
mod report;
mod runs;

use lane::Lane;
use random::Chance;
use report::Report;
use runs::People;
use std::collections::VecDeque;
use std::env;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Repeats the random kills of one seed, and nothing else.
const SEED_VARIABLE: &str = "GATEHOUSE_KILL_SEED";

/// Does nothing but the jobs whose description (as `--nocapture` shows them) contains this.
const JOBS_VARIABLE: &str = "GATEHOUSE_KILLS";

/// The kills that the issue asks for.
const AT_LEAST: usize = 500;

/// What a lane does next.
#[derive(Clone, Debug)]
enum Job {
    Counted,
    Cycle(&'static str, u64),
    Again(&'static str, &'static str),
    Approved(&'static str),
    Decisions(&'static str),
    Shutdown(&'static str),
    Concluded(&'static str),
    Compaction(&'static str),
    Unmarked(&'static str, bool),
    Run(&'static str, u64),
    RunAgain(&'static str, &'static str),
    Random(u64),
}

fn do_job(lane: &mut Lane, people: &mut People, job: &Job) {
    progress(lane, job);
    match job {
        Job::Counted => {
            operations::cycle_counted(lane);
            runs::counted(people, lane);
        }
        Job::Cycle(point, nth) => operations::cycle_killed_at(lane, point, *nth),
        Job::Again(first, then) => operations::cycle_killed_again(lane, first, then),
        Job::Approved(point) => operations::cycle_approved(lane, point),
        Job::Decisions(point) => operations::decisions(lane, point),
        Job::Shutdown(point) => operations::shutdown(lane, point),
        Job::Compaction(point) => operations::compaction(lane, point),
        Job::Concluded(point) => operations::concluded(lane, point),
        Job::Unmarked(point, arrives) => operations::unmarked(lane, point, *arrives),
        Job::Run(point, nth) => drop(people.run(lane, &[format!("{point}:{nth}")], &[])),
        Job::RunAgain(first, then) => drop(people.run(lane, &[format!("{first}:1")], &[format!("{then}:1")])),
        Job::Random(seed) => random::cycle(lane, *seed),
    }
}

/// Where the sweep is, for whoever watches it with `--nocapture`.
#[allow(clippy::print_stdout)]
fn progress(lane: &Lane, job: &Job) {
    println!("{} kills, {}: {job:?}", lane.report.kills.len(), lane.report.lanes.join(""));
}

/// What every request comes by, whatever becomes of it.
const ONCE: &[&str] = &[
    "api.before_commit",
    "api.after_commit",
    "claim.before",
    "claim.after",
    "attempt.before_commit",
    "attempt.after_commit",
    "call.before",
    "gate.before_write",
    "gate.after_write",
    "gate.after_reply",
    "call.after",
    "outcome.before_commit",
    "outcome.looked_up",
    "outcome.after_commit",
    "link.before_commit",
    "link.after_commit",
];

/// Every failpoint of the operations on accounts.
fn operation_jobs() -> Vec<Job> {
    let mut jobs: Vec<Job> = ONCE.iter().map(|point| Job::Cycle(point, 1)).collect();
    for nth in 1..=4 {
        jobs.extend([Job::Cycle("store.before_commit", nth), Job::Cycle("store.after_commit", nth)]);
    }
    // A write that arrived, and one that never left: both have to be found out by reading.
    for (at, then) in [
        "lost.before_commit",
        "lost.after_commit",
        "settle.before_read",
        "settle.after_read",
        "settle.before_commit",
        "settle.after_commit",
        "open.before_commit",
        "open.after_commit",
    ]
    .into_iter()
    .enumerate()
    {
        let firsts = [["gate.after_write", "gate.before_write"], ["call.after", "call.before"]];
        let [arrived, never_left] = firsts[at / 2 % 2];
        jobs.extend([Job::Again(arrived, then), Job::Again(never_left, then)]);
    }
    for point in ["person.before_commit", "person.after_commit"] {
        jobs.extend([Job::Approved(point), Job::Decisions(point)]);
    }
    jobs.extend(["shutdown.told", "shutdown.done"].map(Job::Shutdown));
    jobs.extend(["compact.before_commit", "compact.after_commit", "compact.after_swap"].map(Job::Compaction));
    jobs.extend(["conclude.before_commit", "conclude.after_commit"].map(Job::Concluded));
    jobs.extend(
        ["gate.after_write", "gate.after_reply", "call.after", "outcome.before_commit"].map(|p| Job::Unmarked(p, true)),
    );
    jobs.extend(["attempt.after_commit", "call.before", "gate.before_write"].map(|p| Job::Unmarked(p, false)));
    jobs
}

/// Every failpoint in every phase of a reconciliation, as often as a run comes by it.
fn run_jobs() -> Vec<Job> {
    let mut jobs = vec![Job::RunAgain("api.after_commit", "claim.before")];
    for (point, times) in runs::REACHES.iter().filter(|(point, _)| *point != "claim.before") {
        jobs.extend((1..=*times).map(|nth| Job::Run(point, nth)));
    }
    jobs.extend([Job::Run("gate.after_write", 1), Job::Run("gate.after_write", 2)]);
    for then in ["lost.after_commit", "settle.after_read", "settle.before_commit", "open.before_commit"] {
        jobs.push(Job::RunAgain("gate.after_write", then));
    }
    jobs
}

/// What is yet to be done.
struct Queue(Mutex<VecDeque<Job>>);

impl Queue {
    fn locked(&self) -> MutexGuard<'_, VecDeque<Job>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Leaves the other lane nothing to do when one has failed.
struct EndsAll<'a>(&'a Queue);

impl Drop for EndsAll<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.locked().clear();
        }
    }
}

/// Does all jobs on two lanes, one of them with targets that have ETags.
fn sweep(jobs: Vec<Job>) -> Report {
    let template = tempfile::tempdir().unwrap();
    lane::template(template.path());
    let template = template.path();
    let jobs = Queue(Mutex::new(VecDeque::from(jobs)));
    let work = |name: &str, versions: bool| {
        let _ends = EndsAll(&jobs);
        let mut lane = Lane::new(template, name, versions);
        let mut people = People::default();
        // Accounts to begin with.
        people.run(&mut lane, &[], &[]);
        let mut done: Option<Job> = Some(Job::Counted);
        while let Some(job) = done {
            do_job(&mut lane, &mut people, &job);
            done = jobs.locked().pop_front();
        }
        finished(lane)
    };
    std::thread::scope(|scope| {
        let lanes = [("targets with ETags", true), ("targets without ETags", false)];
        let work = &work;
        let threads = lanes.map(|(name, versions)| scope.spawn(move || work(name, versions)));
        let mut report = Report::default();
        for thread in threads {
            report.add(thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
        report
    })
}

/// What is true of a lane as a whole when all is done.
fn finished(mut lane: Lane) -> Report {
    for target in [&lane.accounts, &lane.runs] {
        let log = target.log();
        let twice: Vec<_> = log.taken_twice().into_iter().map(|(one, two)| (one.line(), two.line())).collect();
        assert!(twice.is_empty(), "writes that the target took twice: {twice:#?}");
        lane.report.repeated_writes += twice.len() as u64;
    }
    for state in ["New", "Requested", "Collecting", "Collected", "Analyzing", "Analyzed", "Committing"] {
        let open = lane.get(&format!("/api/v1/requests?state={state}")).unwrap();
        assert_eq!(open["items"].as_array().map(Vec::len), Some(0), "requests that are not settled: {open:#}");
    }
    let failed = lane.get("/api/v1/requests?state=Failed&limit=1000").unwrap();
    for request in failed["items"].as_array().unwrap() {
        assert_eq!(request["needs_review"], true, "a request failed, and not into review: {request:#}");
    }
    lane.report
}

fn seeds() -> Vec<u64> {
    match env::var(SEED_VARIABLE) {
        Ok(seed) => vec![seed.parse().unwrap()],
        Err(_) => {
            let mut fresh = [0; 8];
            fresh.copy_from_slice(&std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), 0).to_le_bytes());
            let mut chance = Chance(u64::from_le_bytes(fresh));
            (0..8).map(|_| chance.below(1_000_000)).collect()
        }
    }
}

#[test]
fn nothing_is_lost_and_nothing_done_twice_wherever_the_host_is_killed() {
    let random: Vec<Job> = seeds().into_iter().map(Job::Random).collect();
    if env::var(SEED_VARIABLE).is_ok() {
        return sweep(random).publish("kills-of-one-seed");
    }
    let mut jobs: Vec<Job> = operation_jobs().into_iter().chain(run_jobs()).chain(random).collect();
    if let Ok(some) = env::var(JOBS_VARIABLE) {
        jobs.retain(|job| format!("{job:?}").contains(&some));
        return sweep(jobs).publish("kills-of-some-jobs");
    }
    let report = sweep(jobs);
    report.publish("kills");
    assert!(report.kills.len() >= AT_LEAST, "{} kills", report.kills.len());
}
