//! Hands at the moments a program asks for, as a game or a headset does: ninety times a second, whatever the
//! camera's rate.
//!
//! ```sh
//! cargo run --release --example poll              # the built-in scene, no camera needed
//! cargo run --release --example poll 0            # a camera
//! cargo run --release --example poll film.mp4
//! ```

use std::error::Error;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use handstream::engine::{FrontEndConfig, HandStream};
use handstream::event::Event;
use handstream::geometry::CameraModel;
use handstream::hand::HandModel;
use handstream::home::ModelFiles;
use handstream::source::synthetic::{SceneConfig, SyntheticScene};
use handstream::source::{OpenOptions, Source, open};

const TICK: Duration = Duration::from_micros(11_111);

fn main() -> Result<(), Box<dyn Error>> {
    let model = Arc::new(HandModel::open());
    let source: Box<dyn Source> = match std::env::args().nth(1) {
        Some(source) => open(&source, &OpenOptions::default())?,
        None => Box::new(SyntheticScene::new(SceneConfig::default(), model.clone())?),
    };
    let camera = source.info().camera.clone().unwrap_or_else(|| CameraModel::guess(source.info().size));
    let files = ModelFiles::locate()?;
    let hands = HandStream::start(source, camera, &model, &files, &FrontEndConfig::default(), None)?;

    let mut ticks = 0_u64;
    while !hands.ended() {
        thread::sleep(TICK);
        ticks += 1;
        while let Some(event) = hands.next_event() {
            match event {
                Event::Warning(sentence) => eprintln!("{sentence}"),
                Event::Trouble(trouble) => eprintln!("{trouble}"),
                _ => {}
            }
        }
        // A real program draws every time; a person reads ten lines a second.
        for hand in hands.hands().hands.iter().filter(|_| ticks.is_multiple_of(9)) {
            let wrist = hand.joints(&model)[0].0;
            println!(
                "{:<5} wrist at {:+.3} {:+.3} {:+.3} m, {:?}, {:2.0} ms after the last frame",
                hand.side.name(),
                wrist.x,
                wrist.y,
                wrist.z,
                hand.basis,
                1e3 * hand.age.as_secs_f64()
            );
        }
    }
    Ok(())
}
