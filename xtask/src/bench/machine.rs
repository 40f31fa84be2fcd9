//! On what machine a bench ran, and how busy that was: no figure means anything without it.

use crate::step;
use anyhow::{Context as _, Result};
use serde::Serialize;
use std::fs;
use std::path::Path;
use std::process::Command;

/// A machine at one time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Machine {
    processor: String,
    cores: usize,
    memory: String,
    kernel: String,
    /// Where the bench's files are.
    file_system: String,
    rustc: String,
    /// The commit that was measured, and whether anything was changed since.
    commit: String,
    date: String,
    /// Processes that wanted a processor in the last 1, 5 and 15 minutes, when the bench began.
    load: String,
}

impl Machine {
    /// This one, with files in that directory, and the sources here.
    ///
    /// # Errors
    /// It does not say what it is.
    pub fn here(files: &Path, sources: &Path) -> Result<Self> {
        let read = |path: &str| fs::read_to_string(path).with_context(|| path.to_owned());
        let said = |program: &str, arguments: &[&str]| {
            step::read(Command::new(program).args(arguments).current_dir(sources)).map(|text| text.trim().to_owned())
        };
        let mounts = read("/proc/self/mounts")?;
        let load = read("/proc/loadavg")?;
        Ok(Self {
            processor: field(&read("/proc/cpuinfo")?, "model name").unwrap_or_else(|| "unknown".to_owned()),
            cores: std::thread::available_parallelism().context("processors")?.get(),
            memory: field(&read("/proc/meminfo")?, "MemTotal").map_or_else(|| "unknown".to_owned(), gibibytes),
            kernel: read("/proc/sys/kernel/osrelease")?.trim().to_owned(),
            file_system: file_system(&mounts, &files.canonicalize().context("the bench's directory")?),
            rustc: said("rustc", &["--version"])?,
            commit: said("git", &["describe", "--always", "--dirty"]).unwrap_or_else(|_| "no repository".to_owned()),
            date: said("date", &["-u", "+%Y-%m-%d %H:%M UTC"])?,
            load: load.split(' ').take(3).collect::<Vec<_>>().join(" "),
        })
    }

    /// As lines of text.
    pub fn lines(&self) -> Vec<String> {
        vec![
            format!("{}, {} cores, {} of memory", self.processor, self.cores, self.memory),
            format!("Linux {}, files on {}, {}", self.kernel, self.file_system, self.rustc),
            format!("commit {}, {}, load {}", self.commit, self.date, self.load),
        ]
    }
}

/// The value of the first line `name : value`.
fn field(text: &str, name: &str) -> Option<String> {
    let mut fields = text.lines().filter_map(|line| line.split_once(':'));
    fields.find(|(key, _)| key.trim() == name).map(|(_, value)| value.trim().to_owned())
}

/// `23.4 GiB` for `24536868 kB`.
fn gibibytes(kib: String) -> String {
    let number = kib.split(' ').next().and_then(|number| number.parse::<f64>().ok());
    number.map_or(kib, |kib| format!("{:.1} GiB", kib / f64::from(1 << 20)))
}

/// The type of the file system and its device, of the mount that holds the path.
fn file_system(mounts: &str, path: &Path) -> String {
    let mount = |line: &str| {
        let mut words = line.split(' ').map(str::to_owned);
        Some((words.next()?, words.next()?, words.next()?))
    };
    let holding = mounts.lines().filter_map(mount).filter(|(_, at, _)| path.starts_with(at));
    let nearest = holding.max_by_key(|(_, at, _)| at.len());
    nearest.map_or_else(|| "an unknown file system".to_owned(), |(device, _, kind)| format!("{kind} ({device})"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_system_is_that_of_the_nearest_mount() {
        let mounts = "/dev/a / ext4 rw 0 0\ntmpfs /tmp tmpfs rw 0 0\n/dev/b /tmpfoo xfs rw 0 0\n";
        assert_eq!(file_system(mounts, Path::new("/tmp/x")), "tmpfs (tmpfs)");
        assert_eq!(file_system(mounts, Path::new("/home/x")), "ext4 (/dev/a)");
        assert_eq!(file_system("", Path::new("/x")), "an unknown file system");
    }

    #[test]
    fn fields_are_read_as_the_kernel_writes_them() {
        assert_eq!(field("model name\t: Fast 3000\nx: y", "model name").as_deref(), Some("Fast 3000"));
        assert_eq!(gibibytes("24536868 kB".to_owned()), "23.4 GiB");
    }
}
