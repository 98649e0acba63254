//! What a checkpoint holds and where: names, shapes and number types, without the numbers.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::OnceLock;

use safetensors::{Dtype, SafeTensors};

use super::error::CheckpointError;
use super::zip::Member;

/// Tensors and facts of a checkpoint.
#[derive(Debug, Default)]
pub(super) struct Directory {
    /// Tensors by full name.
    pub tensors: BTreeMap<String, Entry>,
    /// Blocks of numbers that tensors share; several names may mean the same numbers.
    pub storages: Vec<Storage>,
    /// What the file says of itself.
    pub facts: BTreeMap<String, String>,
}

/// One tensor.
#[derive(Debug)]
pub(super) struct Entry {
    /// How its numbers are written.
    pub dtype: Dtype,
    /// Its sizes.
    pub shape: Vec<usize>,
    /// Number of its storage.
    pub storage: usize,
    /// Its first number in the storage.
    pub offset: usize,
    /// Steps between its numbers, one a dimension; empty for row-major order without gaps.
    pub strides: Vec<usize>,
}

/// A block of numbers in the file.
#[derive(Debug)]
pub(super) enum Storage {
    /// Bytes of the file.
    Range(Range<usize>),
    /// A file in the archive, looked up and checked when first used.
    Member(Member, OnceLock<Result<Range<usize>, CheckpointError>>),
}

impl Directory {
    /// Reads the header of a safetensors file.
    ///
    /// # Errors
    /// [`CheckpointError::Damaged`].
    pub fn of_safetensors(bytes: &[u8]) -> Result<Self, CheckpointError> {
        let damaged = |error: safetensors::SafeTensorError| CheckpointError::damaged(error.to_string());
        let (header, metadata) = SafeTensors::read_metadata(bytes).map_err(damaged)?;
        let start = header + size_of::<u64>();
        let mut directory = Self::default();
        for (name, info) in metadata.tensors() {
            let (first, end) = info.data_offsets;
            let entry = Entry {
                dtype: info.dtype,
                shape: info.shape.clone(),
                storage: directory.storages.len(),
                offset: 0,
                strides: Vec::new(),
            };
            directory.storages.push(Storage::Range(start + first..start + end));
            directory.tensors.insert(name, entry);
        }
        directory.facts.extend(metadata.metadata().iter().flatten().map(|(k, v)| (k.clone(), v.clone())));
        Ok(directory)
    }

    /// The bytes of a tensor in row-major order; `bytes` is the whole file.
    ///
    /// # Errors
    /// [`CheckpointError::Damaged`] where they are not all there or have changed.
    pub fn numbers<'a>(
        &self,
        name: &str,
        entry: &Entry,
        bytes: &'a [u8],
    ) -> Result<Cow<'a, [u8]>, CheckpointError> {
        let outside = || CheckpointError::damaged(format!("{name} lies outside of its storage"));
        let storage = self.storages.get(entry.storage).ok_or_else(outside)?.bytes(name, bytes)?;
        let size = entry.dtype.bitsize() / 8;
        let count = entry.count().ok_or_else(outside)?;
        let first = entry.offset.checked_mul(size).ok_or_else(outside)?;
        let length = count.checked_mul(size).ok_or_else(outside)?;
        // No tensor is larger than its storage, however its steps are chosen.
        let rest = storage.get(first..).filter(|_| length <= storage.len()).ok_or_else(outside)?;
        if entry.strides.is_empty() {
            return rest.get(..length).map(Cow::Borrowed).ok_or_else(outside);
        }
        gather(rest, entry, count, size).map(Cow::Owned).ok_or_else(outside)
    }
}

impl Entry {
    /// How many numbers the tensor has.
    pub fn count(&self) -> Option<usize> {
        self.shape.iter().try_fold(1_usize, |count, &size| count.checked_mul(size))
    }
}

impl Storage {
    /// The block's bytes in the file `bytes`, checked the first time.
    fn bytes<'a>(&self, tensor: &str, bytes: &'a [u8]) -> Result<&'a [u8], CheckpointError> {
        let outside = || CheckpointError::damaged(format!("{tensor} lies outside of the file"));
        let range = match self {
            Self::Range(range) => range.clone(),
            Self::Member(member, checked) => {
                checked.get_or_init(|| member.checked_range(bytes, tensor)).clone()?
            }
        };
        bytes.get(range).ok_or_else(outside)
    }
}

/// Copies a tensor whose numbers do not lie in row-major order.
fn gather(storage: &[u8], entry: &Entry, count: usize, size: usize) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(count * size);
    let mut index = vec![0; entry.shape.len()];
    for _ in 0..count {
        let at =
            index.iter().zip(&entry.strides).try_fold(0_usize, |at, (&index, &stride): (&usize, _)| {
                at.checked_add(index.checked_mul(stride)?)
            })?;
        let start = at.checked_mul(size)?;
        out.extend_from_slice(storage.get(start..start.checked_add(size)?)?);
        for (at, &size) in index.iter_mut().zip(&entry.shape).rev() {
            *at += 1;
            if *at < size {
                break;
            }
            *at = 0;
        }
    }
    Some(out)
}
