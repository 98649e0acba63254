//! The directory of a zip archive in memory: where each file lies, without touching what lies there.
//!
//! Checkpoints hold gigabytes of which a network may need a third, so a reader must neither copy nor scan
//! them. Only plainly stored files are read, as torch writes them. Format: PKWARE's APPNOTE 6.3, with the
//! 64-bit records of its section 4.3.14.

use std::collections::HashMap;
use std::ops::Range;

use super::error::CheckpointError;

const LOCAL_HEADER: &[u8] = b"PK\x03\x04";
const DIRECTORY_RECORD: &[u8] = b"PK\x01\x02";
const DIRECTORY_END: &[u8] = b"PK\x05\x06";
const DIRECTORY_END_64: &[u8] = b"PK\x06\x06";
const LOCATOR_64: &[u8] = b"PK\x06\x07";

const DIRECTORY_END_SIZE: usize = 22;
const LOCATOR_64_SIZE: usize = 20;
const DIRECTORY_RECORD_SIZE: usize = 46;
const LOCAL_HEADER_SIZE: usize = 30;
const LONGEST_COMMENT: usize = 0xffff;

/// In place of a number that a 64-bit field holds.
const IN_64_BITS: u64 = 0xffff_ffff;
/// Tag of the extra field with the 64-bit numbers.
const EXTRA_64: u64 = 1;

/// A file of the archive.
#[derive(Clone, Debug)]
pub(super) struct Member {
    /// Where its local header begins.
    header: usize,
    /// Its size, bytes.
    size: usize,
    /// Its checksum; zero where the writer left it out.
    crc: u32,
    /// Whether its bytes are stored as they are.
    stored: bool,
}

/// The files of an archive by name.
pub(super) type Directory = HashMap<String, Member>;

/// Whether a file begins as zip archives do.
pub(super) fn is_archive(bytes: &[u8]) -> bool {
    bytes.starts_with(LOCAL_HEADER)
}

/// Reads the directory at the end of the archive in `bytes`.
///
/// # Errors
/// [`CheckpointError::Damaged`].
pub(super) fn read_directory(bytes: &[u8]) -> Result<Directory, CheckpointError> {
    let end = find_end(bytes).ok_or_else(|| CheckpointError::damaged("its table of contents is missing"))?;
    let range = directory_range(bytes, end).ok_or_else(unreadable)?;
    let mut rest = bytes.get(range).ok_or_else(unreadable)?;
    let mut directory = Directory::new();
    while !rest.is_empty() {
        let (name, member, after) = record(rest).ok_or_else(unreadable)?;
        directory.insert(name, member);
        rest = after;
    }
    Ok(directory)
}

impl Member {
    /// Where in the archive `bytes` the file's own bytes lie.
    ///
    /// # Errors
    /// [`CheckpointError::Damaged`]; [`CheckpointError::Unsupported`] for a compressed file.
    fn range(&self, bytes: &[u8]) -> Result<Range<usize>, CheckpointError> {
        if !self.stored {
            return Err(CheckpointError::Unsupported(
                "its contents were compressed, which torch never does; give the file as torch wrote it",
            ));
        }
        let range = || {
            let header = bytes.get(self.header..)?;
            let names = number(header, 26, 2)? + number(header, 28, 2)?;
            let start = self.header.checked_add(LOCAL_HEADER_SIZE + names as usize)?;
            let range = start..start.checked_add(self.size)?;
            (header.starts_with(LOCAL_HEADER) && range.end <= bytes.len()).then_some(range)
        };
        range().ok_or_else(|| CheckpointError::damaged("a part lies outside of the file"))
    }

    /// The same, after a look at every byte: they must have the checksum that was written with them. `what`
    /// they are is for the error.
    ///
    /// # Errors
    /// As [`Member::range`].
    pub fn checked_range(&self, bytes: &[u8], what: &str) -> Result<Range<usize>, CheckpointError> {
        let range = self.range(bytes)?;
        let intact = |content| self.crc == 0 || crc32fast::hash(content) == self.crc;
        if bytes.get(range.clone()).is_some_and(intact) {
            return Ok(range);
        }
        Err(CheckpointError::Damaged(format!("{what} changed since it was written")))
    }
}

fn unreadable() -> CheckpointError {
    CheckpointError::damaged("its table of contents is not readable")
}

/// Where the record that ends the archive begins.
fn find_end(bytes: &[u8]) -> Option<usize> {
    let last = bytes.len().checked_sub(DIRECTORY_END_SIZE)?;
    let ends_here = |&at: &usize| {
        let comment = bytes.len() - at - DIRECTORY_END_SIZE;
        bytes[at..].starts_with(DIRECTORY_END) && number(&bytes[at..], 20, 2) == Some(comment as u64)
    };
    (last.saturating_sub(LONGEST_COMMENT)..=last).rev().find(ends_here)
}

/// Where the directory lies, by the record at `end` or its 64-bit form.
fn directory_range(bytes: &[u8], end: usize) -> Option<Range<usize>> {
    let locator = end.checked_sub(LOCATOR_64_SIZE).and_then(|at| bytes.get(at..));
    let (size, start) = match locator.filter(|locator| locator.starts_with(LOCATOR_64)) {
        Some(locator) => {
            let end = bytes.get(usize::try_from(number(locator, 8, 8)?).ok()?..)?;
            if !end.starts_with(DIRECTORY_END_64) {
                return None;
            }
            (number(end, 40, 8)?, number(end, 48, 8)?)
        }
        None => (number(&bytes[end..], 12, 4)?, number(&bytes[end..], 16, 4)?),
    };
    let start = usize::try_from(start).ok()?;
    Some(start..start.checked_add(usize::try_from(size).ok()?)?)
}

/// The first record of a directory, and what follows it.
fn record(bytes: &[u8]) -> Option<(String, Member, &[u8])> {
    if !bytes.starts_with(DIRECTORY_RECORD) {
        return None;
    }
    let method = number(bytes, 10, 2)?;
    let crc = number(bytes, 16, 4)? as u32;
    let (packed, size, header) = (number(bytes, 20, 4)?, number(bytes, 24, 4)?, number(bytes, 42, 4)?);
    let length = |at| number(bytes, at, 2).map(|length| length as usize);
    let (name, rest) = bytes.get(DIRECTORY_RECORD_SIZE..)?.split_at_checked(length(28)?)?;
    let (extra, rest) = rest.split_at_checked(length(30)?)?;
    let (_comment, rest) = rest.split_at_checked(length(32)?)?;
    // The 64-bit field holds only the numbers that did not fit, in this order.
    let mut large = extra_64(extra);
    let mut resolve = |value: u64| {
        if value != IN_64_BITS {
            return Some(value);
        }
        let value = number(large, 0, 8)?;
        large = &large[8..];
        Some(value)
    };
    let (size, packed, header) = (resolve(size)?, resolve(packed)?, resolve(header)?);
    let member = Member {
        header: usize::try_from(header).ok()?,
        size: usize::try_from(size).ok()?,
        crc,
        stored: method == 0 && packed == size,
    };
    Some((String::from_utf8_lossy(name).into_owned(), member, rest))
}

/// The 64-bit numbers among the extra fields of a record.
fn extra_64(mut fields: &[u8]) -> &[u8] {
    while let (Some(tag), Some(size)) = (number(fields, 0, 2), number(fields, 2, 2)) {
        let Some((field, rest)) = fields[4..].split_at_checked(size as usize) else { break };
        if tag == EXTRA_64 {
            return field;
        }
        fields = rest;
    }
    &[]
}

/// A little-endian number of `size` bytes.
fn number(bytes: &[u8], at: usize, size: usize) -> Option<u64> {
    let digits = bytes.get(at..at + size)?;
    Some(digits.iter().rev().fold(0, |number, &digit| number << 8 | u64::from(digit)))
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Write};

    use zip::CompressionMethod::{Deflated, Stored};
    use zip::write::SimpleFileOptions;

    use super::*;

    const CONTENT: [(&str, &[u8]); 2] = [("a/one", b"first"), ("a/two", b"second second second")];

    fn archive(method: zip::CompressionMethod, large: bool, comment: &str) -> Vec<u8> {
        let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
        for (name, content) in CONTENT {
            let options = SimpleFileOptions::default().compression_method(method).large_file(large);
            writer.start_file(name, options).unwrap();
            writer.write_all(content).unwrap();
        }
        writer.set_comment(comment).unwrap();
        writer.finish().unwrap().into_inner()
    }

    #[test]
    fn stored_files_are_found_where_they_lie() {
        for (large, comment) in [(false, ""), (true, ""), (false, "a comment PK\x05\x06 with a trap")] {
            let bytes = archive(Stored, large, comment);
            let directory = read_directory(&bytes).unwrap();
            assert_eq!(directory.len(), 2);
            for (name, content) in CONTENT {
                assert_eq!(&bytes[directory[name].checked_range(&bytes, name).unwrap()], content);
            }
        }
    }

    #[test]
    fn compressed_files_are_refused_and_cut_ones_too() {
        let bytes = archive(Deflated, false, "");
        let error = read_directory(&bytes).unwrap()["a/two"].range(&bytes).unwrap_err();
        assert!(error.to_string().contains("compressed"), "{error}");
        for length in 0..bytes.len() {
            assert!(read_directory(&bytes[..length]).is_err(), "{length}");
        }
    }

    #[test]
    fn changed_bytes_end_in_the_same_content_or_a_sentence() {
        for large in [false, true] {
            let bytes = archive(Stored, large, "");
            for at in 0..bytes.len() {
                for flip in [0x01, 0x80, 0xff] {
                    let mut changed = bytes.clone();
                    changed[at] ^= flip;
                    for member in read_directory(&changed).unwrap_or_default().values() {
                        let Ok(range) = member.checked_range(&changed, "it") else { continue };
                        let content = &changed[range];
                        assert!(CONTENT.iter().any(|(_, good)| *good == content), "byte {at}");
                    }
                }
            }
        }
    }
}
