//! Torch's checkpoint archives: a pickle that names tensors, and a file for each block of numbers.
//!
//! `torch.save` (since 1.6) writes `NAME/data.pkl` and `NAME/data/KEY`; a tensor is
//! `_rebuild_tensor_v2(storage KEY, offset, sizes, strides, ...)`. Lightning's checkpoints hold the network
//! under `state_dict`, beside optimiser states that nothing here looks at. Nothing is executed.

use std::collections::HashMap;
use std::sync::OnceLock;

use safetensors::Dtype;

use super::directory::{Directory, Entry, Storage};
use super::error::CheckpointError;
use super::zip::{self, Member};
use crate::pickle::{Id, Object, Pickle, Value};

/// How pickles of `torch.save` before 1.6 begin: protocol 2 and a number of ten bytes.
const LEGACY: &[u8] = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.";

/// The file that names the tensors.
const PICKLE: &str = "data.pkl";
const NO_PICKLE: CheckpointError = CheckpointError::Foreign("a zip archive without torch's data.pkl");

/// The entry of a Lightning checkpoint that holds the network.
const STATE_DICT: &str = "state_dict";

/// Largest pickle read, bytes; with optimiser states they have about half a million.
const LARGEST_PICKLE: usize = 64 << 20;

/// Whether a file was written by `torch.save` before 1.6.
pub(super) fn is_legacy(bytes: &[u8]) -> bool {
    bytes.starts_with(LEGACY)
}

/// Reads what the torch archive in `bytes` holds.
///
/// # Errors
/// [`CheckpointError`] where it is damaged, or an archive of something else.
pub(super) fn read(bytes: &[u8]) -> Result<Directory, CheckpointError> {
    let archive = zip::read_directory(bytes)?;
    let folder = root_folder(&archive)?;
    if let Some(order) = archive.get(&format!("{folder}byteorder"))
        && bytes.get(order.checked_range(bytes, "the byte order")?) != Some(b"little")
    {
        return Err(CheckpointError::Unsupported(
            "a big-endian machine wrote it; load and save it again on the usual kind",
        ));
    }
    let pickle = archive.get(&format!("{folder}{PICKLE}")).ok_or(NO_PICKLE)?;
    let pickle = bytes.get(pickle.checked_range(bytes, "the list of tensors")?).unwrap_or_default();
    if pickle.len() > LARGEST_PICKLE {
        return Err(CheckpointError::damaged("its list of tensors is longer than any"));
    }
    let pickle = Pickle::read(pickle).map_err(|fault| CheckpointError::damaged(fault.to_string()))?;
    let mut reader = Reader {
        pickle: &pickle,
        archive: &archive,
        folder: &folder,
        storages: HashMap::new(),
        directory: Directory::default(),
    };
    reader.tensors()?;
    Ok(reader.directory)
}

/// The folder of `data.pkl` with its slash.
fn root_folder(archive: &zip::Directory) -> Result<String, CheckpointError> {
    let folders = archive.keys().filter_map(|name| name.strip_suffix(PICKLE));
    let folder = folders
        .filter(|folder| folder.is_empty() || folder.ends_with('/'))
        .min_by_key(|folder| folder.len())
        .ok_or(NO_PICKLE)?;
    if archive.contains_key(&format!("{folder}constants.pkl")) {
        return Err(CheckpointError::Foreign("a TorchScript program"));
    }
    Ok(folder.to_owned())
}

/// A checkpoint being read.
struct Reader<'r, 'a> {
    pickle: &'r Pickle<'a>,
    archive: &'r zip::Directory,
    folder: &'r str,
    /// Numbers of the storages already met, by key.
    storages: HashMap<String, usize>,
    directory: Directory,
}

impl Reader<'_, '_> {
    /// Reads the tensors of the network: those under `state_dict`, else those of the whole.
    fn tensors(&mut self) -> Result<(), CheckpointError> {
        let nothing = || CheckpointError::Foreign("a torch file without a state_dict");
        let root = self.pickle.entries(self.pickle.root()).ok_or_else(nothing)?;
        let network = root.iter().find(|(key, _)| self.pickle.text(*key) == Some(STATE_DICT));
        let entries = match network {
            Some(&(_, network)) => self.pickle.entries(network).ok_or_else(nothing)?,
            None => root,
        };
        for &(key, value) in entries {
            let Some(name) = self.pickle.text(key) else { continue };
            if let Some(entry) = self.tensor(name, value)? {
                self.directory.tensors.insert(name.to_owned(), entry);
            }
        }
        if self.directory.tensors.is_empty() { Err(nothing()) } else { Ok(()) }
    }

    /// The tensor that a value stands for; `None` where it is none.
    fn tensor(&mut self, name: &str, value: Id) -> Result<Option<Entry>, CheckpointError> {
        let pickle = self.pickle;
        let mut call = call(pickle, value);
        if let Some((("torch._utils", "_rebuild_parameter"), arguments)) = call {
            // A parameter holds a tensor, never another parameter.
            call = arguments.first().and_then(|&tensor| self::call(pickle, tensor));
        }
        match call {
            Some((("torch._utils", "_rebuild_tensor_v2"), arguments)) => {
                self.rebuilt(name, arguments).map(Some)
            }
            _ => Ok(None),
        }
    }

    /// `_rebuild_tensor_v2(storage, offset, sizes, strides, ...)`.
    fn rebuilt(&mut self, name: &str, arguments: &[Id]) -> Result<Entry, CheckpointError> {
        let strange = || CheckpointError::damaged(format!("the description of {name} is not readable"));
        let &[storage, offset, shape, strides, ..] = arguments else { return Err(strange()) };
        let offset = self.pickle.size(offset).ok_or_else(strange)?;
        let shape = self.pickle.sizes(shape).ok_or_else(strange)?;
        let strides = self.pickle.sizes(strides).ok_or_else(strange)?;
        let (dtype, storage) = self.storage(storage).ok_or_else(strange)??;
        if strides.len() != shape.len() {
            return Err(strange());
        }
        let strides = if is_row_major(&shape, &strides) { Vec::new() } else { strides };
        Ok(Entry { dtype, shape, storage, offset, strides })
    }

    /// Number type and number of the storage that a persistent name stands for:
    /// `("storage", torch.FloatStorage, key, device, count)`.
    fn storage(&mut self, id: Id) -> Option<Result<(Dtype, usize), CheckpointError>> {
        let Value::Persistent(id) = *self.pickle.value(id) else { return None };
        let &[_, class, key, ..] = self.pickle.sequence(id)? else { return None };
        let (_, class) = self.pickle.global(class)?;
        let key = self.pickle.text(key)?;
        let dtype = match class {
            "DoubleStorage" => Dtype::F64,
            "FloatStorage" => Dtype::F32,
            "HalfStorage" => Dtype::F16,
            "BFloat16Storage" => Dtype::BF16,
            "LongStorage" => Dtype::I64,
            "IntStorage" => Dtype::I32,
            "ShortStorage" => Dtype::I16,
            "CharStorage" => Dtype::I8,
            "ByteStorage" => Dtype::U8,
            "BoolStorage" => Dtype::BOOL,
            _ => return None,
        };
        if let Some(&known) = self.storages.get(key) {
            return Some(Ok((dtype, known)));
        }
        let missing = || CheckpointError::damaged(format!("its part data/{key} is missing"));
        let member: Result<&Member, _> =
            self.archive.get(&format!("{}data/{key}", self.folder)).ok_or_else(missing);
        Some(member.map(|member| {
            let number = self.directory.storages.len();
            self.directory.storages.push(Storage::Member(member.clone(), OnceLock::new()));
            self.storages.insert(key.to_owned(), number);
            (dtype, number)
        }))
    }
}

/// A function's module and name, and its arguments.
type Call<'p> = ((&'p str, &'p str), &'p [Id]);

/// The call that would have made a value.
fn call<'p>(pickle: &'p Pickle, value: Id) -> Option<Call<'p>> {
    let Value::Object(Object { class, arguments, .. }) = pickle.value(value) else { return None };
    Some((pickle.global(*class)?, pickle.sequence(*arguments)?))
}

/// Whether steps are those of row-major order; the step of a dimension of one place means nothing.
fn is_row_major(shape: &[usize], strides: &[usize]) -> bool {
    let mut step = 1_usize;
    shape.iter().zip(strides).rev().all(|(&size, &stride)| {
        let fits = size <= 1 || stride == step;
        step = step.saturating_mul(size);
        fits
    })
}
