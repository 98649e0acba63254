//! What the odometry promises, on pictures of a papered room drawn here.

use nalgebra::{Isometry3, Point3, UnitQuaternion, Vector2, Vector3};

use super::*;
use crate::frame::{Frame, PictureSize, Timestamp};
use crate::geometry::alignment::align_similarity;
use crate::geometry::{CameraModel, Pixel};
use crate::jobs::Background;
use crate::slam::{Odometry, OdometryError, OdometryState, OdometryUpdate, PixelBox};

/// Half sides of the room, metres.
const ROOM: Vector3<f64> = Vector3::new(2.0, 1.5, 2.5);

fn camera() -> CameraModel {
    CameraModel::pinhole(180.0, PictureSize::new(320, 240))
}

/// Smooth noise, -1..1: random numbers at whole places, blended between.
fn noise(at: Vector2<f64>, salt: u64) -> f64 {
    let (cell, part) = (at.map(f64::floor), at - at.map(f64::floor));
    let value = |dx: f64, dy: f64| {
        let key =
            ((cell.x + dx) as i64 as u64).wrapping_mul(0x9e37_79b9) ^ ((cell.y + dy) as i64 as u64) << 32;
        crate::random::Random::new(key ^ salt.wrapping_mul(0x51_7cc1)).signed()
    };
    let soft = part.map(|t| t * t * (3.0 - 2.0 * t));
    let across = |dy: f64| value(0.0, dy) * (1.0 - soft.x) + value(1.0, dy) * soft.x;
    across(0.0) * (1.0 - soft.y) + across(1.0) * soft.y
}

/// What a camera in the room sees.
fn draw(world_from_camera: &Isometry3<f64>, sequence: u64) -> Frame {
    let camera = camera();
    let (eye, size) = (world_from_camera.translation.vector, camera.size);
    let mut pixels = Vec::with_capacity(size.rgb_bytes());
    for (row, column) in (0..size.height).flat_map(|row| (0..size.width).map(move |column| (row, column))) {
        let ray = camera.ray(Pixel::new(column as f32, row as f32));
        let along = world_from_camera.rotation * Vector3::new(ray.x, ray.y, 1.0);
        // The wall met first: the least positive way to a plane of the box.
        let way = |k: usize| (ROOM[k].copysign(along[k]) - eye[k]) / along[k];
        let wall = (0..3).min_by(|a, b| way(*a).total_cmp(&way(*b))).unwrap();
        let met = eye + along * way(wall);
        let paper = Vector2::new(met[(wall + 1) % 3], met[(wall + 2) % 3]);
        let salt = (wall * 2 + usize::from(along[wall] > 0.0)) as u64;
        let value = noise(paper * 14.0, salt) * 45.0 + noise(paper * 4.0, salt + 9) * 45.0 + 128.0;
        pixels.extend([value as u8; 3]);
    }
    Frame { pixels, size, timestamp: Timestamp::from_seconds(sequence as f64 / 30.0), sequence }
}

/// A curve through the room, looking about.
fn walk(frame: u64) -> Isometry3<f64> {
    let t = frame as f64 * 0.05;
    let place = Vector3::new(0.9 * (t * 0.8).sin(), 0.25 * (t * 1.3).sin(), 0.3 * (t * 0.8).cos() - 1.0);
    Isometry3::new(place, Vector3::new(0.1 * t.sin(), 0.35 * (t * 0.6).sin(), 0.05 * t.sin()))
}

fn odometry() -> PointOdometry {
    PointOdometry::new(camera(), PointOdometryConfig::default()).unwrap()
}

fn black(sequence: u64) -> Frame {
    let mut frame = draw(&Isometry3::identity(), sequence);
    frame.pixels.fill(0);
    frame
}

/// Root mean square distance of the map's poses from the truth after the best similarity, as a share of the way.
fn error(updates: &[(OdometryUpdate, Isometry3<f64>)]) -> f64 {
    let place = |pose: &Isometry3<f64>| pose.translation.vector;
    let mapped = updates.iter().filter(|(update, _)| update.state == OdometryState::Tracking);
    let seen = mapped.filter_map(|(update, truth)| Some((place(&update.pose?), place(truth))));
    let (found, truth): (Vec<_>, Vec<_>) = seen.unzip();
    let fit = align_similarity(&found, &truth).unwrap();
    let squared: f64 = found.iter().zip(&truth).map(|(a, b)| (fit.apply(*a) - b).norm_squared()).sum();
    let way: f64 = truth.windows(2).map(|pair| (pair[1] - pair[0]).norm()).sum();
    (squared / found.len() as f64).sqrt() / way
}

fn run(odometry: &mut PointOdometry, frames: std::ops::Range<u64>) -> Vec<(OdometryUpdate, Isometry3<f64>)> {
    let step = |k| (odometry.process(&draw(&walk(k), k), &[]).unwrap(), walk(k));
    frames.map(step).collect()
}

#[test]
fn a_walk_through_a_room_is_followed_and_comes_out_the_same_twice() {
    let mut first = odometry();
    let updates = run(&mut first, 0..60);
    let tracked = updates.iter().filter(|(u, _)| u.state == OdometryState::Tracking).count();
    assert!(tracked >= 50, "{tracked}");
    assert!(error(&updates) < 0.01, "{}", error(&updates));
    let path = first.path();
    assert!(path.scale_free && path.poses.len() >= tracked);
    assert!(updates.last().unwrap().0.points.iter().all(|point| point.depth > 0.0));
    let mut second = odometry();
    run(&mut second, 0..60);
    assert_eq!(second.path(), path);
}

#[test]
fn adjusting_on_another_thread_gives_a_path_as_good() {
    struct Thread;
    impl Background for Thread {
        fn start(&mut self, work: Box<dyn FnOnce() + Send>) {
            std::thread::spawn(work);
        }
    }
    let mut odometry = odometry();
    odometry.adjust_behind(Box::new(Thread));
    let updates = run(&mut odometry, 0..60);
    assert!(error(&updates) < 0.015, "{}", error(&updates));
}

#[test]
fn the_map_is_found_again_after_the_lens_was_covered() {
    let mut odometry = odometry();
    let mut updates = run(&mut odometry, 0..30);
    for k in 30..35 {
        let update = odometry.process(&black(k), &[]).unwrap();
        assert_eq!((update.state, update.pose), (OdometryState::Lost, None));
    }
    updates.extend(run(&mut odometry, 35..45));
    assert_eq!(updates.last().unwrap().0.state, OdometryState::Tracking);
    assert!(error(&updates) < 0.015, "{}", error(&updates));
}

#[test]
fn after_a_long_loss_a_new_section_says_so_and_the_old_one_is_preferred_once_seen() {
    let mut odometry = odometry();
    let mut updates = run(&mut odometry, 0..40);
    assert!(updates.iter().all(|(update, _)| update.section == 0));
    // The lens is covered for longer than the odometry waits.
    for k in 40..50 {
        odometry.process(&black(k), &[]).unwrap();
    }
    // It looks elsewhere, at walls never seen.
    let turned = UnitQuaternion::from_scaled_axis(Vector3::y() * std::f64::consts::PI);
    for k in 50..56 {
        let away = Isometry3::from_parts(walk(k).translation, turned);
        let update = odometry.process(&draw(&away, k), &[]).unwrap();
        assert!(update.section > 0 || update.pose.is_none(), "{update:?}");
    }
    for k in 56..70 {
        updates.push((odometry.process(&draw(&walk(90 - k), k), &[]).unwrap(), walk(90 - k)));
    }
    let (last, _) = updates.last().unwrap();
    assert_eq!((last.section, last.state), (0, OdometryState::Tracking));
    updates.retain(|(update, _)| update.section == 0);
    assert!(error(&updates) < 0.015, "{}", error(&updates));
}

#[test]
fn a_standing_and_a_turning_camera_are_told_as_such() {
    let mut standing = odometry();
    for k in 0..5 {
        let update = standing.process(&draw(&walk(0), k), &[]).unwrap();
        assert_eq!((update.state, update.pose), (OdometryState::Still, Some(Isometry3::identity())));
    }
    let mut turning = odometry();
    for k in 0..25 {
        let turn = UnitQuaternion::from_scaled_axis(Vector3::y() * 0.03 * k as f64);
        let pose = Isometry3::from_parts(walk(0).translation, turn);
        let update = turning.process(&draw(&pose, k), &[]).unwrap();
        if k > 0 {
            assert_eq!(update.state, OdometryState::RotationOnly, "{k}");
        }
        let found = update.pose.unwrap();
        assert_eq!(found.translation.vector, Vector3::zeros());
        assert!(found.rotation.angle_to(&turn) < 0.3_f64.to_radians());
    }
}

#[test]
fn a_camera_that_comes_to_rest_keeps_one_pose_and_goes_on_from_there() {
    let mut odometry = odometry();
    run(&mut odometry, 0..40);
    let mut kept = Vec::new();
    for k in 40..60 {
        let update = odometry.process(&draw(&walk(39), k), &[]).unwrap();
        if k >= 45 {
            assert_eq!(update.state, OdometryState::Still, "{k}");
            assert!(!update.points.is_empty());
            kept.extend(update.pose);
        }
    }
    assert!(kept.windows(2).all(|pair| pair[0] == pair[1]));
    let update = odometry.process(&draw(&walk(41), 60), &[]).unwrap();
    assert_eq!(update.state, OdometryState::Tracking);
    assert_ne!(update.pose, kept.last().copied());
}

#[test]
fn a_long_turn_comes_back_to_where_it_began_and_goes_over_into_a_map() {
    let mut odometry = odometry();
    let turn = |k: u64| UnitQuaternion::from_scaled_axis(Vector3::y() * 0.9 * (k as f64 * 0.05).sin());
    for k in 0..126 {
        let pose = Isometry3::from_parts(walk(0).translation, turn(k));
        let update = odometry.process(&draw(&pose, k), &[]).unwrap();
        let found = update.pose.unwrap();
        assert_eq!(found.translation.vector, Vector3::zeros());
        let error = found.rotation.angle_to(&(turn(0).inverse() * turn(k))).to_degrees();
        assert!(error < 0.3, "{error} degrees at {k}");
    }
    let mut updates = Vec::new();
    for k in 126..166 {
        let step = Vector3::new(0.03 * (k - 126) as f64, 0.01 * (k - 126) as f64, 0.0);
        let pose = Isometry3::from_parts((walk(0).translation.vector + step).into(), turn(126));
        let update = odometry.process(&draw(&pose, k), &[]).unwrap();
        // Until the motion is clear, the turn explains part of it.
        let limit = if update.state == OdometryState::Tracking { 0.5_f64 } else { 4.0 };
        let turned = update.pose.map_or(0.0, |found| found.rotation.angle_to(&turn(126)));
        assert!(turned < limit.to_radians(), "{turned} at {k}");
        updates.push((update, pose));
    }
    assert_eq!(updates.last().unwrap().0.state, OdometryState::Tracking);
    assert!(error(&updates) < 0.02, "{}", error(&updates));
}

#[test]
fn hands_that_are_hidden_are_not_followed() {
    let hand = PixelBox { left: 80.0, top: 60.0, right: 240.0, bottom: 200.0 };
    let mut odometry = odometry();
    let mut updates = Vec::new();
    for k in 0..40 {
        let mut frame = draw(&walk(k), k);
        // Something large that moves with the camera.
        for row in 60..=200 {
            for column in 80..=240 {
                let value = (noise(Vector2::new(column as f64, row as f64) * 0.2, 77) * 90.0 + 128.0) as u8;
                frame.pixels[(row * 320 + column) * 3..][..3].fill(value);
            }
        }
        let update = odometry.process(&frame, &[hand]).unwrap();
        assert!(!update.points.iter().any(|point| hand.contains(point.pixel)));
        updates.push((update, walk(k)));
    }
    assert!(error(&updates) < 0.02, "{}", error(&updates));
}

#[test]
fn no_frame_can_do_harm() {
    let mut odometry = odometry();
    for k in 0..30 {
        let frame = match k % 5 {
            0 => black(k),
            1 => Frame { pixels: vec![255; camera().size.rgb_bytes()], ..black(k) },
            _ => draw(&walk(k), k),
        };
        let update = odometry.process(&frame, &[]).unwrap();
        let finite = |pose: Isometry3<f64>| (pose * Point3::new(1.0, 2.0, 3.0)).iter().all(|v| v.is_finite());
        assert!(update.pose.is_none_or(finite));
    }
    let frame = draw(&walk(30), 30);
    let torn = Frame { pixels: frame.pixels[..1000].to_vec(), ..frame.clone() };
    assert!(matches!(odometry.process(&torn, &[]), Err(OdometryError::Buffer { found: 1000, .. })));
    let other = Frame { size: PictureSize::new(240, 320), ..frame.clone() };
    assert!(matches!(odometry.process(&other, &[]), Err(OdometryError::Size { .. })));
    let earlier = Frame { timestamp: Timestamp(0), ..frame.clone() };
    assert_eq!(odometry.process(&earlier, &[]), Err(OdometryError::Time { sequence: 30 }));
    assert!(odometry.process(&frame, &[]).is_ok());
    let blind = CameraModel { fx: f64::NAN, ..camera() };
    assert!(PointOdometry::new(blind, PointOdometryConfig::default()).is_err());
}
