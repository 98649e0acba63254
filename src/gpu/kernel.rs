//! The kernels of `kernels/`: their sources, and how each is compiled and launched.

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
    /// 32 bits: for comparisons.
    F32,
}

impl Precision {
    /// Bytes of a number.
    pub fn bytes(self) -> usize {
        match self {
            Self::Bf16 => 2,
            Self::F32 => 4,
        }
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bf16 => "bf16",
            Self::F32 => "f32",
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
        if self.precision == Precision::F32 {
            all.push("ELEMENT_F32=1".to_owned());
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
    fn every_text_is_whole_and_a_change_of_sizes_changes_the_fingerprint() {
        for source in Source::ALL {
            assert!(!source.text().contains(INCLUDE) && source.text().contains("union FloatBits"));
        }
        let kernel = Kernel::new(Source::LayerNorm, "layer_norm", 128);
        let wide = Kernel { sizes: vec![("WIDTH", 1280)], ..kernel.clone() };
        let short = Kernel { precision: Precision::Bf16, ..kernel.clone() };
        let prints = [&kernel, &wide, &short].map(|kernel| kernel.fingerprint(&[]));
        assert!(prints[0] != prints[1] && prints[0] != prints[2]);
        assert_ne!(kernel.fingerprint(&["sm_80".into()]), kernel.fingerprint(&["sm_90".into()]));
    }
}
