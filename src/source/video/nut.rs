//! Reader of the NUT container, as far as one stream of raw pictures needs it.
//!
//! A raw pipe carries pictures without their times; NUT is the simplest container that carries both,
//! with the file's own time base. Layout and names follow the NUT specification (version 3,
//! <https://ffmpeg.org/nut.html>): packets that begin with an eight-byte start code hold headers and
//! synchronisation points, everything else is a frame whose first byte selects a row of a table.

use std::io::Read;

const FILE_ID: &[u8] = b"nut/multimedia container\0";
/// No frame code is `N`, so this byte tells start codes from frames.
const STARTCODE_FIRST_BYTE: u8 = b'N';
const MAIN_STARTCODE: u64 = 0x4E4D_7A56_1F5F_04AD;
const STREAM_STARTCODE: u64 = 0x4E53_1140_5BF2_F9DB;
const SYNCPOINT_STARTCODE: u64 = 0x4E4B_E4AD_EECA_4569;
/// Packets longer than this carry a checksum of their header.
const SHORT_PACKET: u64 = 4096;
/// Headers are a few hundred bytes; more is not ours.
const LONGEST_HEADER: u64 = 1 << 20;
/// Frames longer than this never leave out their first bytes.
const LONGEST_ELIDED: u64 = 4096;
const CHECKSUM_BYTES: u64 = 4;

const FLAG_EOR: u64 = 2;
const FLAG_CODED_PTS: u64 = 8;
const FLAG_STREAM_ID: u64 = 16;
const FLAG_SIZE_MSB: u64 = 32;
const FLAG_CHECKSUM: u64 = 64;
const FLAG_RESERVED: u64 = 128;
const FLAG_HEADER_IDX: u64 = 1024;
const FLAG_MATCH_TIME: u64 = 2048;
const FLAG_CODED: u64 = 4096;
const FLAG_INVALID: u64 = 8192;

/// Why the pipe could not be read on.
#[derive(Debug, thiserror::Error)]
pub enum NutError {
    /// The pipe ended inside a packet, or could not be read.
    #[error("the pipe broke: {0}")]
    Pipe(#[from] std::io::Error),
    /// The bytes are not what the specification says.
    #[error("the pipe carries no valid NUT stream: {0}")]
    Malformed(&'static str),
}

/// A time base: one tick is `num / den` seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeBase {
    /// Numerator.
    pub num: u64,
    /// Denominator, not zero.
    pub den: u64,
}

impl TimeBase {
    /// Nanoseconds of `ticks`, rounded to the nearest.
    pub fn nanoseconds(self, ticks: i64) -> i64 {
        let scaled = i128::from(ticks) * i128::from(self.num) * 1_000_000_000;
        let den = i128::from(self.den);
        (scaled + den / 2).div_euclid(den) as i64
    }
}

/// One row of the frame code table.
#[derive(Clone, Copy, Debug, Default)]
struct FrameCode {
    flags: u64,
    pts_delta: i64,
    size_mul: u64,
    size_lsb: u64,
    reserved: u64,
    header: u64,
}

/// Reads the pictures of a NUT stream with exactly one video stream.
pub struct NutReader<R> {
    reader: R,
    codes: Vec<FrameCode>,
    elided: Vec<Vec<u8>>,
    time_bases: Vec<TimeBase>,
    time_base: TimeBase,
    pts_bits: u32,
    last_pts: i64,
    width: usize,
    height: usize,
}

impl<R: Read> NutReader<R> {
    /// Reads the file's identification and headers.
    ///
    /// # Errors
    /// [`NutError`]; a pipe without a single byte is a [`NutError::Pipe`].
    pub fn new(mut reader: R) -> Result<Self, NutError> {
        let mut id = vec![0; FILE_ID.len()];
        reader.read_exact(&mut id)?;
        if id != FILE_ID {
            return Err(NutError::Malformed("it does not begin with NUT's name"));
        }
        let mut nut = Self {
            reader,
            codes: Vec::new(),
            elided: Vec::new(),
            time_bases: Vec::new(),
            time_base: TimeBase { num: 1, den: 1 },
            pts_bits: 0,
            last_pts: 0,
            width: 0,
            height: 0,
        };
        while nut.width == 0 {
            match nut.byte_or_end()? {
                Some(STARTCODE_FIRST_BYTE) => nut.packet()?,
                Some(_) => return Err(NutError::Malformed("a frame stands before the headers")),
                None => return Err(NutError::Malformed("it ends before the headers")),
            }
        }
        Ok(nut)
    }

    /// Columns and rows of every picture.
    pub fn size(&self) -> (usize, usize) {
        (self.width, self.height)
    }

    /// The next picture of exactly `bytes` bytes, in `pixels`, and its time in nanoseconds; `None` at the end.
    ///
    /// # Errors
    /// [`NutError`] where the stream breaks inside a picture or carries one of another size.
    pub fn next_picture(
        &mut self,
        bytes: usize,
        mut pixels: Vec<u8>,
    ) -> Result<Option<(Vec<u8>, i64)>, NutError> {
        loop {
            match self.byte_or_end()? {
                None => return Ok(None),
                Some(STARTCODE_FIRST_BYTE) => self.packet()?,
                Some(code) => {
                    if let Some(time) = self.frame(code, bytes, &mut pixels)? {
                        return Ok(Some((pixels, time)));
                    }
                }
            }
        }
    }

    /// A frame's header and data, and its time; `None` for the empty frame that ends a stream.
    fn frame(&mut self, code: u8, bytes: usize, pixels: &mut Vec<u8>) -> Result<Option<i64>, NutError> {
        let row =
            *self.codes.get(usize::from(code)).ok_or(NutError::Malformed("a frame precedes its table"))?;
        let mut flags = row.flags;
        if flags & FLAG_INVALID != 0 {
            return Err(NutError::Malformed("a frame has an invalid code"));
        }
        if flags & FLAG_CODED != 0 {
            flags ^= self.value()?;
        }
        if flags & FLAG_STREAM_ID != 0 && self.value()? != 0 {
            return Err(NutError::Malformed("a frame belongs to a second stream"));
        }
        self.last_pts = if flags & FLAG_CODED_PTS != 0 {
            self.coded_pts()?
        } else {
            self.last_pts.wrapping_add(row.pts_delta)
        };
        let mut size = row.size_lsb;
        if flags & FLAG_SIZE_MSB != 0 {
            size = size.saturating_add(row.size_mul.saturating_mul(self.value()?));
        }
        if flags & FLAG_MATCH_TIME != 0 {
            self.value()?;
        }
        let mut header = if flags & FLAG_HEADER_IDX != 0 { self.value()? } else { row.header };
        let reserved = if flags & FLAG_RESERVED != 0 { self.value()? } else { row.reserved };
        for _ in 0..reserved {
            self.value()?;
        }
        if flags & FLAG_CHECKSUM != 0 {
            self.skip(CHECKSUM_BYTES)?;
        }
        if flags & FLAG_EOR != 0 && size == 0 {
            return Ok(None);
        }
        if size != bytes as u64 {
            return Err(NutError::Malformed("a picture has another size than the first"));
        }
        if size > LONGEST_ELIDED {
            header = 0;
        }
        // Short frames that begin like many others leave those bytes out.
        let elided = self.elided.get(header as usize).map_or(&[][..], Vec::as_slice);
        pixels.clear();
        pixels.reserve_exact(bytes);
        pixels.extend_from_slice(elided);
        let rest = size.saturating_sub(elided.len() as u64);
        self.reader.by_ref().take(rest).read_to_end(pixels)?;
        if pixels.len() != bytes {
            return Err(NutError::Pipe(std::io::ErrorKind::UnexpectedEof.into()));
        }
        Ok(Some(self.time_base.nanoseconds(self.last_pts)))
    }

    /// A full timestamp, or only its low bits where it is near the last one.
    fn coded_pts(&mut self) -> Result<i64, NutError> {
        let coded = self.value()? as i64;
        let range = 1_i64 << self.pts_bits;
        if coded >= range {
            return Ok(coded - range);
        }
        let mask = range - 1;
        let lowest = self.last_pts.wrapping_sub(mask / 2);
        Ok((coded.wrapping_sub(lowest) & mask).wrapping_add(lowest))
    }

    /// A header or synchronisation point, of whose start code the first byte has been read.
    fn packet(&mut self) -> Result<(), NutError> {
        let mut code = [STARTCODE_FIRST_BYTE, 0, 0, 0, 0, 0, 0, 0];
        self.reader.read_exact(&mut code[1..])?;
        let length = self.value()?;
        if length > SHORT_PACKET {
            self.skip(CHECKSUM_BYTES)?;
        }
        match u64::from_be_bytes(code) {
            MAIN_STARTCODE => self.payload(length)?.main_header(self),
            STREAM_STARTCODE => self.payload(length)?.stream_header(self),
            SYNCPOINT_STARTCODE => self.payload(length)?.syncpoint(self),
            _ => self.skip(length),
        }
    }

    fn payload(&mut self, length: u64) -> Result<Payload, NutError> {
        if length > LONGEST_HEADER {
            return Err(NutError::Malformed("a header is too long"));
        }
        let mut bytes = vec![0; length as usize];
        self.reader.read_exact(&mut bytes)?;
        Ok(Payload { bytes, at: 0 })
    }

    fn skip(&mut self, bytes: u64) -> Result<(), NutError> {
        let skipped = std::io::copy(&mut self.reader.by_ref().take(bytes), &mut std::io::sink())?;
        if skipped < bytes { Err(NutError::Pipe(std::io::ErrorKind::UnexpectedEof.into())) } else { Ok(()) }
    }

    fn byte_or_end(&mut self) -> Result<Option<u8>, NutError> {
        let mut byte = [0];
        loop {
            match self.reader.read(&mut byte) {
                Ok(0) => return Ok(None),
                Ok(_) => return Ok(Some(byte[0])),
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn value(&mut self) -> Result<u64, NutError> {
        variable_length(|| {
            let mut byte = [0];
            self.reader.read_exact(&mut byte)?;
            Ok(byte[0])
        })
    }
}

/// NUT's unsigned number: seven bits a byte, most significant first, the high bit says "more".
fn variable_length(mut next: impl FnMut() -> Result<u8, NutError>) -> Result<u64, NutError> {
    let mut value = 0_u64;
    loop {
        let byte = next()?;
        if value >> (u64::BITS - 7) != 0 {
            return Err(NutError::Malformed("a number does not fit 64 bits"));
        }
        value = value << 7 | u64::from(byte & 0x7F);
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
}

/// Content of a header packet and how far it has been read.
struct Payload {
    bytes: Vec<u8>,
    at: usize,
}

impl Payload {
    fn value(&mut self) -> Result<u64, NutError> {
        variable_length(|| {
            let byte = self.bytes.get(self.at).copied();
            self.at += 1;
            byte.ok_or(NutError::Malformed("a header ends too early"))
        })
    }

    /// NUT's signed number: 0, 1, -1, 2, -2 ...
    fn signed(&mut self) -> Result<i64, NutError> {
        let value = self.value()?.wrapping_add(1);
        let half = (value >> 1) as i64;
        Ok(if value & 1 == 1 { -half } else { half })
    }

    fn data(&mut self) -> Result<Vec<u8>, NutError> {
        let length = self.value()? as usize;
        let end = self.at.saturating_add(length);
        let bytes = self.bytes.get(self.at..end).ok_or(NutError::Malformed("a header ends too early"))?;
        self.at = end;
        Ok(bytes.to_vec())
    }

    fn main_header<R>(mut self, nut: &mut NutReader<R>) -> Result<(), NutError> {
        if self.value()? > 3 {
            // Version 4 and later add a minor version; the rest is the same.
            self.value()?;
        }
        if self.value()? != 1 {
            return Err(NutError::Malformed("it has more than one stream"));
        }
        let _max_distance = self.value()?;
        nut.time_bases = (0..self.value()?)
            .map(|_| Ok(TimeBase { num: self.value()?, den: self.value()?.max(1) }))
            .collect::<Result<_, NutError>>()?;
        nut.codes = self.frame_codes()?;
        nut.elided = vec![Vec::new()];
        for _ in 0..self.value()? {
            nut.elided.push(self.data()?);
        }
        Ok(())
    }

    /// The table of 256 frame codes, run-length coded; fields left out keep their last value or 0.
    fn frame_codes(&mut self) -> Result<Vec<FrameCode>, NutError> {
        let mut codes = Vec::with_capacity(256);
        let mut row = FrameCode { size_mul: 1, ..FrameCode::default() };
        while codes.len() < 256 {
            row.flags = self.value()?;
            let fields = self.value()?;
            if fields > 0 {
                row.pts_delta = self.signed()?;
            }
            if fields > 1 {
                row.size_mul = self.value()?;
            }
            if fields > 2 {
                self.value()?;
            }
            let size = if fields > 3 { self.value()? } else { 0 };
            row.reserved = if fields > 4 { self.value()? } else { 0 };
            let count = if fields > 5 { self.value()? } else { row.size_mul.saturating_sub(size) };
            if fields > 6 {
                self.signed()?;
            }
            if fields > 7 {
                row.header = self.value()?;
            }
            for _ in 8..fields {
                self.value()?;
            }
            let mut step = 0;
            while step < count && codes.len() < 256 {
                if codes.len() == usize::from(STARTCODE_FIRST_BYTE) {
                    codes.push(FrameCode { flags: FLAG_INVALID, ..row });
                    continue;
                }
                codes.push(FrameCode { size_lsb: size + step, ..row });
                step += 1;
            }
        }
        Ok(codes)
    }

    fn stream_header<R>(mut self, nut: &mut NutReader<R>) -> Result<(), NutError> {
        let (_id, class) = (self.value()?, self.value()?);
        if class != 0 {
            return Err(NutError::Malformed("its stream is no video"));
        }
        let _fourcc = self.data()?;
        let time_base = self.value()? as usize;
        nut.time_base =
            *nut.time_bases.get(time_base).ok_or(NutError::Malformed("its time base is missing"))?;
        nut.pts_bits = u32::try_from(self.value()?).unwrap_or(u32::MAX);
        if nut.pts_bits > 62 {
            return Err(NutError::Malformed("its timestamps have too many bits"));
        }
        let (_max_distance, _delay, _flags) = (self.value()?, self.value()?, self.value()?);
        let _codec_specific = self.data()?;
        (nut.width, nut.height) = (self.value()? as usize, self.value()? as usize);
        if nut.width == 0 || nut.height == 0 {
            return Err(NutError::Malformed("its pictures have no size"));
        }
        Ok(())
    }

    fn syncpoint<R>(mut self, nut: &mut NutReader<R>) -> Result<(), NutError> {
        let coded = self.value()?;
        let bases = nut.time_bases.len() as u64;
        let base = *nut
            .time_bases
            .get(coded.checked_rem(bases).unwrap_or(0) as usize)
            .ok_or(NutError::Malformed("a synchronisation point has no time base"))?;
        let ticks = i128::from(coded.checked_div(bases).unwrap_or(0));
        let own = nut.time_base;
        nut.last_pts = (ticks * i128::from(base.num) * i128::from(own.den))
            .div_euclid((i128::from(base.den) * i128::from(own.num)).max(1)) as i64;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_seven_bits_a_byte_and_overflow_is_an_error() {
        let read = |bytes: &[u8]| {
            let mut payload = Payload { bytes: bytes.to_vec(), at: 0 };
            payload.value()
        };
        assert_eq!(read(&[0x05]).unwrap(), 5);
        assert_eq!(read(&[0x81, 0x00]).unwrap(), 128);
        assert!(read(&[0x81]).is_err());
        assert!(read(&[0xFF; 11]).is_err());
    }

    #[test]
    fn ticks_become_nanoseconds_by_rounding_to_the_nearest() {
        let base = TimeBase { num: 1001, den: 30000 };
        assert_eq!(base.nanoseconds(1), 33_366_667);
        assert_eq!(base.nanoseconds(0), 0);
        assert_eq!(base.nanoseconds(-1), -33_366_667);
    }

    #[test]
    fn what_is_no_nut_stream_is_an_error() {
        assert!(matches!(NutReader::new(&b""[..]), Err(NutError::Pipe(_))));
        let text = [b'x'; 64];
        assert!(matches!(NutReader::new(&text[..]), Err(NutError::Malformed(_))));
        let mut cut = FILE_ID.to_vec();
        cut.extend(MAIN_STARTCODE.to_be_bytes());
        cut.extend([0x20, 0x03]);
        assert!(matches!(NutReader::new(&cut[..]), Err(NutError::Pipe(_))));
    }
}
