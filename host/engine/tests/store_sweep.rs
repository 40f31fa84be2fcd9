//! The store under fire: a whole scenario, stopped at every write, sync and change of length of its disk in turn, and
//! refused space at each. After each the store agrees with itself, what was under way goes on to the same end, and the
//! targets have seen nothing twice. The figures are printed and go to `target/reports`.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

#[path = "store_sweep/checks.rs"]
mod checks;
mod common;
#[path = "store_sweep/scenario.rs"]
mod scenario;
#[path = "store_sweep/trial.rs"]
mod trial;

use gatehouse_store::testing::{Loss, Points, Trouble};
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;
use trial::{Ended, crash, full, undisturbed};

/// Two lives each wait for disks and timers now and then: a few more threads than processors.
const THREADS: usize = 4;

/// Every so manieth write and change of length is tried (each sync always is): all of them take five minutes of two
/// processors. `GATEHOUSE_SWEEP_EVERY=1` tries all.
fn every() -> u64 {
    std::env::var("GATEHOUSE_SWEEP_EVERY").ok().and_then(|every| every.parse().ok()).unwrap_or(10)
}

/// Does this for all of these, on several threads: how each ended.
fn sweep(troubles: &[Trouble], work: impl Fn(u64, Trouble) -> Ended + Sync) -> BTreeMap<Ended, u64> {
    let next = AtomicU64::new(0);
    let ended = Mutex::new(BTreeMap::new());
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                loop {
                    let no = next.fetch_add(1, Ordering::Relaxed);
                    let Some(trouble) = usize::try_from(no).ok().and_then(|no| troubles.get(no)) else { break };
                    let end = catch_unwind(AssertUnwindSafe(|| work(no, *trouble))).unwrap_or_else(|panic| {
                        println!("no {no}: {trouble:?} ends badly");
                        resume_unwind(panic)
                    });
                    *ended.lock().unwrap().entry(end).or_insert(0) += 1;
                }
            });
        }
    });
    ended.into_inner().unwrap()
}

/// What a crash leaves, in turn; the seed is in the story, so that a failure can be repeated.
fn loss(no: u64) -> Loss {
    match no % 3 {
        0 => Loss::Nothing,
        1 => Loss::Everything,
        _ => Loss::Some(no),
    }
}

#[test]
fn a_store_stopped_or_refused_space_at_any_point_of_a_whole_life_loses_nothing_and_does_nothing_twice() {
    trial::expect_noise();
    let since = Instant::now();
    let (points, expected) = undisturbed();
    // Which commits share a transaction is for the threads to say: some lives are a little longer.
    let points_to_try = || (1..=points.all() + points.all() / 20).filter(|point| point % every() == 0);
    let syncs = (1..=points.syncs + points.syncs / 20).map(Trouble::StopsAtSync);
    let stops: Vec<_> = syncs.chain(points_to_try().map(Trouble::StopsAt)).collect();
    let refused: Vec<_> = points_to_try().map(|point| Trouble::FailsFrom(point, ErrorKind::StorageFull)).collect();
    let crashes = sweep(&stops, |no, trouble| crash(no, trouble, loss(no), &expected));
    let refusals = sweep(&refused, |no, trouble| full(no, trouble, &expected));
    report(points, &crashes, &refusals, since.elapsed().as_secs());
    for (ended, tried) in [(&crashes, stops.len()), (&refusals, refused.len())] {
        let reached = tried - usize::try_from(ended.get(&Ended::NotReached).copied().unwrap_or(0)).unwrap();
        assert!(reached * 10 >= tried * 8, "{ended:?} of {tried}");
    }
}

fn report(points: Points, crashes: &BTreeMap<Ended, u64>, refusals: &BTreeMap<Ended, u64>, seconds: u64) {
    let of = |ended: &BTreeMap<Ended, u64>, end| ended.get(&end).copied().unwrap_or(0);
    let text = format!(
        "store sweep: one life of a small installation asks the disk for {} writes, {} syncs and {} changes of length: \
         {} points\n\
         stopped at each sync and at one in {} of all points (a third each: everything written since the last sync \
         kept, lost, or kept, lost and torn by chance): {} crashes, {} of them while the store was being made; {} \
         beyond the end\n\
         no space from one in {} of all points on, until somebody was told: {} refusals told and got over in the same \
         process, {} that nobody noticed; {} beyond the end\n\
         after each: invariants 2, 3, 7 and 9 held, and the same end as without\n\
         in {seconds} s\n",
        points.writes,
        points.syncs,
        points.lengths,
        points.all(),
        every(),
        of(crashes, Ended::Recovered) + of(crashes, Ended::BeforeItWasMade),
        of(crashes, Ended::BeforeItWasMade),
        of(crashes, Ended::NotReached),
        every(),
        of(refusals, Ended::Recovered) + of(refusals, Ended::BeforeItWasMade),
        of(refusals, Ended::Unnoticed),
        of(refusals, Ended::NotReached),
    );
    print!("{text}");
    let json = serde_json::json!({
        "writes": points.writes, "syncs": points.syncs, "lengths": points.lengths, "points": points.all(),
        "crashes": of(crashes, Ended::Recovered) + of(crashes, Ended::BeforeItWasMade),
        "refusals": of(refusals, Ended::Recovered) + of(refusals, Ended::BeforeItWasMade),
        "unnoticed": of(refusals, Ended::Unnoticed),
        "seconds": seconds,
    });
    let reports = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("reports");
    std::fs::create_dir_all(&reports).unwrap();
    std::fs::write(reports.join("store-sweep.txt"), text).unwrap();
    std::fs::write(reports.join("store-sweep.json"), json.to_string()).unwrap();
}
