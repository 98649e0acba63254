//! `handstream bench glass`: the screen flashes, the camera sees it, the delay is the result.

mod delays;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail, ensure};
use clap::Args;
use handstream::frame::Frame;
use handstream::source::{Source, open};
use handstream::view::live::WindowError;
use handstream::view::{Flash, FlashWindow};
use serde_json::{Value, json};

use self::delays::{CELLS, Change, Delay, GRID, Look, delays};
use super::machine;
use super::statistics::{PARTS, Samples};
use crate::cli::camera_request::CameraArgs;

/// Time that the screen keeps a colour, seconds, at least and with what is added at most.
const HOLD: f64 = 0.5;
const HOLD_MORE: f64 = 0.3;
/// Time before the first flash, for the camera to find its exposure, seconds.
const SETTLE: f64 = 1.5;
/// Time after the last change in which pictures are still awaited, seconds.
const AFTER: f64 = 0.6;
/// The golden ratio's fraction: its multiples spread evenly over 0..1, so that flashes keep no fixed phase to the
/// camera's pictures.
const SPREAD: f64 = 0.618_033_988_749_895;
/// Every so many pixels are looked at in both directions.
const PIXEL_STEP: usize = 4;

#[derive(Args)]
pub struct GlassArgs {
    /// `0`, `1`, … for a camera that sees this screen.
    #[arg(default_value = "0")]
    source: String,
    /// Changes between black and white that are measured.
    #[arg(long, value_name = "N", default_value_t = 40, value_parser = clap::value_parser!(u32).range(4..=10_000))]
    flashes: u32,
    #[command(flatten)]
    camera: CameraArgs,
    /// Write all numbers here.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

impl GlassArgs {
    /// Flashes, measures and prints.
    ///
    /// # Errors
    /// One sentence for the user.
    pub fn run(self) -> Result<()> {
        // Before the camera is switched on: without a display it would be for nothing.
        let window = FlashWindow::connect().map_err(|error| match error {
            WindowError::NoDisplay { reason } => {
                anyhow!("no window can be opened ({reason}): start this in a desktop session")
            }
            error => error.into(),
        })?;
        let source = open(&self.source, &self.camera.options())?;
        ensure!(source.info().live, "{} is no camera: it cannot see this screen", source.info().name);
        let name = source.info().name.clone();
        let flashes = flashes(self.flashes);
        println!("the screen flashes for {:.0} s: let the camera see it", length(&flashes));
        let measured = measure(source, |shown| Ok(window.show(&flashes, shown)?))?;
        self.tell(&name, &measured)
    }

    fn tell(&self, camera: &str, measured: &[Option<Delay>]) -> Result<()> {
        let seen: Vec<Delay> = measured.iter().copied().flatten().collect();
        ensure!(
            !seen.is_empty(),
            "no change of the screen was seen: darken the room or bring the camera closer"
        );
        let arrival: Samples = seen.iter().map(|delay| delay.to_arrival * 1e3).collect();
        let capture: Samples =
            seen.iter().filter_map(|delay| delay.to_capture).map(|delay| delay * 1e3).collect();
        println!("{camera}: {} of {} changes seen", seen.len(), measured.len());
        for (name, samples) in [("screen to picture", &arrival), ("screen to capture", &capture)] {
            print!("  {name}, ms:");
            PARTS.iter().for_each(|(part, at)| print!("  {part} {:.1}", samples.quantile(*at)));
            println!();
        }
        println!("from the screen to the pose: add the total of `handstream bench latency`");
        match &self.json {
            Some(path) => {
                let json = self.results(camera, measured.len(), &seen, &arrival, &capture);
                std::fs::write(path, format!("{json:#}\n"))
                    .with_context(|| format!("{} cannot be written", path.display()))
            }
            None => Ok(()),
        }
    }

    fn results(
        &self,
        camera: &str,
        changes: usize,
        seen: &[Delay],
        arrival: &Samples,
        capture: &Samples,
    ) -> Value {
        json!({
            "what": "milliseconds from a change of the screen's colour to the first picture that shows it",
            "camera": camera,
            "changes": changes,
            "seen": seen.len(),
            "screen_to_picture_ms": arrival.json(),
            "screen_to_capture_ms": capture.json(),
            "each_ms": seen.iter().map(|delay| delay.to_arrival * 1e3).collect::<Vec<_>>(),
            "machine": machine::describe(),
            "command": machine::command(),
            "version": env!("CARGO_PKG_VERSION"),
        })
    }
}

/// Black for a while, then `count` changes; the last colour is held too.
fn flashes(count: u32) -> Vec<Flash> {
    let mut at = 0.0;
    let mut flashes = vec![Flash { at: Duration::ZERO, white: false }];
    at += SETTLE;
    for number in 0..=count {
        flashes.push(Flash { at: Duration::from_secs_f64(at), white: number % 2 == 0 });
        at += HOLD + HOLD_MORE * (f64::from(number) * SPREAD).fract();
    }
    flashes
}

fn length(flashes: &[Flash]) -> f64 {
    flashes.last().map_or(0.0, |flash| flash.at.as_secs_f64())
}

/// Watches `source` while `flash` changes the screen and tells when.
///
/// # Errors
/// When nobody saw anything, or flashing failed.
fn measure(
    source: Box<dyn Source>,
    flash: impl FnOnce(&mut dyn FnMut(Instant, bool)) -> Result<bool>,
) -> Result<Vec<Option<Delay>>> {
    let origin = Instant::now();
    let watcher = Watcher::start(source, origin)?;
    let mut changes = Vec::new();
    let complete = flash(&mut |at, white| {
        changes.push(Change { at: at.saturating_duration_since(origin).as_secs_f64(), white });
    });
    thread::sleep(Duration::from_secs_f64(AFTER));
    let looks = watcher.finish();
    if !complete? {
        bail!("the window was closed before the measurement was over");
    }
    ensure!(!looks.is_empty(), "the camera gave no picture");
    delays(&looks, &changes).context(
        "the camera does not see the screen: point it at the screen, turn the screen's brightness up or the light down",
    )
}

/// A thread that notes what a camera sees.
struct Watcher {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Vec<Look>>,
}

impl Watcher {
    fn start(mut source: Box<dyn Source>, origin: Instant) -> std::io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let watch = move || {
            let mut looks = Vec::new();
            while !stopped.load(Ordering::Relaxed) {
                match source.next_frame() {
                    Ok(Some(frame)) => {
                        let arrived = origin.elapsed().as_secs_f64();
                        let age = source.clock().map(|now| now.since(frame.timestamp).as_secs_f64());
                        let captured = age.map(|age| arrived - age);
                        looks.push(Look { arrived, captured, cells: cells(&frame) });
                    }
                    Ok(None) => break,
                    // A camera that comes back is taken up again; one that does not gives no more pictures.
                    Err(error) => tracing::debug!(%error, "no picture"),
                }
            }
            looks
        };
        let thread = thread::Builder::new().name("camera".into()).spawn(watch)?;
        Ok(Self { stop, thread })
    }

    fn finish(self) -> Vec<Look> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap_or_default()
    }
}

/// Mean green of each cell of a picture, 0..255.
fn cells(frame: &Frame) -> [f32; CELLS] {
    let (width, height) = (frame.size.width.max(1), frame.size.height.max(1));
    let mut sums = [(0u32, 0u32); CELLS];
    for (y, row) in frame.pixels.chunks_exact(width * 3).enumerate().take(height).step_by(PIXEL_STEP) {
        for (x, pixel) in row.chunks_exact(3).enumerate().step_by(PIXEL_STEP) {
            let cell = y * GRID[1] / height * GRID[0] + x * GRID[0] / width;
            if let Some((sum, count)) = sums.get_mut(cell) {
                *sum += u32::from(pixel[1]);
                *count += 1;
            }
        }
    }
    sums.map(|(sum, count)| sum as f32 / count.max(1) as f32)
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use handstream::frame::{PictureSize, Timestamp};
    use handstream::source::{SourceError, SourceInfo};

    use super::*;

    const SIZE: PictureSize = PictureSize { width: 64, height: 36 };
    const LATE: Duration = Duration::from_millis(30);
    const FRAME: Duration = Duration::from_millis(8);

    /// A camera that sees a screen as it was a while ago.
    struct LoopBack {
        info: SourceInfo,
        screen: Arc<Mutex<Vec<(Instant, bool)>>>,
        frames: u64,
    }

    impl Source for LoopBack {
        fn info(&self) -> &SourceInfo {
            &self.info
        }

        fn next_frame(&mut self) -> Result<Option<Frame>, SourceError> {
            thread::sleep(FRAME);
            self.frames += 1;
            let then = Instant::now() - LATE;
            let changes = self.screen.lock().unwrap();
            let white = changes.iter().rev().find(|(at, _)| *at <= then).is_some_and(|(_, white)| *white);
            let pixels = vec![if white { 200 } else { 30 }; SIZE.rgb_bytes()];
            Ok(Some(Frame { pixels, size: SIZE, timestamp: Timestamp::default(), sequence: self.frames }))
        }
    }

    #[test]
    fn a_loop_back_gives_the_delay_that_was_put_in() {
        let info = SourceInfo {
            name: "loop-back".into(),
            size: SIZE,
            fps: 125.0,
            frame_count: None,
            live: true,
            camera: None,
        };
        let screen: Arc<Mutex<Vec<(Instant, bool)>>> = Arc::default();
        let camera = LoopBack { info, screen: screen.clone(), frames: 0 };
        let measured = measure(Box::new(camera), |shown| {
            for number in 0..10 {
                let (now, white) = (Instant::now(), number % 2 == 1);
                screen.lock().unwrap().push((now, white));
                shown(now, white);
                thread::sleep(Duration::from_millis(150));
            }
            Ok(true)
        });
        let mut found: Vec<f64> = measured.unwrap().iter().map(|delay| delay.unwrap().to_arrival).collect();
        found.sort_by(f64::total_cmp);
        // A busy machine may hold single pictures back; the median stays.
        let median = found[found.len() / 2];
        assert!(found[0] >= LATE.as_secs_f64(), "{found:?}");
        assert!(median < (LATE + 3 * FRAME).as_secs_f64(), "{found:?}");
    }

    #[test]
    fn flashes_alternate_and_no_two_are_closer_than_the_camera_can_follow() {
        let flashes = flashes(6);
        assert_eq!(flashes.len(), 8);
        for pair in flashes.windows(2) {
            assert_ne!(pair[0].white, pair[1].white);
            assert!((pair[1].at - pair[0].at).as_secs_f64() >= HOLD - 1e-9);
        }
    }
}
