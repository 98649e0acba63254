//! Every kernel against what the rooms below compute without it: one test body for both backends.

mod attention;
mod contacts;
mod correlation;
mod crops;
mod hands;
mod network;
mod norm;
mod released;

use super::{CudaBackend, KernelCache, Precision};
use crate::home::DataFolder;
use crate::random::Random;

/// Runs test bodies, functions of a backend, on each backend that this machine has.
macro_rules! on_each_backend {
    ($($body:ident),* $(,)?) => {
        mod on_host {
            $(#[test]
            fn $body() {
                if let Some(backend) = $crate::gpu::host::HostBackend::new() {
                    super::$body(&backend);
                }
            })*
        }

        mod on_cuda {
            $(#[test]
            fn $body() {
                if let Some(backend) = $crate::gpu::tests::card() {
                    super::$body(&backend);
                }
            })*
        }
    };
}
use on_each_backend;

/// The same for bodies that take what makes a backend.
macro_rules! on_each_made_backend {
    ($($body:ident),* $(,)?) => {
        mod on_host {
            $(#[test]
            fn $body() {
                if $crate::gpu::host::HostBackend::new().is_some() {
                    super::$body(|| $crate::gpu::host::HostBackend::new().unwrap());
                }
            })*
        }

        mod on_cuda {
            $(#[test]
            fn $body() {
                if $crate::gpu::tests::card().is_some() {
                    super::$body(|| $crate::gpu::tests::card().unwrap());
                }
            })*
        }
    };
}
use on_each_made_backend;

/// The first card; none, with a printed reason, where there is none.
fn card() -> Option<CudaBackend> {
    let folder = DataFolder::at(std::env::temp_dir().join("handstream-test"));
    match CudaBackend::open(0, KernelCache::of(&folder)) {
        Ok(card) => Some(card),
        Err(reason) => {
            println!("skipped: {reason}");
            None
        }
    }
}

/// Numbers in -1..1.
fn numbers(count: usize, seed: u64) -> Vec<f32> {
    let mut random = Random::new(seed);
    (0..count).map(|_| random.signed() as f32).collect()
}

/// The difference of two lists over the size of the true one; it is no number where a number is none.
fn relative_error(ours: &[f32], truth: &[f32]) -> f64 {
    assert_eq!(ours.len(), truth.len());
    let square = |x: f32| f64::from(x) * f64::from(x);
    let error: f64 = ours.iter().zip(truth).map(|(a, b)| square(a - b)).sum();
    (error / truth.iter().map(|&b| square(b)).sum::<f64>().max(f64::MIN_POSITIVE)).sqrt()
}

/// The same numbers as a device keeps them.
fn rounded(numbers: &[f32], precision: Precision) -> Vec<f32> {
    precision.from_bytes(&precision.to_bytes(numbers))
}
