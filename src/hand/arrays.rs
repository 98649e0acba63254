//! Named arrays of numbers: what every hand model file is read into, whatever its format.

use std::collections::BTreeMap;

use crate::pickle::PickleError;

/// Most numbers one array of a hand model may hold; MANO's largest has 315 090.
const MOST_NUMBERS: usize = 1 << 22;

/// Names that a hand model's arrays may have, MANO's and our own; everything else in a file is skipped.
pub(super) const KNOWN_NAMES: [&str; 11] = [
    "v_template",
    "shapedirs",
    "posedirs",
    "J_regressor",
    "weights",
    "f",
    "kintree_table",
    "tip_vertices",
    "flexion_axes",
    "bone_dirs",
    "joint_limits_deg",
];

/// The arrays of a hand model file by name.
pub(crate) type NamedArrays = BTreeMap<String, Array>;

/// Numbers in row-major order with their shape.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Array {
    /// Sizes of the dimensions.
    pub shape: Vec<usize>,
    /// The numbers, last dimension fastest.
    pub data: Vec<f64>,
}

/// What is wrong with a hand model file, as the end of a sentence.
#[derive(Debug, thiserror::Error, PartialEq)]
#[error("{0}")]
pub(crate) struct Malformed(String);

impl Malformed {
    /// The fault in words.
    pub fn new(what: impl Into<String>) -> Self {
        Self(what.into())
    }
}

impl From<PickleError> for Malformed {
    fn from(fault: PickleError) -> Self {
        Self(fault.to_string())
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

    /// An array from the bytes of its numbers, in row-major or (`fortran`) column-major order.
    pub fn from_bytes(
        shape: Vec<usize>,
        number: NumberType,
        fortran: bool,
        bytes: &[u8],
    ) -> Result<Self, Malformed> {
        let count = count(&shape)?;
        if count * number.size != bytes.len() {
            let there = bytes.len();
            return Err(Malformed::new(format!(
                "an array of shape {shape:?} has {there} bytes, not what it needs"
            )));
        }
        let data = bytes.chunks_exact(number.size).map(|bytes| number.decode(bytes)).collect();
        let array = Self { shape, data };
        Ok(if fortran { array.turned() } else { array })
    }

    /// The array of the numbers of `self` taken in column-major order.
    fn turned(self) -> Self {
        let strides: Vec<usize> = self
            .shape
            .iter()
            .scan(1, |stride, &size| {
                let own = *stride;
                *stride *= size;
                Some(own)
            })
            .collect();
        let mut index = vec![0; self.shape.len()];
        let mut data = Vec::with_capacity(self.data.len());
        for _ in 0..self.data.len() {
            data.push(self.data[index.iter().zip(&strides).map(|(at, stride)| at * stride).sum::<usize>()]);
            for (at, &size) in index.iter_mut().zip(&self.shape).rev() {
                *at += 1;
                if *at < size {
                    break;
                }
                *at = 0;
            }
        }
        Self { shape: self.shape, data }
    }
}

/// Places in an array of this shape, refused where a hand model has no use for so many.
pub(super) fn count(shape: &[usize]) -> Result<usize, Malformed> {
    shape
        .iter()
        .try_fold(1_usize, |product, &size| product.checked_mul(size))
        .filter(|&count| count <= MOST_NUMBERS)
        .ok_or_else(|| Malformed::new(format!("an array of shape {shape:?} is too large for a hand model")))
}

/// How a file stores a number: numpy's type names such as `f8`, `<i4`, `|b1`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct NumberType {
    kind: u8,
    size: usize,
    big_endian: bool,
}

impl NumberType {
    /// The type of a numpy name; a leading `>` means big-endian.
    pub fn parse(name: &str) -> Result<Self, Malformed> {
        let (big_endian, plain) = match name.as_bytes() {
            [b'>', ..] => (true, &name[1..]),
            [b'<' | b'|' | b'=', ..] => (false, &name[1..]),
            _ => (false, name),
        };
        let (kind, size) = match plain {
            "f2" => (b'f', 2),
            "f4" => (b'f', 4),
            "f8" => (b'f', 8),
            "i1" => (b'i', 1),
            "i2" => (b'i', 2),
            "i4" => (b'i', 4),
            "i8" => (b'i', 8),
            "u1" | "b1" => (b'u', 1),
            "u2" => (b'u', 2),
            "u4" => (b'u', 4),
            "u8" => (b'u', 8),
            _ if plain.starts_with('O') => {
                return Err(Malformed::new("an array holds Python objects; save it as plain numbers"));
            }
            _ => {
                return Err(Malformed::new(format!("an array holds `{name}`, which hand models do not use")));
            }
        };
        Ok(Self { kind, size, big_endian })
    }

    /// The same type in the byte order that a pickle gives apart from the name.
    pub fn in_order(self, big_endian: bool) -> Self {
        Self { big_endian, ..self }
    }

    fn decode(self, bytes: &[u8]) -> f64 {
        let mut raw = [0_u8; 8];
        raw[..self.size].copy_from_slice(bytes);
        if self.big_endian {
            raw[..self.size].reverse();
        }
        let bits = u64::from_le_bytes(raw);
        let unused = 64 - 8 * self.size as u32;
        match (self.kind, self.size) {
            (b'f', 2) => half::f16::from_bits(bits as u16).to_f64(),
            (b'f', 4) => f64::from(f32::from_bits(bits as u32)),
            (b'f', _) => f64::from_bits(bits),
            (b'i', _) => ((bits << unused) as i64 >> unused) as f64,
            _ => bits as f64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_every_kind_and_byte_order_are_read() {
        let read = |name: &str, bytes: &[u8]| {
            let number = NumberType::parse(name).unwrap();
            Array::from_bytes(vec![bytes.len() / number.size], number, false, bytes).unwrap().data
        };
        assert_eq!(read("<i2", &[0xfe, 0xff, 3, 0]), [-2.0, 3.0]);
        assert_eq!(read(">u4", &[0xff, 0xff, 0xff, 0xff]), [4_294_967_295.0]);
        assert_eq!(read("f4", &1.5_f32.to_le_bytes()), [1.5]);
        assert_eq!(read(">f8", &(-0.1_f64).to_be_bytes()), [-0.1]);
        assert_eq!(read("f2", &[0, 0x3c]), [1.0]);
    }

    #[test]
    fn column_major_arrays_are_turned() {
        let number = NumberType::parse("u1").unwrap();
        let array = Array::from_bytes(vec![2, 3], number, true, &[1, 4, 2, 5, 3, 6]).unwrap();
        assert_eq!(array.data, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    }

    #[test]
    fn shapes_that_overflow_or_lie_are_refused() {
        let number = NumberType::parse("f8").unwrap();
        for shape in [vec![usize::MAX, 2], vec![1 << 40], vec![3]] {
            assert!(Array::from_bytes(shape, number, true, &[0; 16]).is_err());
        }
        assert!(Array::from_bytes(vec![0, 3], number, true, &[]).is_ok());
        assert!(NumberType::parse("|O8").is_err_and(|fault| fault.to_string().contains("Python objects")));
        assert!(NumberType::parse("").is_err());
    }
}
