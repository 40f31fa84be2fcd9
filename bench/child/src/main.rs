//! The work as a child process: a question of JSON a line on stdin, an answer of JSON a line on stdout.

use anyhow::Result;
use bench_work::wire::{Question, answer};
use std::io::{BufRead as _, BufReader, BufWriter, Write as _};

fn main() -> Result<()> {
    let mut stdin = BufReader::with_capacity(1 << 20, std::io::stdin().lock());
    let mut stdout = BufWriter::with_capacity(1 << 20, std::io::stdout().lock());
    let mut line = Vec::new();
    while stdin.read_until(b'\n', &mut line)? > 0 {
        let question: Question<'_> = serde_json::from_slice(&line)?;
        serde_json::to_writer(&mut stdout, &answer(question))?;
        stdout.write_all(b"\n")?;
        stdout.flush()?;
        line.clear();
    }
    Ok(())
}
