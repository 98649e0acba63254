//! The live view: the same scene off-screen and in a window, and the program under a virtual display.
#![cfg(feature = "render")]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use handstream::event::{Event, FrameHands, RunInfo, StageTime};
use handstream::frame::PictureSize;
use handstream::hand::HandModel;
use handstream::source::Source;
use handstream::source::synthetic::{SceneConfig, SyntheticScene};
use handstream::view::live::{LiveFeed, LiveScene, LiveView};
use handstream::view::{Overlay, save_png};

#[path = "support/mod.rs"]
mod support;

const WINDOW: PictureSize = PictureSize { width: 1280, height: 720 };

/// The built-in scene as a run would show it, its hands where they truly are; `None` with a printed reason
/// where this machine cannot draw.
fn shown(frames: usize) -> Option<(RunInfo, LiveView, Vec<LiveScene>, LiveFeed)> {
    let model = Arc::new(HandModel::open());
    let mut source = SyntheticScene::new(SceneConfig::default(), model.clone())
        .map_err(|error| println!("skipped: {error}"))
        .ok()?;
    let camera = source.camera().clone();
    let info = source.info().clone();
    let run = RunInfo {
        source: info.name,
        size: info.size,
        fps: info.fps,
        frame_count: None,
        camera: camera.clone(),
        hand_model: "open".into(),
    };
    let feed = LiveFeed::new(|| ());
    feed.event(&Event::Started(Arc::new(run.clone())));
    let mut scenes = Vec::new();
    for number in 0..frames as u64 {
        let frame = source.next_frame().unwrap().unwrap();
        let truth = source.truth(number).unwrap();
        let took = |stage, ms: u64| StageTime { stage, took: Duration::from_micros(1000 * ms + number * 90) };
        let hands = FrameHands {
            stages: vec![took("palm", 2), took("landmarks", 5), took("window", 1), took("fit", 1)],
            total: Duration::from_micros(11_000 + number % 7 * 800),
            ..truth.seen(number, &camera)
        };
        let scene = LiveScene { frame: Arc::new(frame), hands: Arc::new(hands) };
        scenes.push(scene);
    }
    // At a camera's pace, however long the drawing took.
    for scene in &scenes {
        std::thread::sleep(Duration::from_millis(33));
        feed.event(&Event::Frame { frame: scene.frame.clone(), hands: scene.hands.clone() });
    }
    feed.event(&Event::Dropped { count: 1 });
    let view = LiveView::new(&run, model, WINDOW, true).unwrap();
    Some((run, view, scenes, feed))
}

fn at(picture: &[u8], x: usize, y: usize) -> [u8; 3] {
    let start = (y * WINDOW.width + x) * 3;
    [picture[start], picture[start + 1], picture[start + 2]]
}

/// Pixels of a rectangle that are far from its most common colour.
fn drawn(picture: &[u8], x: std::ops::Range<usize>, y: std::ops::Range<usize>) -> usize {
    let ground = at(picture, x.start + 2, y.end - 3);
    let far = |pixel: [u8; 3]| (0..3).any(|k| pixel[k].abs_diff(ground[k]) > 40);
    y.flat_map(|y| x.clone().map(move |x| (x, y))).filter(|&(x, y)| far(at(picture, x, y))).count()
}

#[test]
fn a_live_picture_shows_camera_side_view_and_numbers_and_keys_change_it() {
    let Some((_, mut view, scenes, feed)) = shown(40) else { return };
    let (last, numbers) = (scenes.last().unwrap(), feed.numbers());
    for scene in &scenes {
        view.draw(Some(scene), &numbers).unwrap();
    }
    let plain = view.draw(Some(last), &numbers).unwrap();
    keep("live.png", &plain);
    let numbers_drawn = drawn(&plain, 0..1280, 560..720);
    assert!((2_000..60_000).contains(&numbers_drawn), "{numbers_drawn} pixels of numbers");
    assert!(drawn(&plain, 970..1270, 60..500) > 1_000, "nothing in the side view");
    assert_eq!(plain, view.draw(Some(last), &numbers).unwrap(), "the same scene again is the same picture");

    view.set_mirrored(true);
    let mirrored = view.draw(Some(last), &numbers).unwrap();
    keep("live-mirrored.png", &mirrored);
    let corner = (10..60).flat_map(|y| (10..60).map(move |x| (x, y)));
    let off = corner.map(|(x, y)| at(&plain, x, y)[0].abs_diff(at(&mirrored, 959 - x, y)[0])).max();
    assert!(off <= Some(4), "the room is not mirrored: {off:?}");
    assert_eq!(at(&plain, 1100, 600), at(&mirrored, 1100, 600), "numbers are not mirrored");

    view.set_mirrored(false);
    view.show_numbers(false);
    let bare = view.draw(Some(last), &numbers).unwrap();
    keep("live-bare.png", &bare);
    assert_eq!(at(&bare, 5, 715), [0; 3]);
    view.show_numbers(true);
    let waiting = view.draw(None, &LiveFeed::new(|| ()).numbers()).unwrap();
    keep("live-waiting.png", &waiting);
    assert_eq!(at(&waiting, 400, 300), [0; 3]);
}

#[test]
fn a_live_picture_takes_no_longer_than_one_of_the_film() {
    let Some((run, mut view, scenes, feed)) = shown(20) else { return };
    let mut film = Overlay::new(&run, Arc::new(HandModel::open()), false).unwrap();
    let mut times = [Vec::new(), Vec::new()];
    for scene in scenes.iter().chain(&scenes) {
        let timed = |draw: &mut dyn FnMut()| {
            let start = Instant::now();
            draw();
            start.elapsed()
        };
        times[0].push(timed(&mut || _ = view.draw(Some(scene), &feed.numbers()).unwrap()));
        times[1].push(timed(&mut || _ = film.draw(&scene.frame, &scene.hands).unwrap()));
    }
    let [live, film] = times.map(|mut all| {
        all.sort();
        [all[0], all[all.len() / 2]]
    });
    println!(
        "best and median with read-back: window of {WINDOW} {live:.1?}, film of {} {film:.1?}",
        film_size(&run)
    );
    assert!(live[0] < film[0].mul_f64(1.3), "{live:?} beside {film:?}");
}

fn film_size(run: &RunInfo) -> PictureSize {
    PictureSize::new(run.size.width * 3 / 2, run.size.height)
}

/// Keeps a picture for a person to look at, where `HANDSTREAM_LOOK` names a folder.
fn keep(name: &str, rgb: &[u8]) {
    if let Some(folder) = std::env::var_os("HANDSTREAM_LOOK") {
        save_png(&PathBuf::from(folder).join(name), rgb, WINDOW).unwrap();
    }
}

/// A virtual display with its screen in a file.
struct VirtualDisplay {
    server: Child,
    folder: tempfile::TempDir,
    name: String,
}

impl VirtualDisplay {
    /// `None`, with a printed reason, where there is no Xvfb.
    fn start() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let numbers = folder.path().join("number");
        let spawned = Command::new("Xvfb")
            .args(["-displayfd", "1", "-screen", "0", "1400x900x24", "-nolisten", "tcp", "-fbdir"])
            .arg(folder.path())
            .stdout(std::fs::File::create(&numbers).unwrap())
            .stderr(Stdio::null())
            .spawn();
        let Ok(server) = spawned else {
            println!("skipped: no Xvfb on this machine");
            return None;
        };
        let mut display = Self { server, folder, name: String::new() };
        for _ in 0..200 {
            let number = std::fs::read_to_string(&numbers).unwrap_or_default();
            if number.ends_with('\n') {
                display.name = format!(":{}", number.trim());
                return Some(display);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        println!("skipped: Xvfb does not start");
        None
    }

    /// The screen now: X's own dump, 32 bits a pixel.
    fn screen(&self) -> Option<(PictureSize, Vec<u8>)> {
        let dump = std::fs::read(self.folder.path().join("Xvfb_screen0")).ok()?;
        let field = |number: usize| {
            let bytes = dump.get(4 * number..4 * number + 4)?;
            Some(u32::from_be_bytes(bytes.try_into().ok()?) as usize)
        };
        let (header, width, height, row) = (field(0)?, field(4)?, field(5)?, field(12)?);
        let pixels = dump.get(header + 12 * field(19)?..)?;
        let mut rgb = Vec::new();
        for row in pixels.chunks_exact(row).take(height) {
            rgb.extend(row.chunks_exact(4).take(width).flat_map(|pixel| [pixel[2], pixel[1], pixel[0]]));
        }
        Some((PictureSize::new(width, height), rgb))
    }
}

impl Drop for VirtualDisplay {
    fn drop(&mut self) {
        // It has nothing to keep.
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

#[cfg(feature = "window")]
#[test]
fn the_window_opens_shows_frames_and_closes() {
    let (Some(_), Some(display)) = (support::models(), VirtualDisplay::start()) else { return };
    let mut program = Command::new(env!("CARGO_BIN_EXE_handstream"))
        .args(["live", "demo", "--frames", "90"])
        .env("DISPLAY", &display.name)
        .env_remove("WAYLAND_DISPLAY")
        .env_remove("WAYLAND_SOCKET")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut best, started) = (0, Instant::now());
    while program.try_wait().unwrap().is_none() {
        assert!(started.elapsed() < Duration::from_secs(120), "the window does not close");
        if let Some((size, rgb)) = display.screen() {
            let lit = rgb.iter().filter(|&&level| level > 60).count();
            if lit > best {
                best = lit;
                if let Some(folder) = std::env::var_os("HANDSTREAM_LOOK") {
                    save_png(&Path::new(&folder).join("screen.png"), &rgb, size).unwrap();
                }
            }
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    let done = program.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{said}");
    assert!(String::from_utf8_lossy(&done.stdout).contains("capture to pose"), "{said}");
    assert!(best > 400_000, "only {best} lit colours on the screen");
}

#[cfg(feature = "window")]
#[test]
fn without_a_display_one_sentence_offers_the_numbers_alone() {
    for display in ["", ":4711"] {
        let done = Command::new(env!("CARGO_BIN_EXE_handstream"))
            .args(["live", "demo"])
            .env("DISPLAY", display)
            .env_remove("WAYLAND_DISPLAY")
            .env_remove("WAYLAND_SOCKET")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&done.stderr);
        assert!(!done.status.success() && said.contains("--headless"), "{said}");
        assert!(!said.contains("panicked") && said.lines().count() == 1, "{said}");
    }
}

#[test]
fn without_a_window_the_numbers_come_once_a_second() {
    if support::models().is_none() {
        return;
    }
    let done = Command::new(env!("CARGO_BIN_EXE_handstream"))
        .args(["live", "demo", "--headless", "--frames", "45"])
        .output()
        .unwrap();
    let (said, told) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert!(done.status.success(), "{told}");
    assert!(said.lines().count() >= 2, "{said}");
    for line in said.lines().skip(1) {
        assert!(line.contains("frames/s") && line.contains("dropped"), "{line}");
    }
}
