//! What the measuring programs share: they time contenders on command, a line of JSON each way, so that whoever
//! drives several of them can take turns.

use crate::Task;
use serde::{Deserialize, Serialize};
use std::io::{BufRead as _, Write as _};
use std::time::{Duration, Instant};

/// Measure this once.
#[derive(Debug, Serialize, Deserialize)]
pub struct Order {
    /// Who.
    pub contender: String,
    /// What.
    pub task: Task,
    /// For about so long, in milliseconds.
    pub ms: u64,
}

/// What came of an order.
#[derive(Debug, Serialize, Deserialize)]
pub struct Measured {
    /// Nanoseconds of a call.
    pub ns: f64,
    /// Of them, on a processor: of all threads of this program together.
    pub processor_ns: f64,
    /// Calls that were made.
    pub calls: u64,
}

impl Measured {
    /// With what children have computed in all these calls.
    pub fn with_children(mut self, processor_ns: f64) -> Self {
        self.processor_ns += processor_ns / self.calls as f64;
        self
    }
}

/// Times one call after the other until so much time is over.
///
/// # Errors
/// Those of the call.
pub fn repeat<E>(ms: u64, mut call: impl FnMut() -> Result<(), E>) -> Result<Measured, E> {
    let (start, busy, enough) = (Instant::now(), processor(), Duration::from_millis(ms));
    let mut calls = 0;
    loop {
        call()?;
        calls += 1;
        let took = start.elapsed();
        if took >= enough {
            let each = |time: Duration| time.as_secs_f64() * 1e9 / calls as f64;
            return Ok(Measured { ns: each(took), processor_ns: each(processor().saturating_sub(busy)), calls });
        }
    }
}

/// The processor time that this program has taken so far, all its threads together, its children not among them.
pub fn processor() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

/// Takes orders from stdin until it ends, and answers each on stdout: `{"Ok": …}` or `{"Err": "why"}`.
///
/// # Errors
/// Stdin or stdout are gone, or what comes is no order.
pub fn serve(mut carry_out: impl FnMut(&Order) -> Result<Measured, String>) -> std::io::Result<()> {
    let mut stdout = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        let order: Order = serde_json::from_str(&line?)?;
        serde_json::to_writer(&mut stdout, &carry_out(&order))?;
        stdout.write_all(b"\n")?;
        stdout.flush()?;
    }
    Ok(())
}
