//! Reading fixture files.

use std::path::Path;

use nalgebra::{Matrix3, Vector3};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};

/// The tensors of a fixture file, as 64-bit numbers.
pub struct Fixture(Vec<u8>);

impl Fixture {
    /// Opens a fixture of this repository.
    pub fn own(name: &str) -> Self {
        Self::open(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name))
    }

    /// Opens the fixture at `path`.
    pub fn open(path: &Path) -> Self {
        Self(std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
    }

    /// The file's bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Names of all tensors.
    pub fn names(&self) -> Vec<String> {
        let file = SafeTensors::deserialize(&self.0).unwrap();
        file.names().into_iter().map(str::to_owned).collect()
    }

    /// Whether there is a tensor `name`.
    pub fn has(&self, name: &str) -> bool {
        SafeTensors::deserialize(&self.0).unwrap().tensor(name).is_ok()
    }

    /// The file with every tensor's bytes as `edit` leaves them, under the name that it returns; without
    /// those for which it returns none.
    pub fn edited(&self, mut edit: impl FnMut(&str, &mut Vec<u8>) -> Option<String>) -> Self {
        let file = SafeTensors::deserialize(&self.0).unwrap();
        let tensors = file.tensors().into_iter().filter_map(|(name, tensor)| {
            let mut data = tensor.data().to_vec();
            Some((edit(&name, &mut data)?, tensor.dtype(), tensor.shape().to_vec(), data))
        });
        let tensors: Vec<_> = tensors.collect();
        let views = tensors.iter().map(|(name, dtype, shape, data)| {
            (name.as_str(), TensorView::new(*dtype, shape.clone(), data).unwrap())
        });
        Self(safetensors::serialize(views, None).unwrap())
    }

    /// The sizes of one tensor.
    pub fn shape(&self, name: &str) -> Vec<usize> {
        SafeTensors::deserialize(&self.0).unwrap().tensor(name).unwrap().shape().to_vec()
    }

    /// The numbers of one tensor in row-major order.
    pub fn numbers(&self, name: &str) -> Vec<f64> {
        let file = SafeTensors::deserialize(&self.0).unwrap();
        let tensor = file.tensor(name).unwrap_or_else(|error| panic!("{name}: {error}"));
        match tensor.dtype() {
            Dtype::F32 => {
                tensor.data().as_chunks().0.iter().map(|&b| f64::from(f32::from_le_bytes(b))).collect()
            }
            Dtype::U8 | Dtype::BOOL => tensor.data().iter().map(|&b| f64::from(b)).collect(),
            Dtype::I32 => {
                tensor.data().as_chunks().0.iter().map(|&b| f64::from(i32::from_le_bytes(b))).collect()
            }
            Dtype::I64 => tensor.data().as_chunks().0.iter().map(|&b| i64::from_le_bytes(b) as f64).collect(),
            Dtype::F64 => tensor.data().as_chunks().0.iter().map(|&b| f64::from_le_bytes(b)).collect(),
            other => panic!("{name} is {other:?}"),
        }
    }

    /// The text `key` of the file's metadata.
    pub fn metadata(&self, key: &str) -> String {
        let (_, header) = SafeTensors::read_metadata(&self.0).unwrap();
        header.metadata().as_ref().and_then(|texts| texts.get(key)).unwrap_or_else(|| panic!("{key}")).clone()
    }

    /// The only number of a tensor.
    pub fn number(&self, name: &str) -> f64 {
        let numbers = self.numbers(name);
        assert_eq!(numbers.len(), 1, "{name}");
        numbers[0]
    }

    /// Points: a tensor whose last size is 3, flat.
    pub fn points(&self, name: &str) -> Vec<Vector3<f64>> {
        self.numbers(name).as_chunks::<3>().0.iter().map(|&p| Vector3::from(p)).collect()
    }

    /// Matrices: a tensor whose last sizes are 3 x 3, flat.
    pub fn matrices(&self, name: &str) -> Vec<Matrix3<f64>> {
        self.numbers(name).chunks_exact(9).map(Matrix3::from_row_slice).collect()
    }
}
