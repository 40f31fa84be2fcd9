//! The compiling child, both ends of it. The parent hands over its limits and a component on stdin, and takes what is
//! to be known of it and its machine code from stdout; it kills a child that takes too long. The child binds and
//! confines itself before it looks at the component, and holds nothing worth stealing: no key, no environment, no open
//! files. Nothing of a component but its first bytes is read anywhere else.

use super::{CompileError, confine};
use crate::admission::outside;
use crate::journal::cut;
use crate::limits::LimitHit;
use crate::{Limits, engine};
use gatehouse_core::ports::AdmissionError;
use rustix::process::{Resource, Rlimit, setrlimit};
use std::ffi::OsString;
use std::io::{self, BufRead, Read, Write};
use std::path::PathBuf;
use std::process::{ExitCode, ExitStatus, Stdio};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};
use wasmtime::Engine;

/// How to start the process that compiles: a program that calls [`compile_child`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompileChild {
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<OsString>,
}

/// What the child says on stdout before anything else.
const DONE: &[u8] = b"gatehouse-compiled\n";
/// The most of its complaints that is read, in bytes.
const LONGEST_COMPLAINT: u64 = 128 << 10;
/// The longest text of a refusal, in bytes: it quotes the component.
const LONGEST_REFUSAL: usize = 16 << 10;
/// Exit code for: the component is refused, for the reason on stderr (an [`AdmissionError`] in JSON).
const REFUSED: u8 = 3;

impl CompileChild {
    /// Looks at a component and compiles it, in a child of its own: the outline in one line of JSON, and the code.
    pub(super) async fn compile(&self, component: &[u8], limits: &Limits) -> Result<Vec<u8>, CompileError> {
        let child_error = |error: io::Error| CompileError::Child(format!("{}: {error}", self.program.display()));
        let mut header = serde_json::to_vec(limits).map_err(|error| CompileError::Child(error.to_string()))?;
        header.push(b'\n');
        let mut child = self.start().map_err(child_error)?;
        let wall = Duration::from_millis(limits.compile_wall_ms);
        let finished = tokio::time::timeout(wall, converse(&mut child, &header, component, limits)).await;
        let Ok(finished) = finished else {
            let _ = child.kill().await;
            return Err(CompileError::Limit(LimitHit::of(limits, "compile_wall_ms", "the component is too complex")));
        };
        let (status, mut output, complaint) = finished.map_err(child_error)?;
        let whole = output.starts_with(DONE);
        if output.len().saturating_sub(DONE.len()) as u64 > limits.compile_output_bytes {
            return Err(CompileError::Limit(LimitHit::of(
                limits,
                "compile_output_bytes",
                "the component is too large",
            )));
        }
        if !status.success() || !whole {
            return Err(explain(status, &complaint, limits));
        }
        output.drain(..DONE.len());
        Ok(output)
    }

    fn start(&self) -> io::Result<Child> {
        let mut command = Command::new(&self.program);
        command.args(&self.args).env_clear().current_dir("/").kill_on_drop(true);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()
    }
}

/// Feeds the child and reads it at the same time, so that no full pipe stops either side.
async fn converse(
    child: &mut Child,
    header: &[u8],
    component: &[u8],
    limits: &Limits,
) -> io::Result<(ExitStatus, Vec<u8>, String)> {
    let missing = || io::Error::other("a pipe is missing");
    let mut stdin = child.stdin.take().ok_or_else(missing)?;
    let stdout = child.stdout.take().ok_or_else(missing)?;
    let stderr = child.stderr.take().ok_or_else(missing)?;
    let feed = async move {
        // A child that has died takes no input; its status says why.
        let _ = stdin.write_all(header).await;
        let _ = stdin.write_all(component).await;
        drop(stdin);
        Ok(())
    };
    let (mut output, mut complaint) = (Vec::new(), Vec::new());
    let read_output =
        async { stdout.take(limits.compile_output_bytes + DONE.len() as u64 + 1).read_to_end(&mut output).await };
    let read_complaint = async { stderr.take(LONGEST_COMPLAINT).read_to_end(&mut complaint).await };
    tokio::try_join!(feed, read_output, read_complaint)?;
    let status = child.wait().await?;
    Ok((status, output, String::from_utf8_lossy(&complaint).trim().to_owned()))
}

fn explain(status: ExitStatus, complaint: &str, limits: &Limits) -> CompileError {
    use rustix::process::Signal;
    use std::os::unix::process::ExitStatusExt;
    let ended_by = |signals: &[Signal]| signals.iter().any(|signal| status.signal() == Some(signal.as_raw()));
    let limit = |name| CompileError::Limit(LimitHit::of(limits, name, "the component is too complex"));
    if status.code() == Some(REFUSED.into()) {
        return CompileError::Refused(refused(complaint));
    }
    if ended_by(&[Signal::XCPU, Signal::KILL]) {
        return limit("compile_cpu_ms");
    }
    if complaint.contains("memory allocation of") || complaint.contains("Cannot allocate memory") {
        return limit("compile_memory_bytes");
    }
    if ended_by(&[Signal::SEGV, Signal::ABORT, Signal::BUS, Signal::ILL]) {
        let message = format!("the component makes the parser or the compiler fail: {status}");
        return CompileError::Refused(AdmissionError { case: "invalid".to_owned(), message });
    }
    CompileError::Child(format!("{status}: {}", cut(complaint, LONGEST_REFUSAL)))
}

/// The child's refusal. Its text quotes the component, and the component was at work in the child.
fn refused(complaint: &str) -> AdmissionError {
    let plain = |_| AdmissionError {
        case: "compile".to_owned(),
        message: format!("the component cannot be compiled: {complaint}"),
    };
    let AdmissionError { case, message } = serde_json::from_str(complaint).unwrap_or_else(plain);
    AdmissionError { case: cut(&case, 32), message: cut(&message, LONGEST_REFUSAL) }
}

/// The child's side: reads limits and a component from stdin, writes machine code to stdout. The host's binary calls
/// it under a hidden verb; see [`CompileChild`].
pub fn compile_child() -> ExitCode {
    match compile_stdin() {
        Ok(()) => ExitCode::SUCCESS,
        Err((code, text)) => {
            let _ = writeln!(io::stderr(), "{text}");
            ExitCode::from(code)
        }
    }
}

fn compile_stdin() -> Result<(), (u8, String)> {
    let broken = |what: &str, error: &dyn std::fmt::Display| (1, format!("{what}: {error}"));
    let mut stdin = io::stdin().lock();
    let mut header = Vec::new();
    (&mut stdin).take(64 << 10).read_until(b'\n', &mut header).map_err(|error| broken("stdin", &error))?;
    let limits: Limits = serde_json::from_slice(&header).map_err(|error| broken("limits", &error))?;
    bind(&limits).map_err(|error| broken("resource limits", &error))?;
    confine::confine().map_err(|error| broken("confinement", &error))?;
    let mut component = Vec::new();
    let most = limits.component_bytes + 1;
    stdin.take(most).read_to_end(&mut component).map_err(|error| broken("stdin", &error))?;
    let outline = outside::look(&component, &limits).map_err(|refusal| (REFUSED, told(refusal)))?;
    let mut outline = serde_json::to_vec(&outline).map_err(|error| broken("outline", &error))?;
    outline.push(b'\n');
    let engine = Engine::new(&engine::compiling(&limits)).map_err(|error| broken("engine", &error))?;
    let code = engine.precompile_component(&component).map_err(|error| {
        let message = format!("the component cannot be compiled: {error:#}");
        (REFUSED, told(AdmissionError { case: "compile".to_owned(), message }))
    })?;
    let mut stdout = io::stdout().lock();
    let pieces = [DONE, &outline, &code];
    let written = pieces.into_iter().try_for_each(|piece| stdout.write_all(piece)).and_then(|()| stdout.flush());
    written.map_err(|error| broken("stdout", &error))
}

/// A refusal as it goes to the parent.
fn told(refusal: AdmissionError) -> String {
    let short = AdmissionError { message: cut(&refusal.message, LONGEST_REFUSAL), ..refusal };
    serde_json::to_string(&short).unwrap_or_default()
}

/// Binds this process: processor time, address space, and no files to write, not even the dump of a crash.
fn bind(limits: &Limits) -> io::Result<()> {
    let fix = |resource, value| setrlimit(resource, Rlimit { current: Some(value), maximum: Some(value) });
    fix(Resource::Cpu, limits.compile_cpu_ms.div_ceil(1_000))?;
    fix(Resource::As, limits.compile_memory_bytes)?;
    fix(Resource::Core, 0)?;
    fix(Resource::Fsize, 0)?;
    Ok(())
}
