//! Another profile in the middle of a run, as the window's key asks for it.
#![cfg(feature = "render")]

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use handstream::engine::{Delivery, FrontEnd, FrontEndConfig, HandFrontEnd, Processed, Profile, Run, Supply};
use handstream::event::{Event, RunInfo, StageTime};
use handstream::frame::Frame;
use handstream::hand::HandModel;
use handstream::home::ModelFiles;
use handstream::source::Source;
use handstream::source::synthetic::{SceneConfig, SyntheticScene};

#[path = "support/mod.rs"]
mod support;

/// Frames before the profile is changed, and with hands of the new one.
const BEFORE: usize = 10;
const AFTER: usize = 10;
/// The new profile must be there after so many frames: ten seconds.
const MOST: usize = 300;

/// A front end whose frames say its profile.
struct Marked(HandFrontEnd, &'static str);

impl FrontEnd for Marked {
    fn process(&mut self, frame: &Frame) -> Processed {
        let mut processed = self.0.process(frame);
        processed.stages.push(StageTime { stage: self.1, took: Duration::ZERO });
        processed
    }
}

#[test]
fn another_profile_goes_on_with_the_next_frame_and_sees_the_hands_again() {
    if support::models().is_none() {
        return;
    }
    let files = ModelFiles::locate().unwrap();
    let model = Arc::new(HandModel::open());
    let scene = SceneConfig { frames: MOST as u64, ..SceneConfig::default() };
    let scene = match SyntheticScene::new(scene, model.clone()) {
        Ok(scene) => scene,
        Err(error) => return println!("skipped: {error}"),
    };
    let (info, camera) = (scene.info().clone(), scene.camera().clone());
    let make = {
        let (model, camera) = (model.clone(), camera.clone());
        move |profile, name| -> Result<Supply<Box<dyn FrontEnd>>, String> {
            let config = FrontEndConfig { profile, ..FrontEndConfig::default() };
            let made = HandFrontEnd::new(&files, model.clone(), camera.clone(), config);
            let made = made.map_err(|error| error.to_string())?;
            Ok(Supply::from(Box::new(Marked(made, name)) as Box<dyn FrontEnd>))
        }
    };
    let (front_end, exchange) = make(Profile::default(), "lite").unwrap().exchangeable();
    let run_info = RunInfo {
        source: info.name,
        size: info.size,
        fps: info.fps,
        frame_count: info.frame_count,
        camera: camera.clone(),
        hand_model: model.name().to_owned(),
    };
    let run = Run {
        source: (Box::new(scene) as Box<dyn Source>).into(),
        front_end,
        info: run_info,
        delivery: Delivery::Every,
        second_pass: None,
        watchdog: Default::default(),
        stop: Arc::default(),
    };
    let stop = run.stop.clone();
    // Each frame's number, whether the first profile was at work, and the tracks of its hands.
    let mut seen: Vec<(u64, bool, Vec<u32>)> = Vec::new();
    let Ok(()) = run.follow(|event| -> Result<(), Infallible> {
        match event {
            Event::Frame { hands, .. } => {
                let lite = hands.stages.iter().any(|stage| stage.stage == "lite");
                let tracks = hands.hands.iter().map(|hand| hand.track.0).collect();
                seen.push((hands.sequence, lite, tracks));
                if seen.len() == BEFORE {
                    let make = make.clone();
                    assert!(exchange.to(None, move || make(Profile::Direct, "direct")).unwrap());
                }
                let both = |(_, lite, tracks): &&(u64, bool, Vec<u32>)| !lite && tracks.len() == 2;
                stop.store(seen.iter().filter(both).count() >= AFTER, Ordering::Relaxed);
            }
            Event::Warning(sentence) => panic!("{sentence}"),
            Event::Trouble(trouble) => panic!("{trouble}"),
            _ => {}
        }
        Ok(())
    });
    let numbers: Vec<u64> = seen.iter().map(|(number, ..)| *number).collect();
    assert_eq!(numbers, (0..numbers.len() as u64).collect::<Vec<_>>(), "every frame once, in order");
    let changed = seen.iter().position(|(_, lite, _)| !lite).expect("the new profile comes");
    assert!(changed >= BEFORE && seen[changed..].iter().all(|(_, lite, _)| !lite), "it comes once");
    let of = |part: &[(u64, bool, Vec<u32>)]| {
        part.iter().flat_map(|(.., tracks)| tracks.clone()).collect::<Vec<_>>()
    };
    let (before, after) = (of(&seen[..changed]), of(&seen[changed..]));
    assert!(!before.is_empty() && after.len() >= 2 * AFTER, "{seen:?}");
    assert!(after.iter().min() > before.iter().max(), "no track is used twice: {before:?}, then {after:?}");
}
