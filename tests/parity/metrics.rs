//! The error measures against the evaluation code of HMP, SLAHMR, WHAM and HaPTIC on the same joints.

use handstream::metrics::{self, acceleration_error};
use nalgebra::Vector3;

use crate::dynhamr::fixtures;
use crate::tensors::Fixture;

const JOINTS: usize = 21;

fn sequence(fixture: &Fixture, name: &str) -> Vec<[Vector3<f64>; JOINTS]> {
    fixture.points(name).as_chunks().0.to_vec()
}

#[test]
fn every_measure_has_the_published_value() {
    measures_of(&Fixture::own("metrics.safetensors"));
}

#[test]
fn dynhamr_metrics_of_every_variant_have_the_published_values() {
    for (name, fixture) in fixtures("metrics") {
        println!("{name}");
        measures_of(&fixture);
        let (estimate, truth) = (sequence(&fixture, "pred_joints"), sequence(&fixture, "gt_joints"));
        let more = [
            ("hmp.mpjpe_mm", metrics::mpjpe(&estimate, &truth)),
            ("haptic.mpjpe_mm", metrics::mpjpe(&estimate, &truth)),
            ("hmp.pa_mpjpe_mm", metrics::pa_mpjpe(&estimate, &truth)),
            ("haptic.pa_mpjpe_mm", metrics::pa_mpjpe(&estimate, &truth)),
            ("hmp.acc_err_no_mm_per_frame2", acceleration_error(&estimate, &truth, None)),
            ("wham.jitter_gt_10m_per_s3", metrics::jerk(&truth, 30.0)),
        ];
        for (measure, value) in more {
            compare(&fixture, measure, value.unwrap(), 1e-4);
        }
        for (aligned, frames) in [("aligned_first2", 0..2), ("aligned_global", 0..truth.len())] {
            let ours = metrics::aligned_over(&estimate, &truth, frames).unwrap();
            let off = ours.iter().flatten().zip(fixture.points(aligned)).map(|(a, b)| (a - b).norm());
            let off = off.fold(0.0, f64::max);
            assert!(off < 1e-5, "{aligned} is {off} m off");
        }
        let own = (metrics::root_relative(&estimate), metrics::root_relative(&truth));
        let errors = own.0.iter().flatten().zip(own.1.iter().flatten()).map(|(a, b)| (a - b).norm());
        for (ours, theirs) in errors.zip(fixture.numbers("ours.jauc_root_aligned_errors_m")) {
            assert!((ours - theirs).abs() < 1e-6);
        }
    }
}

fn compare(fixture: &Fixture, name: &str, value: f64, tolerance: f64) {
    let published = fixture.number(name);
    let off = (value - published).abs() / published.abs();
    println!("{name}: {value} for {published}");
    assert!(off < tolerance, "{name}: {value} instead of {published}");
}

fn measures_of(fixture: &Fixture) {
    let (estimate, truth) = (sequence(fixture, "pred_joints"), sequence(fixture, "gt_joints"));
    let visible: Vec<bool> = fixture.numbers("vis").iter().map(|&seen| seen > 0.0).collect();
    let root = |frames: &[[Vector3<f64>; JOINTS]]| frames.iter().map(|frame| frame[0]).collect::<Vec<_>>();
    let (estimate_root, truth_root) = (root(&estimate), root(&truth));
    let left = (fixture.points("mrrpe.pred_left_root"), fixture.points("mrrpe.gt_left_root"));
    let own = (metrics::root_relative(&estimate), metrics::root_relative(&truth));
    let procrustes = metrics::aligned_per_frame(&estimate, &truth).unwrap();

    let measured = [
        ("mpjpe_mm", metrics::mpjpe(&estimate, &truth)),
        ("hmp.ra_mpjpe_mm", metrics::ra_mpjpe(&estimate, &truth)),
        ("slahmr.pa_mpjpe_mm", metrics::pa_mpjpe(&estimate, &truth)),
        ("slahmr.fa2_mpjpe_mm", metrics::g_mpjpe(&estimate, &truth)),
        ("slahmr.ga_mpjpe_mm", metrics::ga_mpjpe(&estimate, &truth)),
        ("ours.fa1_mpjpe_mm_first_frame_only", metrics::fa_mpjpe(&estimate, &truth)),
        ("ours.mrrpe_mm", metrics::mrrpe((&left.0, &estimate_root), (&left.1, &truth_root))),
        ("ours.jauc_0_50mm_100_thresholds_trapz", metrics::area_under_pck(&own.0, &own.1, 50.0)),
        ("wham.accel_err_mm", acceleration_error(&estimate, &truth, None)),
        ("hmp.acc_err_no_vis_mm_per_frame2", acceleration_error(&estimate, &truth, Some(&visible))),
        ("hmp.acc_err_root_mm_per_frame2", acceleration_error(&own.0, &own.1, None)),
        ("hmp.acc_err_root_vis_mm_per_frame2", acceleration_error(&own.0, &own.1, Some(&visible))),
        ("hmp.acc_err_procrustes_mm_per_frame2", acceleration_error(&procrustes, &truth, None)),
        ("ours.acc_norm_abs_per_joint_mean_mm", metrics::acceleration_norm_error(&estimate, &truth)),
        (
            "slahmr.acc_norm_as_run_eval",
            metrics::acceleration_norm_over_joints(&estimate, &truth).map(|v| v / 1e3),
        ),
        ("hmp.acc_err_procrustes_vis_mm_per_frame2", acceleration_error(&procrustes, &truth, Some(&visible))),
        ("wham.jitter_10m_per_s3", metrics::jerk(&estimate, 30.0)),
        ("wham.rte_root_percent", metrics::root_trajectory_error(&estimate_root, &truth_root)),
    ];
    for (name, value) in measured {
        // The fixtures of the shared material call it after the code that computes it.
        let name = if fixture.has(name) { name } else { "hmp.mpjpe_mm" };
        compare(fixture, name, value.unwrap(), 1e-5);
    }
}
