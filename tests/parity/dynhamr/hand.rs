//! The made-up hand model of a variant.

use handstream::hand::HandModel;
use safetensors::Dtype;
use safetensors::tensor::TensorView;

use super::variant::of_variant;

/// The hand of variant `variant`, whose arrays get MANO's names and layout on the way.
///
/// # Panics
/// When there is none.
pub fn synthetic_hand(variant: &str) -> HandModel {
    let (_, made_up) = of_variant(variant, "synthetic_hand");
    let vertices = made_up.shape("v_template")[0];
    // smplx stores pose directions by feature, MANO by vertex.
    let posedirs = made_up.numbers("posedirs");
    let features = made_up.shape("posedirs")[0];
    let by_vertex = |i: usize| posedirs[i % features * 3 * vertices + i / features];
    let parents = made_up.numbers("parents").into_iter().chain((0..16).map(f64::from)).collect();
    let arrays: Vec<(&str, Vec<usize>, Vec<f64>)> = vec![
        ("v_template", vec![vertices, 3], made_up.numbers("v_template")),
        ("shapedirs", vec![vertices, 3, 10], made_up.numbers("shapedirs")),
        ("posedirs", vec![vertices, 3, features], (0..posedirs.len()).map(by_vertex).collect()),
        ("J_regressor", vec![16, vertices], made_up.numbers("J_regressor")),
        ("weights", vec![vertices, 16], made_up.numbers("lbs_weights")),
        ("f", made_up.shape("faces"), made_up.numbers("faces")),
        ("kintree_table", vec![2, 16], parents),
        ("tip_vertices", vec![5], made_up.numbers("tip_vertex_ids")),
    ];
    let bytes: Vec<Vec<u8>> = arrays
        .iter()
        .map(|(_, _, numbers)| numbers.iter().flat_map(|number| number.to_le_bytes()).collect())
        .collect();
    let views = arrays
        .iter()
        .zip(&bytes)
        .map(|((name, shape, _), bytes)| (*name, TensorView::new(Dtype::F64, shape.clone(), bytes).unwrap()));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hand.safetensors");
    std::fs::write(&path, safetensors::serialize(views, None).unwrap()).unwrap();
    HandModel::load(&path).unwrap()
}
