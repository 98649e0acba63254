//! Sizes of the decoder, read from the shapes of a checkpoint's tensors.

use super::error::NetworkError;
use crate::net::Scope;

/// Width of the released decoders, and the numbers of one of their heads, which no shape tells.
const RELEASED_WIDTH: usize = 1024;
pub(in crate::haptic) const RELEASED_HEAD: usize = 64;

/// Which of the two networks a checkpoint holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NetworkKind {
    /// HaMeR (Pavlakos et al. 2024): a hand's crop of one frame.
    Hamer,
    /// HaPTIC (Ye et al. 2025): HaMeR with a window of frames, the whole frame and a depth.
    Haptic,
}

impl NetworkKind {
    /// The network's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Hamer => "HaMeR",
            Self::Haptic => "HaPTIC",
        }
    }
}

/// How the decoder computes; both give the same numbers but for rounding.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DecoderForm {
    /// As the layers are written: keys and values of every feature of every frame.
    Plain,
    /// With the savings that change nothing but rounding: a lone token's self-attention is one layer, keys and
    /// values are never formed ([`crate::net::AbsorbedAttention`]), and what the first layer gathers from the
    /// crop, which no other frame can change, is computed once a frame.
    #[default]
    Absorbed,
}

/// Sizes of the decoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecoderConfig {
    /// Which network it is.
    pub kind: NetworkKind,
    /// Numbers of a token.
    pub width: usize,
    /// Layers.
    pub depth: usize,
    /// Heads of every attention.
    pub heads: usize,
    /// Numbers of all heads together.
    pub inner: usize,
    /// Hidden numbers of the feed-forward layers.
    pub hidden: usize,
    /// Numbers of a feature of the pictures.
    pub context: usize,
    /// Most frames of a window: 1 for HaMeR, which knows one frame only.
    pub longest_window: usize,
}

impl DecoderConfig {
    /// Reads the sizes from the part `mano_head` of a checkpoint. `heads` is what the configuration beside
    /// the checkpoint says; without one the released networks are known by their width.
    ///
    /// # Errors
    /// [`NetworkError::Weights`] where it is neither network, [`NetworkError::Heads`] where the number of
    /// heads is unknown or does not divide their width.
    pub fn read(scope: &Scope, heads: Option<usize>) -> Result<Self, NetworkError> {
        Self::of_transformer(&scope.part("transformer"), heads)
    }

    /// [`Self::read`] for the decoder `scope` itself, by whatever name.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub(in crate::haptic) fn of_transformer(
        scope: &Scope,
        heads: Option<usize>,
    ) -> Result<Self, NetworkError> {
        let layers = scope.part("transformer");
        let first = layers.part("layers").part(0);
        let [inner, width] = first.part(1).part("fn").sizes("to_q.weight")?;
        let [_, context] = first.part(1).part("fn").sizes("to_kv.weight")?;
        let [hidden, _] = first.part(2).part("fn").sizes("net.0.weight")?;
        let stacked = |l: &usize| layers.part("layers").part(l).part(1).part("norm").has("weight");
        let depth = (0..).take_while(stacked).count();
        let windowed = layers.part("cross_view_layers").part(0).part(0).part("norm").has("weight");
        let (kind, longest_window) = if windowed {
            let [_, places, _] = layers.part("pos_enc_f").sizes("pos_table")?;
            (NetworkKind::Haptic, places)
        } else {
            (NetworkKind::Hamer, 1)
        };
        let heads = heads
            .or((width == RELEASED_WIDTH).then_some(inner / RELEASED_HEAD))
            .ok_or(NetworkError::HeadsUnknown { width })?;
        if heads == 0 || !inner.is_multiple_of(heads) {
            return Err(NetworkError::Heads { heads, inner });
        }
        Ok(Self { kind, width, depth, heads, inner, hidden, context, longest_window })
    }
}
