//! The released networks on the processor.

use super::config::{DecoderConfig, DecoderForm, NetworkKind};
use super::decoder::{Decoder, DecoderMemory, FrameFeatures};
use super::heads::HeadRow;
use super::network::{HandPictures, NetworkError, NetworkShape, Slot, WindowNetwork};
use crate::jobs::Jobs;
use crate::net::vit::TOKENS;
use crate::net::{Isa, Probe, Scope, Vit, VitConfig, VitMemory, room};

/// What the shapes of a checkpoint's tensors do not tell, and how to compute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CpuConfig {
    /// Heads of the backbone; `None` for those of the released networks.
    pub backbone_heads: Option<usize>,
    /// Heads of the decoder; `None` for those of the released networks.
    pub decoder_heads: Option<usize>,
    /// How the decoder computes.
    pub form: DecoderForm,
}

/// HaMeR or HaPTIC with its weights, and the features of the frames in its slots.
pub struct CpuNetwork {
    shape: NetworkShape,
    vit: Vit,
    decoder: Decoder,
    slots: Vec<Option<Features>>,
    pictures: Vec<f32>,
    features: Vec<f32>,
    tokens: Vec<f32>,
    vit_memory: VitMemory,
    decoder_memory: DecoderMemory,
}

/// What is kept of one frame of one hand.
#[derive(Default)]
struct Features {
    token: Vec<f32>,
    crop: Vec<f32>,
    whole: Vec<f32>,
}

impl CpuNetwork {
    /// Reads `backbone` and `mano_head` of a checkpoint.
    ///
    /// # Errors
    /// [`NetworkError`] where the checkpoint holds neither network, or its heads are unknown.
    pub fn read(root: &Scope, config: &CpuConfig) -> Result<Self, NetworkError> {
        let isa = Isa::best();
        let (backbone, head) = (root.part("backbone"), root.part("mano_head"));
        let vit = Vit::read(&backbone, &VitConfig::read(&backbone, config.backbone_heads)?, isa)?;
        let sizes = DecoderConfig::read(&head, config.decoder_heads)?;
        if sizes.context != vit.config().width {
            return Err(NetworkError::Widths { backbone: vit.config().width, decoder: sizes.context });
        }
        Ok(Self {
            shape: NetworkShape { kind: sizes.kind, longest_window: sizes.longest_window },
            decoder: Decoder::read(&head, &sizes, config.form, isa)?,
            vit,
            slots: Vec::new(),
            pictures: Vec::new(),
            features: Vec::new(),
            tokens: Vec::new(),
            vit_memory: VitMemory::default(),
            decoder_memory: DecoderMemory::default(),
        })
    }

    /// The backbone.
    pub fn backbone(&self) -> &Vit {
        &self.vit
    }

    /// The decoder.
    pub fn decoder(&self) -> &Decoder {
        &self.decoder
    }
}

impl WindowNetwork for CpuNetwork {
    fn shape(&self) -> &NetworkShape {
        &self.shape
    }

    fn encode(&mut self, hands: &[(Slot, HandPictures<'_>)], jobs: &dyn Jobs) -> Result<(), NetworkError> {
        self.pictures.clear();
        for (_, hand) in hands {
            self.pictures.extend_from_slice(hand.crop.values());
        }
        if self.shape.kind == NetworkKind::Haptic {
            for (_, hand) in hands {
                let frame = hand.frame.ok_or(NetworkError::FrameMissing)?;
                self.pictures.extend_from_slice(frame.values());
            }
        }
        let Self { vit, decoder, slots, features, tokens, vit_memory, decoder_memory, .. } = self;
        vit.apply(&self.pictures, vit_memory, jobs, Probe::off(), features);
        let pictures: Vec<&[f32]> = features.chunks_exact(TOKENS * room(vit.config().width)).collect();
        let (crops, wholes) = pictures.split_at(hands.len().min(pictures.len()));
        decoder.start(crops, decoder_memory, tokens);
        let wholes = wholes.iter().copied().chain(std::iter::repeat(&[][..]));
        let tokens = tokens.chunks_exact(room(decoder.config().width));
        for (((slot, _), token), (crop, whole)) in hands.iter().zip(tokens).zip(crops.iter().zip(wholes)) {
            if slots.len() <= slot.0 {
                slots.resize_with(slot.0 + 1, || None);
            }
            // The slot's memory is written over: a stream that runs on takes no more.
            let kept = slots[slot.0].get_or_insert_default();
            for (kept, new) in [(&mut kept.token, token), (&mut kept.crop, crop), (&mut kept.whole, whole)] {
                kept.clear();
                kept.extend_from_slice(new);
            }
        }
        Ok(())
    }

    fn decode(
        &mut self,
        windows: &[&[Slot]],
        _jobs: &dyn Jobs,
        out: &mut Vec<HeadRow>,
    ) -> Result<(), NetworkError> {
        let longest = self.shape.longest_window;
        for window in windows {
            if !(1..=longest).contains(&window.len()) {
                return Err(NetworkError::Window { length: window.len(), longest });
            }
        }
        let Self { decoder, decoder_memory, slots, .. } = self;
        let kept = |slot: &Slot| {
            let kept = slots.get(slot.0).and_then(Option::as_ref).ok_or(NetworkError::EmptySlot(slot.0))?;
            Ok(FrameFeatures { token: &kept.token, crop: &kept.crop, whole: &kept.whole })
        };
        let frames = windows.iter().map(|window| window.iter().map(kept).collect());
        let frames: Vec<Vec<FrameFeatures>> = frames.collect::<Result<_, NetworkError>>()?;
        let frames: Vec<&[FrameFeatures]> = frames.iter().map(Vec::as_slice).collect();
        decoder.apply(&frames, decoder_memory, Probe::off(), out);
        Ok(())
    }
}
