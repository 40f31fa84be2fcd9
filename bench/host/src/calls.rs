//! Measures single calls: in the sandbox, under bare wasmtime, natively, and in a child process.

use crate::bare::{Bare, lowered};
use crate::sandbox;
use anyhow::{Context as _, Result, anyhow, bail};
use bench_work::host::{Measured, Order, repeat, serve};
use bench_work::wire::{Answer, Question};
use bench_work::{Item, PARSE, Task};
use gatehouse_core::ports::{AnalysisItem, CallContext, CallReport, Connectors as _};
use gatehouse_sandbox::Sandbox;
use std::hint::black_box;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// All contenders, ready.
struct Contenders {
    runtime: tokio::runtime::Runtime,
    sandbox: Sandbox,
    context: CallContext,
    bare: Bare,
    child_program: PathBuf,
    child: Spoken,
}

/// The batches that are judged, in the form that each contender is handed.
struct Batch {
    items: Vec<Item>,
    domain: Vec<AnalysisItem>,
    lowered: Vec<crate::bare::exports::gatehouse::connector::analyzer::Item>,
}

impl Batch {
    fn of(count: u32) -> Self {
        let items = bench_work::items(count);
        let domain = |item: &Item| AnalysisItem {
            account: item.account.clone(),
            user: item.user.clone(),
            desired: item.desired.clone(),
        };
        Self { domain: items.iter().map(domain).collect(), lowered: lowered(&items), items }
    }
}

/// Takes orders on stdin until it ends.
pub fn run(connector: &Path, child: &Path) -> Result<()> {
    // One thread of the runtime: the sandbox's own threads, which guests compute on, are part of what a call costs.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let cache = tempfile::tempdir()?;
    let sandbox = sandbox::new(cache.path())?;
    let context = runtime.block_on(sandbox::load(&sandbox, connector))?;
    let child_program = child.to_owned();
    let (bare, child) = (Bare::new(connector)?, Spoken::start(child)?);
    let mut all = Contenders { runtime, sandbox, context, bare, child_program, child };
    let (few, many) = (Batch::of(Task::AnalyzeFew.accounts()), Batch::of(Task::Analyze.accounts()));
    serve(|order| {
        let batch = if order.task == Task::AnalyzeFew { &few } else { &many };
        all.measure(order, batch).map_err(|error| format!("{error:#}"))
    })?;
    Ok(())
}

impl Contenders {
    fn measure(&mut self, order: &Order, batch: &Batch) -> Result<Measured> {
        let Self { runtime, sandbox, context, bare, child_program, child } = self;
        let task = order.task;
        match order.contender.as_str() {
            "sandbox" => repeat(order.ms, || runtime.block_on(sandboxed(sandbox, context, task, &batch.domain))),
            "bare" => repeat(order.ms, || runtime.block_on(bare.call(task, &batch.lowered))),
            "native" => repeat(order.ms, || native(task, &batch.items)),
            "child-kept" => {
                let before = child.processor_ns()?;
                let measured = repeat(order.ms, || child.call(task, &batch.items))?;
                Ok(measured.with_children(child.processor_ns()? - before))
            }
            "child-fresh" => {
                let mut children = 0.0;
                let measured = repeat(order.ms, || {
                    let mut child = Spoken::start(child_program)?;
                    child.call(task, &batch.items)?;
                    children += child.processor_ns()?;
                    anyhow::Ok(())
                })?;
                Ok(measured.with_children(children))
            }
            other => bail!("{other} is not measured here"),
        }
    }
}

async fn sandboxed(sandbox: &Sandbox, context: &CallContext, task: Task, batch: &[AnalysisItem]) -> Result<()> {
    let filter = (task == Task::Parse).then_some(PARSE);
    Ok(match task {
        Task::Trivial => task.check(given(sandbox.check(context).await)?.len() + 1, None),
        Task::Collect | Task::Parse => {
            task.check_page(&given(sandbox.collect(context, filter, None, &[], task.accounts()).await)?.accounts)
        }
        Task::AnalyzeFew | Task::Analyze => {
            let verdicts = given(sandbox.analyze(context, batch).await)?;
            task.check_drift(verdicts.iter().map(|verdict| verdict.drift.as_slice()))
        }
    }?)
}

fn given<T>(report: CallReport<T>) -> Result<T> {
    report.result.map_err(|failure| anyhow!("{failure}"))
}

fn native(task: Task, batch: &[Item]) -> Result<()> {
    let filter = (task == Task::Parse).then_some(PARSE);
    Ok(match task {
        Task::Trivial => task.check(1, None),
        Task::Collect | Task::Parse => {
            let page = bench_work::collect(black_box(filter), None, black_box(task.accounts()));
            task.check_page(&black_box(page.map_err(|failure| anyhow!("{failure:?}"))?).accounts)
        }
        Task::AnalyzeFew | Task::Analyze => {
            let verdicts = black_box(bench_work::analyze(black_box(batch)));
            task.check_drift(verdicts.iter().map(|verdict| verdict.drift.as_slice()))
        }
    }?)
}

/// A child process that is spoken to in JSON lines. Dropping it ends it.
struct Spoken {
    process: Child,
    /// Gone once the child is to end.
    to: Option<ChildStdin>,
    from: BufReader<ChildStdout>,
    line: Vec<u8>,
}

impl Spoken {
    fn start(program: &Path) -> Result<Self> {
        let process = Command::new(program).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut process = process.with_context(|| program.display().to_string())?;
        let to = process.stdin.take();
        let from = process.stdout.take().context("the child's stdout")?;
        Ok(Self { process, to, from: BufReader::with_capacity(1 << 20, from), line: Vec::new() })
    }

    /// The processor time that the child, which has one thread, has taken so far: the first figure of its schedstat
    /// (Linux, `Documentation/scheduler/sched-stats.rst`).
    fn processor_ns(&self) -> Result<f64> {
        let path = format!("/proc/{}/schedstat", self.process.id());
        let figures = std::fs::read_to_string(&path).with_context(|| path.clone())?;
        figures.split(' ').next().and_then(|figure| figure.parse().ok()).with_context(|| path)
    }

    fn call(&mut self, task: Task, batch: &[Item]) -> Result<()> {
        let mut text = serde_json::to_vec(&Question::of(task, batch))?;
        text.push(b'\n');
        self.to.as_mut().context("the child's stdin")?.write_all(&text)?;
        self.line.clear();
        self.from.read_until(b'\n', &mut self.line)?;
        let answer: Answer = serde_json::from_slice(&self.line)?;
        Ok(answer.check(task)?)
    }
}

impl Drop for Spoken {
    fn drop(&mut self) {
        // The end of its input ends it; waited for, so that no round pays for the child of the one before.
        self.to = None;
        let _ = self.process.wait();
    }
}
