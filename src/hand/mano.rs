//! MANO's own pickle: from numpy, chumpy and scipy objects to arrays, without any of them.
//!
//! `MANO_RIGHT.pkl` was written by Python 2: a dictionary whose arrays are numpy's, chumpy's `Ch`
//! (the array is its `x`) and `Select` (entries `idxs` of another array, reshaped), and a scipy sparse
//! matrix for the joint regressor.

use std::borrow::Cow;

use super::arrays::{Array, KNOWN_NAMES, Malformed, NamedArrays, NumberType, count};
use crate::pickle::{Id, Object, Pickle, Value};

/// How many chumpy objects may stand around an array.
const DEEPEST: usize = 8;

/// The known arrays of a pickled dictionary.
pub(super) fn read_pickle(bytes: &[u8]) -> Result<NamedArrays, Malformed> {
    let pickle = Pickle::read(bytes)?;
    let no_dictionary = || Malformed::new("the pickle holds no dictionary");
    let entries = pickle.entries(pickle.root()).ok_or_else(no_dictionary)?;
    let mut arrays = NamedArrays::new();
    for &(key, value) in entries {
        let Some(name) = pickle.text(key).filter(|name| KNOWN_NAMES.contains(name)) else {
            continue;
        };
        let array =
            array(&pickle, value, DEEPEST).map_err(|fault| Malformed::new(format!("{name}: {fault}")))?;
        arrays.insert(name.to_owned(), array);
    }
    Ok(arrays)
}

/// The array that a value stands for.
fn array(pickle: &Pickle, id: Id, depth: usize) -> Result<Array, Malformed> {
    let Value::Object(object) = pickle.value(id) else {
        return Err(Malformed::new("it is no array"));
    };
    let (module, name) = class(pickle, object)?;
    let package = module.split('.').next().unwrap_or_default();
    match (package, name) {
        ("numpy", "_frombuffer") => from_buffer(pickle, object),
        ("numpy", _) => ndarray(pickle, object),
        ("chumpy", "Select") if depth > 0 => {
            let all = array(pickle, entry(pickle, object, "a")?, depth - 1)?;
            let chosen = array(pickle, entry(pickle, object, "idxs")?, depth - 1)?;
            let numbers = chosen.data.iter().map(|&at| pick(&all.data, at)).collect::<Result<_, _>>()?;
            let shape = match entry(pickle, object, "preferred_shape") {
                Ok(shape) => sizes(pickle, shape)?,
                Err(_) => chosen.shape,
            };
            Array::new(shape, numbers)
        }
        ("chumpy", _) if depth > 0 => array(pickle, entry(pickle, object, "x")?, depth - 1),
        ("scipy", "csc_matrix" | "csc_array") if depth > 0 => sparse(pickle, object, depth, true),
        ("scipy", "csr_matrix" | "csr_array") if depth > 0 => sparse(pickle, object, depth, false),
        _ => Err(Malformed::new(format!("it is a {module}.{name}, which this reader does not know"))),
    }
}

/// The class of an object, also where a helper of Python's own was to make it.
fn class<'p>(pickle: &'p Pickle, object: &Object) -> Result<(&'p str, &'p str), Malformed> {
    let nameless = || Malformed::new("it is an object without a class");
    let (module, name) = pickle.global(object.class).ok_or_else(nameless)?;
    if matches!(module, "copy_reg" | "copyreg") {
        let first = *sequence(pickle, object.arguments)?.first().ok_or_else(nameless)?;
        return pickle.global(first).ok_or_else(nameless);
    }
    Ok((module, name))
}

/// `_reconstruct(...)` with the state (version, shape, type, column-major, bytes).
fn ndarray(pickle: &Pickle, object: &Object) -> Result<Array, Malformed> {
    let unfinished = || Malformed::new("it is a numpy array without numbers");
    let state = sequence(pickle, object.state.ok_or_else(unfinished)?)?;
    let &[_, shape, dtype, fortran, data] = state else { return Err(unfinished()) };
    let number = number_type(pickle, dtype)?;
    let fortran = matches!(pickle.value(fortran), Value::Int(order) if *order != 0);
    Array::from_bytes(sizes(pickle, shape)?, number, fortran, &bytes(pickle, data)?)
}

/// Protocol 5's arrays: `_frombuffer(bytes, type, shape, order)`.
fn from_buffer(pickle: &Pickle, object: &Object) -> Result<Array, Malformed> {
    let &[data, dtype, shape, order] = sequence(pickle, object.arguments)? else {
        return Err(Malformed::new("it is a numpy array without numbers"));
    };
    let fortran = pickle.text(order).is_some_and(|order| order == "F");
    Array::from_bytes(sizes(pickle, shape)?, number_type(pickle, dtype)?, fortran, &bytes(pickle, data)?)
}

/// `dtype("f8", ...)` with the byte order as the second entry of its state.
fn number_type(pickle: &Pickle, id: Id) -> Result<NumberType, Malformed> {
    let strange = || Malformed::new("its number type is not readable");
    let Value::Object(dtype) = pickle.value(id) else { return Err(strange()) };
    let name =
        sequence(pickle, dtype.arguments)?.first().and_then(|&name| pickle.text(name)).ok_or_else(strange)?;
    let number = NumberType::parse(name)?;
    let Some(state) = dtype.state else { return Ok(number) };
    let order = sequence(pickle, state)?.get(1).and_then(|&order| pickle.text(order));
    Ok(number.in_order(order.is_some_and(|order| order == ">")))
}

/// A compressed sparse matrix, by columns or by rows, written out in full.
fn sparse(pickle: &Pickle, object: &Object, depth: usize, by_columns: bool) -> Result<Array, Malformed> {
    let damaged = || Malformed::new("it is a damaged sparse matrix");
    let part = |name: &str| array(pickle, entry(pickle, object, name)?, depth - 1);
    let (values, indices, starts) = (part("data")?.data, part("indices")?.data, part("indptr")?.data);
    let shape = entry(pickle, object, "_shape").or_else(|_| entry(pickle, object, "shape"))?;
    let shape = sizes(pickle, shape)?;
    let &[rows, columns] = shape.as_slice() else { return Err(damaged()) };
    let mut full = vec![0.0; count(&shape)?];
    let lines = if by_columns { columns } else { rows };
    if starts.len() != lines + 1 || values.len() != indices.len() {
        return Err(damaged());
    }
    for (line, bounds) in starts.windows(2).enumerate() {
        // Out of range or negative bounds select nothing.
        let range = bounds[0] as usize..bounds[1] as usize;
        let entries = indices.get(range.clone()).zip(values.get(range)).ok_or_else(damaged)?;
        for (&across, &value) in entries.0.iter().zip(entries.1) {
            let across = across as usize;
            let (row, column) = if by_columns { (across, line) } else { (line, across) };
            if row >= rows || column >= columns {
                return Err(damaged());
            }
            full[row * columns + column] += value;
        }
    }
    Array::new(shape, full)
}

/// An entry of an object's state.
fn entry(pickle: &Pickle, object: &Object, name: &str) -> Result<Id, Malformed> {
    let missing = || Malformed::new(format!("it has no `{name}`"));
    let Value::Dict(entries) = pickle.value(object.state.ok_or_else(missing)?) else { return Err(missing()) };
    let found = entries.iter().find(|(key, _)| pickle.text(*key).is_some_and(|key| key == name));
    found.map(|(_, value)| *value).ok_or_else(missing)
}

fn sequence<'p>(pickle: &'p Pickle, id: Id) -> Result<&'p [Id], Malformed> {
    pickle.sequence(id).ok_or_else(|| Malformed::new("a tuple is missing"))
}

fn sizes(pickle: &Pickle, id: Id) -> Result<Vec<usize>, Malformed> {
    pickle.sizes(id).ok_or_else(|| Malformed::new("its shape is not readable"))
}

fn pick(numbers: &[f64], at: f64) -> Result<f64, Malformed> {
    let inside = at >= 0.0 && at < numbers.len() as f64;
    inside.then(|| numbers[at as usize]).ok_or_else(|| Malformed::new("it selects what is not there"))
}

/// Bytes as they are, or as Python 3 writes them for protocols before 3: `_codecs.encode(text, "latin1")`.
fn bytes<'p>(pickle: &'p Pickle, id: Id) -> Result<Cow<'p, [u8]>, Malformed> {
    match pickle.value(id) {
        Value::Bytes(bytes) => Ok(Cow::Borrowed(bytes)),
        Value::Sequence(_) => NumberType::parse("O").map(|_| Cow::Borrowed(&[][..])),
        Value::Object(object) => {
            let first = sequence(pickle, object.arguments)?.first().map(|&first| pickle.value(first));
            match first {
                Some(Value::Text(text)) => text.chars().map(|c| u8::try_from(c).ok()).collect::<Option<_>>(),
                Some(Value::Bytes(bytes)) => Some(Cow::Borrowed(bytes.as_ref())),
                _ => None,
            }
            .ok_or_else(|| Malformed::new("its numbers are not readable"))
        }
        _ => Err(Malformed::new("its numbers are not readable")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hand::npz::read_npz;
    use crate::hand::parameters::Parameters;
    use crate::hand::tips::TipVertices;

    const PROTOCOL_0: &[u8] = include_bytes!("../../tests/fixtures/mano_like_protocol0.pkl");
    const PROTOCOL_4: &[u8] = include_bytes!("../../tests/fixtures/mano_like_protocol4.pkl");
    const PROTOCOL_5: &[u8] = include_bytes!("../../tests/fixtures/mano_like_protocol5.pkl");
    const PYTHON_2: &[u8] = include_bytes!("../../tests/fixtures/mano_like_python2.pkl");
    const PLAIN: &[u8] = include_bytes!("../../tests/fixtures/mano_like.npz");
    const PLAIN_FULL: &[u8] = include_bytes!("../../tests/fixtures/mano_like_full.npz");

    #[test]
    fn every_protocol_gives_the_numbers_of_the_plain_archive() {
        let plain = read_npz(PLAIN).unwrap();
        assert_eq!(plain.len(), 6);
        for file in [PROTOCOL_0, PROTOCOL_4, PROTOCOL_5] {
            assert!(read_pickle(file).unwrap() == plain);
        }
        assert!(read_pickle(PYTHON_2).unwrap() == read_npz(PLAIN_FULL).unwrap());
    }

    #[test]
    fn a_file_cut_short_anywhere_is_refused_with_a_sentence() {
        for file in [PROTOCOL_0, PROTOCOL_5, PYTHON_2] {
            for cut in (0..file.len()).step_by(file.len() / 500) {
                assert!(
                    read_pickle(&file[..cut]).is_err_and(|fault| fault.to_string().contains("middle")),
                    "cut at {cut}"
                );
            }
        }
    }

    #[test]
    fn changed_bytes_end_in_a_model_or_a_sentence() {
        for file in [PROTOCOL_0, PROTOCOL_4] {
            for at in (0..file.len()).step_by(37) {
                for flip in [0x01, 0x80, 0x5a] {
                    let mut changed = file.to_vec();
                    changed[at] ^= flip;
                    let _ = read_pickle(&changed).and_then(|arrays| {
                        Parameters::from_arrays(&arrays, TipVertices::default()).map(drop)
                    });
                }
            }
        }
    }

    #[test]
    fn arrays_of_python_objects_and_unknown_classes_are_refused() {
        let objects = b"}(U\x01fcnumpy.core.multiarray\n_reconstruct\n)R(I1\n(I1\ntcnumpy\ndtype\n(U\x02O8tRI00\n(lp0\nI1\natbu.";
        assert_eq!(
            read_pickle(objects).unwrap_err().to_string(),
            "f: an array holds Python objects; save it as plain numbers"
        );
        let stranger = b"}(U\x01fcos\nsystem\n(U\x02lstRu.";
        assert!(read_pickle(stranger).unwrap_err().to_string().contains("os.system"));
        assert_eq!(read_pickle(b"I1\n.").unwrap_err().to_string(), "the pickle holds no dictionary");
    }

    #[test]
    fn an_array_that_contains_itself_is_refused() {
        // f = Ch(); f.x = f
        let circular = b"}U\x01fcchumpy.ch\nCh\n)\x81q\x00}U\x01xh\x00sbs.";
        assert!(read_pickle(circular).is_err());
    }

    #[test]
    fn a_sparse_matrix_that_points_outside_is_refused() {
        let mut file = PYTHON_2.to_vec();
        let at = file.windows(7).position(|bytes| bytes == b"indices").unwrap();
        let numbers = file[at..].windows(4).position(|bytes| bytes == [5, 0, 0, 0]).unwrap();
        file[at + numbers + 1] = 0x7f;
        let fault = read_pickle(&file).map(drop);
        assert_eq!(fault.unwrap_err().to_string(), "J_regressor: it is a damaged sparse matrix");
    }
}
