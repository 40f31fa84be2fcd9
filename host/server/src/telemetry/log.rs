//! The log: every event on one line of stderr, with the spans it is in. It never fails and never waits for anything but
//! whoever reads stderr.

use super::fields::Fields;
use super::line::Line;
use crate::config::LogFormat;
use gatehouse_core::ports::Clock as _;
use gatehouse_engine::SystemClock;
use std::io::Write as _;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

/// Writes the log.
pub(super) struct Log {
    format: LogFormat,
    colours: bool,
}

impl Log {
    pub(super) fn new(format: LogFormat, colours: bool) -> Self {
        Self { format, colours }
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Log {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if let Some(span) = context.span(id) {
            let mut fields = Fields::default();
            attributes.record(&mut fields);
            span.extensions_mut().insert(fields);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(fields) = span.extensions_mut().get_mut::<Fields>()
        {
            values.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let scope = context.event_scope(event).into_iter().flat_map(|scope| scope.from_root());
        let spans = scope.map(|span| (span.name(), span.extensions().get::<Fields>().cloned().unwrap_or_default()));
        let line = Line {
            at: format!("{:.6}", SystemClock.now()),
            level: *event.metadata().level(),
            target: event.metadata().target(),
            fields,
            spans: spans.collect(),
        };
        let mut text = match self.format {
            LogFormat::Json => line.json(),
            LogFormat::Text => line.text(self.colours),
        };
        text.push('\n');
        // A reader that has gone away is no reason to stop.
        let _ = std::io::stderr().lock().write_all(text.as_bytes());
    }
}

/// A panic is an event like any other: one line, in the log's own format.
pub(super) fn panics_too() {
    std::panic::set_hook(Box::new(|panic| {
        let location = panic.location().map(ToString::to_string);
        let what = panic.payload_as_str().unwrap_or("(no text)");
        let thread = std::thread::current();
        tracing::error!(target: "gatehouse::panic", thread = thread.name(), location, "panicked: {what}");
    }));
}
