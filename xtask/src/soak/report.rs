//! What a soak measured: samples over time as a table, as JSON and as a picture, and whether memory was flat. It says
//! what it judged and what it did not.

use serde::Serialize;
use std::fmt::Write as _;

/// One moment of a soak.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Sample {
    /// Seconds since the start.
    pub seconds: f64,
    /// Resident memory of the host, in KiB; none while there is no host.
    pub rss_kib: Option<u64>,
    /// Which host it was, counted by kills.
    pub life: u64,
    /// Requests accepted so far.
    pub requests: usize,
    /// Bytes of the store's file.
    pub store_bytes: u64,
}

/// How memory went in the last life of the host, once it was warm.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Memory {
    /// Over how many seconds.
    pub seconds: f64,
    /// The mean, in KiB.
    pub mean_kib: f64,
    /// The slope of the line of best fit, in KiB a minute.
    pub slope_kib_per_minute: f64,
    /// What the slope comes to over the whole time, in percent of the mean.
    pub growth_percent: f64,
}

/// The share of a life that is taken for warming up.
const WARMING: f64 = 1.0 / 3.0;
/// The shortest time over which memory is judged, in seconds: below, caches are still filling.
const SHORTEST: f64 = 120.0;
/// Growth that still counts as flat, in percent over the time that is judged.
const FLAT: f64 = 10.0;

impl Memory {
    /// Measures the last life; none if it was too short.
    pub fn of(samples: &[Sample]) -> Option<Self> {
        let life = samples.last()?.life;
        let last: Vec<(f64, f64)> = samples
            .iter()
            .filter(|sample| sample.life == life)
            .filter_map(|sample| Some((sample.seconds, sample.rss_kib? as f64)))
            .collect();
        let (begin, end) = (last.first()?.0, last.last()?.0);
        let warm: Vec<_> = last.into_iter().filter(|(at, _)| *at >= begin + (end - begin) * WARMING).collect();
        let seconds = end - warm.first()?.0;
        if seconds < SHORTEST {
            return None;
        }
        let count = warm.len() as f64;
        let mean = |of: fn(&(f64, f64)) -> f64| warm.iter().map(of).sum::<f64>() / count;
        let (mean_at, mean_kib) = (mean(|point| point.0), mean(|point| point.1));
        let above: f64 = warm.iter().map(|(at, kib)| (at - mean_at) * (kib - mean_kib)).sum();
        let below: f64 = warm.iter().map(|(at, _)| (at - mean_at).powi(2)).sum();
        let slope = above / below;
        Some(Self {
            seconds,
            mean_kib,
            slope_kib_per_minute: slope * 60.0,
            growth_percent: slope * seconds / mean_kib * 100.0,
        })
    }

    /// Whether it stayed where it was.
    pub fn is_flat(&self) -> bool {
        self.growth_percent < FLAT
    }

    /// For people.
    pub fn line(&self) -> String {
        format!(
            "memory of the last host, warm, over {:.0} s: mean {:.1} MiB, slope {:+.1} KiB a minute ({:+.1} % over that \
             time; flat is below {FLAT} %)",
            self.seconds,
            self.mean_kib / 1024.0,
            self.slope_kib_per_minute,
            self.growth_percent
        )
    }
}

/// The store's file at the end, before and after it was compacted, and what is stored in it. All in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct File {
    /// Before.
    pub before: u64,
    /// After.
    pub compacted: u64,
    /// All keys and values.
    pub stored: u64,
}

/// How large a compacted file may be, in percent of what is stored in it: it is copied in order, so that pages are full.
const FILE_PERCENT: u64 = 150;
/// And so many bytes besides: what a file of next to nothing has.
const FILE_BESIDES: u64 = 2 << 20;

impl File {
    /// Whether compacting leaves a file in proportion to what is in it.
    pub fn is_bounded(&self) -> bool {
        self.compacted <= self.stored * FILE_PERCENT / 100 + FILE_BESIDES
    }

    /// For people.
    pub fn line(&self) -> String {
        let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
        format!(
            "file of the store: {:.1} MiB, {:.1} MiB once compacted (while serving), for {:.1} MiB of data (at most \
             {FILE_PERCENT} % of that and {:.0} MiB)",
            mib(self.before),
            mib(self.compacted),
            mib(self.stored),
            mib(FILE_BESIDES)
        )
    }
}

/// About so many of the samples, evenly, as rows of a table with its heading.
pub fn table(samples: &[Sample], rows: usize) -> Vec<Vec<String>> {
    let heading = ["time", "host", "RSS MiB", "requests", "a minute", "store MiB"];
    let mut table = vec![heading.map(str::to_owned).to_vec()];
    let step = samples.len().div_ceil(rows.max(1)).max(1);
    let mut before = Sample::default();
    let last = samples.len().saturating_sub(1);
    for (_, sample) in samples.iter().enumerate().filter(|(at, _)| (at + 1) % step == 0 || *at == last) {
        let minutes = ((sample.seconds - before.seconds) / 60.0).max(f64::EPSILON);
        table.push(vec![
            format!("{:.0}:{:02.0}", (sample.seconds / 60.0).floor(), sample.seconds % 60.0),
            (sample.life + 1).to_string(),
            sample.rss_kib.map_or("-".to_owned(), |kib| format!("{:.1}", kib as f64 / 1024.0)),
            sample.requests.to_string(),
            format!("{:.0}", (sample.requests.saturating_sub(before.requests)) as f64 / minutes),
            format!("{:.1}", sample.store_bytes as f64 / f64::from(1 << 20)),
        ]);
        before = *sample;
    }
    table
}

const WIDTH: f64 = 900.0;
const HEIGHT: f64 = 240.0;
const MARGIN: f64 = 50.0;

/// Memory and file size over time as a picture, kills as upright lines.
pub fn svg(samples: &[Sample]) -> String {
    let mut svg = format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {w} {h}" font-family="sans-serif" font-size="12">"#,
        w = WIDTH + 2.0 * MARGIN,
        h = 2.0 * (HEIGHT + 2.0 * MARGIN)
    );
    let rss: Vec<_> = samples.iter().map(|s| (s, s.rss_kib.map(|kib| kib as f64 / 1024.0))).collect();
    let store: Vec<_> = samples.iter().map(|s| (s, Some(s.store_bytes as f64 / f64::from(1 << 20)))).collect();
    chart(&mut svg, MARGIN, "resident memory of the host, MiB (dashed: kills)", &rss);
    chart(&mut svg, HEIGHT + 3.0 * MARGIN, "file of the store, MiB", &store);
    svg.push_str("</svg>\n");
    svg
}

fn chart(svg: &mut String, top: f64, title: &str, points: &[(&Sample, Option<f64>)]) {
    let most = points.iter().filter_map(|(_, value)| *value).fold(1.0, f64::max) * 1.1;
    let end = points.last().map_or(1.0, |(sample, _)| sample.seconds).max(1.0);
    let x = |seconds: f64| MARGIN + seconds / end * WIDTH;
    let y = |value: f64| top + HEIGHT * (1.0 - value / most);
    let _ = write!(
        svg,
        r##"<text x="{MARGIN}" y="{t}">{title}</text><text x="4" y="{a}">{most:.0}</text><text x="4" y="{b}">0</text><text x="{r}" y="{u}" text-anchor="end">{end:.0} s</text><rect x="{MARGIN}" y="{top}" width="{WIDTH}" height="{HEIGHT}" fill="none" stroke="#999"/>"##,
        t = top - 8.0,
        a = top + 12.0,
        b = top + HEIGHT,
        r = MARGIN + WIDTH,
        u = top + HEIGHT + 16.0,
    );
    let mut life = 0;
    let mut line = String::new();
    for (sample, value) in points {
        if sample.life != life {
            life = sample.life;
            finish(svg, &mut line);
            let at = x(sample.seconds);
            let _ = write!(
                svg,
                r##"<path d="M{at:.1} {top} V{b:.1}" stroke="#c66" stroke-dasharray="2 3"/>"##,
                b = top + HEIGHT
            );
        }
        if let Some(value) = value {
            let command = if line.is_empty() { 'M' } else { 'L' };
            let _ = write!(line, "{command}{:.1} {:.1} ", x(sample.seconds), y(*value));
        }
    }
    finish(svg, &mut line);
}

fn finish(svg: &mut String, line: &mut String) {
    if !line.is_empty() {
        let _ = write!(svg, r##"<path d="{}" fill="none" stroke="#236"/>"##, line.trim_end());
        line.clear();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn samples(rss: impl Fn(f64) -> f64) -> Vec<Sample> {
        let sample = |n: u32| Sample {
            seconds: f64::from(n),
            rss_kib: Some(rss(f64::from(n)) as u64),
            life: u64::from(n >= 100),
            requests: n as usize * 10,
            store_bytes: u64::from(n) << 20,
        };
        (0..700).map(sample).collect()
    }

    #[test]
    fn memory_that_grows_after_warming_up_is_not_flat_and_memory_that_grew_before_is() {
        let grows = Memory::of(&samples(|at| 100_000.0 + 100.0 * at)).unwrap();
        assert!(!grows.is_flat() && (grows.slope_kib_per_minute - 6000.0).abs() < 10.0, "{grows:?}");
        let warm = Memory::of(&samples(|at| 100_000.0 + 100.0 * at.min(300.0))).unwrap();
        assert!(warm.is_flat(), "{warm:?}");
        assert!(Memory::of(&samples(|_| 1.0)[..150]).is_none(), "too short to be judged");
    }

    #[test]
    fn a_file_is_bounded_by_what_is_stored_in_it_and_not_by_what_it_was() {
        let file = File { before: 900 << 20, compacted: 17 << 20, stored: 10 << 20 };
        assert!(file.is_bounded(), "{}", file.line());
        assert!(!File { stored: 9 << 20, ..file }.is_bounded());
    }

    #[test]
    fn the_table_has_about_as_many_rows_as_asked_for_and_ends_with_the_end() {
        let table = table(&samples(|_| 2048.0), 10);
        assert_eq!(table.len(), 11);
        assert_eq!(table[10], ["11:39", "2", "2.0", "6990", "600", "699.0"]);
    }

    #[test]
    fn the_picture_has_a_line_for_each_life_of_the_host() {
        let svg = svg(&samples(|_| 2048.0));
        assert_eq!(svg.matches("stroke=\"#236\"").count(), 4, "two lives in each of two charts");
        assert_eq!(svg.matches("stroke-dasharray").count(), 2, "one kill in each");
    }
}
