//! Metrics in Prometheus' text format (version 0.0.4), for those that are looked up when they are asked for. It counts
//! nothing and decides nothing.

use gatehouse_core::metrics::{Kind, Metric};
use std::fmt::Write as _;

/// Families of metrics with their samples, as text.
#[derive(Debug, Default)]
pub(super) struct Exposition(String);

impl Exposition {
    /// After text that is there already.
    pub(super) fn after(text: String) -> Self {
        Self(text)
    }

    /// Whether a metric stands there.
    pub(super) fn has(&self, metric: &Metric) -> bool {
        self.0.contains(&format!("# TYPE {} ", metric.name))
    }

    /// Begins a metric; its samples follow.
    pub(super) fn begin(&mut self, metric: &Metric) {
        let kind = match metric.kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram(_) => "histogram",
        };
        let _ = write!(self.0, "# HELP {0} {1}\n# TYPE {0} {kind}\n", metric.name, metric.help);
    }

    /// A sample, with a value for each of the metric's labels.
    pub(super) fn sample(&mut self, metric: &Metric, labels: &[&str], value: f64) {
        self.0.push_str(metric.name);
        let pairs: Vec<String> =
            metric.labels.iter().zip(labels).map(|(name, value)| format!("{name}=\"{}\"", escaped(value))).collect();
        if !pairs.is_empty() {
            let _ = write!(self.0, "{{{}}}", pairs.join(","));
        }
        let _ = writeln!(self.0, " {value}");
    }

    /// A metric with one sample that has no labels.
    pub(super) fn single(&mut self, metric: &Metric, value: f64) {
        self.begin(metric);
        self.sample(metric, &[], value);
    }

    pub(super) fn text(self) -> String {
        self.0
    }
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use gatehouse_core::metrics::{PROCESS_FDS, REQUESTS};

    #[test]
    fn samples_follow_their_family_and_labels_are_escaped() {
        let mut text = Exposition::default();
        text.begin(&REQUESTS);
        text.sample(&REQUESTS, &["a\"b\\c\nd", "New"], 3.0);
        text.single(&PROCESS_FDS, 12.0);
        assert_eq!(
            text.text(),
            "# HELP gatehouse_requests Provisioning requests there are, by state.\n\
             # TYPE gatehouse_requests gauge\n\
             gatehouse_requests{app=\"a\\\"b\\\\c\\nd\",state=\"New\"} 3\n\
             # HELP process_open_fds Files and connections that the host has open.\n\
             # TYPE process_open_fds gauge\n\
             process_open_fds 12\n"
        );
    }
}
