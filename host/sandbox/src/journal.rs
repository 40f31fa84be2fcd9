//! What a connector writes while it works: journal lines, progress, stdout and stderr. Bounded in lines, bytes and
//! length of a line; what does not fit is counted and said. It never fails a call.

use crate::Limits;
use gatehouse_core::Level;
use gatehouse_core::ports::JournalLine;

/// The journal of one call.
#[derive(Debug)]
pub(crate) struct Journal {
    lines: Vec<JournalLine>,
    bytes: usize,
    dropped: u64,
    progress: Option<(u64, Option<u64>)>,
    /// What was written to stdout and stderr since the last end of line.
    partial: [Vec<u8>; 2],
    max_lines: usize,
    max_bytes: usize,
    max_line: usize,
}

/// What a field costs besides its texts, in bytes of its line.
const FIELD: usize = 16;

/// Which of the standard streams.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Stdio {
    Out,
    Err,
}

impl Journal {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            lines: Vec::new(),
            bytes: 0,
            dropped: 0,
            progress: None,
            partial: [Vec::new(), Vec::new()],
            max_lines: limits.journal_lines as usize,
            max_bytes: limits.journal_bytes as usize,
            max_line: limits.journal_line_bytes as usize,
        }
    }

    /// Adds a line, cut to size, or counts it as dropped.
    pub(crate) fn log(&mut self, level: Level, message: &str, fields: Vec<(String, String)>) {
        if self.lines.len() >= self.max_lines || self.bytes >= self.max_bytes {
            self.dropped += 1;
            return;
        }
        let mut room = self.max_line;
        let message = cut_to_fit(message, &mut room);
        let mut kept = Vec::new();
        for (name, value) in fields {
            // A field takes room by itself: a million empty ones are megabytes too.
            room = room.saturating_sub(FIELD);
            if room == 0 {
                break;
            }
            kept.push((cut_to_fit(&name, &mut room), cut_to_fit(&value, &mut room)));
        }
        self.bytes += self.max_line - room + 1;
        self.lines.push(JournalLine { level, message, fields: kept });
    }

    /// Notes how far the call is; only the last word counts.
    pub(crate) fn progress(&mut self, done: u64, total: Option<u64>) {
        self.progress = Some((done, total));
    }

    /// Takes what the guest wrote to a standard stream, line by line.
    pub(crate) fn write(&mut self, stream: Stdio, bytes: &[u8]) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (text, ended) = match piece.strip_suffix(b"\n") {
                Some(text) => (text, true),
                None => (piece, false),
            };
            let partial = &mut self.partial[stream as usize];
            let room = self.max_line.saturating_sub(partial.len());
            partial.extend_from_slice(&text[..text.len().min(room)]);
            if ended {
                self.end_line(stream);
            }
        }
    }

    fn end_line(&mut self, stream: Stdio) {
        let line = std::mem::take(&mut self.partial[stream as usize]);
        let (name, level) = match stream {
            Stdio::Out => ("stdout", Level::Info),
            Stdio::Err => ("stderr", Level::Warn),
        };
        let text = String::from_utf8_lossy(&line).into_owned();
        self.log(level, text.trim_end_matches('\r'), vec![("stream".to_owned(), name.to_owned())]);
    }

    /// Lines that are missing.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped
    }

    /// What was written, with the last progress and, if there was too much, how much is missing.
    pub(crate) fn finish(&mut self) -> Vec<JournalLine> {
        for stream in [Stdio::Out, Stdio::Err] {
            if !self.partial[stream as usize].is_empty() {
                self.end_line(stream);
            }
        }
        let mut lines = std::mem::take(&mut self.lines);
        if let Some((done, total)) = self.progress {
            let total = total.map_or_else(|| "an unknown number".to_owned(), |total| total.to_string());
            lines.push(line(Level::Info, format!("progress: {done} of {total}")));
        }
        if self.dropped > 0 {
            let text = format!(
                "dropped {} lines: a call may write {} lines and {} bytes",
                self.dropped, self.max_lines, self.max_bytes
            );
            lines.push(line(Level::Warn, text));
        }
        lines
    }
}

fn line(level: Level, message: String) -> JournalLine {
    JournalLine { level, message, fields: Vec::new() }
}

/// As much of a text as there is room for.
fn cut_to_fit(text: &str, room: &mut usize) -> String {
    let kept = cut(text, *room);
    *room = room.saturating_sub(text.len());
    kept
}

/// A text of a guest as people may get to see it: at most so many bytes of it, cut at a character boundary, and no
/// control characters, which could rewrite the terminal or the log it is shown in.
pub(crate) fn cut(text: &str, most: usize) -> String {
    let end = text.floor_char_boundary(most);
    let shown = |c: char| if c.is_control() && !matches!(c, '\n' | '\t') { char::REPLACEMENT_CHARACTER } else { c };
    let mut kept: String = text[..end].chars().map(shown).collect();
    if end < text.len() {
        kept.push('…');
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn small() -> Journal {
        Journal::new(&Limits { journal_lines: 3, journal_line_bytes: 10, ..Limits::default() })
    }

    #[test]
    fn fields_without_a_text_count_too() {
        let mut journal = Journal::new(&Limits { journal_line_bytes: 100, ..Limits::default() });
        journal.log(Level::Info, "", vec![Default::default(); 1_000]);
        journal.log(Level::Info, "", vec![Default::default(); 5]);
        let kept: Vec<_> = journal.finish().iter().map(|line| line.fields.len()).collect();
        assert_eq!(kept, [6, 5]);
    }

    #[test]
    fn control_characters_do_not_reach_a_terminal_and_line_breaks_do() {
        let mut journal = Journal::new(&Limits::default());
        journal.log(Level::Info, "a\x1b[2J\u{9b}b\nc\td\r", vec![("k\0".into(), "v\x07".into())]);
        let lines = journal.finish();
        assert_eq!(lines[0].message, "a\u{fffd}[2J\u{fffd}b\nc\td\u{fffd}");
        assert_eq!(lines[0].fields, [("k\u{fffd}".to_owned(), "v\u{fffd}".to_owned())]);
    }

    #[test]
    fn a_flood_is_counted_and_said() {
        let mut journal = small();
        for _ in 0..10 {
            journal.log(Level::Info, "x", Vec::new());
        }
        let lines = journal.finish();
        assert_eq!(lines.len(), 4);
        assert!(lines[3].message.starts_with("dropped 7 lines"), "{:?}", lines[3]);
    }

    #[test]
    fn lines_within_the_limits_are_kept_as_they_are() {
        let mut journal = Journal::new(&Limits::default());
        journal.log(Level::Warn, "message", vec![("a".into(), "b".into())]);
        let lines = journal.finish();
        assert_eq!(lines[0].message, "message");
        assert_eq!(lines[0].fields, [("a".to_owned(), "b".to_owned())]);
        assert_eq!(lines.len(), 1);
    }

    #[test]
    fn a_long_line_is_cut_at_a_character() {
        let mut journal = small();
        journal.log(Level::Info, "ääääääääää", vec![("gone".into(), "gone".into())]);
        let lines = journal.finish();
        assert_eq!(lines[0].message, "äääää…");
        assert!(lines[0].fields.is_empty());
    }

    #[test]
    fn standard_output_becomes_lines_and_never_more_than_a_line_is_buffered() {
        let mut journal = small();
        journal.write(Stdio::Out, b"one\ntw");
        journal.write(Stdio::Out, b"o\n");
        journal.write(Stdio::Err, &[b'x'; 1000]);
        assert!(journal.partial.iter().all(|partial| partial.len() <= 10));
        let lines: Vec<_> = journal.finish().into_iter().map(|line| line.message).collect();
        assert_eq!(lines, ["one", "two", "xxxxxxxxxx"]);
    }
}
