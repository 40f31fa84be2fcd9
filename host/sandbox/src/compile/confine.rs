//! What the compiling child gives up before it looks at a component: every system call but those that computing takes.
//! No file is opened, no connection made, no program started, no other process touched. It never loosens anything.

/// Confines this thread, and all that it starts, for good; nothing that is started gets new privileges either.
///
/// # Errors
/// The kernel has no seccomp, or the filter is not taken.
#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
pub(super) fn confine() -> Result<(), seccompiler::Error> {
    use seccompiler::{BpfProgram, SeccompAction, SeccompFilter};
    let rules = COMPUTING.into_iter().map(|call| (call, Vec::new())).collect();
    // Libraries ask for this and that, and can do without; to be killed for it would be told as a crash.
    let denied = SeccompAction::Errno(libc::EPERM as u32);
    let filter = SeccompFilter::new(rules, denied, SeccompAction::Allow, std::env::consts::ARCH.try_into()?)?;
    seccompiler::apply_filter(&BpfProgram::try_from(filter)?)
}

/// Elsewhere the resource limits have to do.
#[cfg(not(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"))))]
pub(super) fn confine() -> Result<(), std::convert::Infallible> {
    Ok(())
}

/// Memory, threads, time, randomness, and the pipes that are open already.
#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
const COMPUTING: [i64; 42] = [
    libc::SYS_brk,
    libc::SYS_clock_getres,
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    libc::SYS_clone,
    libc::SYS_clone3,
    libc::SYS_close,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_fcntl,
    libc::SYS_fstat,
    libc::SYS_futex,
    libc::SYS_getpid,
    libc::SYS_getrandom,
    libc::SYS_gettid,
    libc::SYS_gettimeofday,
    libc::SYS_lseek,
    libc::SYS_madvise,
    libc::SYS_membarrier,
    libc::SYS_mmap,
    libc::SYS_mprotect,
    libc::SYS_mremap,
    libc::SYS_munmap,
    libc::SYS_nanosleep,
    libc::SYS_ppoll,
    libc::SYS_prctl,
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_restart_syscall,
    libc::SYS_rseq,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sched_getaffinity,
    libc::SYS_sched_yield,
    libc::SYS_set_robust_list,
    libc::SYS_set_tid_address,
    libc::SYS_sigaltstack,
    libc::SYS_sysinfo,
    libc::SYS_tgkill,
    libc::SYS_write,
    libc::SYS_writev,
];

#[cfg(all(test, target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::io::{ErrorKind, Read as _, Write as _};
    use std::net::TcpListener;
    use std::process::Command;

    /// On a thread of its own: what it gives up is gone.
    fn confined<T: Send + 'static>(what: impl FnOnce() -> T + Send + 'static) -> T {
        let thread = std::thread::spawn(|| {
            confine().unwrap();
            what()
        });
        thread.join().unwrap()
    }

    #[test]
    fn computing_goes_on() {
        let (mut reader, mut writer) = std::io::pipe().unwrap();
        let sum = confined(move || {
            let memory = vec![1_u8; 64 << 20];
            writer.write_all(b"out").unwrap();
            std::thread::spawn(move || memory.iter().map(|byte| u64::from(*byte)).sum::<u64>()).join().unwrap()
        });
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        assert_eq!((sum, text.as_str()), (64 << 20, "out"));
    }

    #[test]
    fn no_file_connection_or_program_is_to_be_had() {
        let (file, socket, program) = confined(|| {
            let kind = |error: std::io::Error| error.kind();
            let file = std::fs::read("/proc/self/status").map_err(kind);
            let socket = TcpListener::bind("127.0.0.1:0").map(drop).map_err(kind);
            (file, socket, Command::new("/bin/true").status().map(drop).map_err(kind))
        });
        let denied = ErrorKind::PermissionDenied;
        assert_eq!((file, socket, program), (Err(denied), Err(denied), Err(denied)));
        assert!(std::fs::read("/proc/self/status").is_ok(), "other threads are as before");
    }
}
