//! The network on the processor.

use super::config::OmniShape;
use super::embedding::{EmbeddingMemory, RelationEmbedding};
use super::network::{PairNetwork, PairPictures, PairRow, PairTokens, PairWindow};
use super::regression::Regression;
use super::relation::RelationMode;
use super::spatial::{SpatialMemory, SpatialReasoning};
use super::temporal::{TemporalMemory, TemporalReasoning};
use crate::haptic::full::{DecoderForm, HandBox, NetworkError};
use crate::jobs::Jobs;
use crate::net::vit::TOKENS;
use crate::net::{Isa, Probe, Scope, Vit, VitConfig, VitMemory, room};

/// How far away a missing hand is, in sizes of the other's crop: so far that every distance is all or nothing.
const FAR: f64 = 1000.0;

/// OmniHands with its weights.
pub struct CpuPairNetwork {
    window: usize,
    vit: Vit,
    embedding: RelationEmbedding,
    spatial: SpatialReasoning,
    temporal: TemporalReasoning,
    regression: Regression,
    memory: Memory,
}

/// Working memory.
#[derive(Default)]
struct Memory {
    pictures: Vec<f32>,
    features: Vec<f32>,
    pairs: Vec<f32>,
    maps: Vec<f32>,
    embedded: Vec<f32>,
    tokens: Vec<f32>,
    vit: VitMemory,
    embedding: EmbeddingMemory,
    spatial: SpatialMemory,
    temporal: TemporalMemory,
}

impl CpuPairNetwork {
    /// Reads the network from the root of a checkpoint whose sizes are known. `window` is the number of frames
    /// that it was trained with: 9 for video, 1 for single pictures.
    ///
    /// # Errors
    /// [`NetworkError`] where the tensors are not those of such a network.
    pub fn read(
        root: &Scope,
        backbone: &VitConfig,
        shape: &OmniShape,
        mode: RelationMode,
        window: usize,
    ) -> Result<Self, NetworkError> {
        if shape.context != backbone.width {
            return Err(NetworkError::Widths { backbone: backbone.width, decoder: shape.context });
        }
        let (isa, form, time) = (Isa::best(), DecoderForm::Absorbed, root.part("time_head"));
        Ok(Self {
            window,
            embedding: RelationEmbedding::read(root, mode, shape, isa)?,
            spatial: SpatialReasoning::read(&root.part("mano_head"), shape, form, isa)?,
            temporal: TemporalReasoning::read(&time.part("temp_decoder"), &shape.temporal, form, isa)?,
            regression: Regression::read(&time, shape, isa)?,
            vit: Vit::read(&root.part("backbone"), backbone, isa)?,
            memory: Memory::default(),
        })
    }
}

impl PairNetwork for CpuPairNetwork {
    fn window(&self) -> usize {
        self.window
    }

    fn encode(
        &mut self,
        pairs: &[PairPictures<'_>],
        jobs: &dyn Jobs,
        out: &mut Vec<PairTokens>,
    ) -> Result<(), NetworkError> {
        let Memory {
            pictures, features, pairs: both, maps, embedded, tokens, vit, embedding, spatial, ..
        } = &mut self.memory;
        pictures.clear();
        for hand in pairs.iter().flat_map(|pair| [pair.right, pair.left]).flatten() {
            pictures.extend_from_slice(hand.crop.values());
        }
        self.vit.apply(pictures, vit, jobs, Probe::off(), features);
        let mut hands = features.chunks_exact(TOKENS * room(self.vit.config().width));
        both.clear();
        maps.clear();
        for pair in pairs {
            // The mirror image of a right hand's picture, mirrored again as left hands are, is that picture.
            let places = [pair.right, pair.left].map(|hand| hand.map(|hand| hand.place));
            let mut seen = places.map(|place| place.and_then(|_| hands.next()));
            let known = seen[0].or(seen[1]).unwrap_or_default();
            for features in &mut seen {
                both.extend_from_slice(features.unwrap_or(known));
            }
            let [right, left] = match places {
                [Some(right), Some(left)] => [right, left],
                [Some(right), None] => [right, far_from(&right)],
                [None, Some(left)] => [far_from(&left), left],
                [None, None] => return Err(NetworkError::NoHand),
            };
            maps.extend(self.embedding.mode().maps(&right, &left).values);
        }
        self.embedding.embed(maps, embedding, embedded);
        self.embedding.join(embedded, embedding, both);
        self.spatial.apply(both, spatial, jobs, Probe::off(), tokens);
        let mut tokens = tokens.chunks_exact(room(self.spatial.width()));
        for pair in pairs {
            // A missing hand has a token too, of which nobody needs to know.
            let mut token = |seen: bool| tokens.next().filter(|_| seen).map(<[f32]>::to_vec);
            out.push(PairTokens { right: token(pair.right.is_some()), left: token(pair.left.is_some()) });
        }
        Ok(())
    }

    fn decode(
        &mut self,
        windows: &[PairWindow<'_>],
        _jobs: &dyn Jobs,
        out: &mut Vec<PairRow>,
    ) -> Result<(), NetworkError> {
        let hands = || windows.iter().flat_map(|pair| [&pair.right, &pair.left]);
        let there: Vec<&[&[f32]]> = hands().filter(|window| !window.is_empty()).map(Vec::as_slice).collect();
        if let Some(odd) = there.iter().find(|window| window.len() != self.window) {
            return Err(NetworkError::Window { length: odd.len(), longest: self.window });
        }
        let Memory { tokens, temporal, .. } = &mut self.memory;
        self.temporal.apply(&there, temporal, tokens);
        let mut regressed = self.regression.hands(tokens).into_iter();
        for pair in windows {
            let [right, left] = [&pair.right, &pair.left]
                .map(|window| if window.is_empty() { None } else { regressed.next() });
            let relative = right.as_ref().zip(left.as_ref());
            out.push(PairRow {
                left_from_right: relative.map(|(right, left)| self.regression.relative(right, left)),
                right: right.map(|hand| hand.row),
                left: left.map(|hand| hand.row),
            });
        }
        Ok(())
    }
}

/// The box of a hand that is not there.
fn far_from(known: &HandBox) -> HandBox {
    HandBox { centre: known.centre + known.size * FAR, size: known.size }
}
