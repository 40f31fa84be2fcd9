//! One life of the scenario on a disk that goes wrong at one point, and what must hold after it.

use super::checks::agrees_with_itself;
use super::common::target::{FakeConnectors, Moment, Witness};
use super::common::{ManualClock, Running, World, config};
use super::scenario::{Outside, furnish, live};
use gatehouse_core::AppId;
use gatehouse_core::ports::{CallContext, ClaimLimits, Clock as _, CommitCommand, RequestQuery, Store, StoreError};
use gatehouse_engine::EngineConfig;
use gatehouse_store::testing::{Disk, Loss, Points, Trouble};
use gatehouse_store::{MasterKey, OpenOptions, RedbStore};
use std::collections::BTreeMap;
use std::pin::pin;
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::task::{JoinHandle, LocalSet, spawn_local};

const DEADLINE: Duration = Duration::from_secs(60);

/// Of so many points, one has every write of its life checked against what a power cut would leave in that moment.
const DEEP: u64 = 16;

/// How a trial ended; wrong ends are panics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ended {
    Recovered,
    BeforeItWasMade,
    /// The disk refused something that nobody waited for.
    Unnoticed,
    NotReached,
}

/// Drivers that meet a stopped store panic, by the thousand: their texts would bury the one that counts.
pub fn expect_noise() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        let text = info.payload_as_str().unwrap_or_default();
        if !text.contains("Unavailable") || text.contains("JoinError") {
            usual(info);
        }
    }));
}

/// The world outside the store.
struct Universe {
    connectors: Arc<FakeConnectors>,
    clock: Arc<ManualClock>,
    outside: Rc<Outside>,
    /// What the witness of calls has to object to.
    objections: Arc<Mutex<Vec<String>>>,
    story: String,
    deep: bool,
}

impl Universe {
    fn new(story: String, deep: bool) -> Self {
        let connectors = FakeConnectors::new();
        furnish(&connectors);
        Self {
            connectors,
            clock: ManualClock::starting(),
            outside: Rc::default(),
            objections: Arc::default(),
            story,
            deep,
        }
    }

    /// As [`Self::open`]. While a store is being made, it has another name: what an interrupted attempt left is not
    /// looked at.
    fn open_or_make(&self, disk: &Disk) -> (RedbStore, Disk) {
        match self.open(disk) {
            Ok(store) => (store, disk.clone()),
            Err(_) => {
                let empty = Disk::new();
                (self.open(&empty).unwrap(), empty)
            }
        }
    }

    /// Opens the store with the master key it was last given, whether or not that was answered.
    fn open(&self, disk: &Disk) -> Result<RedbStore, StoreError> {
        let store = open(disk)?;
        self.outside.rotated.fetch_or(store.1, Ordering::SeqCst);
        Ok(store.0)
    }

    fn world(&self, store: &Arc<RedbStore>, disk: &Disk) -> (Rc<World>, Rc<Running>) {
        self.connectors.witnessed(witness(store, self.deep.then(|| disk.clone()), self.objections.clone()));
        let world = World { store: store.clone(), connectors: self.connectors.clone(), clock: self.clock.clone() };
        let engine = world.run_with(EngineConfig { batch: 4, poll: Duration::from_millis(2), ..config("sweep") });
        (Rc::new(world), Rc::new(engine))
    }

    /// Has the scenario go on from where the store says.
    fn drive(&self, world: &Rc<World>, store: &Arc<RedbStore>, engine: &Rc<Running>) -> JoinHandle<()> {
        let (world, store, engine, outside) = (world.clone(), store.clone(), engine.clone(), self.outside.clone());
        spawn_local(async move { live(&world, &store, &engine, &outside).await })
    }

    async fn must_be_right(&self, store: &dyn Store, expected: Option<&str>) {
        agrees_with_itself(store, &self.story).await;
        let objections = self.objections.lock().unwrap().clone();
        assert!(objections.is_empty(), "{}: {objections:#?}", self.story);
        for app in [1, 2] {
            self.connectors.target(AppId(app), |target| {
                let twice = target.applied.iter().find(|(_, times)| **times > 1);
                assert_eq!(twice, None, "{}: done twice", self.story);
                let mut written = BTreeMap::new();
                for (no, made) in target.made.iter().enumerate().filter(|(_, made)| made.function == "commit") {
                    if let Some(before) = written.insert(&made.about, no) {
                        let read = target.made[before..no].iter().any(|made| matches!(made.function, "read" | "find"));
                        assert!(read, "{}: written again without a reading: {}", self.story, made.about);
                    }
                }
            });
        }
        if let Some(expected) = expected {
            assert_eq!(summary(&self.connectors), expected, "{}", self.story);
        }
    }
}

/// With the key before the rotation, or the one after it.
fn open(disk: &Disk) -> Result<(RedbStore, bool), StoreError> {
    let with = |key: u8| {
        RedbStore::open(&OpenOptions {
            cache_bytes: 4 << 20,
            retry: Duration::from_millis(1),
            disk: Some(disk.clone()),
            ..OpenOptions::new("memory", MasterKey::new([key; 32]))
        })
    };
    match with(7) {
        Err(StoreError::Unavailable(text)) if text.contains("master key") => Ok((with(8)?, true)),
        opened => Ok((opened?, false)),
    }
}

/// The targets as they are in the end.
fn summary(connectors: &FakeConnectors) -> String {
    let of = |app| {
        connectors.target(AppId(app), |target| {
            let account = |account: &gatehouse_core::schema::Account| {
                format!("{} {:?} {:?}\n", account.username, account.status, account.first("displayName"))
            };
            let mut accounts: Vec<_> = target.accounts.values().map(account).collect();
            accounts.sort();
            accounts.concat()
        })
    };
    format!("{}--\n{}", of(1), of(2))
}

/// The answer of a call that does not wait.
fn at_once<T>(asked: impl Future<Output = T>) -> T {
    match pin!(asked).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => answer,
        Poll::Pending => panic!("it waits"),
    }
}

/// Looks, in the moment of a call, at what the store says of it.
fn witness(store: &Arc<RedbStore>, disk: Option<Disk>, objections: Arc<Mutex<Vec<String>>>) -> Witness {
    let store: Weak<RedbStore> = Arc::downgrade(store);
    Box::new(move |context, moment| {
        let Some(store) = store.upgrade() else { return };
        let objection = match moment {
            Moment::Page(cursor) => page_is_stored(&store, context, cursor),
            Moment::Write(command) => not_announced(&store, context, command).or_else(|| {
                // What a power cut in this very moment would leave.
                let (left, _) = open(&disk.as_ref()?.after(Loss::Everything)).ok()?;
                not_announced(&left, context, command).map(|why| format!("{why}, after a power cut"))
            }),
        };
        objections.lock().unwrap().extend(objection);
    })
}

/// Invariant 9.
fn page_is_stored(store: &RedbStore, context: &CallContext, cursor: Option<&str>) -> Option<String> {
    let run = at_once(store.request(context.request?)).ok()??.run?;
    (run.cursor.as_deref() != cursor).then(|| format!("{cursor:?} is fetched again: the run is at {:?}", run.cursor))
}

/// Invariants 3 and 7.
fn not_announced(store: &RedbStore, context: &CallContext, command: &CommitCommand) -> Option<String> {
    let Ok(request) = at_once(store.request(context.request?)) else { return None };
    let Some(request) = request else { return Some(format!("{command:?} is made for no request")) };
    let attempt = request.attempts.last().filter(|attempt| attempt.finished_at.is_none());
    match attempt {
        None => Some(format!("{} writes without an attempt: {command:?}", request.id)),
        Some(attempt) if attempt.idempotency_key != command.idempotency_key => {
            Some(format!("{} writes under another attempt: {attempt:?}, {command:?}", request.id))
        }
        Some(attempt) if request.change.content.step(attempt.step) != Some(&command.step) => {
            Some(format!("{} writes what was not sealed: {command:?}", request.id))
        }
        Some(_) if !request.change.is_intact() => Some(format!("{} was altered", request.id)),
        Some(_) => None,
    }
}

fn run<T>(trial: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(LocalSet::new().run_until(trial))
}

/// Stops the engine in the middle of everything.
async fn kill(world: Rc<World>, engine: Rc<Running>, driver: JoinHandle<()>) {
    driver.abort();
    let _ = driver.await;
    Rc::into_inner(engine).unwrap().kill().await;
    drop(world);
    tokio::task::yield_now().await;
}

async fn within<T>(story: &str, what: impl Future<Output = T>) -> T {
    let done = tokio::time::timeout(DEADLINE, what).await;
    done.unwrap_or_else(|_| panic!("{story}: it does not go on"))
}

/// What has not come to its end, for whoever looks for the reason.
async fn under_way(store: &dyn Store, clock: &ManualClock) -> String {
    let all = RequestQuery { limit: 1000, ..RequestQuery::default() };
    let requests = store.requests(&all).await.map(|page| page.items).unwrap_or_default();
    let open = requests.into_iter().filter(|request| request.due.is_some());
    let open: Vec<_> = open.map(|r| (r.id, r.operation, r.state, r.due, r.attempts)).collect();
    let held = ClaimLimits { count: 100, ..ClaimLimits::default() };
    let claimed = store.claim(clock.now(), jiff::SignedDuration::from_secs(1), "looking", &held).await;
    let free: Vec<_> = claimed.iter().flatten().map(|claim| (claim.request.id, claim.fence.token)).collect();
    format!("{open:#?}\nfree to be claimed: {free:?}\nnow {}; {:?}", clock.now(), store.health())
}

/// The scenario on a sound disk: its points, and the targets in the end.
pub fn undisturbed() -> (Points, String) {
    run(async {
        let universe = Universe::new("undisturbed".to_owned(), true);
        let disk = Disk::new();
        let store = Arc::new(universe.open(&disk).unwrap());
        let (world, engine) = universe.world(&store, &disk);
        within(&universe.story, universe.drive(&world, &store, &engine)).await.unwrap();
        universe.must_be_right(store.as_ref(), None).await;
        Rc::into_inner(engine).unwrap().stop().await;
        (disk.points(), summary(&universe.connectors))
    })
}

/// The machine stops at a point, starts again with what is left, and goes on to the end.
pub fn crash(no: u64, trouble: Trouble, loss: Loss, expected: &str) -> Ended {
    run(async {
        let universe = Universe::new(format!("{trouble:?}, lost: {loss:?}"), no.is_multiple_of(DEEP));
        let disk = Disk::new();
        disk.fails(trouble);
        let mut ended = Ended::BeforeItWasMade;
        if let Ok(store) = universe.open(&disk) {
            ended = Ended::Recovered;
            let store = Arc::new(store);
            let (world, engine) = universe.world(&store, &disk);
            let mut driver = universe.drive(&world, &store, &engine);
            let stopped = async {
                while !disk.has_stopped() {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            };
            tokio::select! {
                () = within(&universe.story, stopped) => {}
                end = &mut driver => {
                    if !disk.has_stopped() {
                        end.unwrap();
                        ended = Ended::NotReached;
                    }
                    driver = spawn_local(async {});
                }
            }
            kill(world, engine, driver).await;
        }
        if ended == Ended::NotReached {
            return ended;
        }
        let left = disk.after(loss);
        let (store, left) = match ended {
            Ended::BeforeItWasMade => universe.open_or_make(&left),
            _ => (universe.open(&left).unwrap_or_else(|error| panic!("{}: {error}", universe.story)), left),
        };
        let store = Arc::new(store);
        universe.must_be_right(store.as_ref(), None).await;
        let (world, engine) = universe.world(&store, &left);
        within(&universe.story, universe.drive(&world, &store, &engine)).await.unwrap();
        universe.must_be_right(store.as_ref(), Some(expected)).await;
        Rc::into_inner(engine).unwrap().stop().await;
        ended
    })
}

/// The disk is full from a point on, until somebody has been told; then everything goes on in the same process.
pub fn full(no: u64, trouble: Trouble, expected: &str) -> Ended {
    run(async {
        let universe = Universe::new(format!("{trouble:?}"), no.is_multiple_of(DEEP));
        let disk = Disk::new();
        disk.fails(trouble);
        let mut ended = Ended::NotReached;
        let failing = disk.clone();
        let told = |text: &str| {
            assert!(text.contains("space"), "{}: {text}", universe.story);
            failing.is_well_again();
        };
        let (store, disk) = match universe.open(&disk) {
            Ok(store) => (store, disk.clone()),
            Err(error) => {
                told(&error.to_string());
                ended = Ended::BeforeItWasMade;
                universe.open_or_make(&disk)
            }
        };
        let store = Arc::new(store);
        let (world, engine) = universe.world(&store, &disk);
        let mut driver = universe.drive(&world, &store, &engine);
        let done = async {
            loop {
                if let Err(error) = store.health() {
                    told(&error.to_string());
                    ended = Ended::Recovered;
                    while store.health().is_err() {
                        tokio::time::sleep(Duration::from_millis(1)).await;
                    }
                }
                match tokio::time::timeout(Duration::from_millis(1), &mut driver).await {
                    Err(_) => {}
                    Ok(Ok(())) if store.health().is_ok() => break,
                    Ok(Err(panicked)) if store.health().is_ok() && ended == Ended::NotReached => {
                        std::panic::resume_unwind(panicked.into_panic())
                    }
                    // It was refused, and asks again.
                    Ok(_) => driver = universe.drive(&world, &store, &engine),
                }
            }
        };
        if tokio::time::timeout(DEADLINE, done).await.is_err() {
            panic!("{}: it does not go on: {}", universe.story, under_way(store.as_ref(), &universe.clock).await);
        }
        drop(driver);
        Rc::into_inner(engine).unwrap().stop().await;
        while let Err(error) = store.health() {
            told(&error.to_string());
            ended = Ended::Recovered;
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        if let Trouble::FailsFrom(point, _) = trouble
            && ended == Ended::NotReached
            && disk.points().all() >= point
        {
            ended = Ended::Unnoticed;
        }
        disk.is_well_again();
        universe.must_be_right(store.as_ref(), Some(expected)).await;
        drop((world, store));
        let again = universe.open(&disk).unwrap();
        universe.must_be_right(&again, Some(expected)).await;
        ended
    })
}
