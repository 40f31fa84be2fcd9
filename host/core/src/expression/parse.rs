//! Reading a text: bounds first, then the grammar, by the `cel` crate. What the grammar calls wrong is told in plain
//! words; what the text means is found out by `check`.

use super::ExpressionError;
use super::check::check;
use super::program::{Place, Program};
use cel::parser::{ParseError, Parser};

/// The longest expression, in characters.
pub(super) const MAX_LENGTH: usize = 2000;
/// The most opening brackets, those in texts included: how deep they nest is not asked before the parser descends.
pub(super) const MAX_BRACKETS: usize = 100;
/// The most nodes of an expression: names, constants, operators, calls.
pub(super) const MAX_NODES: usize = 300;
/// The most nodes on the way from the whole to a part.
pub(super) const MAX_DEPTH: usize = 64;
/// The most loops (`map`, `filter`, `all`, `exists`, `exists_one`) within loops.
pub(super) const MAX_LOOPS: usize = 2;

pub(super) const TOO_DEEP: &str = "the expression is nested too deeply here";

/// The generated parser takes more than 100 kB a bracket where nothing is optimised.
const STACK: usize = 32 << 20;

pub(super) fn parse(text: &str) -> Result<Program, ExpressionError> {
    let start = Place { line: 1, column: 1 };
    if text.trim().is_empty() {
        return Err(start.error("the expression is empty"));
    }
    if text.chars().count() > MAX_LENGTH {
        return Err(start.error(format!("the expression is longer than {MAX_LENGTH} characters")));
    }
    if text.matches(['(', '[', '{']).count() > MAX_BRACKETS {
        return Err(start.error(format!("the expression has more than {MAX_BRACKETS} brackets")));
    }
    // On a thread for its stack: what calls this has little of it, and what it has must not depend on the text.
    let read = std::thread::scope(|scope| {
        let worker = std::thread::Builder::new().stack_size(STACK);
        worker.spawn_scoped(scope, || grammar(text)).map(|thread| thread.join())
    });
    match read {
        Ok(Ok(program)) => program,
        Ok(Err(_)) => Err(start.error("the expression cannot be read")),
        Err(error) => Err(start.error(format!("the expression cannot be read: {error}"))),
    }
}

fn grammar(text: &str) -> Result<Program, ExpressionError> {
    match Parser::new().max_recursion_depth(MAX_DEPTH as u16).parse_with_source_info(text) {
        Ok((tree, source)) => check(&tree, |id| {
            source.offset_for(id).map_or(Place { line: 1, column: 1 }, |(start, _)| place(text, start as usize))
        }),
        Err(errors) => Err(errors.errors.first().map_or_else(
            || Place { line: 1, column: 1 }.error("the expression cannot be read"),
            |error| syntax(text, error),
        )),
    }
}

/// A place by its offset in bytes.
fn place(text: &str, offset: usize) -> Place {
    let mut place = Place { line: 1, column: 1 };
    for (_, c) in text.char_indices().take_while(|(at, _)| *at < offset) {
        match c {
            '\n' => place = Place { line: place.line + 1, column: 1 },
            _ => place.column += 1,
        }
    }
    place
}

/// What the parser says of its grammar, for people.
fn syntax(text: &str, error: &ParseError) -> ExpressionError {
    let (line, column) = error.pos;
    let place =
        Place { line: usize::try_from(line).unwrap_or(1).max(1), column: usize::try_from(column).unwrap_or(1).max(1) };
    let said = error.msg.strip_prefix("Syntax error: ").unwrap_or(&error.msg);
    let quoted = |said: &str| said.split_once('\'').map(|(_, rest)| rest.to_owned());
    let found =
        |said: &str| quoted(said).and_then(|rest| rest.split_once("' expecting").map(|(found, _)| found.to_owned()));
    let why = if place == self::place(text, text.len()) && !said.starts_with("token") {
        "the expression ends here, and something is missing".to_owned()
    } else if let Some(found) = found(said) {
        format!("`{found}` does not fit here")
    } else if let Some(rest) = said.strip_prefix("token recognition error at: '") {
        let rest = rest.strip_suffix('\'').unwrap_or(rest).trim_end();
        match rest.starts_with(['\'', '"']) {
            true => "this text is not closed, or has an escape that does not exist".to_owned(),
            false => format!("`{rest}` is nothing that can stand here"),
        }
    } else if let Some(rest) = said.strip_prefix("no viable alternative at input '") {
        format!("`{}` does not fit here", rest.strip_suffix('\'').unwrap_or(rest))
    } else if said.contains("Recursion limit") {
        TOO_DEEP.to_owned()
    } else if let Some(name) = said.strip_prefix("reserved identifier: ") {
        format!("`{name}` is a reserved word")
    } else if said.starts_with("invalid argument to has()") {
        "`has` takes an attribute: `has(user.email)`".to_owned()
    } else if said.starts_with("argument must be a simple name") {
        "the first argument names the element: `list.map(x, x + '!')`".to_owned()
    } else {
        said.chars().take(200).collect()
    };
    place.error(why)
}
