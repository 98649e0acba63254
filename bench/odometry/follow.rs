//! One back end over one sequence of frames, and what is measured on it.

use std::collections::BTreeMap;
use std::time::Instant;

use anyhow::Result;
use handstream::frame::Frame;
use handstream::geometry::{CameraModel, CameraPath, CameraPose};
use handstream::metrics::{Alignment, MatchedPath};
use handstream::slam::points::PointOdometry;
use handstream::slam::{Odometry, OdometryState, PixelBox, WORKING_SIDE, WorkingSize};
use serde_json::{Value, json};

use crate::report::{median, rounded};

/// What a back end said of a sequence.
#[derive(Default)]
pub struct Followed {
    /// Poses as they were known when their frames arrived.
    pub causal: CameraPath,
    /// Poses as they were known at the end.
    pub refined: CameraPath,
    /// Frames in each state; `refused` where a frame was not taken.
    pub states: BTreeMap<&'static str, usize>,
    /// Wall time of each frame, milliseconds.
    pub milliseconds: Vec<f64>,
    /// Median depth of the map's points that a frame saw, for each frame that saw any.
    pub depths: Vec<f64>,
}

/// The embedded back end for pictures of `camera`.
pub fn points(camera: &CameraModel) -> Result<PointOdometry> {
    Ok(PointOdometry::new(camera.clone(), Default::default())?)
}

/// Follows the camera over all frames; boxes are in the pixels of their frame.
pub fn follow(
    camera: &CameraModel,
    frames: impl IntoIterator<Item = Result<(Frame, Vec<PixelBox>)>>,
) -> Result<Followed> {
    let working = WorkingSize::new(camera, WORKING_SIDE);
    let mut odometry = points(working.camera())?;
    let mut followed = Followed::default();
    for frame in frames {
        let (frame, hidden) = frame?;
        followed.step(&mut odometry, &working, &frame, &hidden);
    }
    odometry.finish()?;
    followed.refined = odometry.path();
    Ok(followed)
}

impl Followed {
    /// Gives one frame.
    pub fn step(
        &mut self,
        odometry: &mut dyn Odometry,
        working: &WorkingSize,
        frame: &Frame,
        hidden: &[PixelBox],
    ) {
        let start = Instant::now();
        let hidden: Vec<PixelBox> = hidden.iter().map(|full| working.pixel_box(full)).collect();
        let outcome = odometry.process(&working.frame(frame, Vec::new()), &hidden);
        self.milliseconds.push(start.elapsed().as_secs_f64() * 1e3);
        let Ok(update) = outcome else {
            *self.states.entry("refused").or_default() += 1;
            return;
        };
        *self.states.entry(OdometryState::name(update.state)).or_default() += 1;
        let mut depths: Vec<f64> = update.points.iter().map(|point| point.depth).collect();
        self.depths.extend(median(&mut depths));
        self.causal.scale_free = update.scale_free;
        self.causal.poses.extend(update.pose.map(|world_from_camera| CameraPose {
            sequence: update.sequence,
            timestamp: update.timestamp,
            world_from_camera,
        }));
    }

    /// Frames given.
    pub fn frames(&self) -> usize {
        self.milliseconds.len()
    }

    /// Errors against a truth that has a pose for every frame.
    pub fn errors(&self, truth: &CameraPath) -> Value {
        let of = |path: &CameraPath| {
            let matched = MatchedPath::new(path, truth);
            let error = matched.absolute_error(Alignment::Similarity).ok();
            let percent = error.map(|error| rounded(100.0 * error.rmse / matched.truth_length()));
            (percent, error.map(|error| rounded(error.rotation_rmse)), rounded(matched.tracked()))
        };
        let ((causal, causal_degrees, tracked), (refined, _, refined_tracked)) =
            (of(&self.causal), of(&self.refined));
        json!({
            "ate_percent": causal,
            "rotation_degrees": causal_degrees,
            "tracked": tracked,
            "refined_ate_percent": refined,
            "refined_tracked": refined_tracked,
            "truth_length": rounded(truth.length()),
            "states": self.states,
            "p50_ms": self.percentile(0.5),
            "p99_ms": self.percentile(0.99),
        })
    }

    /// How far the poses are from the first one: largest angle, and largest way in medians of the depth
    /// (0 where nothing moved, none where no depth is known).
    pub fn drift(&self) -> Value {
        let first = self.causal.poses.first().map(|pose| pose.world_from_camera);
        let away = self.causal.poses.iter().zip(first.iter().cycle());
        let away = away.map(|(pose, first)| first.inv_mul(&pose.world_from_camera));
        let (mut angle, mut way) = (0.0_f64, 0.0_f64);
        for moved in away {
            angle = angle.max(moved.rotation.angle().to_degrees());
            way = way.max(moved.translation.vector.norm());
        }
        json!({
            "frames": self.frames(),
            "poses": self.causal.poses.len(),
            "states": self.states,
            "largest_angle": rounded(angle),
            "largest_way_percent_of_depth": self.in_depths(way).map(|depths| rounded(100.0 * depths)),
        })
    }

    /// A length in medians of the scene's depth.
    pub fn in_depths(&self, length: f64) -> Option<f64> {
        if length == 0.0 {
            return Some(0.0);
        }
        median(&mut self.depths.clone()).map(|depth| length / depth)
    }

    /// The time that a share of the frames did not exceed.
    pub fn percentile(&self, part: f64) -> Option<f64> {
        let mut times = self.milliseconds.clone();
        times.sort_by(f64::total_cmp);
        times.get((times.len().saturating_sub(1) as f64 * part) as usize).copied().map(rounded)
    }
}
