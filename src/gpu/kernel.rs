//! The kernels of `kernels/`: their sources, and how each is compiled and launched.

use half::{bf16, f16};
use sha2::{Digest, Sha256};

/// What every kernel includes.
const COMMON: &str = include_str!("../../kernels/common.cuh");
/// The line that includes it.
const INCLUDE: &str = "#include \"common.cuh\"\n";

/// How matrices and activations are kept on the device; sums are 32-bit in either.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Precision {
    /// 16 bits: the upper half of a 32-bit float. What the card's matrix units are fast with.
    #[default]
    Bf16,
    /// 16 bits, IEEE's: three bits more of each number, and none beyond 65,504.
    F16,
    /// 32 bits: for comparisons.
    F32,
}

impl Precision {
    /// Bytes of a number.
    pub fn bytes(self) -> usize {
        match self {
            Self::Bf16 | Self::F16 => 2,
            Self::F32 => 4,
        }
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bf16 => "bf16",
            Self::F16 => "f16",
            Self::F32 => "f32",
        }
    }

    /// Numbers as bytes, rounded to nearest even.
    pub fn to_bytes(self, numbers: &[f32]) -> Vec<u8> {
        match self {
            Self::Bf16 => numbers.iter().flat_map(|&number| bf16::from_f32(number).to_ne_bytes()).collect(),
            Self::F16 => numbers.iter().flat_map(|&number| f16::from_f32(number).to_ne_bytes()).collect(),
            Self::F32 => bytemuck::cast_slice(numbers).to_vec(),
        }
    }

    /// Bytes as numbers; a number that is cut off is left out.
    pub fn from_bytes(self, bytes: &[u8]) -> Vec<f32> {
        let shorts = || bytes.as_chunks::<2>().0.iter();
        match self {
            Self::Bf16 => shorts().map(|&short| bf16::from_ne_bytes(short).to_f32()).collect(),
            Self::F16 => shorts().map(|&short| f16::from_ne_bytes(short).to_f32()).collect(),
            Self::F32 => bytes.as_chunks::<4>().0.iter().map(|&number| f32::from_ne_bytes(number)).collect(),
        }
    }
}

macro_rules! sources {
    ($($(#[$doc:meta])* $name:ident = $file:literal,)*) => {
        /// A file of `kernels/`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Source { $($(#[$doc])* $name,)* }

        impl Source {
            /// Every file.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// Its name.
            pub fn file(self) -> &'static str {
                match self { $(Self::$name => $file,)* }
            }

            fn own_text(self) -> &'static str {
                match self { $(Self::$name => include_str!(concat!("../../kernels/", $file)),)* }
            }
        }
    };
}

sources! {
    /// Attention within a picture.
    Attention = "attention.cu",
    /// Two hands in each other.
    Contacts = "contacts.cu",
    /// DPVO's correlation.
    Correlation = "correlation.cu",
    /// Frames to crops.
    Crops = "crops.cu",
    /// The windowed decoder.
    Decoder = "decoder.cu",
    /// The exact GELU.
    Gelu = "gelu.cu",
    /// Posed hands.
    Hand = "hand.cu",
    /// Layer normalisation.
    LayerNorm = "layer_norm.cu",
}

impl Source {
    /// The whole text, with what it includes.
    pub fn text(self) -> String {
        self.own_text().replacen(INCLUDE, COMMON, 1)
    }
}

/// One kernel, compiled for certain sizes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Kernel {
    /// The file.
    pub source: Source,
    /// The function's name.
    pub name: &'static str,
    /// Sizes that are fixed when it is compiled.
    pub sizes: Vec<(&'static str, usize)>,
    /// What its `element` is.
    pub precision: Precision,
    /// Threads of a block.
    pub threads: u32,
    /// Bytes of shared memory of a block.
    pub shared_bytes: u32,
    /// All blocks run at the same time and wait for each other.
    pub cooperative: bool,
}

impl Kernel {
    /// A kernel without fixed sizes, shared memory or cooperation.
    pub fn new(source: Source, name: &'static str, threads: u32) -> Self {
        Self {
            source,
            name,
            sizes: Vec::new(),
            precision: Precision::F32,
            threads,
            shared_bytes: 0,
            cooperative: false,
        }
    }

    /// What is defined for the compiler, as `NAME=value`.
    pub fn definitions(&self) -> Vec<String> {
        let mut all: Vec<String> = self.sizes.iter().map(|(name, value)| format!("{name}={value}")).collect();
        match self.precision {
            Precision::Bf16 => {}
            Precision::F16 => all.push("ELEMENT_F16=1".to_owned()),
            Precision::F32 => all.push("ELEMENT_F32=1".to_owned()),
        }
        all
    }

    /// What identifies the compiled form: its text and everything that the compiler is told.
    pub fn fingerprint(&self, options: &[String]) -> String {
        let mut hash = Sha256::new();
        hash.update(self.source.text());
        for option in self.definitions().iter().chain(options) {
            hash.update([0]);
            hash.update(option);
        }
        let digest = hash.finalize();
        digest.iter().take(12).map(|byte| format!("{byte:02x}")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_survive_the_way_through_bytes_as_far_as_their_bits_go() {
        let numbers = [0.0, -1.5, 7.3e-4, 1234.567, -70_000.0];
        for (precision, digits) in [(Precision::Bf16, 8), (Precision::F16, 11), (Precision::F32, 24)] {
            let back = precision.from_bytes(&precision.to_bytes(&numbers));
            for (&number, back) in numbers.iter().zip(back) {
                if precision == Precision::F16 && number.abs() > 65_504.0 {
                    assert_eq!(back, f32::NEG_INFINITY);
                } else {
                    assert!(
                        (back - number).abs() <= number.abs() * 0.5_f32.powi(digits),
                        "{precision:?} {number} {back}"
                    );
                }
            }
        }
    }

    #[test]
    fn every_text_is_whole_and_a_change_of_sizes_changes_the_fingerprint() {
        for source in Source::ALL {
            assert!(!source.text().contains(INCLUDE) && source.text().contains("union FloatBits"));
        }
        let kernel = Kernel::new(Source::LayerNorm, "layer_norm", 128);
        let wide = Kernel { sizes: vec![("WIDTH", 1280)], ..kernel.clone() };
        let short = Kernel { precision: Precision::Bf16, ..kernel.clone() };
        let other = Kernel { precision: Precision::F16, ..kernel.clone() };
        let prints = [&kernel, &wide, &short, &other].map(|kernel| kernel.fingerprint(&[]));
        assert!((0..4).all(|i| (0..i).all(|j| prints[i] != prints[j])));
        assert_ne!(kernel.fingerprint(&["sm_80".into()]), kernel.fingerprint(&["sm_90".into()]));
    }
}
