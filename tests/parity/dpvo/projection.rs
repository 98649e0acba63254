//! Patches in other frames.

use super::variant::{camera, fixtures, indices, off, patches, poses};

const CLOSE: f64 = 1e-4;

#[test]
fn projections_their_derivatives_and_flows_equal_the_released_ones() {
    for (name, fixture) in fixtures("projective") {
        let numbers = |name: &str| fixture.numbers(name);
        let (poses, patches) = (poses(&numbers("poses")), patches(&numbers("patches")));
        let camera = camera(&numbers("intrinsics"), 1.0);
        let [ii, jj, kk] = ["ii", "jj", "kk"].map(|name| indices(&fixture, name));
        let edges =
            || ii.iter().zip(&jj).zip(&kk).map(|((&i, &j), &k)| (patches[k], poses[j] * poses[i].inverse()));
        let projected = || edges().map(|(patch, motion)| patch.project(&camera, &motion));
        let flows = || {
            edges().flat_map(|(patch, motion)| {
                (0..9).map(move |pixel| patch.pixel_flow(&camera, &motion, pixel))
            })
        };
        let cases = [
            (
                "coords",
                off(
                    edges()
                        .flat_map(|(patch, motion)| patch.seen(&camera, &motion).map(<[f64; 2]>::from))
                        .flatten(),
                    &numbers("coords"),
                ),
            ),
            ("flow", off(flows().map(|(flow, _)| flow), &numbers("flow_beta05"))),
            ("valid", off(flows().map(|(_, valid)| f64::from(u8::from(valid))), &numbers("valid"))),
            ("Ji", off(projected().flat_map(|p| p.by_source).flat_map(<[f64; 6]>::from), &numbers("Ji"))),
            ("Jj", off(projected().flat_map(|p| p.by_target).flat_map(<[f64; 6]>::from), &numbers("Jj"))),
            ("Jz", off(projected().flat_map(|p| <[f64; 2]>::from(p.by_inverse_depth)), &numbers("Jz"))),
        ];
        for (part, off) in cases {
            println!("{name} {part}: within {off:.1e}");
            assert!(off < CLOSE, "{name} {part} differs by {off:.1e}");
        }
    }
}
