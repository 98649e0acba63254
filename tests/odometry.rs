//! The embedded odometry as its callers meet it: any frame gives a state or an error, and the same frames
//! give the same path.

use handstream::frame::{Frame, PictureSize, Timestamp};
use handstream::geometry::{CameraModel, CameraPath, CameraPose};
use handstream::metrics::{Alignment, MatchedPath};
use handstream::slam::points::PointOdometry;
use handstream::slam::{Odometry, OdometryState, OdometryUpdate, PixelBox};
use nalgebra::{Isometry3, Vector3};

const SIZE: PictureSize = PictureSize { width: 320, height: 240 };
const FPS: f64 = 30.0;

fn camera() -> CameraModel {
    CameraModel::from_fov(60.0, SIZE)
}

fn odometry() -> PointOdometry {
    PointOdometry::new(camera(), Default::default()).expect("a plain camera is accepted")
}

/// A hash of a cell of a wall, 0..1.
fn cell(x: i64, y: i64, seed: u64) -> f64 {
    let mut z = (x as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)
        ^ (y as u64).wrapping_mul(0xbf58_476d_1ce4_e5b9)
        ^ seed.wrapping_mul(0x94d0_49bb_1331_11eb);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((z ^ (z >> 31)) >> 40) as f64 / (1_u64 << 24) as f64
}

/// Grey at a place of a wall in metres: tiles of two sizes with soft edges.
fn wall(u: f64, v: f64, seed: u64) -> f64 {
    let tiles = |size: f64, seed: u64| {
        let (x, y) = (u / size, v / size);
        let (column, row) = (x.floor(), y.floor());
        let soft = |t: f64| ((t - 0.5) * 6.0).clamp(-0.5, 0.5) + 0.5;
        let (a, b) = (soft(x - column), soft(y - row));
        let at = |dx: i64, dy: i64| cell(column as i64 + dx, row as i64 + dy, seed);
        let top = at(0, 0) * (1.0 - a) + at(1, 0) * a;
        let bottom = at(0, 1) * (1.0 - a) + at(1, 1) * a;
        top * (1.0 - b) + bottom * b
    };
    40.0 + 130.0 * tiles(0.16, seed) + 70.0 * tiles(0.05, seed + 1)
}

/// What a camera sees of a wall 3 m away and of three boards before it.
fn view(number: u32, world_from_camera: &Isometry3<f64>) -> Frame {
    /// Left, right, top, bottom and depth, metres.
    const BOARDS: [[f64; 5]; 3] =
        [[-0.9, -0.3, -0.5, 0.4, 1.7], [0.2, 0.6, -0.2, 0.8, 2.1], [0.5, 1.3, -0.9, -0.3, 2.5]];
    let camera = camera();
    let eye = world_from_camera.translation.vector;
    let mut pixels = Vec::with_capacity(SIZE.rgb_bytes());
    for y in 0..SIZE.height {
        for x in 0..SIZE.width {
            let ray =
                Vector3::new((x as f64 - camera.cx) / camera.fx, (y as f64 - camera.cy) / camera.fy, 1.0);
            let ray = world_from_camera.rotation * ray;
            let hit = |depth: f64| eye + ray * ((depth - eye.z) / ray.z);
            let board = BOARDS.iter().zip(1..).find(|([left, right, top, bottom, depth], _)| {
                let point = hit(*depth);
                (*left..*right).contains(&point.x) && (*top..*bottom).contains(&point.y)
            });
            let (depth, seed) = board.map_or((3.0, 0), |(board, number)| (board[4], 10 * number));
            let point = hit(depth);
            pixels.extend([wall(point.x, point.y, seed) as u8; 3]);
        }
    }
    let timestamp = Timestamp::from_seconds(f64::from(number) / FPS);
    Frame { pixels, size: SIZE, timestamp, sequence: u64::from(number) }
}

/// A camera that goes sideways and turns a little.
fn place(number: u32) -> Isometry3<f64> {
    let t = f64::from(number) / FPS;
    let way = Vector3::new(0.35 * (0.9 * t).sin(), 0.08 * (1.3 * t).sin(), 0.15 * (0.7 * t).sin());
    Isometry3::new(way, Vector3::new(0.05 * (0.8 * t).sin(), 0.1 * (0.6 * t).sin(), 0.03 * t.sin()))
}

fn finite(update: &OdometryUpdate) -> bool {
    let pose = update.pose.is_none_or(|pose| pose.to_homogeneous().iter().all(|value| value.is_finite()));
    let points = update.points.iter().all(|point| point.depth.is_finite() && point.depth > 0.0);
    let none_when_unknown = match update.state {
        OdometryState::Starting | OdometryState::Lost => update.pose.is_none(),
        _ => update.pose.is_some(),
    };
    pose && points && none_when_unknown
}

#[test]
fn a_carried_camera_is_followed_up_to_scale_and_twice_the_same() {
    let follow = || {
        let mut odometry = odometry();
        let mut causal = CameraPath::default();
        for number in 0..90 {
            let frame = view(number, &place(number));
            let update = odometry.process(&frame, &[]).expect("a good frame is taken");
            assert!(finite(&update) && update.scale_free);
            // Until the motion is clear, only the rotation is told.
            let mapped = update.pose.filter(|_| update.state == OdometryState::Tracking);
            causal.poses.extend(mapped.map(|world_from_camera| CameraPose {
                sequence: update.sequence,
                timestamp: update.timestamp,
                world_from_camera,
            }));
        }
        odometry.finish().expect("the run ends well");
        let mut refined = odometry.path();
        let first = causal.poses.first().map(|pose| pose.sequence);
        refined.poses.retain(|pose| Some(pose.sequence) >= first);
        (causal, refined)
    };
    let (causal, refined) = follow();
    let truth: Vec<_> = (0..90)
        .map(|number| CameraPose {
            sequence: u64::from(number),
            timestamp: Timestamp::from_seconds(f64::from(number) / FPS),
            world_from_camera: place(number),
        })
        .collect();
    let truth = CameraPath { poses: truth, scale_free: false };
    for path in [&causal, &refined] {
        let matched = MatchedPath::new(path, &truth);
        let error = matched.absolute_error(Alignment::Similarity).expect("poses to compare");
        let percent = 100.0 * error.rmse / matched.truth_length();
        assert!(percent < 1.5, "{percent} % of the path");
        // Both worlds are the first camera, so rotations need no alignment.
        let turned = path.poses.iter().map(|pose| {
            let truth = place(pose.sequence as u32).rotation;
            pose.world_from_camera.rotation.angle_to(&truth).to_degrees()
        });
        let worst = turned.fold(0.0, f64::max);
        assert!(worst < 1.0, "{worst} degrees");
        assert!(matched.tracked() > 0.7, "{} of the frames", matched.tracked());
    }
    assert_eq!((causal, refined), follow());
}

#[test]
fn any_frame_gives_a_state_or_an_error() {
    let mut odometry = odometry();
    let good = |number: u32| view(number, &place(number));
    let filled = |number: u32, value: u8| Frame { pixels: vec![value; SIZE.rgb_bytes()], ..good(number) };
    let mut frames: Vec<(&str, Frame)> = Vec::new();
    let mut number = 0;
    for round in 0..3 {
        for _ in 0..12 {
            frames.push(("good", good(number)));
            number += 1;
        }
        for value in [0, 255, 128] {
            frames.push(("plain", filled(number, value)));
            number += 1;
        }
        for _ in 0..4 {
            frames.push(("frozen", Frame { pixels: good(round).pixels, ..filled(number, 0) }));
            number += 1;
        }
        let (mut torn, other) = (good(number), view(number, &place(number + 40)));
        let half = torn.pixels.len() / 2;
        torn.pixels[half..].copy_from_slice(&other.pixels[half..]);
        frames.push(("torn", torn));
        let mut noise = filled(number + 1, 0);
        for (index, value) in noise.pixels.iter_mut().enumerate() {
            *value = (cell(index as i64, 7, u64::from(number)) * 255.0) as u8;
        }
        frames.push(("noise", noise));
        let mut short = good(number + 2);
        short.pixels.truncate(1000);
        frames.push(("short", short));
        let half_size = PictureSize::new(SIZE.width / 2, SIZE.height);
        let small = Frame { pixels: vec![90; half_size.rgb_bytes()], size: half_size, ..good(number + 3) };
        frames.push(("small", small));
        let empty = Frame { pixels: Vec::new(), size: PictureSize::new(0, 0), ..good(number + 4) };
        frames.push(("empty", empty));
        frames.push(("late", Frame { timestamp: Timestamp(-5), ..good(number + 5) }));
        frames.push(("at no time", Frame { timestamp: Timestamp(i64::MIN), ..good(number + 6) }));
        number += 7;
    }
    let all = f32::MAX;
    let hidden = [
        PixelBox { left: -1e9, top: -5.0, right: 30.0, bottom: 1e9 },
        PixelBox { left: f32::NAN, top: 0.0, right: 10.0, bottom: 10.0 },
        PixelBox { left: 50.0, top: 50.0, right: 40.0, bottom: 40.0 },
        PixelBox { left: -all, top: -all, right: all, bottom: all },
    ];
    for (index, (kind, frame)) in frames.iter().enumerate() {
        // From nothing hidden to everything.
        let boxes = &hidden[..index % (hidden.len() + 1)];
        match odometry.process(frame, boxes) {
            Ok(update) => {
                assert!(finite(&update), "frame {index} ({kind}): {update:?}");
                assert!(
                    !["short", "small", "empty", "late", "at no time"].contains(kind),
                    "{kind} was taken"
                );
            }
            Err(error) => assert!(!["good", "frozen"].contains(kind), "frame {index} ({kind}): {error}"),
        }
    }
    odometry.finish().expect("the run ends well");
    let finite = |pose: &CameraPose| pose.world_from_camera.to_homogeneous().iter().all(|v| v.is_finite());
    assert!(odometry.path().poses.iter().all(finite));
}
