//! Named arrays of numbers: what every hand model file is read into, whatever its format.

use std::collections::BTreeMap;

/// Most numbers one array of a hand model may hold; MANO's largest has 315 090.
pub(super) const MOST_NUMBERS: usize = 1 << 24;

/// The arrays of a hand model file by name.
pub(super) type NamedArrays = BTreeMap<String, Array>;

/// Numbers in row-major order with their shape.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Array {
    /// Sizes of the dimensions.
    pub shape: Vec<usize>,
    /// The numbers, last dimension fastest.
    pub data: Vec<f64>,
}

/// What is wrong with a hand model file, as the end of a sentence.
#[derive(Debug, thiserror::Error, PartialEq)]
#[error("{0}")]
pub(super) struct Malformed(String);

impl Malformed {
    /// The fault in words.
    pub fn new(what: impl Into<String>) -> Self {
        Self(what.into())
    }
}

impl Array {
    /// An array whose shape has as many places as there are numbers.
    pub fn new(shape: Vec<usize>, data: Vec<f64>) -> Result<Self, Malformed> {
        if count(&shape)? != data.len() {
            return Err(Malformed::new(format!("an array of shape {shape:?} holds {} numbers", data.len())));
        }
        Ok(Self { shape, data })
    }
}

/// Places in an array of this shape, refused above [`MOST_NUMBERS`].
pub(super) fn count(shape: &[usize]) -> Result<usize, Malformed> {
    shape
        .iter()
        .try_fold(1_usize, |product, &size| product.checked_mul(size))
        .filter(|&count| count <= MOST_NUMBERS)
        .ok_or_else(|| Malformed::new(format!("an array of shape {shape:?} is too large for a hand model")))
}
