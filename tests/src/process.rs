//! Processes that end with the test that started them: when they are dropped (so also when the test panics), and on
//! Ctrl-C. Their output goes to a log file, whose end is part of every complaint about them.

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

/// How long anything may take to start or to stop: generous, because machines are slow when they are busy.
const PATIENCE: Duration = Duration::from_secs(120);

/// How many ports are tried.
const TRIES: usize = 5;

/// Lines of a log that a complaint quotes.
const QUOTED_LINES: usize = 30;

/// All processes that have been started and may still run, for [`stop_all`].
static LIVE: Mutex<Vec<Weak<Mutex<Child>>>> = Mutex::new(Vec::new());

/// A running process. Dropping it kills it.
#[derive(Debug)]
pub struct Running {
    name: String,
    child: Arc<Mutex<Child>>,
    log: PathBuf,
}

impl Running {
    /// Starts `command`, with its output appended to the file `log` and no input.
    ///
    /// # Errors
    /// The log or the process could not be made.
    pub fn start(name: &str, mut command: Command, log: &Path) -> Result<Self> {
        let out = File::options().create(true).append(true).open(log);
        let out = out.with_context(|| format!("the log of {name}, {}", log.display()))?;
        let err = out.try_clone().context("a second handle of the log")?;
        let program = command.get_program().to_owned();
        let child = command.stdin(Stdio::null()).stdout(out).stderr(err).spawn();
        let child = child.with_context(|| format!("{name} cannot be started: {}", program.display()))?;
        let child = Arc::new(Mutex::new(child));
        let mut live = locked(&LIVE);
        live.retain(|child| child.strong_count() > 0);
        live.push(Arc::downgrade(&child));
        drop(live);
        Ok(Self { name: name.to_owned(), child, log: log.to_owned() })
    }

    /// Waits until `ready` gives a value.
    ///
    /// # Errors
    /// The process ended instead, or nothing came of it in two minutes; the text quotes the log.
    pub fn wait_until<T>(&self, what: &str, mut ready: impl FnMut() -> Option<T>) -> Result<T> {
        let found = until(|| {
            if let Some(found) = ready() {
                return Some(Ok(found));
            }
            match locked(&self.child).try_wait() {
                Ok(None) => None,
                ended => Some(Err(ended)),
            }
        });
        match found {
            Some(Ok(found)) => Ok(found),
            Some(Err(ended)) => {
                let how = ended.ok().flatten().map_or("no status".to_owned(), |status| status.to_string());
                bail!("{} ended ({how}) before {what}. Its log:\n{}", self.name, self.quote())
            }
            None => bail!("{}: no sign of {what} in {PATIENCE:?}. Its log:\n{}", self.name, self.quote()),
        }
    }

    /// Its number among the processes of this machine.
    pub fn id(&self) -> u32 {
        locked(&self.child).id()
    }

    /// All it has written so far.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Where its output goes.
    pub fn log_path(&self) -> &Path {
        &self.log
    }

    /// Asks it to end (SIGTERM), and waits until it has.
    ///
    /// # Errors
    /// It is still there after two minutes. It is killed then.
    pub fn terminate(self) -> Result<ExitStatus> {
        signal(&mut locked(&self.child), Signal::TERM);
        match until(|| locked(&self.child).try_wait().transpose()) {
            Some(status) => status.with_context(|| format!("waiting for {}", self.name)),
            None => bail!("{} does not end when told to. Its log:\n{}", self.name, self.quote()),
        }
    }

    /// How it ended, if it has.
    pub fn ended(&self) -> Option<ExitStatus> {
        locked(&self.child).try_wait().ok().flatten()
    }

    /// Asks it to end (SIGTERM), and does not wait.
    pub fn ask_to_end(&self) {
        signal(&mut locked(&self.child), Signal::TERM);
    }

    /// Ends it at once (SIGKILL), as a crash would.
    pub fn kill(self) {}

    fn quote(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(QUOTED_LINES)..].join("\n")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        end(&self.child);
    }
}

/// Kills every process that is still running.
pub fn stop_all() {
    let live: Vec<_> = locked(&LIVE).drain(..).collect();
    live.iter().filter_map(Weak::upgrade).for_each(|child| end(&child));
}

/// From now on SIGINT (Ctrl-C), SIGTERM and SIGHUP kill every process that was started here; then the program exits
/// with the code that `last` answers.
///
/// # Errors
/// This was done before.
pub fn stop_all_on_interrupt(last: impl Fn() -> i32 + Send + 'static) -> Result<()> {
    let handler = move || {
        stop_all();
        std::process::exit(last());
    };
    ctrlc::set_handler(handler).context("the handler of Ctrl-C")
}

/// A port of 127.0.0.1 that nobody listens on right now. Somebody else may take it before it is used.
///
/// # Errors
/// There is none.
pub fn free_port() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("a free port")?;
    Ok(listener.local_addr().context("a free port")?.port())
}

/// Starts something that listens on a free port; on another one if somebody else takes that port first, which the
/// error then says.
///
/// # Errors
/// Those of `start`, or there is no free port.
pub fn on_free_port<T>(start: impl Fn(u16) -> Result<T>) -> Result<T> {
    for _ in 1..TRIES {
        match start(free_port()?) {
            Err(error) if format!("{error:#}").contains("in use") => {}
            outcome => return outcome,
        }
    }
    start(free_port()?)
}

/// Asks again and again until there is an answer, for two minutes at most: the one place that waits. Tests assert
/// what they find, never how long it took.
pub fn until<T>(mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask() {
            return Some(answer);
        }
        if Instant::now() >= deadline {
            return None;
        }
        #[allow(clippy::disallowed_methods, reason = "the one place that polls, with a deadline")]
        std::thread::sleep(Duration::from_millis(25));
    }
}

fn signal(child: &mut Child, signal: Signal) {
    // Not waited for yet, so the number cannot belong to another process; one that is gone needs no signal.
    if matches!(child.try_wait(), Ok(None)) {
        let _ = kill_process(Pid::from_child(child), signal);
    }
}

fn end(child: &Mutex<Child>) {
    let mut child = locked(child);
    let _ = child.kill();
    let _ = child.wait();
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn sh(script: &str, log: &Path) -> Running {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        Running::start("sh", command, log).unwrap()
    }

    #[test]
    fn a_process_that_ends_too_early_is_reported_with_its_log() {
        let dir = tempfile::tempdir().unwrap();
        let process = sh("echo no such option; exit 2", &dir.path().join("log"));
        let error = process.wait_until("an answer", || None::<()>).unwrap_err().to_string();
        assert!(error.contains("before an answer") && error.contains("no such option"), "{error}");
    }

    #[test]
    fn another_port_is_tried_only_where_the_first_was_taken() {
        let tried = std::cell::Cell::new(0);
        let start = |why: &'static str| {
            tried.set(0);
            on_free_port(|port| {
                tried.set(tried.get() + 1);
                if tried.get() == 1 { bail!("{why}") } else { Ok(port) }
            })
        };
        assert!(start("Address already in use").is_ok());
        assert!(start("no such option").is_err());
        assert_eq!(tried.get(), 1);
    }

    #[test]
    fn a_dropped_process_is_gone() {
        let dir = tempfile::tempdir().unwrap();
        let process = sh("echo up; exec sleep 600", &dir.path().join("log"));
        process.wait_until("up", || process.log().contains("up").then_some(())).unwrap();
        let child = Arc::clone(&process.child);
        drop(process);
        assert!(locked(&child).try_wait().unwrap().is_some(), "it has been waited for");
    }

    #[test]
    fn a_process_told_to_end_can_say_goodbye() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("log");
        let process = sh("trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.05; done", &log);
        process.wait_until("up", || process.log().contains("up").then_some(())).unwrap();
        assert!(process.terminate().unwrap().success());
        assert!(fs::read_to_string(log).unwrap().contains("bye"));
    }
}
