//! What goes wrong meanwhile, from a seed: the host is killed, the target drops replies, cuts connections, throttles,
//! delays, lies and is out for a while.

use super::host::{Host, Stop, locked};
use super::load::Done;
use super::model::Accepted;
use anyhow::{Result, bail};
use fastrand::Rng;
use gatehouse_tests::Method;
use gatehouse_tests::counting::{CountingProcess, Fault, RetryAfter, Rule};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// The longest delay. Shorter than the settling delay of the app: a write that arrives after its outcome has been
/// read for cannot be told from one that never left, by anybody.
pub const LONGEST_DELAY_MS: u64 = 1_500;

/// How many of the requests that were accepted last are looked for after a kill.
const CHECKED: usize = 20;

/// How rough it gets.
#[derive(Clone, Copy, Debug)]
pub struct Weather {
    /// The seed of all that is random here.
    pub seed: u64,
    /// Kills happen until then, counted from the start; later the host lives on, so that its memory can be watched.
    pub kills_until: Duration,
    /// The mean time between kills.
    pub between_kills: Duration,
    /// The mean time between faults.
    pub between_faults: Duration,
    /// The mean time between outages of the target.
    pub between_outages: Duration,
    /// How long an outage lasts.
    pub outage: Duration,
}

/// Kills the host at random times.
pub fn kills(host: &Host, done: &Done, stop: &Stop, weather: &Weather) {
    let mut rng = Rng::with_seed(weather.seed ^ 0x006b_696c_6c73);
    let began = Instant::now();
    while !stop.wait(around(&mut rng, weather.between_kills)) && began.elapsed() < weather.kills_until {
        let last: Vec<_> = locked(&done.accepted).iter().rev().take(CHECKED).cloned().collect();
        if let Err(error) = host.kill_and_restart().and_then(|()| are_still_there(host, &last)) {
            return done.trouble("restart", &error);
        }
    }
}

/// What was accepted before a kill is there after it.
fn are_still_there(host: &Host, accepted: &[Accepted]) -> Result<()> {
    for request in accepted {
        let found = host.call(&Method::GET, &format!("/api/v1/requests/{}", request.id), None, None)?;
        if found.status != 200 {
            bail!("{request:?} was accepted before a kill, and is answered with {} after it", found.status);
        }
    }
    Ok(())
}

/// Has the target go wrong: what befell how often.
pub fn faults(target: &CountingProcess, done: &Done, stop: &Stop, weather: &Weather) -> BTreeMap<String, u64> {
    let mut rng = Rng::with_seed(weather.seed ^ 0x6661_756c_7473);
    let mut set = BTreeMap::new();
    let mut outage_at = Instant::now() + around(&mut rng, weather.between_outages);
    while !stop.wait(around(&mut rng, weather.between_faults)) {
        let rule = if Instant::now() >= outage_at {
            outage_at = Instant::now() + around(&mut rng, weather.between_outages);
            outage(&mut rng, weather.outage)
        } else {
            fault(&mut rng)
        };
        *set.entry(rule.0.to_owned()).or_default() += 1;
        if let Err(error) = target.fault(&rule.1) {
            done.trouble("fault", &error);
        }
    }
    set
}

fn around(rng: &mut Rng, mean: Duration) -> Duration {
    mean.mul_f64(0.25 + 1.5 * rng.f64())
}

fn outage(rng: &mut Rng, time: Duration) -> (&'static str, Rule) {
    let fault = if rng.bool() { Fault::DropBefore } else { Fault::FailBefore(503) };
    ("outage", Rule::always(fault).lasting(time))
}

/// One fault for one request to come.
fn fault(rng: &mut Rng) -> (&'static str, Rule) {
    let write = |fault| Rule::once(fault).on("write", "/Users");
    let list = |fault| Rule::once(fault).on_pages();
    let any = Rule::once;
    let delay = rng.u64(50..LONGEST_DELAY_MS);
    let more = rng.i64(1..20);
    let later = [RetryAfter::Unsaid, RetryAfter::Seconds(1), RetryAfter::Date(2)][rng.usize(..3)].clone();
    match rng.u8(..20) {
        0..=3 => ("reply dropped after the write", write(Fault::DropAfter)),
        4 => ("connection dropped before the write", write(Fault::DropBefore)),
        5 => ("answer cut in its head", write(Fault::CutHead)),
        6 => ("answer cut in its body", write(Fault::CutBody)),
        7 => ("500 after the write", write(Fault::FailAfter(500))),
        8 => ("503 before the write", write(Fault::FailBefore(503))),
        9 => ("garbage after the write", write(Fault::Garbage)),
        10 => ("delay before the write", write(Fault::Delay(delay))),
        11 => ("delay before the answer", write(Fault::DelayReply(delay))),
        12..=14 => ("throttled", any(Fault::Throttle(later)).times(rng.u64(1..4))),
        15 => ("a list with too small a total", list(Fault::Total(-more))),
        16 => ("a list with too large a total", list(Fault::Total(more))),
        17 => ("an empty list", list(Fault::EmptyList)),
        18 => ("a read dropped", any(Fault::DropBefore).on("GET", "/")),
        _ => ("a read cut", any(Fault::CutBody).on("GET", "/")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_brings_the_same_weather_and_another_another() {
        let course = |seed| {
            let mut rng = Rng::with_seed(seed);
            (0..50).map(|_| format!("{:?}", fault(&mut rng))).collect::<Vec<_>>()
        };
        assert_eq!(course(7), course(7));
        assert_ne!(course(7), course(8));
    }

    #[test]
    fn every_kind_of_fault_comes_up() {
        let mut rng = Rng::with_seed(1);
        let kinds: std::collections::BTreeSet<_> = (0..1000).map(|_| fault(&mut rng).0).collect();
        assert_eq!(kinds.len(), 15, "{kinds:?}");
    }
}
