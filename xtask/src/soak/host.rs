//! The host under test, which may be gone at any moment and come back somewhere else: calls wait for it and are made
//! again, under the same Idempotency-Key, until it has answered. That a repetition does nothing twice is part of what
//! is tested.

use anyhow::{Context, Result, bail};
use gatehouse_tests::{Answer, Gatehouse, Http, Method, until};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How often a call is made again while the host answers with an error of its own.
const PATIENCE_WITH_ERRORS: usize = 20;

/// The host, and those that were before it.
#[derive(Debug)]
pub struct Host {
    directory: PathBuf,
    running: Mutex<Option<Gatehouse>>,
    kills: AtomicU64,
    repeated: AtomicU64,
}

impl Host {
    /// Starts the first one.
    ///
    /// # Errors
    /// It does not get ready.
    pub fn start(directory: &Path) -> Result<Self> {
        let running = Mutex::new(Some(Gatehouse::start(directory)?));
        Ok(Self { directory: directory.to_owned(), running, kills: AtomicU64::new(0), repeated: AtomicU64::new(0) })
    }

    /// Kills the host, and starts another on the same store.
    ///
    /// # Errors
    /// The new one does not get ready.
    pub fn kill_and_restart(&self) -> Result<()> {
        let old = locked(&self.running).take();
        old.context("there is no host to kill")?.crash();
        self.kills.fetch_add(1, Ordering::Relaxed);
        *locked(&self.running) = Some(Gatehouse::start(&self.directory).context("after a kill")?);
        Ok(())
    }

    /// Stops the host in an orderly way, does something to its files, and starts it again.
    ///
    /// # Errors
    /// It does not stop or start, or those of `meanwhile`.
    pub fn stop_and_start<T>(&self, meanwhile: impl FnOnce(&Path) -> Result<T>) -> Result<T> {
        let old = locked(&self.running).take();
        old.context("there is no host to stop")?.stop()?;
        let done = meanwhile(&self.directory)?;
        *locked(&self.running) = Some(Gatehouse::start(&self.directory).context("after a stop")?);
        Ok(done)
    }

    /// How many hosts have been killed.
    pub fn kills(&self) -> u64 {
        self.kills.load(Ordering::Relaxed)
    }

    /// How many calls were made again because no answer came.
    pub fn repeated(&self) -> u64 {
        self.repeated.load(Ordering::Relaxed)
    }

    /// The process of the host, if there is one right now.
    pub fn process_id(&self) -> Option<u32> {
        locked(&self.running).as_ref().map(|host| host.process().id())
    }

    /// Bytes of its store.
    pub fn store_bytes(&self) -> u64 {
        std::fs::metadata(self.directory.join("data/gatehouse.db")).map_or(0, |data| data.len())
    }

    /// Runs a command of the CLI against it.
    ///
    /// # Errors
    /// It fails.
    pub fn cli(&self, arguments: &[&str]) -> Result<String> {
        let running = locked(&self.running);
        running.as_ref().context("there is no host")?.cli(arguments)?.success()
    }

    /// Makes a call until the host has answered it.
    ///
    /// # Errors
    /// There is no host for two minutes, or it keeps answering with errors of its own.
    pub fn call(&self, method: &Method, path: &str, body: Option<&Value>, key: Option<&str>) -> Result<Answer> {
        let mut errors = 0;
        loop {
            let http = self.http()?;
            let headers: Vec<(&str, &str)> = key.map(|key| ("idempotency-key", key)).into_iter().collect();
            match http.send(method.clone(), path, body, &headers) {
                Ok(answer) if answer.status < 500 => {
                    // The same call is still being carried out: it is as if no answer had come.
                    let under_way = answer.status == 409 && answer.text.contains("is being carried out");
                    if !under_way {
                        return Ok(answer);
                    }
                }
                Ok(answer) => {
                    errors += 1;
                    if errors > PATIENCE_WITH_ERRORS {
                        bail!("{method} {path} is answered with {}: {}", answer.status, answer.text);
                    }
                }
                // Killed, or about to be.
                Err(_) => drop(self.repeated.fetch_add(1, Ordering::Relaxed)),
            }
            pause(Duration::from_millis(50));
        }
    }

    /// GET of something that is there.
    ///
    /// # Errors
    /// As for [`call`](Self::call), or it is not there.
    pub fn get(&self, path: &str) -> Result<Value> {
        self.call(&Method::GET, path, None, None)?.expect_status(200).with_context(|| path.to_owned())
    }

    /// All items of a list, by its pages.
    ///
    /// # Errors
    /// As for [`get`](Self::get).
    pub fn list(&self, path: &str) -> Result<Vec<Value>> {
        let mut items = Vec::new();
        let mut after = String::new();
        loop {
            let separator = if path.contains('?') { '&' } else { '?' };
            let mut page = self.get(&format!("{path}{separator}limit=500{after}"))?;
            items.extend(page["items"].as_array_mut().map(std::mem::take).unwrap_or_default());
            match page["next"].as_str() {
                Some(next) => after = format!("&after={next}"),
                None => return Ok(items),
            }
        }
    }

    fn http(&self) -> Result<Http> {
        until(|| locked(&self.running).as_ref().map(Gatehouse::http)).context("the host did not come back")
    }
}

/// Tells threads when to end, and wakes those that wait.
#[derive(Debug, Default)]
pub struct Stop {
    over: Mutex<bool>,
    woken: Condvar,
}

impl Stop {
    /// Ends it.
    pub fn now(&self) {
        *locked(&self.over) = true;
        self.woken.notify_all();
    }

    /// Whether it is over.
    pub fn is_over(&self) -> bool {
        *locked(&self.over)
    }

    /// Waits for so long, or until it is over; whether it is over.
    pub fn wait(&self, time: Duration) -> bool {
        let until = Instant::now() + time;
        let mut over = locked(&self.over);
        while !*over {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            over = self.woken.wait_timeout(over, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }
}

#[allow(clippy::disallowed_methods, reason = "load has a pace; nothing is asserted about time")]
pub fn pause(time: Duration) {
    std::thread::sleep(time);
}

/// Locks, whatever became of the others.
pub fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
