//! Threads that give way to others.

/// How nice the calling thread becomes, -20 .. 19: others run first where a core is contended.
#[cfg(target_os = "linux")]
const NICENESS: libc::c_int = 10;

/// Lets the front end run first where a core is contended. On systems without priorities of single threads it
/// does nothing.
pub(super) fn yield_to_others() {
    #[cfg(target_os = "linux")]
    // SAFETY: setpriority takes plain numbers; 0 means the calling thread on Linux. A refusal changes nothing.
    unsafe {
        libc::setpriority(libc::PRIO_PROCESS, 0, NICENESS);
    }
}
