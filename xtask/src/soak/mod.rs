//! `cargo xtask soak`: the real host under mixed load for as long as one likes, killed at random times, against a
//! target that goes wrong in every way it can. In the end nothing may be lost and nothing done twice. Everything
//! random comes from a seed, which is printed; a violation of any promise is an error.

mod chaos;
mod host;
mod load;
mod model;
mod report;

use crate::demo::columns;
use crate::guests;
use crate::step::{self, step};
use crate::workspace::Workspace;
use anyhow::{Context, Result, bail};
use chaos::Weather;
use clap::Args;
use gatehouse_tests::counting::{CountingProcess, Options};
use gatehouse_tests::{Method, Target as _, guest, stop_all_on_interrupt, until};
use host::{Host, Stop, locked, pause};
use indicatif::{ProgressBar, ProgressStyle};
use load::{APP, Done, PROFILE, Worker};
use model::{Person, Writes};
use report::{File, Memory, Sample};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

/// How to soak.
#[derive(Clone, Debug, Args)]
pub struct SoakArgs {
    /// How long, in minutes; 0.5 is half a minute.
    #[arg(long, default_value_t = 60.0, value_name = "MINUTES")]
    pub minutes: f64,
    /// The seed of everything random; one is taken from the clock if none is given.
    #[arg(long)]
    pub seed: Option<u64>,
    /// How many people there are to be in all.
    #[arg(long, default_value_t = 300)]
    pub people: usize,
    /// How many act at the same time.
    #[arg(long, default_value_t = 6)]
    pub workers: usize,
    /// How many actions a second there are to be at most, all together.
    #[arg(long, default_value_t = 20.0)]
    pub rate: f64,
}

impl SoakArgs {
    /// The short one, always the same, that belongs to the tests.
    pub fn for_tests() -> Self {
        Self { minutes: 1.0, seed: Some(20_260_101), people: 60, workers: 4, rate: 20.0 }
    }

    fn weather(&self, seed: u64) -> Weather {
        let time = Duration::from_secs_f64(self.minutes * 60.0);
        let between_kills = time.mul_f64(1.0 / 40.0).clamp(Duration::from_secs(5), Duration::from_secs(45));
        Weather {
            seed,
            kills_until: time.mul_f64(0.6),
            between_kills,
            between_faults: Duration::from_millis(1_200),
            between_outages: time.mul_f64(0.25).clamp(Duration::from_secs(15), Duration::from_secs(150)),
            outage: time.mul_f64(0.05).clamp(Duration::from_secs(2), Duration::from_secs(8)),
        }
    }
}

/// How long the last requests may take to settle once nothing goes wrong any more.
const SETTLING: Duration = Duration::from_secs(300);
/// The host's own memory for pages of its store, in MiB: so little that it is full within the first minute. With the
/// usual amount it would fill for most of an hour, and nobody could tell that from a leak.
const CACHE_MIB: usize = 4;
/// How often memory is looked at.
const SAMPLING: Duration = Duration::from_secs(1);
/// After how many looks the writes are checked.
const CHECKING: usize = 60;

/// Builds what is needed and soaks.
///
/// # Errors
/// Something cannot be prepared, or a promise was broken; the text says which.
pub fn run(workspace: &Workspace, args: &SoakArgs) -> Result<()> {
    guests::build(workspace)?;
    step("Building the gatehouse binary and the target", || {
        step::run(&mut workspace.cargo(&["build", "-p", "gatehouse-server"]))?;
        step::run(&mut workspace.cargo(&["build", "-p", "gatehouse-tests", "--bin", "counting-target"]))
    })?;
    stop_all_on_interrupt(|| 130)?;
    soak(workspace, args)
}

/// Soaks with what is built.
///
/// # Errors
/// As for [`run`].
pub fn soak(workspace: &Workspace, args: &SoakArgs) -> Result<()> {
    let seed = args.seed.unwrap_or_else(|| fastrand::u64(1..1_000_000_000));
    println!("==> Soaking for {} minutes with --seed {seed}", args.minutes);
    let directory = tempfile::Builder::new().prefix("gatehouse-soak-").tempdir().context("a temporary directory")?;
    let results = workspace.target("soak");
    fs::create_dir_all(&results).with_context(|| results.display().to_string())?;
    let outcome = soak_in(directory.path(), &results, args, seed);
    match &outcome {
        Ok(violations) if violations.is_empty() => {
            println!("    no violation; figures and picture in {}", results.display());
            return Ok(());
        }
        _ => eprintln!("    logs and store are kept in {}", directory.keep().display()),
    }
    let violations = outcome?;
    violations.iter().take(30).for_each(|violation| eprintln!("    {violation}"));
    bail!("{} violations with --seed {seed}", violations.len())
}

/// Everything that a soak has to do with.
struct Field<'a> {
    args: &'a SoakArgs,
    weather: Weather,
    host: &'a Host,
    target: &'a CountingProcess,
    done: &'a Done,
}

/// What went on.
#[derive(Default)]
struct Course {
    people: Vec<Person>,
    samples: Vec<Sample>,
    writes: Writes,
    faults: BTreeMap<String, u64>,
}

fn soak_in(directory: &Path, results: &Path, args: &SoakArgs, seed: u64) -> Result<Vec<String>> {
    let target = CountingProcess::start(directory, &Options::default())?;
    fs::write(directory.join("gatehouse.toml"), format!("store_cache_mib = {CACHE_MIB}\n"))
        .context("gatehouse.toml")?;
    let host = Host::start(directory)?;
    let done = Done::default();
    prepare(&host, &target)?;
    let field = Field { args, weather: args.weather(seed), host: &host, target: &target, done: &done };
    let mut course = field.storm()?;
    target.clear_faults()?;
    field.calm(&mut course)?;
    let mut violations = field.judge(&course)?;
    violations.extend(field.figures(&course, results, seed)?);
    Ok(violations)
}

/// Connector, credential, profile, app.
fn prepare(host: &Host, target: &CountingProcess) -> Result<()> {
    let component = guest("scim")?;
    let component = component.to_str().context("the path of scim.wasm")?;
    host.cli(&["connector", "install", component, "--allow-unsigned"])?;
    let made = |method: Method, path: &str, body: Value| -> Result<()> {
        let answer = host.call(&method, path, Some(&body), None)?;
        if answer.status >= 300 {
            bail!("{path} is answered with {}: {}", answer.status, answer.text);
        }
        Ok(())
    };
    made(Method::POST, "/api/v1/profiles", json!({"name": PROFILE}))?;
    let credential = json!({"origin": target.origin(), "scheme": "bearer", "secret": target.token()});
    made(Method::PUT, "/api/v1/credentials/target", credential)?;
    let app = json!({
        "name": APP, "connector": "scim", "settings": {"base_url": target.base_url()},
        "credentials": {"token": "target"}, "private_origins": [target.origin()], "profiles": [PROFILE],
        "config": {
            "page_size": 50,
            // What is to be done is asked for, so that every request is one that the model knows of.
            "follow_events": false,
            "reconcile": {"auto_commit": true},
            "retry": {"max_attempts": 8, "base_seconds": 1, "max_seconds": 4, "settle_seconds": 3},
        },
    });
    made(Method::POST, "/api/v1/apps", app)
}

impl Field<'_> {
    /// Load and chaos, for the time that was asked for.
    fn storm(&self) -> Result<Course> {
        let time = Duration::from_secs_f64(self.args.minutes * 60.0);
        let pace = Duration::from_secs_f64(self.args.workers as f64 / self.args.rate.max(0.1));
        let each = self.args.people.div_ceil(self.args.workers.max(1));
        let every = time.mul_f64(0.02).clamp(Duration::from_secs(5), Duration::from_secs(20));
        let (stop, mut course) = (Stop::default(), Course::default());
        std::thread::scope(|scope| {
            let workers: Vec<_> = (0..self.args.workers)
                .map(|number| Worker::new(number, self.weather.seed, each, self.host, self.done))
                .map(|worker| scope.spawn(|| worker.run(&stop, pace)))
                .collect();
            scope.spawn(|| load::reconcile_now_and_then(self.host, self.done, &stop, every));
            scope.spawn(|| chaos::kills(self.host, self.done, &stop, &self.weather));
            let faults = scope.spawn(|| chaos::faults(self.target, self.done, &stop, &self.weather));
            let watched = self.watch(time, &mut course);
            stop.now();
            for worker in workers {
                course.people.extend(worker.join().unwrap_or_default());
            }
            course.faults = faults.join().unwrap_or_default();
            watched
        })?;
        Ok(course)
    }

    /// Looks at memory and takes the target's log, until the time is over.
    fn watch(&self, time: Duration, course: &mut Course) -> Result<()> {
        let bar = ProgressBar::new(time.as_secs());
        bar.set_style(
            ProgressStyle::with_template("    {bar:30} {elapsed_precise} {msg}").context("the progress bar")?,
        );
        let began = Instant::now();
        while began.elapsed() < time {
            pause(SAMPLING);
            let sample = Sample {
                seconds: began.elapsed().as_secs_f64(),
                rss_kib: self.host.process_id().and_then(resident_kib),
                life: self.host.kills(),
                requests: self.done.count(),
                store_bytes: self.host.store_bytes(),
            };
            course.samples.push(sample);
            if course.samples.len().is_multiple_of(5) {
                course.writes.add(self.target.take_log()?);
            }
            if course.samples.len().is_multiple_of(CHECKING) && !course.writes.twice().is_empty() {
                // The judgement names them; there is no use in going on.
                break;
            }
            bar.set_position(began.elapsed().as_secs());
            let mib = sample.rss_kib.unwrap_or_default() / 1024;
            bar.set_message(format!("{} requests, {} kills, {mib} MiB", sample.requests, sample.life));
            if !locked(&self.done.troubles).is_empty() {
                break;
            }
        }
        bar.finish_and_clear();
        Ok(())
    }

    /// Nothing goes wrong any more: everything settles, and a reconciliation sets right what failed; another one has
    /// nothing left to do.
    fn calm(&self, course: &mut Course) -> Result<()> {
        self.all_settle()?;
        for round in ["set-right", "nothing-left"] {
            let id = load::reconcile(self.host, round)?.context("a reconciliation is running, and all is settled")?;
            self.all_settle()?;
            let run = self.host.get(&format!("/api/v1/requests/{id}"))?;
            if run["state"] != "Completed" {
                let what = anyhow::anyhow!("{} is {}: {}", run["id"], run["state"], run["error"]);
                self.done.trouble("the reconciliation after the storm", &what);
            }
            let planned: u64 =
                run["run"]["planned"].as_object().into_iter().flatten().filter_map(|(_, n)| n.as_u64()).sum();
            println!("    {round}: {id} planned {planned} requests");
            if round == "nothing-left" && planned > 0 {
                let what = anyhow::anyhow!("{id} still plans {}", run["run"]["planned"]);
                self.done.trouble("the second reconciliation after the storm", &what);
            }
        }
        course.writes.add(self.target.take_log()?);
        Ok(())
    }

    fn all_settle(&self) -> Result<()> {
        let began = Instant::now();
        loop {
            let mut active = 0;
            for state in ["New", "Requested", "Collecting", "Collected", "Analyzing", "Analyzed", "Committing"] {
                active += self.host.list(&format!("/api/v1/requests?state={state}"))?.len();
            }
            if active == 0 || began.elapsed() > SETTLING {
                // Those that are not settled now are violations, which the judgement names.
                return Ok(());
            }
            pause(Duration::from_millis(250));
        }
    }

    /// Everything that is not as it must be.
    fn judge(&self, course: &Course) -> Result<Vec<String>> {
        let mut violations = locked(&self.done.troubles).clone();
        let users = self.host.list("/api/v1/users")?;
        violations.extend(model::directory_differences(&course.people, &users));
        violations.extend(model::target_differences(&users, &self.target.users()?));
        violations.extend(course.writes.twice());
        let requests = self.host.list("/api/v1/requests")?;
        let fates = model::fates(&locked(&self.done.accepted), &requests, load::is_settled);
        println!("    {} requests in all: {:?}, {} in review", requests.len(), fates.states, fates.in_review);
        for (why, count) in &fates.reasons {
            println!("      {count} failed: {why}");
        }
        for (what, count) in locked(&self.done.refused).iter() {
            println!("      {count} refused at once: {what}");
        }
        violations.extend(fates.violations);
        Ok(violations)
    }

    /// Prints the figures and writes them to files; violations if memory was not flat, or the file is too large.
    fn figures(&self, course: &Course, results: &Path, seed: u64) -> Result<Vec<String>> {
        let minutes = course.samples.last().map_or(1.0, |last| last.seconds / 60.0);
        let requests = self.done.count();
        let (kills, repeated) = (self.host.kills(), self.host.repeated());
        println!(
            "    {minutes:.1} minutes, {} people, {requests} requests accepted ({:.0} a minute), {kills} kills, {repeated} \
             calls repeated because no answer came",
            course.people.len(),
            requests as f64 / minutes
        );
        println!(
            "    the target saw {} requests; {} writes sent, {} taken",
            self.target.requests()?,
            course.writes.sent,
            course.writes.taken()
        );
        println!(
            "    faults set: {}",
            course.faults.iter().map(|(what, n)| format!("{n} {what}")).collect::<Vec<_>>().join(", ")
        );
        columns(&report::table(&course.samples, 15));
        let memory = Memory::of(&course.samples);
        println!(
            "    {}",
            memory.map_or("memory: the last host did not live long enough for a judgement".to_owned(), |m| m.line())
        );
        let file = self.file()?;
        println!("    {}", file.line());
        // What was compacted opens again.
        self.host.stop_and_start(|_| Ok(()))?;
        let still_staged = self.rows_of_superseded_runs()?;
        let figures = json!({
            "seed": seed, "minutes": minutes, "people": course.people.len(), "requests": requests, "kills": kills,
            "calls_repeated": repeated, "target_requests": self.target.requests()?, "writes_sent": course.writes.sent,
            "writes_taken": course.writes.taken(), "faults": course.faults, "memory": memory,
            "file": file, "samples": course.samples,
        });
        fs::write(results.join("soak.json"), format!("{figures:#}\n")).context("soak.json")?;
        fs::write(results.join("soak.svg"), report::svg(&course.samples)).context("soak.svg")?;
        let not_flat = memory.filter(|memory| !memory.is_flat()).map(|memory| format!("not flat: {}", memory.line()));
        let too_large = (!file.is_bounded()).then(|| format!("too large: {}", file.line()));
        Ok(not_flat.into_iter().chain(too_large).chain(still_staged).collect())
    }

    /// Compacts the file while the host serves.
    fn file(&self) -> Result<File> {
        let said = self.host.cli(&["compact", "--output", "json"])?;
        let said: Value = serde_json::from_str(&said).context("what `compact` says")?;
        let number = |name: &str| said[name].as_u64().with_context(|| format!("`{name}` in {said}"));
        Ok(File { before: number("before")?, compacted: number("after")?, stored: number("stored")? })
    }

    /// The rows of a run go once a later one has completed; a violation for each that still has some.
    fn rows_of_superseded_runs(&self) -> Result<Vec<String>> {
        let mut runs = self.host.list("/api/v1/requests?operation=Reconcile&state=Completed")?;
        // Newest first: those of the newest stay.
        runs.drain(..runs.len().min(1));
        let mut left = Vec::new();
        for run in runs {
            let id = run["id"].as_str().unwrap_or_default();
            let rows = || self.host.list(&format!("/api/v1/requests/{id}/staging")).ok().filter(Vec::is_empty);
            if until(rows).is_none() {
                left.push(format!("{id} still has staging rows, and a later run has completed"));
            }
        }
        Ok(left)
    }
}

/// Resident memory of a process, as the kernel counts it; none where there is no /proc.
fn resident_kib(process: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().trim_end_matches("kB").trim().parse().ok())
}
