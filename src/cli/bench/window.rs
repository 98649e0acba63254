//! `handstream bench window`: what a picture of the live window costs, apart from the screen's own pace.

use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::Args;
use handstream::event::{Event, FrameHands, Refinement, SecondPassStatus, StageTime};
use handstream::frame::PictureSize;
use handstream::hand::HandModel;
use handstream::source::Source;
use handstream::source::synthetic::{SceneConfig, SyntheticScene};
use handstream::view::live::{LiveFeed, LiveScene, LiveView};
use handstream::view::save_png;
use serde_json::json;

use super::machine;
use super::statistics::{PARTS, Samples};
use crate::cli::camera_request::picture_size;
use crate::cli::pipeline::Pipeline;

/// Pictures before the clock starts.
const WARM_UP: usize = 15;
/// Made-up times of the stages, milliseconds: what is drawn of them should look like a run.
const STAGES: [(&str, f64); 4] = [("palm", 0.0), ("landmark", 8.4), ("network", 0.6), ("fit", 0.5)];

#[derive(Args)]
pub struct WindowArgs {
    /// Pictures of the built-in scene that are drawn.
    #[arg(long, value_name = "N", default_value_t = 120, value_parser = clap::value_parser!(u64).range(30..=1000))]
    frames: u64,
    /// Size of the window.
    #[arg(long, value_name = "WxH", value_parser = picture_size, default_value = "1280x720")]
    size: PictureSize,
    /// Write all numbers here.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Keep the last picture here.
    #[arg(long, value_name = "FILE.png")]
    still: Option<PathBuf>,
}

impl WindowArgs {
    /// Draws, measures and prints.
    ///
    /// # Errors
    /// One sentence for the user.
    pub fn run(self) -> Result<()> {
        let model = Arc::new(HandModel::open());
        let config = SceneConfig { frames: self.frames, ..SceneConfig::default() };
        let mut scene = SyntheticScene::new(config, model.clone())?;
        let info = scene.info().clone();
        let run = Pipeline::run_info(&info, scene.camera(), &model, None);
        let mut view = LiveView::new(&run, model, self.size, true)?;
        let feed = LiveFeed::new(|| ());
        feed.event(&Event::Started(Arc::new(run)));
        feed.set_profile("lite");
        feed.event(&Event::SecondPass(SecondPassStatus::default()));
        feed.event(&Event::Refined(Arc::new(refinement(&scene, self.frames))));
        let scenes = scenes(&mut scene)?;
        let (period, start) = (Duration::from_secs_f64(1.0 / info.fps), Instant::now());
        let (mut window, mut whole) = (Vec::new(), Vec::new());
        for (scene, due) in scenes.iter().zip((0..).map(|number| start + period * number)) {
            // At a camera's pace: some parts are drawn anew by the clock.
            thread::sleep(due.saturating_duration_since(Instant::now()));
            feed.event(&Event::Frame { frame: scene.frame.clone(), hands: scene.hands.clone() });
            let start = Instant::now();
            let news = feed.take();
            view.follow(&news);
            view.draw_unread(news.scene.as_ref(), &feed.numbers())?;
            window.push(milliseconds(start));
        }
        let numbers = feed.numbers();
        for scene in &scenes {
            let start = Instant::now();
            let picture = view.draw(Some(scene), &numbers)?;
            whole.push(milliseconds(start));
            if let (Some(still), true) = (&self.still, whole.len() == scenes.len()) {
                save_png(still, &picture, self.size)?;
            }
        }
        self.tell(view.adapter(), [window, whole].map(|all| all.into_iter().skip(WARM_UP).collect()))
    }

    fn tell(&self, adapter: &str, [window, whole]: [Samples; 2]) -> Result<()> {
        println!("{} by {adapter}, ms", self.size);
        for (name, samples) in [("window", &window), ("whole, read back", &whole)] {
            print!("  {name:<18} best {:>6.2}", samples.quantile(0.0));
            PARTS.iter().for_each(|(part, share)| print!("  {part} {:>6.2}", samples.quantile(*share)));
            println!();
        }
        let Some(path) = &self.json else { return Ok(()) };
        let json = json!({
            "what": "milliseconds from a frame with its hands to the finished picture of the live window, off-screen; \
                     whole_read_back: every part drawn anew and read by the program",
            "window_ms": window.json(),
            "window_best_ms": window.quantile(0.0),
            "whole_read_back_ms": whole.json(),
            "whole_read_back_best_ms": whole.quantile(0.0),
            "size": self.size.to_string(),
            "frames": self.frames,
            "adapter": adapter,
            "machine": machine::describe(),
            "command": machine::command(),
            "version": env!("CARGO_PKG_VERSION"),
        });
        std::fs::write(path, format!("{json:#}\n"))
            .with_context(|| format!("{} cannot be written", path.display()))
    }
}

/// All frames of the scene with their hands.
fn scenes(scene: &mut SyntheticScene) -> Result<Vec<LiveScene>> {
    let camera = scene.camera().clone();
    let mut scenes = Vec::new();
    while let Some(frame) = scene.next_frame()? {
        let Some(truth) = scene.truth(frame.sequence) else { break };
        let hands = Arc::new(with_times(truth.seen(frame.sequence, &camera)));
        scenes.push(LiveScene { frame: Arc::new(frame), hands });
    }
    Ok(scenes)
}

/// The truth as the second pass would tell it.
fn refinement(scene: &SyntheticScene, frames: u64) -> Refinement {
    let frame = |sequence| {
        let truth = scene.truth(sequence)?;
        let world_from_camera = Some(truth.world_from_camera);
        Some(FrameHands { world_from_camera, ..truth.seen(sequence, scene.camera()) })
    };
    Refinement {
        revision: 1,
        frames: (0..frames).map_while(frame).collect(),
        settled: frames,
        world_scale: None,
        age: Duration::ZERO,
        took: Duration::ZERO,
    }
}

/// The hands with times as of a run.
fn with_times(hands: FrameHands) -> FrameHands {
    let waver = 1.0 + 0.1 * (hands.sequence % 7) as f64;
    let took = |milliseconds: f64| Duration::from_secs_f64(milliseconds * waver / 1e3);
    let stages = STAGES.map(|(stage, ms)| StageTime { stage, took: took(ms) }).to_vec();
    let total = stages.iter().map(|stage| stage.took).sum();
    FrameHands { stages, total, ..hands }
}

fn milliseconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1e3
}
