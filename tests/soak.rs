//! A short soak: a source that misbehaves, and an engine that tells all of it and goes on.

use std::convert::Infallible;
use std::time::{Duration, Instant};

use handstream::engine::{Delivery, FrontEnd, PoseStore, Processed, Run};
use handstream::event::{Event, RunInfo};
use handstream::frame::{Frame, PictureSize, Timestamp};
use handstream::geometry::CameraModel;
use handstream::source::{FaultLedger, FaultLog, FaultySource, Source, SourceError, SourceInfo};

const SIZE: PictureSize = PictureSize { width: 64, height: 48 };
const FPS: f64 = 200.0;
const FRAMES: u64 = 1400;

/// Grey frames.
struct Film {
    info: SourceInfo,
    next: u64,
}

impl Source for Film {
    fn info(&self) -> &SourceInfo {
        &self.info
    }

    fn next_frame(&mut self) -> Result<Option<Frame>, SourceError> {
        let sequence = self.next;
        self.next += 1;
        let timestamp = Timestamp::from_seconds(sequence as f64 / FPS);
        let frame = Frame { pixels: vec![128; SIZE.rgb_bytes()], size: SIZE, timestamp, sequence };
        Ok((sequence < FRAMES).then_some(frame))
    }
}

/// Takes a while and finds nothing.
struct Quick;

impl FrontEnd for Quick {
    fn process(&mut self, _: &Frame) -> Processed {
        std::thread::sleep(Duration::from_millis(2));
        Processed::default()
    }
}

#[test]
fn everything_that_a_faulty_source_does_is_told_and_the_run_goes_on() {
    let info = SourceInfo {
        name: "film".into(),
        size: SIZE,
        fps: FPS,
        frame_count: None,
        live: false,
        camera: None,
    };
    let run_info = RunInfo {
        source: "film".into(),
        size: SIZE,
        fps: FPS,
        frame_count: None,
        camera: CameraModel::guess(SIZE),
        hand_model: "open".into(),
    };
    let log = FaultLog::default();
    let source = FaultySource::new(Box::new(Film { info, next: 0 }), 7, log.clone());
    let run = Run::new(Box::new(source), run_info, Box::new(Quick), Delivery::Newest { paced: false });
    let (mut ledger, store, started) = (FaultLedger::new(log), PoseStore::default(), Instant::now());
    let (mut numbers, mut dropped) = (Vec::new(), 0);
    let Ok(()) = run.follow(|event| -> Result<(), Infallible> {
        ledger.event(event);
        store.event(event);
        match event {
            Event::Frame { hands, .. } => numbers.push(hands.sequence),
            Event::Dropped { count } => dropped += count,
            _ => {}
        }
        Ok(())
    });
    let account = ledger.account();
    println!("{account:?}, {} frames, {dropped} dropped in {:.1?}", numbers.len(), started.elapsed());
    assert!(account.missed.is_empty(), "not told: {:?}", account.missed);
    assert!(account.kinds.iter().all(|(_, injected, _)| *injected > 0), "{:?}", account.kinds);
    assert!(numbers.is_sorted_by(|a, b| a < b), "no frame twice and none out of order");
    assert!(numbers.last() >= Some(&(FRAMES - 300)) && numbers.len() > 200, "{} frames", numbers.len());
    let time_of = |&sequence: &u64| Timestamp::from_seconds(sequence as f64 / FPS);
    assert_eq!(store.newest(), numbers.last().map(time_of));
}
