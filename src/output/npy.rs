//! NumPy's array format (version 1.0), as much of it as writing needs.

/// Bytes the header of a `.npy` file is padded to.
const ALIGNMENT: usize = 64;

/// An element type NumPy knows.
pub trait Element: bytemuck::NoUninit {
    /// NumPy's name of the type, little-endian.
    const DESCR: &'static str;
}

impl Element for f32 {
    const DESCR: &'static str = "<f4";
}

impl Element for f64 {
    const DESCR: &'static str = "<f8";
}

impl Element for i64 {
    const DESCR: &'static str = "<i8";
}

impl Element for u8 {
    const DESCR: &'static str = "|u1";
}

/// The array `data` of `shape` (row-major) as the bytes of a `.npy` file.
///
/// # Panics
/// When `data` does not fill `shape`: a mistake of the caller.
pub fn npy<T: Element>(data: &[T], shape: &[usize]) -> Vec<u8> {
    assert_eq!(data.len(), shape.iter().product::<usize>(), "data fills its shape");
    let dims: String = shape.iter().map(|n| format!("{n},")).collect();
    let mut header =
        format!("{{'descr': '{}', 'fortran_order': False, 'shape': ({dims}), }}", T::DESCR).into_bytes();
    let prefix = b"\x93NUMPY\x01\x00".len() + 2;
    let padded = (prefix + header.len() + 1).next_multiple_of(ALIGNMENT) - prefix;
    header.resize(padded - 1, b' ');
    header.push(b'\n');

    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header);
    bytes.extend(little_endian(data));
    bytes
}

fn little_endian<T: Element>(data: &[T]) -> Vec<u8> {
    let mut bytes = bytemuck::cast_slice::<T, u8>(data).to_vec();
    if cfg!(target_endian = "big") {
        bytes.chunks_exact_mut(size_of::<T>()).for_each(<[u8]>::reverse);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_array_is_laid_out_as_numpy_reads_it() {
        let bytes = npy(&[1.0f32, 2.0, 3.0], &[1, 3]);
        assert_eq!(&bytes[..8], b"\x93NUMPY\x01\x00");
        let header = u16::from_le_bytes([bytes[8], bytes[9]]) as usize;
        assert_eq!((10 + header) % ALIGNMENT, 0);
        let text = std::str::from_utf8(&bytes[10..10 + header]).unwrap();
        assert!(text.starts_with("{'descr': '<f4', 'fortran_order': False, 'shape': (1,3,), }"));
        assert!(text.ends_with('\n'));
        assert_eq!(&bytes[10 + header..], bytemuck::cast_slice::<f32, u8>(&[1.0, 2.0, 3.0]));
    }
}
