//! Writes files as `torch.save` does: a stored zip of a pickle and one file for each block of numbers.
//!
//! Written from the format alone, so that it shares nothing with the reader under test.

use std::io::{Seek, SeekFrom, Write};

/// Torch starts every block at a multiple of this, bytes.
const ALIGNMENT: u64 = 64;

/// Content of a file in the archive.
pub enum Block {
    /// These bytes.
    Bytes(Vec<u8>),
    /// So many zeros that are never written: a hole in the file, without checksum.
    Hole(u64),
}

impl Block {
    fn size(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Hole(size) => *size,
        }
    }
}

/// Writes a stored zip with 64-bit records, aligned as torch does.
pub fn write_archive(
    out: &mut (impl Write + Seek),
    files: impl IntoIterator<Item = (String, Block)>,
) -> std::io::Result<()> {
    let mut directory = Vec::new();
    let mut count = 0_u64;
    for (name, block) in files {
        let header = out.stream_position()?;
        let crc = match &block {
            Block::Bytes(bytes) => crc32fast::hash(bytes),
            Block::Hole(_) => 0,
        };
        let size = block.size();
        // Sizes beyond 32 bits go to the extra field; torch pads with a field of its own.
        let large = size > u64::from(u32::MAX) - 1 || header > u64::from(u32::MAX) - 1;
        let short = |value: u64| if large { u32::MAX } else { value as u32 };
        let numbers: Vec<u8> = if large {
            [
                &1_u16.to_le_bytes()[..],
                &24_u16.to_le_bytes(),
                &size.to_le_bytes(),
                &size.to_le_bytes(),
                &header.to_le_bytes(),
            ]
            .concat()
        } else {
            Vec::new()
        };
        let before = header + 30 + (name.len() + numbers.len()) as u64 + 4;
        let padding = (ALIGNMENT - before % ALIGNMENT) % ALIGNMENT;
        let padding = [&b"FB"[..], &(padding as u16).to_le_bytes(), &vec![b'Z'; padding as usize]].concat();

        // Version, flags, method, time, date, checksum, sizes, length of the name.
        let mut common = [[20, 0, 0, 0, 0, 0, 0, 0, 0, 0]].concat();
        common.extend(crc.to_le_bytes());
        common.extend([short(size), short(size)].iter().flat_map(|size| size.to_le_bytes()));
        common.extend((name.len() as u16).to_le_bytes());

        out.write_all(b"PK\x03\x04")?;
        out.write_all(&common)?;
        out.write_all(&((numbers.len() + padding.len()) as u16).to_le_bytes())?;
        out.write_all(name.as_bytes())?;
        out.write_all(&numbers)?;
        out.write_all(&padding)?;
        match &block {
            Block::Bytes(bytes) => out.write_all(bytes)?,
            Block::Hole(size) => drop(out.seek(SeekFrom::Current(*size as i64))?),
        }

        directory.extend(b"PK\x01\x02\x14\x00");
        directory.extend(common);
        directory.extend((numbers.len() as u16).to_le_bytes());
        // Comment, disk and attributes.
        directory.extend([0; 10]);
        directory.extend(short(header).to_le_bytes());
        directory.extend(name.as_bytes());
        directory.extend(numbers);
        count += 1;
    }
    let start = out.stream_position()?;
    out.write_all(&directory)?;
    let end = out.stream_position()?;
    let size = end - start;
    out.write_all(b"PK\x06\x06")?;
    out.write_all(&44_u64.to_le_bytes())?;
    out.write_all(&[45, 0, 45, 0, 0, 0, 0, 0, 0, 0, 0, 0])?;
    for number in [count, count, size, start] {
        out.write_all(&number.to_le_bytes())?;
    }
    out.write_all(b"PK\x06\x07\x00\x00\x00\x00")?;
    out.write_all(&end.to_le_bytes())?;
    out.write_all(&1_u32.to_le_bytes())?;
    out.write_all(b"PK\x05\x06\x00\x00\x00\x00")?;
    for number in [count.min(0xffff) as u16; 2] {
        out.write_all(&number.to_le_bytes())?;
    }
    for number in [size, start] {
        out.write_all(&(number.min(u64::from(u32::MAX)) as u32).to_le_bytes())?;
    }
    out.write_all(&[0, 0])
}

/// Writes a pickle of protocol 2, instruction by instruction.
pub struct Pickler(Vec<u8>);

impl Pickler {
    pub fn new() -> Self {
        Self(vec![0x80, 2])
    }

    pub fn finish(mut self) -> Vec<u8> {
        self.0.push(b'.');
        self.0
    }

    pub fn text(&mut self, text: &str) -> &mut Self {
        self.0.push(b'X');
        self.0.extend((text.len() as u32).to_le_bytes());
        self.0.extend(text.as_bytes());
        self
    }

    pub fn int(&mut self, value: usize) -> &mut Self {
        self.0.push(0x8a);
        self.0.push(8);
        self.0.extend((value as u64).to_le_bytes());
        self
    }

    pub fn float(&mut self, value: f64) -> &mut Self {
        self.0.push(b'G');
        self.0.extend(value.to_be_bytes());
        self
    }

    pub fn global(&mut self, module: &str, name: &str) -> &mut Self {
        self.0.extend(format!("c{module}\n{name}\n").bytes());
        self
    }

    /// Plain instructions.
    pub fn raw(&mut self, instructions: &[u8]) -> &mut Self {
        self.0.extend(instructions);
        self
    }

    /// A tuple of sizes.
    pub fn sizes(&mut self, sizes: &[usize]) -> &mut Self {
        self.raw(b"(");
        for &size in sizes {
            self.int(size);
        }
        self.raw(b"t")
    }

    /// A tensor: `_rebuild_tensor_v2` of a storage outside of the pickle.
    pub fn tensor(&mut self, storage: &str, key: usize, shape: &[usize]) -> &mut Self {
        let count = shape.iter().fold(1_usize, |count, &size| count.wrapping_mul(size));
        let strides: Vec<usize> = {
            let after =
                |at: usize| shape[at + 1..].iter().fold(1_usize, |step, &size| step.wrapping_mul(size));
            (0..shape.len()).map(after).collect()
        };
        self.global("torch._utils", "_rebuild_tensor_v2").raw(b"((").text("storage").global("torch", storage);
        self.text(&key.to_string()).text("cuda:0").int(count).raw(b"tQ").int(0);
        self.sizes(shape).sizes(&strides).raw(b"\x89").global("collections", "OrderedDict").raw(b")RtR")
    }
}
