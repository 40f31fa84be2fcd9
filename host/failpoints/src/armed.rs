//! Arming failpoints, and what happens at one: the process dies by SIGKILL, as in a power cut of one process, or the
//! thread waits. Counts what is reached meanwhile.

use crate::FAILPOINTS;
use std::io::Write as _;
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Names what is armed from the start, as [`arm`] takes it, several with commas between them.
const VARIABLE: &str = "GATEHOUSE_FAILPOINT";

/// How often each has been reached since [`arm`], in the order of the table.
static HITS: [AtomicU64; FAILPOINTS.len()] = [const { AtomicU64::new(0) }; FAILPOINTS.len()];

static ARMED: Mutex<Vec<Arming>> = Mutex::new(Vec::new());

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Kill,
    Pause(Duration),
}

/// What is to happen when a failpoint is reached for the nth time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Arming {
    point: usize,
    nth: u64,
    action: Action,
}

impl FromStr for Arming {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut parts = text.split(':');
        let name = parts.next().unwrap_or_default();
        let point = index(name).ok_or_else(|| format!("there is no failpoint `{name}`"))?;
        let nth = match parts.next().map(str::parse) {
            Some(Ok(nth)) if nth > 0 => nth,
            _ => return Err(format!("`{text}`: after the name comes which time, from 1")),
        };
        let pause = |action: &str| -> Option<u64> { action.strip_prefix("pause-")?.parse().ok() };
        let action = match parts.next() {
            None => Action::Kill,
            Some(action) => match pause(action) {
                Some(ms) => Action::Pause(Duration::from_millis(ms)),
                None => {
                    return Err(format!("`{text}`: `{action}` is neither nothing (a kill) nor pause-<milliseconds>"));
                }
            },
        };
        Ok(Self { point, nth, action })
    }
}

fn index(name: &str) -> Option<usize> {
    FAILPOINTS.iter().position(|point| point.name == name)
}

fn armed() -> Vec<Arming> {
    ARMED.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// Arms what the environment names.
///
/// # Errors
/// It names what is not there.
pub fn arm_from_environment() -> Result<(), String> {
    match std::env::var(VARIABLE) {
        Ok(texts) => arm(texts.split(',')),
        Err(_) => Ok(()),
    }
}

/// Arms these and no others: each `<name>:<nth>` (a kill) or `<name>:<nth>:pause-<milliseconds>`. Counts all from now
/// on.
///
/// # Errors
/// One names what is not there. Nothing was changed.
pub fn arm<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<(), String> {
    let armings = texts.into_iter().map(str::parse).collect::<Result<Vec<Arming>, String>>()?;
    let mut armed = ARMED.lock().unwrap_or_else(PoisonError::into_inner);
    HITS.iter().for_each(|hits| hits.store(0, Ordering::SeqCst));
    *armed = armings;
    Ok(())
}

/// How often a failpoint has been reached since the last [`arm`].
pub fn hits(name: &str) -> u64 {
    index(name).map_or(0, |at| HITS[at].load(Ordering::SeqCst))
}

/// Whether anything is to happen at this failpoint.
pub fn is_armed(name: &str) -> bool {
    index(name).is_some_and(|at| armed().iter().any(|arming| arming.point == at))
}

/// This failpoint is reached: what stands in the place of the macro.
pub fn reached(name: &str) {
    let Some(at) = index(name) else { return };
    let hit = HITS[at].fetch_add(1, Ordering::SeqCst) + 1;
    let due = armed().into_iter().find(|arming| arming.point == at && arming.nth == hit);
    match due.map(|arming| arming.action) {
        None => {}
        Some(Action::Kill) => die(name, hit),
        Some(Action::Pause(time)) => {
            say(name, hit, "pauses");
            #[allow(clippy::disallowed_methods, reason = "whatever reaches the failpoint is what is to be held up")]
            std::thread::sleep(time);
            say(name, hit, "goes on");
        }
    }
}

fn die(name: &str, hit: u64) {
    say(name, hit, "killed");
    let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
    // Nothing is done between the signal and its arrival.
    loop {
        std::thread::park();
    }
}

/// On stderr, so that the test knows where.
fn say(name: &str, hit: u64, what: &str) {
    let _ = writeln!(std::io::stderr(), "failpoint {name}:{hit}: {what}");
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_arming_reads_as_name_which_time_and_what_then() {
        let read = |text: &str| text.parse::<Arming>().map(|arming| (arming.nth, arming.action));
        assert_eq!(read("claim.after:1"), Ok((1, Action::Kill)));
        assert_eq!(read("claim.after:3:pause-250"), Ok((3, Action::Pause(Duration::from_millis(250)))));
        for wrong in ["claim.never:1", "claim.after", "claim.after:0", "claim.after:x", "claim.after:1:sleep"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn hits_are_counted_from_one_arming_to_the_next() {
        arm(["claim.before:7"]).unwrap();
        reached("claim.after");
        reached("claim.after");
        assert_eq!((hits("claim.after"), hits("claim.before")), (2, 0));
        assert!(is_armed("claim.before") && !is_armed("claim.after"));
        assert!(arm(["no.such:1"]).is_err());
        assert_eq!(hits("claim.after"), 2, "what cannot be armed changes nothing");
        arm([]).unwrap();
        assert_eq!(hits("claim.after"), 0);
        assert!(!is_armed("claim.before"));
    }
}
