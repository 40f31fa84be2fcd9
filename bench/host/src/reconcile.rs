//! A whole reconciliation, twice: the first run of an app, then one in which nothing has changed.

use crate::native::Native;
use crate::observed::Amounts;
use crate::sandbox;
use crate::world::{AppSetup, World};
use anyhow::{Context as _, Result, bail};
use bench_work::host::processor;
use gatehouse_core::ports::Direction;
use gatehouse_core::{App, RequestId, Situation, State};
use serde::Serialize;
use serde_json::json;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What to reconcile.
#[derive(clap::Args)]
pub struct Reconcile {
    /// The SCIM connector's component.
    #[arg(long)]
    connector: PathBuf,
    /// Call the connector natively instead.
    #[arg(long)]
    native: bool,
    /// The base URL of a target that was seeded with so many users.
    #[arg(long)]
    target: String,
    /// Its bearer token.
    #[arg(long)]
    token: String,
    /// How many accounts it has.
    #[arg(long)]
    accounts: u32,
    /// Where the store is put; must be empty.
    #[arg(long)]
    directory: PathBuf,
}

/// One phase of a run.
#[derive(Serialize)]
struct Phase {
    name: &'static str,
    seconds: f64,
    /// Processor time of the host, all its threads together, its target not among them: what is left when the machine
    /// has other things to do.
    processor: f64,
    /// Of the seconds, in calls of the connector.
    calling: f64,
    /// Of the seconds, waiting for commits.
    committing: f64,
    commits: u64,
}

/// Measures, and prints what came of it.
pub fn run(what: &Reconcile) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let outcome = runtime.block_on(measure(what))?;
    println!("{outcome}");
    Ok(())
}

async fn measure(what: &Reconcile) -> Result<serde_json::Value> {
    let sandbox = Arc::new(sandbox::new(&what.directory)?);
    let (connector, component) = sandbox::admit(&sandbox, &what.connector).await?;
    let native = what.native.then(|| Native::new(&what.token));
    let world = World::start(&what.directory, sandbox, native, 1)?;
    let origin = what.target.split('/').take(3).collect::<Vec<_>>().join("/");
    let setup = AppSetup {
        settings: [("base_url".to_owned(), what.target.as_str().into())].into(),
        credential: Some((&origin, &what.token)),
        // The target's users have none, and giving each of them one is not what is measured.
        config: |config| config.mapping.retain(|rule| rule.attribute != "externalId"),
    };
    let app = world.app(connector, component, setup).await?;
    world.users(what.accounts, seeded).await?;
    let before = status("VmRSS")?;
    forget_peak();

    let (first, run) = first_run(&world, &app).await?;
    let found = world.store.request(run).await?.and_then(|request| request.run).context("the run")?;
    if found.collected != u64::from(what.accounts) || found.raised != 0 {
        bail!("{} of {} accounts collected, {} requests raised", found.collected, what.accounts, found.raised);
    }
    let peak = status("VmHWM")?;
    let linked = world.store.account_counts(app.id).await?;
    if linked != BTreeMap::from([(Situation::Found, u64::from(what.accounts))]) {
        bail!("not every account was found by its username: {linked:?}");
    }
    let second = second_run(&world, &app).await?;
    world.stop().await?;
    let file = std::fs::metadata(what.directory.join("gatehouse.db")).context("the store")?.len();
    Ok(json!({
        "accounts": what.accounts,
        "first": first,
        "second": second,
        "pages": found.pages,
        "rss_before_kib": before,
        "peak_kib": peak,
        "peak_second_kib": status("VmHWM")?,
        "store_bytes": file,
    }))
}

/// As the counting target's `seeded` describes the user of this number.
fn seeded(number: u32) -> (String, String, String) {
    (format!("user{number:06}"), format!("Given{number}"), format!("Family{number}"))
}

async fn first_run(world: &World, app: &App) -> Result<(Vec<Phase>, RequestId)> {
    let mut watch = Watch::new(world);
    let run = world.reconcile(app).await?;
    let mut phases = Vec::new();
    for (name, end) in [("collect", State::Collected), ("compare", State::Analyzing), ("analyze", State::Analyzed)] {
        phases.push(watch.phase(world, run, name, end).await?);
    }
    world.commit_plan(app, run).await?;
    phases.push(watch.phase(world, run, "commit", State::Completed).await?);
    Ok((phases, run))
}

async fn second_run(world: &World, app: &App) -> Result<Vec<Phase>> {
    let mut watch = Watch::new(world);
    let run = world.reconcile(app).await?;
    let collect = watch.phase(world, run, "collect", State::Collected).await?;
    let compare = watch.phase(world, run, "compare", State::Completed).await?;
    Ok(vec![collect, compare])
}

/// Where the last phase ended.
struct Watch {
    at: Instant,
    amounts: Amounts,
    processor: Duration,
}

impl Watch {
    fn new(world: &World) -> Self {
        Self { at: Instant::now(), amounts: world.seen.amounts(), processor: processor() }
    }

    async fn phase(&mut self, world: &World, run: RequestId, name: &'static str, end: State) -> Result<Phase> {
        // A plan waits to be committed: a run that has one where none was to come would never get any further.
        let stands = |state: State| state == end || state.is_settled() || state == State::Analyzed;
        let (state, at) = world.seen.state(run, |state, at| at > self.at && stands(state)).await;
        if state != end {
            let log = world.store.request_log(run, Direction::Ascending, None, 100).await?;
            let lines: Vec<_> = log.items.into_iter().map(|line| line.message).collect();
            bail!("the run is {state:?} where {end:?} was to come:\n{}", lines.join("\n"));
        }
        let (amounts, before, processor) = (world.seen.amounts(), self.amounts, processor());
        let seconds = |d: Duration| d.as_secs_f64();
        let phase = Phase {
            name,
            seconds: seconds(at.duration_since(self.at)),
            processor: seconds(processor.saturating_sub(self.processor)),
            calling: seconds(amounts.calling.saturating_sub(before.calling)),
            committing: seconds(amounts.committing.saturating_sub(before.committing)),
            commits: amounts.commits - before.commits,
        };
        *self = Self { at, amounts, processor };
        Ok(phase)
    }
}

/// A figure of `/proc/self/status`, in KiB.
fn status(name: &str) -> Result<u64> {
    let text = std::fs::read_to_string("/proc/self/status").context("/proc/self/status")?;
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let number = line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse().ok());
    number.with_context(|| format!("{name} of /proc/self/status"))
}

/// From now on VmHWM is the peak from now on (proc(5), clear_refs). Where that is not allowed it is that of all.
fn forget_peak() {
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}
