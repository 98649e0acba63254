//! Reads numpy's `.npz` archives of plain numbers (`numpy/lib/format.py`, versions 1 to 3).

use std::io::{Cursor, Read};

use zip::ZipArchive;

use super::arrays::{Array, KNOWN_NAMES, Malformed, NamedArrays, NumberType};

/// Largest unpacked array read, bytes.
const MOST_BYTES: u64 = 64 << 20;

const MAGIC: &[u8] = b"\x93NUMPY";

/// The arrays of an archive that a hand model has.
pub(super) fn read_npz(bytes: &[u8]) -> Result<NamedArrays, Malformed> {
    read_arrays(bytes, &KNOWN_NAMES)
}

/// Those of an archive's arrays that are called one of `names`.
///
/// # Errors
/// [`Malformed`] where the bytes are no archive, or one of these arrays does not hold plain numbers.
pub(crate) fn read_arrays(bytes: &[u8], names: &[&str]) -> Result<NamedArrays, Malformed> {
    let mut archive = ZipArchive::new(Cursor::new(bytes))
        .map_err(|error| Malformed::new(format!("it is no npz archive ({error})")))?;
    let mut arrays = NamedArrays::new();
    for &name in names {
        let Ok(file) = archive.by_name(&format!("{name}.npy")) else { continue };
        let mut unpacked = Vec::new();
        file.take(MOST_BYTES)
            .read_to_end(&mut unpacked)
            .map_err(|error| Malformed::new(format!("{name} cannot be unpacked ({error})")))?;
        let array = read_npy(&unpacked).map_err(|fault| Malformed::new(format!("{name}: {fault}")))?;
        arrays.insert(name.to_owned(), array);
    }
    Ok(arrays)
}

fn read_npy(bytes: &[u8]) -> Result<Array, Malformed> {
    let damaged = || Malformed::new("it is no numpy array, or a damaged one");
    let (version, rest) =
        bytes.strip_prefix(MAGIC).and_then(<[u8]>::split_first_chunk::<2>).ok_or_else(damaged)?;
    let (length, rest) = if version[0] == 1 {
        let (length, rest) = rest.split_first_chunk().ok_or_else(damaged)?;
        (usize::from(u16::from_le_bytes(*length)), rest)
    } else {
        let (length, rest) = rest.split_first_chunk().ok_or_else(damaged)?;
        (u32::from_le_bytes(*length) as usize, rest)
    };
    let (header, numbers) = rest.split_at_checked(length).ok_or_else(damaged)?;
    let header = std::str::from_utf8(header).map_err(|_| damaged())?;
    let entry = |key: &str| {
        let after = header.split_once(&format!("'{key}':")).ok_or_else(damaged)?.1;
        Ok::<_, Malformed>(after.trim_start())
    };
    // A structured type is a list instead of a name; it falls through to the refusal of unknown types.
    let descr = entry("descr")?.trim_start_matches('\'');
    let number = NumberType::parse(descr.split_once('\'').map_or(descr, |(name, _)| name))?;
    let fortran = entry("fortran_order")?.starts_with("True");
    let sizes =
        entry("shape")?.strip_prefix('(').and_then(|text| text.split_once(')')).ok_or_else(damaged)?.0;
    let sizes = sizes.split(',').map(str::trim).filter(|size| !size.is_empty());
    let shape: Vec<usize> = sizes.map(str::parse).collect::<Result<_, _>>().map_err(|_| damaged())?;
    Array::from_bytes(shape, number, fortran, numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: &[u8] = include_bytes!("../../tests/fixtures/mano_like.npz");
    const OBJECTS: &[u8] = include_bytes!("../../tests/fixtures/mano_like_objects.npz");

    #[test]
    fn arrays_of_python_objects_are_refused() {
        let fault = read_npz(OBJECTS).unwrap_err().to_string();
        assert_eq!(fault, "J_regressor: an array holds Python objects; save it as plain numbers");
    }

    #[test]
    fn cut_and_changed_archives_end_in_a_model_or_a_sentence() {
        assert!(read_npz(&PLAIN[..PLAIN.len() / 2]).is_err());
        assert!(read_npz(b"").is_err());
        for at in (0..PLAIN.len()).step_by(5) {
            let mut changed = PLAIN.to_vec();
            changed[at] ^= 0x5a;
            let _ = read_npz(&changed);
        }
    }

    #[test]
    fn headers_that_lie_are_refused() {
        let npy = |header: &str| {
            let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
            bytes.extend((header.len() as u16).to_le_bytes());
            bytes.extend(header.as_bytes());
            bytes.extend([0; 16]);
            read_npy(&bytes)
        };
        assert_eq!(npy("{'descr': '<f8', 'fortran_order': False, 'shape': (2,), }").unwrap().data, [0.0; 2]);
        assert!(
            npy("{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999, 9999999999), }").is_err()
        );
        assert!(npy("{'descr': [('a', '<f8')], 'fortran_order': False, 'shape': (2,), }").is_err());
        assert!(npy("{'shape': (2,)").is_err());
    }
}
