//! The project's own hand file: safetensors under MANO's names, with anatomy. One copy is embedded.

use safetensors::{Dtype, SafeTensors, tensor::TensorView};

use super::arrays::{Array, KNOWN_NAMES, Malformed, NamedArrays, NumberType};

/// The open right hand (CC0); `weights/README.md` says where it comes from.
pub(super) const OPEN_HAND: &[u8] = include_bytes!("../../weights/open_hand_right.safetensors");

/// Name of the embedded hand in run files.
pub(super) const OPEN_HAND_NAME: &str = "open_hand";

/// The known arrays of a safetensors file.
pub(super) fn read_safetensors(bytes: &[u8]) -> Result<NamedArrays, Malformed> {
    let tensors = SafeTensors::deserialize(bytes)
        .map_err(|error| Malformed::new(format!("it is no safetensors file ({error})")))?;
    let known = tensors.iter().filter(|(name, _)| KNOWN_NAMES.contains(name));
    known.map(|(name, view)| Ok((name.to_owned(), array(name, &view)?))).collect()
}

fn array(name: &str, view: &TensorView) -> Result<Array, Malformed> {
    let number = NumberType::parse(match view.dtype() {
        Dtype::F16 => "f2",
        Dtype::F32 => "f4",
        Dtype::F64 => "f8",
        Dtype::I32 => "i4",
        Dtype::I64 => "i8",
        other => return Err(Malformed::new(format!("{name} holds {other:?}, which hand models do not use"))),
    })?;
    Array::from_bytes(view.shape().to_vec(), number, false, view.data())
}
