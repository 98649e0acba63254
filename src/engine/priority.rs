//! Which threads run first, and on which core: best effort, a refusal changes nothing but the time.

/// How nice threads become, -20 .. 19, that nobody waits for: others run first where a core is contended.
#[cfg(target_os = "linux")]
const BACKGROUND_NICENESS: libc::c_int = 10;
/// How nice threads become that somebody waits for; below zero the system asks for a privilege.
#[cfg(target_os = "linux")]
const FRONT_END_NICENESS: libc::c_int = -10;

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

/// Lets others run first where a core is contended, but not for ever: for threads that must keep up.
pub(super) fn give_way() {
    #[cfg(target_os = "linux")]
    renice(BACKGROUND_NICENESS);
}

/// Pins the calling thread to the core with this number, counted among those that the process may use, and lets
/// it run before other programs.
///
/// # Errors
/// What the system refused, in words; the rest is done.
pub fn run_first(core: usize) -> Result<(), String> {
    #[cfg(target_os = "linux")]
    {
        match (pin(core), renice(FRONT_END_NICENESS)) {
            (true, true) => Ok(()),
            (true, false) => {
                Err("the front end has its cores, but no priority over other programs: that takes \
                                  the privilege CAP_SYS_NICE or a limit `nice` of -10"
                    .into())
            }
            (false, true) => {
                Err("the front end has priority over other programs, but no core of its own".into())
            }
            (false, false) => {
                Err("the system refuses the front end a core of its own and priority over other \
                                   programs: both take a privilege here"
                    .into())
            }
        }
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = core;
        Err("threads are pinned on Linux only".into())
    }
}

/// Whether the system does it.
#[cfg(target_os = "linux")]
fn renice(niceness: libc::c_int) -> bool {
    // SAFETY: setpriority takes plain numbers; 0 means the calling thread on Linux. A refusal changes nothing.
    unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, niceness) == 0 }
}

/// Whether the system does it.
#[cfg(target_os = "linux")]
fn pin(core: usize) -> bool {
    let size = std::mem::size_of::<libc::cpu_set_t>();
    // SAFETY: a cpu_set_t is plain bits, of which all zeros is the empty set; the calls get pointers to sets that
    // live here, with their size, and CPU_ISSET and CPU_SET get numbers below the size of a set. 0 means the
    // calling thread.
    unsafe {
        let mut allowed: libc::cpu_set_t = std::mem::zeroed();
        if libc::sched_getaffinity(0, size, &mut allowed) != 0 {
            return false;
        }
        let cores: Vec<usize> =
            (0..libc::CPU_SETSIZE as usize).filter(|&core| libc::CPU_ISSET(core, &allowed)).collect();
        let Some(&core) = cores.get(core % cores.len().max(1)) else { return false };
        let mut own: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(core, &mut own);
        libc::sched_setaffinity(0, size, &own) == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_is_pinned_or_told_why_not_and_others_are_not_touched() {
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        let before = cores();
        let pinned =
            std::thread::spawn(move || run_first(1).map(|()| cores())).join().expect("it does not panic");
        match pinned {
            Ok(own) => assert_eq!(own, 1),
            Err(reason) => println!("skipped: {reason}"),
        }
        assert_eq!(cores(), before);
    }
}
