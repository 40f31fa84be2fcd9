//! What the host's process uses, under the names that all Prometheus clients give it. Read when asked for; where there
//! is no /proc, nothing is shown.

use super::exposition::Exposition;

/// Appends what can be read.
#[cfg(target_os = "linux")]
pub(super) fn append(text: &mut Exposition) {
    use gatehouse_core::metrics::{
        PROCESS_CPU, PROCESS_FDS, PROCESS_MAX_FDS, PROCESS_MEMORY, PROCESS_START, PROCESS_THREADS, PROCESS_VIRTUAL,
    };
    use procfs::process::{LimitValue, Process};
    let Ok(process) = Process::myself() else { return };
    #[allow(clippy::cast_precision_loss)] // never near 2^52
    let number = |number: u64| number as f64;
    if let Ok(stat) = process.stat() {
        let tick = number(procfs::ticks_per_second());
        text.single(&PROCESS_CPU, number(stat.utime + stat.stime) / tick);
        text.single(&PROCESS_MEMORY, number(stat.rss * procfs::page_size()));
        text.single(&PROCESS_VIRTUAL, number(stat.vsize));
        text.single(&PROCESS_THREADS, number(u64::try_from(stat.num_threads).unwrap_or_default()));
        if let Ok(booted) = procfs::boot_time_secs() {
            text.single(&PROCESS_START, number(booted) + number(stat.starttime) / tick);
        }
    }
    if let Ok(open) = process.fd_count() {
        text.single(&PROCESS_FDS, number(open as u64));
    }
    if let Ok(limits) = process.limits()
        && let LimitValue::Value(most) = limits.max_open_files.soft_limit
    {
        text.single(&PROCESS_MAX_FDS, number(most));
    }
}

/// There is no /proc.
#[cfg(not(target_os = "linux"))]
pub(super) fn append(_: &mut Exposition) {}
