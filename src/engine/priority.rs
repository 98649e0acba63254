//! Threads that give way to others.

/// From now on the calling thread runs only where a core has nothing else to do, so that the front end never waits
/// for it: a thread that is merely nicer keeps the core until its slice ends, 3 ms of a frame's time. On systems
/// without priorities of single threads it does nothing.
pub(super) fn yield_to_others() {
    #[cfg(target_os = "linux")]
    // SAFETY: both calls take plain numbers and a structure that outlives them; thread 0 is the calling one on Linux.
    // A refusal changes nothing.
    unsafe {
        let idle: libc::sched_param = std::mem::zeroed();
        libc::sched_setscheduler(0, libc::SCHED_IDLE, &raw const idle);
    }
}
