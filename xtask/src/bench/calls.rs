//! Single calls, contender by contender in turns, so that what else the machine does falls on all of them alike.

use super::build::Built;
use super::report::{Row, Section, Table};
use super::stats::{Series, digits};
use super::{Length, progress};
use anyhow::{Context as _, Result, anyhow};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// What is done in a call, and how many accounts are in it. The names are those of the measuring programs.
const TASKS: [(&str, &str, f64); 5] = [
    ("trivial", "a call that does nothing", 1.0),
    ("analyze_few", "verdicts on 10 accounts", 10.0),
    ("collect", "a page of 250 made-up accounts", 250.0),
    ("parse", "a page of 100 accounts, parsed from SCIM JSON", 100.0),
    ("analyze", "verdicts on 250 accounts", 250.0),
];

/// A measuring program that takes orders. Its input's end ends it.
struct Measurer {
    process: Child,
    to: Option<ChildStdin>,
    from: BufReader<ChildStdout>,
}

#[derive(Serialize)]
struct Order<'a> {
    contender: &'a str,
    task: &'a str,
    ms: u64,
}

#[derive(Deserialize)]
struct Measured {
    ns: f64,
    processor_ns: f64,
}

impl Measurer {
    fn start(mut command: Command) -> Result<Self> {
        let process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut process = process.with_context(|| command.get_program().display().to_string())?;
        let (to, from) = (process.stdin.take(), process.stdout.take().context("the output of a measuring program")?);
        Ok(Self { process, to, from: BufReader::new(from) })
    }

    fn measure(&mut self, order: &Order<'_>) -> Result<Measured> {
        let what = || format!("{} of {}", order.task, order.contender);
        let to = self.to.as_mut().context("the input of a measuring program")?;
        writeln!(to, "{}", serde_json::to_string(order)?).with_context(what)?;
        let mut line = String::new();
        self.from.read_line(&mut line).with_context(what)?;
        let answer: Result<Measured, String> = serde_json::from_str(&line).with_context(what)?;
        answer.map_err(|why| anyhow!(why)).with_context(what)
    }
}

impl Drop for Measurer {
    fn drop(&mut self) {
        self.to = None;
        let _ = self.process.wait();
    }
}

/// Who does what: contender, and what it is.
type Contenders = [(&'static str, &'static str)];

/// Measures all tasks, for all contenders that there are.
struct Rounds {
    ours: Measurer,
    extism: Option<Measurer>,
    length: Length,
}

impl Rounds {
    fn new(built: &Built, length: Length, peers: bool) -> Result<Self> {
        let mut ours = built.host();
        ours.arg("calls").arg("--connector").arg(built.connector()).arg("--child").arg(built.child());
        let extism = built.extism().filter(|_| peers).map(Measurer::start);
        Ok(Self { ours: Measurer::start(ours)?, extism: extism.transpose()?, length })
    }

    /// Nanoseconds a call, of each contender: elapsed, and of its processors.
    fn of(&mut self, task: &str, contenders: &Contenders) -> Result<BTreeMap<&'static str, [Series; 2]>> {
        let mut found: BTreeMap<&'static str, [Series; 2]> = BTreeMap::new();
        // The first round warms up, and does not count.
        for round in 0..=self.length.rounds {
            progress(&format!("{task}: round {round} of {}", self.length.rounds));
            for (contender, _) in contenders {
                let extism = contender.starts_with("extism");
                let Some(measurer) = (if extism { self.extism.as_mut() } else { Some(&mut self.ours) }) else {
                    continue;
                };
                let measured = measurer.measure(&Order { contender, task, ms: self.length.ms })?;
                if round > 0 {
                    let [elapsed, processor] = found.entry(contender).or_default();
                    elapsed.push(measured.ns);
                    processor.push(measured.processor_ns);
                }
            }
        }
        Ok(found)
    }

    fn table(&mut self, task: &(&str, &str, f64), contenders: &Contenders, by: By) -> Result<Table> {
        let (name, what, accounts) = *task;
        let found = self.of(name, contenders)?;
        let (divisor, unit) = match by {
            By::Call => (1e3, "µs a call"),
            By::Account => (accounts, "ns an account"),
        };
        let row = |(contender, label): &(&'static str, &'static str)| {
            let [elapsed, processor] = found.get(contender)?;
            let processor = format!("processor {}", digits(processor.scaled(1.0 / divisor).median()));
            Some(Row::new(*label, elapsed.scaled(1.0 / divisor)).remark(processor))
        };
        let rows = contenders.iter().filter_map(row).collect();
        Ok(Table { title: format!("{name}, {what}: {unit}"), rows, compared: true })
    }
}

#[derive(Clone, Copy)]
enum By {
    Call,
    Account,
}

/// A sandboxed call beside bare wasmtime doing the same.
pub fn overhead(built: &Built, length: Length) -> Result<Section> {
    let contenders = [("bare", "bare wasmtime, fresh instance"), ("sandbox", "Gatehouse's sandbox, fresh instance")];
    let mut rounds = Rounds::new(built, length, false)?;
    let tables = TASKS.iter().map(|task| rounds.table(task, &contenders, By::Call)).collect::<Result<_>>()?;
    Ok(Section {
        name: "calls",
        title: "a fresh sandboxed call beside bare wasmtime (same component, same engine settings)".to_owned(),
        tables,
        notes: vec![
            "bare wasmtime has no gate, limits, notes or time limits, is handed its input ready-made, and neither checks \
             nor converts what comes back"
                .to_owned(),
        ],
    })
}

/// The same work natively, in our sandbox, as an Extism plugin and as a child process.
pub fn peers(built: &Built, length: Length) -> Result<Section> {
    let contenders = [
        ("native", "native, linked in"),
        ("sandbox", "Gatehouse's sandbox, fresh instance"),
        ("extism-kept", "Extism plugin, kept"),
        ("extism-fresh", "Extism plugin, fresh instance"),
        ("child-kept", "child process of JSON lines, kept"),
        ("child-fresh", "child process of JSON lines, fresh"),
    ];
    let mut rounds = Rounds::new(built, length, true)?;
    let tasks = TASKS.iter().filter(|(name, ..)| ["collect", "parse", "analyze"].contains(name));
    let tables = tasks.map(|task| rounds.table(task, &contenders, By::Account)).collect::<Result<_>>()?;
    let mut notes = vec![
        "the same Rust code in all of them; each hands the same types to its host. `kept` keeps what the plugin left in \
         its memory from call to call, `fresh` does not"
            .to_owned(),
        "the sandbox checks what comes back (repetitions, sizes, several primary values); the peers trust it".to_owned(),
    ];
    if built.extism().is_none() {
        notes.push("the Extism plugin is missing here: it could not be built, see above".to_owned());
    }
    let title = "collect and analyze by the account, beside native code and other plugin systems".to_owned();
    Ok(Section { name: "peers", title, tables, notes })
}
