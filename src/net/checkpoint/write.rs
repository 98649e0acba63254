//! Writes safetensors files tensor by tensor.

use std::collections::BTreeMap;
use std::path::Path;

use safetensors::Dtype;
use serde_json::{Map, Value, json};

use crate::files::{PartFile, WriteError};

/// The header's length is a multiple of this, so that the numbers lie aligned.
const ALIGNMENT: usize = 8;

/// A tensor that will be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedTensor {
    /// Full name.
    pub name: String,
    /// How its numbers are written.
    pub dtype: Dtype,
    /// Its sizes.
    pub shape: Vec<usize>,
}

impl PlannedTensor {
    /// Its size in the file, bytes; the largest number where it would be larger.
    pub fn size(&self) -> usize {
        let bits = self.shape.iter().fold(self.dtype.bitsize(), |bits, &size| bits.saturating_mul(size));
        bits / 8
    }
}

/// Writes the safetensors file `path` with `facts` about it; returns its size in bytes. `bytes` gives the
/// numbers of each tensor when its turn comes, row-major and little-endian, so that one tensor is in memory
/// at a time. The file appears whole or not at all.
///
/// # Errors
/// What `bytes` returns, and [`WriteError`].
pub fn write_safetensors<E: From<WriteError>>(
    path: &Path,
    facts: &BTreeMap<String, String>,
    tensors: &[PlannedTensor],
    mut bytes: impl FnMut(&PlannedTensor) -> Result<Vec<u8>, E>,
) -> Result<u64, E> {
    let mut header = Map::from_iter([("__metadata__".to_owned(), json!(facts))]);
    let mut end = 0_usize;
    for tensor in tensors {
        let start = end;
        end = end.saturating_add(tensor.size());
        let entry: Value = json!({
            "dtype": format!("{:?}", tensor.dtype), "shape": tensor.shape, "data_offsets": [start, end],
        });
        header.insert(tensor.name.clone(), entry);
    }
    let mut header = Value::Object(header).to_string().into_bytes();
    header.resize(header.len().next_multiple_of(ALIGNMENT), b' ');
    let mut file = PartFile::create(path)?;
    file.write(&(header.len() as u64).to_le_bytes())?;
    file.write(&header)?;
    for tensor in tensors {
        let bytes = bytes(tensor)?;
        debug_assert_eq!(bytes.len(), tensor.size(), "{}", tensor.name);
        file.write(&bytes)?;
    }
    file.commit()?;
    Ok((size_of::<u64>() + header.len() + end) as u64)
}
