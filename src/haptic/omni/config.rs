//! Sizes of the two-hand modules, read from the shapes of a checkpoint's tensors.

use crate::haptic::full::{DecoderConfig, NetworkError, RELEASED_HEAD};
use crate::net::Scope;

/// Numbers of one head of the released attention between the hands, which no shape tells.
const RELEASED_SPATIAL_HEAD: usize = 80;

/// How many heads the attentions have, which no tensor tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OmniHeads {
    /// Attention of both hands' tokens to each other: 16 in the release.
    pub spatial: usize,
    /// The decoder that makes one token of a hand: 8 in the release.
    pub decoder: usize,
    /// The decoder that makes one token of a window: 16 in the release.
    pub temporal: usize,
}

/// Sizes of the two-hand modules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OmniShape {
    /// Numbers of the backbone's tokens.
    pub context: usize,
    /// Hidden numbers of the relation's embedding.
    pub relation_hidden: usize,
    /// Blocks in which both hands' tokens look at each other.
    pub spatial_depth: usize,
    /// Heads of their attention.
    pub spatial_heads: usize,
    /// Numbers of these heads together.
    pub spatial_inner: usize,
    /// Hidden numbers of their feed-forward layers.
    pub spatial_hidden: usize,
    /// The decoder that makes one token of a hand.
    pub decoder: DecoderConfig,
    /// The decoder that makes one token of a window.
    pub temporal: DecoderConfig,
    /// Numbers of the regression's two layers.
    pub regression: [usize; 2],
}

impl OmniShape {
    /// Reads the sizes from the root of a checkpoint. Without `heads` every head is as large as the released
    /// ones: 80 numbers between the hands, 64 in the decoders.
    ///
    /// # Errors
    /// [`NetworkError`] where a tensor is absent, sizes contradict each other, or heads do not fill them.
    pub fn read(root: &Scope, heads: Option<OmniHeads>) -> Result<Self, NetworkError> {
        let (head, time) = (root.part("mano_head"), root.part("time_head"));
        let [context, relation_hidden] = root.part("map_head").part(3).sizes("weight")?;
        let layers = head.part("inter_attn").part("layers");
        let [joint, _] = layers.part(0).part(0).part("fn").sizes("to_qkv.weight")?;
        let [spatial_hidden, _] = layers.part(0).part(1).part("fn").sizes("net.0.weight")?;
        let stacked = |l: &usize| layers.part(l).part(0).part("norm").has("weight");
        let spatial_inner = joint / 3;
        let spatial_heads = heads.map_or(spatial_inner / RELEASED_SPATIAL_HEAD, |heads| heads.spatial);
        if spatial_heads == 0 || !spatial_inner.is_multiple_of(spatial_heads) {
            return Err(NetworkError::Heads { heads: spatial_heads, inner: spatial_inner });
        }
        let decoder = |scope: Scope, heads: Option<usize>| {
            let released = || scope.part("transformer").part("layers").part(0).part(1).part("fn");
            let heads = match heads {
                Some(heads) => heads,
                None => released().sizes("to_q.weight").map(|[inner, _]| inner / RELEASED_HEAD)?,
            };
            DecoderConfig::of_transformer(&scope, Some(heads))
        };
        let decoder_config = decoder(head.part("transformer"), heads.map(|heads| heads.decoder))?;
        let temporal = decoder(time.part("temp_decoder"), heads.map(|heads| heads.temporal))?;
        let layers = time.part("mano_branch").part("mano_base_layer");
        let ([first, _], [second, _]) = (layers.sizes("0.weight")?, layers.sizes("2.weight")?);
        for (backbone, read) in [(context, decoder_config.context), (decoder_config.width, temporal.context)]
        {
            if backbone != read {
                return Err(NetworkError::Widths { backbone, decoder: read });
            }
        }
        Ok(Self {
            context,
            relation_hidden,
            spatial_depth: (0..).take_while(stacked).count(),
            spatial_heads,
            spatial_inner,
            spatial_hidden,
            decoder: decoder_config,
            temporal,
            regression: [first, second],
        })
    }
}
