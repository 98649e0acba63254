//! The released networks on the processor.

use super::config::{DecoderConfig, DecoderForm, NetworkKind};
use super::decoder::{Decoder, DecoderMemory, FrameFeatures};
use super::error::NetworkError;
use super::heads::HeadRow;
use super::network::{HandPictures, NetworkShape, Slot, WindowNetwork};
use super::released::{ReleasedError, ReleasedFile};
use crate::jobs::Jobs;
use crate::net::vit::TOKENS;
use crate::net::{Isa, Probe, Scope, Vit, VitConfig, VitMemory, room};

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
    /// Reads the network of a user's checkpoint.
    ///
    /// # Errors
    /// [`ReleasedError`].
    pub fn open(file: &ReleasedFile, form: DecoderForm) -> Result<Self, ReleasedError> {
        Self::read(&file.checkpoint().root(), file.vit(), file.decoder(), form)
            .map_err(|fault| ReleasedError::Decoder { path: file.file().path().to_owned(), fault })
    }

    /// Reads `backbone` and `mano_head` of a checkpoint, whose sizes are known.
    ///
    /// # Errors
    /// [`NetworkError`] where the tensors are not those of such a network.
    pub fn read(
        root: &Scope,
        backbone: &VitConfig,
        decoder: &DecoderConfig,
        form: DecoderForm,
    ) -> Result<Self, NetworkError> {
        if decoder.context != backbone.width {
            return Err(NetworkError::Widths { backbone: backbone.width, decoder: decoder.context });
        }
        let isa = Isa::best();
        Ok(Self {
            shape: NetworkShape { kind: decoder.kind, longest_window: decoder.longest_window },
            vit: Vit::read(&root.part("backbone"), backbone, isa)?,
            decoder: Decoder::read(&root.part("mano_head"), decoder, form, isa)?,
            slots: Vec::new(),
            pictures: Vec::new(),
            features: Vec::new(),
            tokens: Vec::new(),
            vit_memory: VitMemory::default(),
            decoder_memory: DecoderMemory::default(),
        })
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
        self.shape.check_lengths(windows)?;
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
