//! How a camera is taken up again.

use anyhow::Result;
use handstream::engine::Supply;
use handstream::source::Source;

/// The source, and a camera again, by `open`, whenever its thread has panicked or hangs.
pub fn taken_up_again(
    source: Box<dyn Source>,
    open: impl Fn() -> Result<Box<dyn Source>> + Send + 'static,
) -> Supply<Box<dyn Source>> {
    match source.info().live {
        true => Supply::renewable(source, move || open().map_err(|error| format!("{error:#}"))),
        false => source.into(),
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use handstream::engine::{Delivery, FrontEnd, Processed, Run};
    use handstream::event::{Event, RunInfo};
    use handstream::frame::{Frame, PictureSize, Timestamp};
    use handstream::geometry::CameraModel;
    use handstream::source::{SourceError, SourceInfo};

    use super::*;

    const SIZE: PictureSize = PictureSize { width: 1, height: 1 };

    /// A camera, or a film, whose thread dies after five frames; the second camera ends there in good order.
    struct Dies {
        info: SourceInfo,
        next: u64,
        good: bool,
    }

    impl Source for Dies {
        fn info(&self) -> &SourceInfo {
            &self.info
        }

        fn next_frame(&mut self) -> Result<Option<Frame>, SourceError> {
            // Slow enough for every frame to be seen.
            std::thread::sleep(std::time::Duration::from_millis(5));
            let sequence = self.next;
            self.next += 1;
            assert!(self.good || sequence < 5, "the driver's bug");
            let timestamp = Timestamp(sequence as i64 * 5_000_000);
            let frame = Frame { pixels: vec![0; SIZE.rgb_bytes()], size: SIZE, timestamp, sequence };
            Ok((sequence < 5).then_some(frame))
        }
    }

    struct Nothing;

    impl FrontEnd for Nothing {
        fn process(&mut self, _: &Frame) -> Processed {
            Processed::default()
        }
    }

    /// How often the source was opened again, and the numbers of its frames.
    fn play(live: bool) -> (u64, Vec<u64>) {
        let info = SourceInfo {
            name: "camera".into(),
            size: SIZE,
            fps: 200.0,
            frame_count: None,
            live,
            camera: None,
        };
        let dies = move |good| Box::new(Dies { info: info.clone(), next: 0, good }) as Box<dyn Source>;
        let (opened, first) = (Arc::new(AtomicU64::new(0)), dies(false));
        let again = opened.clone();
        let source = taken_up_again(first, move || {
            again.fetch_add(1, Ordering::Relaxed);
            Ok(dies(true))
        });
        let run_info = RunInfo {
            source: "camera".into(),
            size: SIZE,
            fps: 200.0,
            frame_count: None,
            camera: CameraModel::guess(SIZE),
            hand_model: "open".into(),
        };
        let mut seen = Vec::new();
        let run = Run {
            source,
            front_end: (Box::new(Nothing) as Box<dyn FrontEnd>).into(),
            info: run_info,
            delivery: Delivery::Newest { paced: false },
            second_pass: None,
            watchdog: Default::default(),
            stop: Arc::default(),
        };
        let Ok(()) = run.follow(|event| -> Result<(), Infallible> {
            if let Event::Frame { hands, .. } = event {
                seen.push(hands.sequence);
            }
            Ok(())
        });
        (opened.load(Ordering::Relaxed), seen)
    }

    #[test]
    fn a_camera_whose_thread_dies_is_opened_again_and_its_numbers_go_on() {
        let (opened, seen) = play(true);
        assert_eq!(opened, 1);
        assert!(seen.is_sorted() && seen.last() == Some(&9), "{seen:?}");
        assert_eq!(play(false).0, 0, "a film is not begun anew");
    }
}
