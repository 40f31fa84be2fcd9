//! Durable operations on accounts, from asking to Completed, one at a time and many at a time; and what the disk
//! could do at best, measured in between in the same directory.

use crate::observed::Amounts;
use crate::sandbox;
use crate::world::{AppSetup, World};
use anyhow::{Context as _, Result, bail};
use gatehouse_core::ports::Direction;
use gatehouse_core::{App, Operation, State, UserId};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How to measure.
#[derive(clap::Args)]
pub struct Operations {
    /// The component that does the bench's work.
    #[arg(long)]
    connector: PathBuf,
    /// Where store and test file are put; must be empty.
    #[arg(long)]
    directory: PathBuf,
    /// Rounds of each.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Length of a round, in milliseconds.
    #[arg(long, default_value_t = 1500)]
    ms: u64,
}

/// How many are asked for at a time.
const IN_FLIGHT: [usize; 2] = [1, 64];

/// What a round of operations came to.
#[derive(Serialize)]
struct Round {
    in_flight: usize,
    operations_per_second: f64,
    /// Change sets committed for an operation.
    commits: f64,
    /// Claims taken for an operation: written too, but not waited for on the disk.
    claims: f64,
    /// How long a commit took, in microseconds, waiting for its turn included.
    commit_us: f64,
    /// Disk syncs a second, just before.
    syncs_per_second: f64,
}

/// Measures, and prints what came of it.
pub fn run(what: &Operations) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let rounds = runtime.block_on(measure(what))?;
    println!("{}", serde_json::to_string(&rounds)?);
    Ok(())
}

async fn measure(what: &Operations) -> Result<Vec<Round>> {
    let sandbox = Arc::new(sandbox::new(&what.directory)?);
    let (connector, component) = sandbox::admit(&sandbox, &what.connector).await?;
    let most = IN_FLIGHT.into_iter().max().unwrap_or(1);
    let world = Arc::new(World::start(&what.directory, sandbox, None, most)?);
    let setup = AppSetup { settings: BTreeMap::new(), credential: None, config: |_| {} };
    let app = Arc::new(world.app(connector, component, setup).await?);
    let number = u32::try_from(most).context("too many")?;
    let users = world.users(number, |n| (format!("user{n}"), "Given".to_owned(), format!("Family{n}"))).await?;
    for user in &users {
        done(&world, &app, Operation::Create, *user).await?;
    }
    let mut rounds = Vec::new();
    for _ in 0..what.rounds {
        for in_flight in IN_FLIGHT {
            let syncs = syncs_per_second(&what.directory, Duration::from_millis(what.ms / 3))?;
            rounds.push(round(&world, &app, &users[..in_flight], what.ms, syncs).await?);
        }
    }
    Arc::into_inner(world).context("somebody still works")?.stop().await?;
    Ok(rounds)
}

/// Each user's account is deactivated and activated again and again, all users at a time.
async fn round(world: &Arc<World>, app: &Arc<App>, users: &[UserId], ms: u64, syncs: f64) -> Result<Round> {
    let (start, enough) = (Instant::now(), Duration::from_millis(ms));
    let before = world.seen.amounts();
    let workers: Vec<_> = users
        .iter()
        .map(|user| {
            let (world, app, user) = (world.clone(), app.clone(), *user);
            tokio::spawn(async move {
                let mut operations = 0_u64;
                while start.elapsed() < enough {
                    done(&world, &app, Operation::Deactivate, user).await?;
                    done(&world, &app, Operation::Activate, user).await?;
                    operations += 2;
                }
                anyhow::Ok(operations)
            })
        })
        .collect();
    let mut operations = 0;
    for worker in workers {
        operations += worker.await.context("a worker")??;
    }
    let (took, after) = (start.elapsed(), world.seen.amounts());
    Ok(summed_up(users.len(), operations, took, before, after, syncs))
}

fn summed_up(
    in_flight: usize,
    operations: u64,
    took: Duration,
    before: Amounts,
    after: Amounts,
    syncs_per_second: f64,
) -> Round {
    let each = |count: u64| count as f64 / operations as f64;
    let commits = after.commits - before.commits;
    Round {
        in_flight,
        operations_per_second: operations as f64 / took.as_secs_f64(),
        commits: each(commits),
        claims: each(after.claims - before.claims),
        commit_us: (after.committing - before.committing).as_secs_f64() * 1e6 / commits as f64,
        syncs_per_second,
    }
}

async fn done(world: &World, app: &App, operation: Operation, user: UserId) -> Result<()> {
    let id = world.request(app, operation, user).await?;
    let (state, _) = world.seen.state(id, |state, _| state.is_settled()).await;
    world.seen.forget(id);
    if state != State::Completed {
        let log = world.store.request_log(id, Direction::Ascending, None, 100).await?;
        let lines: Vec<_> = log.items.into_iter().map(|line| line.message).collect();
        bail!("{operation:?} came to {state:?}:\n{}", lines.join("\n"));
    }
    Ok(())
}

/// How often 4 KiB can be overwritten and synced in a second: in a file that has its room already, as a store has.
fn syncs_per_second(directory: &Path, time: Duration) -> Result<f64> {
    const BLOCK: [u8; 4096] = [0x5a; 4096];
    const BLOCKS: u64 = 256;
    let path = directory.join("syncs");
    let mut file = File::create(&path).with_context(|| path.display().to_string())?;
    for _ in 0..BLOCKS {
        file.write_all(&BLOCK)?;
    }
    file.sync_all()?;
    let start = Instant::now();
    let mut count = 0;
    while start.elapsed() < time {
        file.seek(SeekFrom::Start(count % BLOCKS * BLOCK.len() as u64))?;
        file.write_all(&BLOCK)?;
        file.sync_data()?;
        count += 1;
    }
    let rate = count as f64 / start.elapsed().as_secs_f64();
    std::fs::remove_file(path)?;
    Ok(rate)
}
