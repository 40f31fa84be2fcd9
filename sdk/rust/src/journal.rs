//! What a connector tells while it works. The host bounds size and rate and drops the rest, saying how much. Never
//! write personal data, or anything that looks like a credential: administrators read this.

/// How much a line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// For whoever debugs the connector.
    Debug,
    /// What happened.
    Info,
    /// What should not be so, and did no harm yet.
    Warn,
    /// What went wrong.
    Error,
}

/// What was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// A line of text.
    Text {
        /// How much it matters.
        level: Level,
        /// The text.
        message: String,
        /// Further facts, by name.
        fields: Vec<(String, String)>,
    },
    /// So many of so many, in whatever unit.
    Progress {
        /// How many are done.
        done: u64,
        /// How many there are, if that is known.
        total: Option<u64>,
    },
}

/// Where the lines go.
pub trait Sink {
    /// Takes a line.
    fn write(&self, line: Line);
}

/// The journal of a call.
#[derive(Clone, Copy)]
pub struct Journal<'a> {
    sink: &'a dyn Sink,
}

impl<'a> Journal<'a> {
    /// A journal that goes there.
    pub fn new(sink: &'a dyn Sink) -> Self {
        Self { sink }
    }

    /// A line for whoever debugs the connector.
    pub fn debug(&self, message: &str, fields: &[(&str, &str)]) {
        self.log(Level::Debug, message, fields);
    }

    /// What happened.
    pub fn info(&self, message: &str, fields: &[(&str, &str)]) {
        self.log(Level::Info, message, fields);
    }

    /// What should not be so, and did no harm yet.
    pub fn warn(&self, message: &str, fields: &[(&str, &str)]) {
        self.log(Level::Warn, message, fields);
    }

    /// What went wrong.
    pub fn error(&self, message: &str, fields: &[(&str, &str)]) {
        self.log(Level::Error, message, fields);
    }

    /// Writes a line.
    pub fn log(&self, level: Level, message: &str, fields: &[(&str, &str)]) {
        let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        self.sink.write(Line::Text { level, message: message.to_owned(), fields });
    }

    /// Reports progress of this call: so many of so many, in whatever unit.
    pub fn progress(&self, done: u64, total: Option<u64>) {
        self.sink.write(Line::Progress { done, total });
    }
}
