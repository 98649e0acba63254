//! The group SE(3) as lietorch has it.

use handstream::geometry::se3::{adjoint, adjoint_transposed, exp, log};
use nalgebra::{Isometry3, Vector3, Vector6};

use super::variant::{fixtures, off, off_poses, poses};
use crate::tensors::Fixture;

const CLOSE: f64 = 1e-9;

fn twists(fixture: &Fixture, name: &str) -> Vec<Vector6<f64>> {
    fixture.numbers(name).as_chunks::<6>().0.iter().map(|&twist| Vector6::from(twist)).collect()
}

fn flat(vectors: impl IntoIterator<Item = Vector6<f64>>) -> Vec<f64> {
    vectors.into_iter().flat_map(<[f64; 6]>::from).collect()
}

#[test]
fn group_operations_equal_the_released_ones() {
    for (name, fixture) in fixtures("se3") {
        let numbers = |name: &str| fixture.numbers(name);
        let (x, y) = (poses(&numbers("X")), poses(&numbers("Y")));
        let (xi, a, retraction) =
            (twists(&fixture, "xi"), twists(&fixture, "a"), twists(&fixture, "retr_xi"));
        let points: Vec<[f64; 4]> = numbers("p").as_chunks::<4>().0.to_vec();
        let moved: Vec<Vector3<f64>> = x
            .iter()
            .zip(&points)
            .map(|(x, p)| x.rotation * Vector3::new(p[0], p[1], p[2]) + x.translation.vector * p[3])
            .collect();
        let homogeneous = moved.iter().zip(&points).flat_map(|(m, p)| [m.x, m.y, m.z, p[3]]);
        let plain = x.iter().zip(&points).flat_map(|(x, p)| {
            <[f64; 3]>::from(x.rotation * Vector3::new(p[0], p[1], p[2]) + x.translation.vector)
        });
        let each = |f: &dyn Fn(usize) -> Isometry3<f64>| (0..x.len()).map(f).collect::<Vec<_>>();
        let damped = |i: usize| exp(&(log(&(x[i] * y[i].inverse())) * 0.5)) * x[i];
        let rows = |matrix: nalgebra::Matrix6<f64>| matrix.transpose().as_slice().to_vec();
        let cases = [
            ("exp", off_poses(&each(&|i| exp(&xi[i])), &numbers("exp"))),
            ("log", off(flat(x.iter().map(log)), &numbers("log"))),
            ("inv", off_poses(&each(&|i| x[i].inverse()), &numbers("inv"))),
            ("mul", off_poses(&each(&|i| x[i] * y[i]), &numbers("mul"))),
            ("retr", off_poses(&each(&|i| exp(&retraction[i]) * x[i]), &numbers("retr"))),
            ("damped", off_poses(&each(&damped), &numbers("damped"))),
            ("act3", off(plain, &numbers("act3"))),
            ("act4", off(homogeneous, &numbers("act4"))),
            ("Adj", off(x.iter().flat_map(|x| rows(adjoint(x))), &numbers("Adj"))),
            ("Adj_a", off(flat(x.iter().zip(&a).map(|(x, a)| adjoint(x) * a)), &numbers("Adj_a"))),
            (
                "AdjT_a",
                off(flat(x.iter().zip(&a).map(|(x, a)| adjoint_transposed(x, a))), &numbers("AdjT_a")),
            ),
            (
                "matrix",
                off(
                    x.iter().flat_map(|x| x.to_homogeneous().transpose().as_slice().to_vec()),
                    &numbers("matrix"),
                ),
            ),
        ];
        for (operation, off) in cases {
            println!("{name} {operation}: within {off:.1e}");
            assert!(off < CLOSE, "{name} {operation} differs by {off:.1e}");
        }
    }
}
