//! The project's own hand file: safetensors under MANO's names, with anatomy. One copy is embedded.

use safetensors::{Dtype, SafeTensors, tensor::TensorView};

use super::arrays::{Array, Malformed, NamedArrays, count};

/// The open right hand (CC0); `weights/README.md` says where it comes from.
pub(super) const OPEN_HAND: &[u8] = include_bytes!("../../weights/open_hand_right.safetensors");

/// Name of the embedded hand in run files.
pub(super) const OPEN_HAND_NAME: &str = "open_hand";

/// The arrays of a safetensors file.
pub(super) fn read_safetensors(bytes: &[u8]) -> Result<NamedArrays, Malformed> {
    let tensors = SafeTensors::deserialize(bytes)
        .map_err(|error| Malformed::new(format!("it is no safetensors file ({error})")))?;
    tensors.iter().map(|(name, view)| Ok((name.to_owned(), array(name, &view)?))).collect()
}

fn array(name: &str, view: &TensorView) -> Result<Array, Malformed> {
    count(view.shape())?;
    let bytes = view.data();
    let data = match view.dtype() {
        Dtype::F16 => numbers(bytes, |b| half::f16::from_le_bytes(b).to_f64()),
        Dtype::F32 => numbers(bytes, |b| f64::from(f32::from_le_bytes(b))),
        Dtype::F64 => numbers(bytes, f64::from_le_bytes),
        Dtype::I32 => numbers(bytes, |b| f64::from(i32::from_le_bytes(b))),
        Dtype::I64 => numbers(bytes, |b| i64::from_le_bytes(b) as f64),
        other => return Err(Malformed::new(format!("{name} holds {other:?}, which hand models do not use"))),
    };
    Array::new(view.shape().to_vec(), data)
}

fn numbers<const N: usize>(bytes: &[u8], number: impl Fn([u8; N]) -> f64) -> Vec<f64> {
    bytes.as_chunks().0.iter().map(|&chunk| number(chunk)).collect()
}
