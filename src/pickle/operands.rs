//! What follows an instruction: numbers, lengths, bytes and lines of text.

use std::borrow::Cow;

use super::PickleError;

/// The part of a pickle that is still to be read.
pub(super) struct Operands<'a>(pub &'a [u8]);

impl<'a> Operands<'a> {
    /// One byte.
    pub fn byte(&mut self) -> Result<u8, PickleError> {
        Ok(self.array::<1>()?[0])
    }

    /// A fixed number of bytes.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], PickleError> {
        let (head, rest) = self.0.split_first_chunk().ok_or(PickleError::Truncated)?;
        self.0 = rest;
        Ok(*head)
    }

    /// The next `size` bytes.
    pub fn take(&mut self, size: usize) -> Result<&'a [u8], PickleError> {
        let (head, rest) = self.0.split_at_checked(size).ok_or(PickleError::Truncated)?;
        self.0 = rest;
        Ok(head)
    }

    /// A little-endian length of up to eight bytes.
    pub fn length(&mut self, bytes: usize) -> Result<usize, PickleError> {
        let value = self.take(bytes)?.iter().rev().fold(0_u64, |value, &byte| value << 8 | u64::from(byte));
        usize::try_from(value).map_err(|_| PickleError::Truncated)
    }

    /// The bytes up to the end of the line.
    pub fn line(&mut self) -> Result<&'a [u8], PickleError> {
        let end = self.0.iter().position(|&byte| byte == b'\n').ok_or(PickleError::Truncated)?;
        let line = self.take(end)?;
        self.byte()?;
        Ok(line)
    }

    /// The same as text.
    pub fn line_text(&mut self) -> Result<Cow<'a, str>, PickleError> {
        utf8(self.line()?).map(Cow::Borrowed)
    }
}

pub(super) fn bad_number() -> PickleError {
    PickleError::Damaged("a number is not readable")
}

pub(super) fn utf8(bytes: &[u8]) -> Result<&str, PickleError> {
    std::str::from_utf8(bytes).map_err(|_| PickleError::NotText)
}

/// Little-endian two's complement of up to eight bytes; `None` where there are more.
pub(super) fn signed(bytes: &[u8]) -> Option<i64> {
    if bytes.len() > 8 {
        return None;
    }
    let fill = if bytes.last().is_some_and(|byte| byte & 0x80 != 0) { 0xff } else { 0 };
    let mut all = [fill; 8];
    all[..bytes.len()].copy_from_slice(bytes);
    Some(i64::from_le_bytes(all))
}

/// The bytes of a Python string literal in quotes.
pub(super) fn unquoted(literal: &[u8]) -> Result<Vec<u8>, PickleError> {
    let damaged = || PickleError::Damaged("a string is not readable");
    let literal = literal.trim_ascii();
    let quoted =
        literal.len() >= 2 && matches!(literal[0], b'\'' | b'"') && literal[0] == literal[literal.len() - 1];
    let mut rest = if quoted { literal[1..literal.len() - 1].iter() } else { return Err(damaged()) };
    let mut bytes = Vec::with_capacity(literal.len());
    while let Some(&byte) = rest.next() {
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        bytes.push(match rest.next().ok_or_else(damaged)? {
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'x' => hex(&mut rest, 2).ok_or_else(damaged)? as u8,
            same @ (b'\\' | b'\'' | b'"') => *same,
            _ => return Err(damaged()),
        });
    }
    Ok(bytes)
}

/// Protocol 0's text: Latin-1 with `\uXXXX` and `\UXXXXXXXX`.
pub(super) fn raw_unicode(line: &[u8]) -> Result<String, PickleError> {
    let mut text = String::with_capacity(line.len());
    let mut rest = line.iter();
    while let Some(&byte) = rest.next() {
        let digits = match rest.as_slice().first() {
            Some(b'u') if byte == b'\\' => 4,
            Some(b'U') if byte == b'\\' => 8,
            _ => {
                text.push(char::from(byte));
                continue;
            }
        };
        rest.next();
        let code = hex(&mut rest, digits).and_then(char::from_u32);
        text.push(code.ok_or(PickleError::Damaged("a text is not readable"))?);
    }
    Ok(text)
}

fn hex(bytes: &mut std::slice::Iter<u8>, digits: usize) -> Option<u32> {
    (0..digits).try_fold(0, |value, _| Some(value << 4 | char::from(*bytes.next()?).to_digit(16)?))
}
