//! `handstream demo`: the built-in scene through the whole engine, against its known truth.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Result;
use clap::Args;
use handstream::engine::{Delivery, FrontEndConfig};
use handstream::event::Event;
use handstream::hand::HandModel;
use handstream::source::synthetic::{SceneConfig, SyntheticScene};

use super::accuracy::Accuracy;
use super::pipeline::Pipeline;

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
}

impl DemoArgs {
    /// Runs the scene and prints the errors, the latencies and where the film lies.
    ///
    /// # Errors
    /// One sentence for the user.
    pub fn run(self) -> Result<()> {
        let model = Arc::new(HandModel::open());
        let config = SceneConfig { frames: self.frames, ..SceneConfig::default() };
        let mut accuracy = Accuracy::new(config.fps);
        let scene = SyntheticScene::new(config, model.clone())?;
        let truth: Vec<_> = (0..self.frames).map_while(|number| scene.truth(number)).collect();
        let pipeline = Pipeline {
            camera: scene.camera().clone(),
            source: Box::new(scene),
            model,
            config: FrontEndConfig::default(),
            path: None,
            second_pass: None,
            delivery: Delivery::Every,
            out: self.out.clone(),
            overlay: !self.no_overlay,
            limit: None,
        };
        let summary = pipeline.run(|event| {
            let Event::Frame { hands, .. } = event else { return };
            for hand in truth.get(hands.sequence as usize).iter().flat_map(|frame| &frame.hands) {
                accuracy.frame(hands, hand.side, &hand.joints_camera);
            }
        })?;
        print!("{summary}");
        println!("{accuracy}");
        if !self.no_overlay {
            println!("overlay: {}", self.out.join("overlay.mp4").display());
        }
        println!("results in {}", self.out.display());
        Ok(())
    }
}
