//! HaPTIC's smoothing of the boxes of a whole video, as its specification reads: the reference for what we
//! do frame by frame.

/// Optimiser steps and their size.
const STEPS: i32 = 1000;
const RATE: f64 = 1e-3;
/// AdamW's decay rates of the gradient's mean and square, and what keeps its division finite.
const MEAN_DECAY: f64 = 0.9;
const SQUARE_DECAY: f64 = 0.999;
const TINY: f64 = 1e-8;
/// Weights of centres (pixels) and sizes (boxes' sides in units of 400 / 3 pixels).
const CENTRE_WEIGHT: f64 = 0.02;
const SIZE_WEIGHT: f64 = 10.0;
/// Weight of staying with what was seen, in parts of the weight of moving evenly.
const STAY: f64 = 0.05;

/// Two numbers a frame.
pub type Pairs = Vec<[f64; 2]>;

/// Smooths centres and sizes without gaps: AdamW on `w |second differences| + 0.05 w |change|`, Frobenius
/// norms.
pub fn smoothed(centres: &[[f64; 2]], sizes: &[[f64; 2]]) -> (Pairs, Pairs) {
    (descend(centres, CENTRE_WEIGHT), descend(sizes, SIZE_WEIGHT))
}

fn descend(seen: &[[f64; 2]], weight: f64) -> Pairs {
    let mut now = seen.to_vec();
    let (mut mean, mut square) = (vec![[0.0; 2]; seen.len()], vec![[0.0; 2]; seen.len()]);
    for step in 1..=STEPS {
        let bends: Pairs = now.windows(3).map(|w| pair(|k| w[2][k] - 2.0 * w[1][k] + w[0][k])).collect();
        let moved: Pairs = now.iter().zip(seen).map(|(a, b)| pair(|k| a[k] - b[k])).collect();
        let (bend, stay) = (share(&bends) * weight, share(&moved) * weight * STAY);
        let mut slope: Pairs = moved.iter().map(|m| pair(|k| m[k] * stay)).collect();
        for (t, bent) in bends.iter().enumerate() {
            for (frame, factor) in [(t, 1.0), (t + 1, -2.0), (t + 2, 1.0)] {
                slope[frame] = pair(|k| slope[frame][k] + bent[k] * bend * factor);
            }
        }
        for (t, slope) in slope.into_iter().enumerate() {
            for (k, slope) in slope.into_iter().enumerate() {
                mean[t][k] = MEAN_DECAY * mean[t][k] + (1.0 - MEAN_DECAY) * slope;
                square[t][k] = SQUARE_DECAY * square[t][k] + (1.0 - SQUARE_DECAY) * slope * slope;
                let mean = mean[t][k] / (1.0 - MEAN_DECAY.powi(step));
                let square = square[t][k] / (1.0 - SQUARE_DECAY.powi(step));
                now[t][k] -= RATE * mean / (square.sqrt() + TINY);
            }
        }
    }
    now
}

fn pair(value: impl Fn(usize) -> f64) -> [f64; 2] {
    std::array::from_fn(value)
}

/// One over the norm, the norm's slope at each number being the number times this; 0 at rest.
fn share(numbers: &[[f64; 2]]) -> f64 {
    let norm = numbers.as_flattened().iter().map(|v| v * v).sum::<f64>().sqrt();
    if norm > 0.0 { 1.0 / norm } else { 0.0 }
}
