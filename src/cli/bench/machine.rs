//! What the numbers were measured on, and what the run cost.

use std::time::Duration;

use serde_json::{Value, json};

/// The processor and its cores, where the system tells.
pub fn describe() -> Value {
    let cores = std::thread::available_parallelism().map_or(0, |cores| cores.get());
    json!({
        "processor": first_value("/proc/cpuinfo", "model name"),
        "cores": cores,
        "system": std::env::consts::OS,
        "architecture": std::env::consts::ARCH,
    })
}

/// What was typed, without the place of the program.
pub fn command() -> String {
    let words = std::env::args().skip(1);
    std::iter::once("handstream".to_owned()).chain(words).collect::<Vec<_>>().join(" ")
}

/// Processor time of all cores so far, seconds: spent by programs, and stolen by other machines on the same
/// hardware. `None` where the system does not tell.
pub fn busy_and_stolen() -> Option<[f64; 2]> {
    /// Ticks a second: fixed for what Linux tells programs.
    const TICKS: f64 = 100.0;
    let text = std::fs::read_to_string("/proc/stat").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("cpu "))?;
    let ticks: Vec<f64> = line.split_whitespace().map_while(|word| word.parse().ok()).collect();
    let &[user, nice, system, _idle, _waiting, irq, soft, stolen, ..] = ticks.as_slice() else { return None };
    Some([(user + nice + system + irq + soft) / TICKS, stolen / TICKS])
}

/// Memory of this process, bytes: now and at most; `None` where the system does not tell.
pub fn memory() -> Option<[u64; 2]> {
    let kilobytes = |key| -> Option<u64> {
        first_value("/proc/self/status", key)?.split_whitespace().next()?.parse().ok()
    };
    Some([kilobytes("VmRSS")? * 1024, kilobytes("VmHWM")? * 1024])
}

/// Processor time of this process so far, over all its threads; `None` where the system does not tell.
#[cfg(target_os = "linux")]
pub fn processor_time() -> Option<Duration> {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: clock_gettime writes into the timespec it is given, which lives here.
    let failed = unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut time) } != 0;
    (!failed).then(|| Duration::new(time.tv_sec.max(0) as u64, time.tv_nsec.max(0) as u32))
}

/// Processor time of this process; nobody tells here.
#[cfg(not(target_os = "linux"))]
pub fn processor_time() -> Option<Duration> {
    None
}

/// The value of the first line `key: value` of a file of the system.
fn first_value(path: &str, key: &str) -> Option<String> {
    let text = std::fs::read_to_string(path).ok()?;
    let value = |line: &str| line.strip_prefix(key)?.trim_start().strip_prefix(':').map(str::to_owned);
    text.lines().find_map(value).map(|value| value.trim().to_owned())
}
