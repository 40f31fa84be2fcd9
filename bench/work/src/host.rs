//! What the measuring programs share: they time contenders on command, a line of JSON each way, so that whoever
//! drives several of them can take turns.

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

/// What is done in a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Task {
    /// The least that a call can be.
    Trivial,
    /// A page of 250 made-up accounts.
    Collect,
    /// A page of 100 accounts, parsed from SCIM JSON.
    Parse,
    /// Verdicts on 10 accounts.
    AnalyzeFew,
    /// Verdicts on 250 accounts.
    Analyze,
}

impl Task {
    /// Accounts in a call.
    pub fn accounts(self) -> u32 {
        match self {
            Self::Trivial => 1,
            Self::Collect | Self::Analyze => 250,
            Self::Parse => 100,
            Self::AnalyzeFew => 10,
        }
    }
}

/// What came of an order.
#[derive(Debug, Serialize, Deserialize)]
pub struct Measured {
    /// Nanoseconds of a call.
    pub ns: f64,
    /// Calls that were made.
    pub calls: u64,
}

/// Times one call after the other until so much time is over.
///
/// # Errors
/// Those of the call.
pub fn repeat<E>(ms: u64, mut call: impl FnMut() -> Result<(), E>) -> Result<Measured, E> {
    let (start, enough) = (Instant::now(), Duration::from_millis(ms));
    let mut calls = 0;
    loop {
        call()?;
        calls += 1;
        let took = start.elapsed();
        if took >= enough {
            return Ok(Measured { ns: took.as_secs_f64() * 1e9 / calls as f64, calls });
        }
    }
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
