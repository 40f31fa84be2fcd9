//! The threads that guests compute on. Each call has one of its own while it runs, so that the kernel, which can
//! interrupt anything, shares the processors between calls and the host: a guest that fills memory for a tenth of a
//! second holds up nobody. A call that computes for long gives way to all that do not. It never runs the host's work.

use std::cell::Cell;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

/// How long a thread without work is kept.
const IDLE: Duration = Duration::from_secs(10);
/// How far a call that computes for long steps back (`nice(2)`): it gets a tenth of what others get that want the
/// processor, enough to come to its end.
#[cfg(target_os = "linux")]
const BACK: i32 = 10;

/// A call to run; it says whether the thread may take another one.
type Job = Box<dyn FnOnce() -> bool + Send>;

/// Threads for calls, made when they are needed.
#[derive(Clone, Default)]
pub(crate) struct Crew {
    idle: Arc<Mutex<Idle>>,
}

/// Who waits for work, the latest last.
#[derive(Default)]
struct Idle {
    threads: Vec<(u64, SyncSender<Job>)>,
    numbers: u64,
}

/// A call broke off: no thread was to be had for it, or the host's own code failed in it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct BrokenOff;

impl Crew {
    /// Runs a call on a thread of its own. It is dropped, at its next rest, when nobody waits for it any more.
    pub(crate) async fn run<F>(&self, call: F) -> Result<F::Output, BrokenOff>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        let (mut answer, answered) = oneshot::channel();
        let runtime = Handle::current();
        let job = move || {
            let work = || {
                runtime.block_on(async {
                    tokio::select! {
                        biased;
                        () = answer.closed() => None,
                        output = call => Some(output),
                    }
                })
            };
            match catch_unwind(AssertUnwindSafe(work)) {
                Ok(Some(output)) => drop(answer.send(output)),
                Ok(None) => {}
                // What it said stands in the log already, with the place.
                Err(_) => tracing::error!("a call broke off by a fault of the host"),
            }
            !STEPPED_BACK.get()
        };
        if let Err(error) = self.give(Box::new(job)) {
            tracing::error!(%error, "no thread for a call");
        }
        answered.await.map_err(|_| BrokenOff)
    }

    /// Hands a job to the thread that became idle last, or to a new one.
    fn give(&self, mut job: Job) -> io::Result<()> {
        while let Some((_, thread)) = self.idle().threads.pop() {
            match thread.send(job) {
                Ok(()) => return Ok(()),
                Err(unsent) => job = unsent.0,
            }
        }
        let (own, jobs) = sync_channel(1);
        let crew = self.clone();
        let named = thread::Builder::new().name("gatehouse-guest".to_owned());
        named.spawn(move || crew.work(job, &own, &jobs)).map(drop)
    }

    fn work(&self, mut job: Job, own: &SyncSender<Job>, jobs: &Receiver<Job>) {
        while job() {
            let number = {
                let mut idle = self.idle();
                idle.numbers += 1;
                let number = idle.numbers;
                idle.threads.push((number, own.clone()));
                number
            };
            let next = jobs.recv_timeout(IDLE).or_else(|_| {
                let mut idle = self.idle();
                match idle.threads.iter().position(|(other, _)| *other == number) {
                    Some(at) => {
                        idle.threads.remove(at);
                        Err(())
                    }
                    // Called up in this very moment: the job is on its way.
                    None => jobs.recv().map_err(drop),
                }
            });
            match next {
                Ok(next) => job = next,
                Err(()) => return,
            }
        }
    }

    fn idle(&self) -> MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

thread_local! {
    static STEPPED_BACK: Cell<bool> = const { Cell::new(false) };
}

/// Lets all others go before this thread, for good: only the privileged may undo it, so that the thread ends with its
/// call. Where the kernel knows no priorities of threads, its usual fairness has to do.
pub(crate) fn step_back() {
    #[cfg(target_os = "linux")]
    if !STEPPED_BACK.replace(true)
        && let Err(error) = rustix::process::setpriority_process(None, BACK)
    {
        tracing::debug!(%error, "a long call keeps its priority");
    }
}

/// The processor time this thread has taken.
pub(crate) fn computed() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn current() -> thread::ThreadId {
        thread::current().id()
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn calls_one_after_the_other_share_a_thread_which_is_none_of_the_runtimes() {
        let crew = Crew::default();
        let first = crew.run(async { (current(), thread::current().name().map(str::to_owned)) }).await.unwrap();
        assert_eq!(first.1.as_deref(), Some("gatehouse-guest"));
        // The answer may arrive before the thread is back on the list.
        while crew.idle().threads.is_empty() {
            tokio::task::yield_now().await;
        }
        assert_eq!(crew.run(async { current() }).await.unwrap(), first.0);
    }

    #[tokio::test]
    async fn calls_at_the_same_time_run_side_by_side() {
        let crew = Crew::default();
        let meeting = Arc::new(std::sync::Barrier::new(8));
        let calls = (0..8).map(|_| {
            let meeting = meeting.clone();
            // Blocks its thread until all eight are there: with fewer threads they would wait forever.
            crew.run(async move { meeting.wait().is_leader() })
        });
        assert!(futures_util::future::join_all(calls).await.iter().all(Result::is_ok));
    }

    #[tokio::test]
    async fn a_call_that_nobody_waits_for_is_dropped() {
        struct Told(Option<oneshot::Sender<()>>);
        impl Drop for Told {
            fn drop(&mut self) {
                let _ = self.0.take().map(|tell| tell.send(()));
            }
        }
        let (tell, told) = oneshot::channel();
        let crew = Crew::default();
        {
            let told = Told(Some(tell));
            let call = crew.run(async move {
                let _told = told;
                std::future::pending::<()>().await;
            });
            tokio::select! { biased; _ = call => panic!("it never ends"), () = tokio::task::yield_now() => {} }
        }
        told.await.unwrap();
    }

    #[tokio::test]
    async fn a_panic_costs_its_call_only() {
        let crew = Crew::default();
        assert_eq!(crew.run(async { panic!("a fault of the host") }).await, Err::<(), _>(BrokenOff));
        assert_eq!(crew.run(async { 1 }).await, Ok(1));
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn a_thread_that_stepped_back_takes_no_other_call_and_the_next_one_has_its_full_priority() {
        let crew = Crew::default();
        let priority = || rustix::process::getpriority_process(None).unwrap();
        let usual = priority();
        let stepped = crew.run(async move { (step_back(), priority(), current()) }).await.unwrap();
        assert_eq!(stepped.1, BACK);
        let next = crew.run(async move { (priority(), current()) }).await.unwrap();
        assert_eq!(next.0, usual);
        assert_ne!(next.1, stepped.2);
    }
}
