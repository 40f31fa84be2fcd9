//! What the C library's allocator is told before anything runs. It never replaces it.

/// One arena for each processor. Every call of a connector has a thread of its own, and glibc gives threads up to eight
/// arenas for each processor, none of which hands back to another what it has free: a host under steady load
/// grows, for hours, to where each of them has once held the most that any call takes (a soak: 19 MiB and flat with two
/// arenas, 30 MiB and growing with sixteen). Processors that work at the same time do not get in each other's way with
/// one each. Whoever sets `MALLOC_ARENA_MAX` has decided otherwise.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[allow(unsafe_code)]
pub(crate) fn one_arena_per_processor() {
    if std::env::var_os("MALLOC_ARENA_MAX").is_some() {
        return;
    }
    let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let arenas = i32::try_from(processors).unwrap_or(i32::MAX).max(2);
    // SAFETY: `mallopt` takes two numbers and no memory of ours. It is called before there are other threads.
    let taken = unsafe { libc::mallopt(libc::M_ARENA_MAX, arenas) };
    // Without it the host takes more memory, and works.
    debug_assert_eq!(taken, 1, "glibc takes any number of arenas");
}

/// Other allocators do not keep memory apart by threads.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub(crate) fn one_arena_per_processor() {}
