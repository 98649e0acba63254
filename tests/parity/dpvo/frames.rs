//! Any frame at all, with random weights: a state or an error, never a broken pose.

use handstream::frame::{Frame, PictureSize, Timestamp};
use handstream::geometry::CameraModel;
use handstream::net::{Checkpoint, Isa};
use handstream::slam::dpvo::{DpvoConfig, DpvoNetwork, DpvoOdometry};
use handstream::slam::{CameraPath, Odometry, OdometryError, OdometryState, PixelBox};

use crate::dpvo_weights::random_weights;

const SIZE: PictureSize = PictureSize { width: 70, height: 66 };

fn odometry(prefix: bool) -> DpvoOdometry {
    let mut weights = random_weights(3);
    if prefix {
        weights = with_prefix(&weights);
    }
    let network = DpvoNetwork::read(&Checkpoint::parse(&weights).unwrap(), Isa::best()).unwrap();
    let config = DpvoConfig { patches_per_frame: 6, ..DpvoConfig::default() };
    DpvoOdometry::new(network, &CameraModel::guess(SIZE), config).unwrap()
}

/// The weights as training on several GPUs leaves them.
fn with_prefix(weights: &[u8]) -> Vec<u8> {
    let file = safetensors::SafeTensors::deserialize(weights).unwrap();
    let views = file.tensors().into_iter().map(|(name, view)| (format!("module.{name}"), view));
    safetensors::serialize(views, None).unwrap()
}

fn frame(sequence: u64, pixel: impl Fn(usize) -> u8) -> Frame {
    Frame {
        pixels: (0..SIZE.rgb_bytes()).map(pixel).collect(),
        size: SIZE,
        timestamp: Timestamp(1 + sequence as i64 * 33_000_000),
        sequence,
    }
}

/// Black, white, frozen, torn and noisy frames.
fn frames() -> Vec<Frame> {
    let noise = |seed: usize| move |at: usize| ((at + seed) * 7919 % 251) as u8;
    (0..24)
        .map(|n: u64| match n % 6 {
            0 => frame(n, |_| 0),
            1 => frame(n, |_| 255),
            2 | 3 => frame(n, noise(5)),
            4 => frame(n, move |at| if at < SIZE.rgb_bytes() / 2 { noise(1)(at) } else { noise(90)(at) }),
            _ => frame(n, noise(n as usize * 13)),
        })
        .collect()
}

fn run(odometry: &mut DpvoOdometry) -> CameraPath {
    let hand = PixelBox { left: 0.0, top: 0.0, right: 30.0, bottom: 40.0 };
    let everywhere = PixelBox { left: -1.0, top: -1.0, right: 100.0, bottom: 100.0 };
    let mut states = Vec::new();
    for frame in frames() {
        let hidden: &[PixelBox] = if frame.sequence % 5 == 0 { &[everywhere] } else { &[hand] };
        let update = odometry.process(&frame, hidden).unwrap();
        assert_eq!(
            update.pose.is_some(),
            matches!(update.state, OdometryState::Tracking | OdometryState::Still)
        );
        assert!(update.pose.is_none_or(|pose| pose.to_homogeneous().iter().all(|value| value.is_finite())));
        assert!(update.points.iter().all(|point| point.depth.is_finite() && point.depth > 0.0));
        states.push(update.state);
    }
    assert_eq!(states.last(), Some(&OdometryState::Tracking));
    odometry.finish().unwrap();
    odometry.path()
}

#[test]
fn any_picture_gives_a_state_and_the_same_frames_give_the_same_path() {
    let path = run(&mut odometry(false));
    assert_eq!(path.poses.len(), frames().len());
    assert!(path.scale_free);
    assert_eq!(path.poses[0].world_from_camera, nalgebra::Isometry3::identity());
    assert_eq!(path, run(&mut odometry(true)));
}

#[test]
fn frames_that_cannot_be_used_are_refused_and_the_next_goes_on() {
    let mut odometry = odometry(false);
    odometry.process(&frame(1, |_| 9), &[]).unwrap();
    let other = PictureSize::new(64, 64);
    let size =
        odometry.process(&Frame { size: other, pixels: vec![0; other.rgb_bytes()], ..frame(2, |_| 0) }, &[]);
    assert_eq!(size, Err(OdometryError::Size { expected: SIZE, found: other }));
    let cut = odometry.process(&Frame { pixels: vec![0; 7], ..frame(2, |_| 0) }, &[]);
    assert_eq!(cut, Err(OdometryError::Buffer { size: SIZE, found: 7 }));
    let back = odometry.process(&frame(0, |_| 9), &[]);
    assert_eq!(back, Err(OdometryError::Time { sequence: 0 }));
    let next = odometry.process(&frame(3, |_| 9), &[]).unwrap();
    assert_ne!(next.state, OdometryState::Lost);
}

#[test]
fn a_camera_that_cannot_be_meant_is_refused_in_one_sentence() {
    let network = || DpvoNetwork::read(&Checkpoint::parse(&random_weights(3)).unwrap(), Isa::best()).unwrap();
    let good = CameraModel::guess(SIZE);
    let bent = CameraModel { distortion: [0.1, 0.0, 0.0, 0.0, 0.0], ..good.clone() };
    let flat = CameraModel { fx: 0.0, ..good.clone() };
    let tiny = CameraModel { size: PictureSize::new(20, 80), ..good };
    for camera in [bent, flat, tiny] {
        let refused = DpvoOdometry::new(network(), &camera, DpvoConfig::default()).err();
        assert!(matches!(refused, Some(OdometryError::Camera { .. })), "{refused:?}");
    }
}
