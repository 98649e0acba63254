//! HMP's network.

use handstream::net::{Checkpoint, Isa};
use handstream::refine::prior::hmp::{MotionEncoder, MotionField, Signal, time_code};

use super::variant::{Comparison, fixtures};
use crate::tensors::Fixture;

/// Of what networks put out, absolute.
const OUTPUT: f64 = 2e-5;
/// Relative: of values, of gradients.
const VALUE: f64 = 1e-4;
const GRADIENT: f64 = 1e-3;

/// A tensor as the network reads it.
pub fn floats(fixture: &Fixture, name: &str) -> Vec<f32> {
    fixture.numbers(name).into_iter().map(|number| number as f32).collect()
}

/// A tensor `[channels, frames]`.
fn signal(fixture: &Fixture, name: &str) -> Signal {
    Signal::new(floats(fixture, name), fixture.shape(name)[1])
}

/// The numbers of 32-bit ones.
pub fn wide(numbers: &[f32]) -> impl Iterator<Item = f64> + '_ {
    numbers.iter().map(|&number| f64::from(number))
}

/// Kullback-Leibler divergence from a standard normal, and its gradients.
fn divergence(mean: &[f32], log_variance: &[f32]) -> (f64, Vec<f32>, Vec<f32>) {
    let terms = mean.iter().zip(log_variance).map(|(&mean, &log_variance)| {
        let (mean, log_variance) = (f64::from(mean), f64::from(log_variance));
        -0.5 * (1.0 + log_variance - mean * mean - log_variance.exp())
    });
    let by_log_variance = log_variance.iter().map(|&l| (f64::from(l).exp() * 0.5 - 0.5) as f32);
    (terms.sum(), mean.to_vec(), by_log_variance.collect())
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

        let (divergence, by_mean, by_log_variance) = divergence(&encoding.mean, &encoding.log_variance);
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
pub fn square_sum(local: &[f32], outputs: usize) -> (f64, Vec<f32>) {
    let kept = |i: usize| i % outputs < handstream::refine::prior::hmp::LOCAL_OUTPUTS;
    let sum = local.iter().enumerate().filter(|(i, _)| kept(*i)).map(|(_, &v)| f64::from(v).powi(2)).sum();
    let gradient = local.iter().enumerate().map(|(i, &v)| if kept(i) { 2.0 * v } else { 0.0 }).collect();
    (sum, gradient)
}

#[test]
fn the_code_of_time_is_the_released_one() {
    for (name, fixture) in fixtures("hmp_full_io") {
        let codes: Vec<f32> = (0..128).flat_map(time_code).collect();
        let compare = Comparison { name: &name, fixture: &fixture };
        compare.absolute("positional_encoding", wide(&codes), 1e-6);
    }
}
