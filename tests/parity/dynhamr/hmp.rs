//! HMP's network.

use handstream::geometry::rotation::{axis_angle_from_matrix, geodesic_angle, matrix_from_axis_angle};
use handstream::hand::{HandModel, Rotations};
use handstream::net::{Checkpoint, Isa};
use handstream::refine::prior::hmp::{
    FingerMotion, HmpConfig, HmpNetwork, HmpPrior, LOCAL_OUTPUTS, MotionEncoder, MotionField, RootFeatures,
    Signal, losses, rotation, time_code,
};
use handstream::refine::{MotionFrame, MotionPrior};
use nalgebra::{Rotation3, Vector3};

use super::recipe::{drawn, features, full_networks, rotations};
use super::variant::{Comparison, entries, fixtures, flat, floats, of_variant, wide};
use crate::tensors::Fixture;

/// Of what networks put out, absolute.
const OUTPUT: f64 = 2e-5;
/// Of rotations that are made of them by dividing by lengths.
const ROTATION: f64 = 1e-4;
/// Relative: of values, of gradients.
const VALUE: f64 = 1e-4;
const GRADIENT: f64 = 1e-3;

/// A tensor `[channels, frames]`.
fn signal(fixture: &Fixture, name: &str) -> Signal {
    Signal::new(floats(fixture, name), fixture.shape(name)[1])
}

/// Gradients of the divergence by mean and logarithm of variance.
fn divergence_gradient(mean: &[f32], log_variance: &[f32]) -> (Vec<f32>, Vec<f32>) {
    (mean.to_vec(), log_variance.iter().map(|&l| (f64::from(l).exp() * 0.5 - 0.5) as f32).collect())
}

#[test]
fn a_narrow_network_computes_and_differentiates_what_the_released_one_does() {
    for (name, fixture) in fixtures("hmp_narrow") {
        let compare = Comparison { name: &name, fixture: &fixture };
        let checkpoint = Checkpoint::parse(fixture.bytes()).unwrap();
        let encoder = MotionEncoder::read(&checkpoint.root().part("local_encoder")).unwrap();
        let encoding = encoder.encode(&signal(&fixture, "io.encoder_input"));
        for layer in 0..4 {
            let activation = &encoding.activation(layer).data;
            compare.absolute(&format!("io.act_layer{layer}"), wide(activation), OUTPUT);
        }
        compare.absolute("io.mu", wide(&encoding.mean), OUTPUT);
        compare.absolute("io.logvar", wide(&encoding.log_variance), OUTPUT);

        let (by_mean, by_log_variance) = divergence_gradient(&encoding.mean, &encoding.log_variance);
        let divergence = losses::divergence(&encoding.mean, &encoding.log_variance);
        compare.relative("io.kl", [divergence], VALUE);
        let gradient = encoder.reverse(&encoding, &by_mean, &by_log_variance);
        compare.relative("io.kl_grad_input", wide(&gradient.input.data), GRADIENT);
        let main = &gradient.layers[0][0];
        compare.relative("io.kl_grad_layers.0.0.residual.0.weight", wide(main), GRADIENT);
        let short = &gradient.layers[2][1];
        compare.relative("io.kl_grad_layers.2.0.shortcut.weight", wide(short), GRADIENT);
        compare.relative("io.kl_grad_mu.weight", wide(&gradient.mean), GRADIENT);

        let field = MotionField::read(&checkpoint.root().part("nemf"), Isa::best()).unwrap();
        let latent = floats(&fixture, "io.z_l");
        let decoding = field.decode(&latent);
        compare.absolute("io.local_motion", wide(&decoding.local), OUTPUT);
        let root = field.decode_root(&decoding, &latent, &floats(&fixture, "io.z_g"));
        compare.absolute("io.global_motion", wide(&root), OUTPUT);
        let outputs = field.local_outputs();
        let (loss, by_local) = square_sum(&decoding.local, outputs);
        compare.relative("io.loss_l2_local96", [loss], VALUE);
        compare.relative("io.grad_z_l", wide(&field.reverse(&decoding, &by_local)), GRADIENT);
    }
}

/// The sum of squares of the numbers that mean something, and its gradient.
fn square_sum(local: &[f32], outputs: usize) -> (f64, Vec<f32>) {
    let kept = |i: usize| i % outputs < LOCAL_OUTPUTS;
    let sum = local.iter().enumerate().filter(|(i, _)| kept(*i)).map(|(_, &v)| f64::from(v).powi(2)).sum();
    let gradient = local.iter().enumerate().map(|(i, &v)| if kept(i) { 2.0 * v } else { 0.0 }).collect();
    (sum, gradient)
}

#[test]
fn a_network_of_the_released_size_encodes_and_decodes_as_released() {
    for (variant, network) in full_networks() {
        let (name, fixture) = of_variant(&variant, "hmp_full_io");
        let compare = Comparison { name: &name, fixture: &fixture };
        let features = features(&fixture, &network);
        compare.absolute("feat_pos", flat(features.positions.iter().flatten()), OUTPUT);
        compare.absolute("feat_velocity", flat(features.velocities.iter().flatten()), OUTPUT);
        compare.absolute("feat_angular", flat(features.angular.iter().flatten()), OUTPUT);
        let six = features.rotations.iter().flatten().flat_map(rotation::rows_from_matrix);
        compare.absolute("feat_global_xform", six, OUTPUT);
        // Differences of 32-bit numbers in units of their spread.
        compare.relative("encoder_input", wide(&features.standardised(&network.network.usual).data), VALUE);

        let encoding = network.network.encoder.encode(&signal(&fixture, "encoder_input"));
        for layer in 0..4 {
            let activation = encoding.activation(layer);
            let (tensor, shown) = if layer < 2 {
                (format!("act_layer{layer}_first8ch"), 8)
            } else {
                (format!("act_layer{layer}"), usize::MAX)
            };
            let shown = activation.data.len().min(shown.saturating_mul(activation.frames));
            compare.absolute(&tensor, wide(&activation.data[..shown]), OUTPUT);
        }
        let turns: Vec<_> = rotations(&fixture, "pose_aa").iter().map(|joints| joints[0]).collect();
        let root = RootFeatures::of(&turns, &fixture.points("trans"));
        let six = root.rotations.iter().flat_map(rotation::rows_from_matrix);
        compare.absolute("feat_root_orient", six, OUTPUT);
        compare.absolute("feat_root_vel", flat(&root.velocities), OUTPUT);
        compare.absolute("feat_trans", fixture.numbers("trans"), OUTPUT);
        let usual =
            ["mean", "std"].map(|part| fixture.numbers(&format!("{part}_root_orient")).try_into().unwrap());
        let turning = network.root_encoder.encode(&root.standardised(&usual[0], &usual[1]));
        compare.absolute("mu_g", wide(&turning.mean), OUTPUT);
        compare.absolute("logvar_g", wide(&turning.log_variance), OUTPUT);
        compare.absolute("mu_l", wide(&encoding.mean), OUTPUT);
        compare.absolute("logvar_l", wide(&encoding.log_variance), OUTPUT);
        compare.absolute("z_l", wide(&drawn(&encoding.mean, &encoding.log_variance, &fixture)), OUTPUT);

        let (field, latent) = (&network.network.field, floats(&fixture, "z_l"));
        let outputs = field.local_outputs();
        let decoding = field.decode(&latent);
        compare.absolute("local_motion", wide(&decoding.local), OUTPUT);
        let root = field.decode_root(&decoding, &latent, &vec![0.0; field.latent()[1]]);
        compare.absolute("global_motion_zg0", wide(&root), OUTPUT);
        compare.absolute("root_orient_decoded", wide(&root), OUTPUT);

        let motion = FingerMotion::new(&decoding.local, outputs);
        let positions = motion.positions(&network.offsets);
        compare.absolute("rotmat_global", entries(motion.rotations.iter().flatten()), ROTATION);
        compare.absolute("pos", flat(positions.iter().flatten()), OUTPUT);
        let own = motion.own_rotations();
        let axis_angles: Vec<_> = own.iter().flatten().map(axis_angle_from_matrix).collect();
        let theirs = fixture.points("axis_angle_local");
        let off = axis_angles.iter().zip(&theirs).map(|(ours, theirs)| {
            geodesic_angle(&matrix_from_axis_angle(*ours), &matrix_from_axis_angle(*theirs))
        });
        compare.within("axis_angle_local", off.fold(0.0, f64::max), ROTATION);

        let raw = square_sum(&decoding.local, outputs);
        compare.relative("loss_raw", [raw.0], VALUE);
        compare.relative("grad_raw_z", wide(&field.reverse(&decoding, &raw.1)), GRADIENT);

        let by_rotations: Vec<Rotations> = motion
            .rotations
            .iter()
            .zip(&features.rotations)
            .map(|(ours, truth)| std::array::from_fn(|j| (ours[j] - truth[j]) * 2.0))
            .collect();
        let loss: f64 = by_rotations.iter().flatten().map(|by| by.norm_squared() / 4.0).sum();
        compare.relative("loss_rot", [loss], VALUE);
        let by_local = motion.reverse(&by_rotations, outputs);
        compare.relative("grad_rot_z", wide(&field.reverse(&decoding, &by_local)), GRADIENT);

        let by_positions: Vec<[Vector3<f64>; 16]> = positions
            .iter()
            .zip(&features.positions)
            .map(|(ours, truth)| std::array::from_fn(|j| (ours[j] - truth[j]) * 2.0))
            .collect();
        let loss: f64 = by_positions.iter().flatten().map(|by| by.norm_squared() / 4.0).sum();
        compare.relative("loss_pos", [loss], VALUE);
        let by_rotations = FingerMotion::positions_reverse(&network.offsets, &by_positions);
        let by_local = motion.reverse(&by_rotations, outputs);
        compare.relative("grad_pos_z", wide(&field.reverse(&decoding, &by_local)), GRADIENT);
    }
}

#[test]
fn the_release_s_files_are_found_in_its_folder_and_a_missing_one_is_named() {
    for (name, narrow) in fixtures("hmp_narrow") {
        let variant = name.rsplit('_').next().unwrap();
        let (_, full) = of_variant(variant, "hmp_full_io");
        let folder = tempfile::tempdir().unwrap();
        let model = folder.path().join("results/model");
        std::fs::create_dir_all(&model).unwrap();
        let open = || HmpNetwork::open(folder.path(), Isa::best());
        let write = |file: &str, fixture: &Fixture, prefix: &str| {
            let part = fixture.edited(|name, _| name.strip_prefix(prefix).map(str::to_owned));
            std::fs::write(model.join(file), part.bytes()).unwrap();
        };
        write("local_encoder.pth", &narrow, "local_encoder.");
        let missing = open().err().unwrap().to_string();
        assert!(missing.starts_with("there is no nemf.pth in "), "{missing}");
        write("nemf.pth", &narrow, "nemf.");
        write("mean-neutral-128-30fps.pt", &full, "mean_");
        write("std-neutral-128-30fps.pt", &full, "std_");
        let network = open().unwrap();
        assert_eq!((network.encoder.inputs(), network.field.latent()), (48, [32, 16]));
        // Narrower than HMP's: its features are others.
        assert!(HmpPrior::new(network, HandModel::open().skeleton(), HmpConfig::default()).is_none());
    }
}

#[test]
fn the_prior_fills_a_gap_from_what_was_seen_and_leaves_that_alone() {
    let model = HandModel::open();
    for (_, network) in full_networks() {
        let angles = |t: f64| std::array::from_fn(|k| 0.3 + 0.2 * (2.0 * t + k as f64).sin());
        let frame = |i: usize| MotionFrame {
            seconds: i as f64 / 30.0,
            rotation: Rotation3::identity(),
            wrist: Vector3::zeros(),
            angles: angles(i as f64 / 30.0),
            seen: !(60..80).contains(&i),
        };
        let motion: Vec<MotionFrame> = (0..150).map(frame).collect();
        let config = HmpConfig { steps: 3, ..HmpConfig::default() };
        let mut prior = HmpPrior::new(network.network, model.skeleton(), config).unwrap();
        let mut filled = motion.clone();
        prior.fill(&mut filled);
        for (before, after) in motion.iter().zip(&filled) {
            assert_eq!(before.seen, before.angles == after.angles, "at {} s", before.seconds);
            assert!(after.angles.iter().all(|angle| angle.is_finite()));
        }
        let believed = prior.believe(&motion);
        assert_eq!(believed.len(), motion.len());
        let [seen, gap] = [0, 70].map(|i| believed[i].as_ref().unwrap().angle_information[0]);
        assert!(gap > seen && seen > 0.0);
    }
}

#[test]
fn training_losses_are_the_released_ones() {
    for (name, fixture) in fixtures("hmp_train_losses") {
        let compare = Comparison { name: &name, fixture: &fixture };
        let six = |name: &str| -> Vec<_> {
            fixture.numbers(name).as_chunks().0.iter().map(rotation::matrix_from_rows).collect()
        };
        let orient = losses::rotation_loss(&six("rec_root_orient"), &six("gt_root_orient"));
        compare.relative("orient_recon_loss", [orient], VALUE);
        let rotations =
            losses::rotation_loss(&fixture.matrices("rec_rotmat"), &fixture.matrices("gt_rotmat"));
        compare.relative("rotmat_recon_loss", [rotations], VALUE);
        let positions = losses::position_loss(&fixture.points("rec_pos"), &fixture.points("gt_pos"));
        compare.relative("pos_recon_loss", [positions], VALUE);
        for (loss, code) in [("local_kl_loss", "l"), ("global_kl_loss", "g")] {
            let [mean, log_variance] =
                ["mu", "logvar"].map(|part| floats(&fixture, &format!("{part}_{code}")));
            compare.relative(loss, [losses::divergence(&mean, &log_variance)], VALUE);
        }
    }
}

#[test]
fn the_code_of_time_is_the_released_one() {
    for (name, fixture) in fixtures("hmp_full_io") {
        let codes: Vec<f32> = (0..128).flat_map(time_code).collect();
        let compare = Comparison { name: &name, fixture: &fixture };
        compare.absolute("positional_encoding", wide(&codes), 1e-6);
    }
}
