//! `handstream demo`: the built-in scene through the whole engine, against its known truth.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Result;
use clap::Args;
use handstream::engine::{Delivery, FrontEndConfig, Watchdog};
use handstream::event::{Event, FrameHands};
use handstream::hand::HandModel;
use handstream::source::Source;
use handstream::source::synthetic::{SceneConfig, SyntheticScene};

use super::accuracy::Accuracy;
use super::pipeline::Pipeline;
use super::second_pass::SecondPassArgs;

#[derive(Args)]
pub struct DemoArgs {
    /// Folder for hands.jsonl, hands.npz, summary.json and overlay.mp4.
    #[arg(long, value_name = "DIR", default_value = "out/demo")]
    out: PathBuf,
    /// Length of the scene in frames, 30 a second.
    #[arg(long, value_name = "N", default_value_t = 150, value_parser = clap::value_parser!(u64).range(1..=9000))]
    frames: u64,
    /// Leave the overlay film out.
    #[arg(long)]
    no_overlay: bool,
    #[command(flatten)]
    second_pass: SecondPassArgs,
}

impl DemoArgs {
    /// Runs the scene and prints the errors, the latencies and where the film lies.
    ///
    /// # Errors
    /// One sentence for the user.
    pub fn run(self) -> Result<()> {
        let model = Arc::new(HandModel::open());
        let config = SceneConfig { frames: self.frames, ..SceneConfig::default() };
        let fps = config.fps;
        let scene = SyntheticScene::new(config, model.clone())?;
        let truth: Vec<_> = (0..self.frames).map_while(|number| scene.truth(number)).collect();
        let camera = scene.camera().clone();
        let watchdog = Watchdog::default();
        let run_info = Pipeline::run_info(scene.info(), &camera, &model, None);
        let second_pass =
            self.second_pass.start(&model, &run_info, Delivery::Every, false, None, &watchdog)?;
        let pipeline = Pipeline {
            source: (Box::new(scene) as Box<dyn Source>).into(),
            info: run_info,
            model,
            config: FrontEndConfig::default(),
            path: None,
            second_pass,
            delivery: Delivery::Every,
            watchdog,
            out: self.out.clone(),
            overlay: !self.no_overlay,
            limit: None,
            pauses: Default::default(),
        };
        let (mut provisional, mut refined) = (BTreeMap::new(), BTreeMap::new());
        let summary = pipeline.run(|event| match event {
            Event::Frame { hands, .. } => _ = provisional.insert(hands.sequence, FrameHands::clone(hands)),
            Event::Refined(refinement) => {
                refined.extend(refinement.frames.iter().map(|hands| (hands.sequence, hands.clone())));
            }
            _ => {}
        })?;
        print!("{summary}");
        println!("against the truth, mm (MPJPE and ACC in camera space; ACC in mm/frame^2)");
        for (name, frames) in [("at once", &provisional), ("refined", &refined)] {
            if !frames.is_empty() {
                let mut accuracy = Accuracy::new(fps);
                for hands in frames.values() {
                    for hand in truth.get(hands.sequence as usize).iter().flat_map(|frame| &frame.hands) {
                        accuracy.frame(hands, hand.side, &hand.joints_camera);
                    }
                }
                println!("{name}\n{accuracy}");
            }
        }
        if !self.no_overlay {
            println!("overlay: {}", self.out.join("overlay.mp4").display());
        }
        println!("results in {}", self.out.display());
        Ok(())
    }
}
