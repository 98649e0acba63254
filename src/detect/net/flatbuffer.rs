//! A bounds-checked reader of flatbuffers, as far as TensorFlow Lite files need it.
//!
//! Every read checks its place against the file, so a damaged file is a [`ModelError`], whatever its bytes
//! say. Lists carry a limit: their length is checked against it and against the file before memory is
//! taken. Layout: <https://flatbuffers.dev/internals>.

use super::error::ModelError;

/// One table of the file: a set of optional, numbered fields.
#[derive(Clone, Copy)]
pub(super) struct Table<'a> {
    file: &'a [u8],
    at: usize,
    vtable: usize,
    vtable_bytes: usize,
}

fn damaged<T>(at: usize, what: &'static str) -> Result<T, ModelError> {
    Err(ModelError::Damaged { at, what })
}

/// `N` bytes at `at`.
fn bytes<const N: usize>(file: &[u8], at: usize, what: &'static str) -> Result<[u8; N], ModelError> {
    match at.checked_add(N).and_then(|end| file.get(at..end)).and_then(|slice| slice.try_into().ok()) {
        Some(found) => Ok(found),
        None => damaged(at, what),
    }
}

fn read_u16(file: &[u8], at: usize, what: &'static str) -> Result<usize, ModelError> {
    Ok(u16::from_le_bytes(bytes(file, at, what)?).into())
}

fn read_u32(file: &[u8], at: usize, what: &'static str) -> Result<usize, ModelError> {
    Ok(u32::from_le_bytes(bytes(file, at, what)?) as usize)
}

/// Follows the forward offset stored at `at`.
fn follow(file: &[u8], at: usize, what: &'static str) -> Result<usize, ModelError> {
    let target = read_u32(file, at, what)?.checked_add(at).filter(|&target| target < file.len());
    target.map_or_else(|| damaged(at, what), Ok)
}

impl<'a> Table<'a> {
    /// The root table of a file.
    pub fn root(file: &'a [u8]) -> Result<Self, ModelError> {
        Self::open(file, follow(file, 0, "the root table")?)
    }

    fn open(file: &'a [u8], at: usize) -> Result<Self, ModelError> {
        let what = "the head of a table";
        let back = i64::from(i32::from_le_bytes(bytes(file, at, what)?));
        let vtable = match usize::try_from(at as i64 - back) {
            Ok(vtable) => vtable,
            Err(_) => return damaged(at, what),
        };
        let vtable_bytes = read_u16(file, vtable, what)?;
        if vtable_bytes < 4 || vtable + vtable_bytes > file.len() {
            return damaged(vtable, what);
        }
        Ok(Self { file, at, vtable, vtable_bytes })
    }

    /// Where the value of a field lies, or `None` where the field is absent (its default holds).
    fn field(&self, field: usize) -> Result<Option<usize>, ModelError> {
        let slot = 4 + 2 * field;
        if slot + 2 > self.vtable_bytes {
            return Ok(None);
        }
        let offset = read_u16(self.file, self.vtable + slot, "the fields of a table")?;
        Ok((offset != 0).then_some(self.at + offset))
    }

    /// A byte field; 0 where absent.
    pub fn i8(&self, field: usize) -> Result<i8, ModelError> {
        match self.field(field)? {
            Some(at) => Ok(i8::from_le_bytes(bytes(self.file, at, "a byte")?)),
            None => Ok(0),
        }
    }

    /// A 32-bit field; `default` where absent.
    pub fn i32(&self, field: usize, default: i32) -> Result<i32, ModelError> {
        match self.field(field)? {
            Some(at) => Ok(i32::from_le_bytes(bytes(self.file, at, "a number")?)),
            None => Ok(default),
        }
    }

    /// A table field.
    pub fn table(&self, field: usize) -> Result<Option<Table<'a>>, ModelError> {
        let what = "a table";
        self.field(field)?.map(|at| Self::open(self.file, follow(self.file, at, what)?)).transpose()
    }

    /// The first element and the length of a list whose elements take `size` bytes; empty where absent.
    fn list(
        &self,
        field: usize,
        size: usize,
        limit: usize,
        what: &'static str,
    ) -> Result<(usize, usize), ModelError> {
        let Some(at) = self.field(field)? else { return Ok((0, 0)) };
        let head = follow(self.file, at, what)?;
        let count = read_u32(self.file, head, what)?;
        let start = head + 4;
        if start > self.file.len() || count > (self.file.len() - start) / size {
            return damaged(head, what);
        }
        if count > limit {
            return Err(ModelError::TooLarge { what, wanted: count, limit });
        }
        Ok((start, count))
    }

    /// A list of 32-bit numbers.
    pub fn i32_list(&self, field: usize, limit: usize, what: &'static str) -> Result<Vec<i32>, ModelError> {
        let (start, count) = self.list(field, 4, limit, what)?;
        let words = self.file[start..start + 4 * count].chunks_exact(4);
        Ok(words.map(|word| i32::from_le_bytes([word[0], word[1], word[2], word[3]])).collect())
    }

    /// A list of tables.
    pub fn tables(
        &self,
        field: usize,
        limit: usize,
        what: &'static str,
    ) -> Result<Vec<Table<'a>>, ModelError> {
        let (start, count) = self.list(field, 4, limit, what)?;
        (0..count).map(|i| Self::open(self.file, follow(self.file, start + 4 * i, what)?)).collect()
    }

    /// A list of bytes, in place.
    pub fn byte_list(&self, field: usize, what: &'static str) -> Result<&'a [u8], ModelError> {
        let (start, count) = self.list(field, 1, usize::MAX, what)?;
        Ok(&self.file[start..start + count])
    }
}
