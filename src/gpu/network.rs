//! HaMeR's and HaPTIC's networks on the device, as [`crate::haptic::full::CpuNetwork`] is on the processor.

use std::collections::HashMap;

use super::backend::KernelBackend;
use super::decoder::{DecoderLists, DecoderMemory, DeviceDecoder, Program, SlotMemory};
use super::error::GpuError;
use super::kernel::Precision;
use super::matrix::LoadError;
use super::memory::Buffer;
use super::ops::{CropsOp, FrameLayout, PLAN_INTS};
use super::vit::{DeviceVit, FeatureTarget, VitMemory};
use crate::frame::Frame;
use crate::haptic::full::{
    Cropper, Cut, CutPlan, DecoderConfig, HandPictures, HeadRow, NetworkError, NetworkKind, NetworkShape,
    Picture, ReleasedError, ReleasedFile, Sampling, Slot, Square, WindowNetwork,
};
use crate::jobs::Jobs;
use crate::net::vit::TOKENS;
use crate::net::{Scope, VitConfig};

/// Slots, rows and pictures that there is room for at first; more make room when they come.
const FIRST_SLOTS: usize = 32;
const FIRST_ROWS: usize = 16;
const FIRST_PICTURES: usize = 4;

/// Why a network could not be put onto a device.
#[derive(Debug, thiserror::Error)]
pub enum GpuNetworkError {
    /// The checkpoint cannot be used.
    #[error(transparent)]
    Released(#[from] ReleasedError),
    /// The device cannot be used.
    #[error(transparent)]
    Gpu(#[from] GpuError),
}

/// HaMeR or HaPTIC with its weights, and the features of the frames in its slots, in a device's memory.
///
/// Everything that a frame needs is launched as two recorded graphs, one to encode and one to decode; memory is
/// taken only when there are more hands, frames or slots than ever before.
pub struct GpuNetwork<B: KernelBackend> {
    shape: NetworkShape,
    vit_config: VitConfig,
    decoder_config: DecoderConfig,
    precision: Precision,
    encodings: HashMap<(usize, Input), Recorded<B>>,
    decodings: HashMap<usize, Recorded<B>>,
    crops: CropsOp<B>,
    vit: DeviceVit<B>,
    decoder: DeviceDecoder<B>,
    slots: Slots<B>,
    frame: FrameMemory<B>,
    backend: B,
}

/// What the backbone's patches are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Input {
    /// Pictures that were cut elsewhere.
    Pictures,
    /// A frame of this width and height.
    Frame([usize; 2]),
}

/// Recorded work, and the steps that it reads.
struct Recorded<B: KernelBackend> {
    graph: B::Graph,
    _program: Program<B>,
}

/// What is kept of frames.
struct Slots<B: KernelBackend> {
    features: Buffer<B>,
    tokens: Buffer<B>,
    filled: Vec<bool>,
}

/// Memory that a frame passes through.
struct FrameMemory<B: KernelBackend> {
    vit: VitMemory<B>,
    decoder: DecoderMemory<B>,
    /// Where each picture's features go.
    places: Buffer<B>,
    pictures: Buffer<B>,
    pixels: Buffer<B>,
    plans: Buffer<B>,
    shares: Buffer<B>,
}

impl<B: KernelBackend> Slots<B> {
    fn new(
        backend: &B,
        (vit, decoder): (&VitConfig, &DecoderConfig),
        precision: Precision,
        count: usize,
    ) -> Result<Self, GpuError> {
        Ok(Self {
            features: Buffer::zeros(backend, count * 2 * TOKENS * vit.width * precision.bytes())?,
            tokens: Buffer::zeros(backend, count * decoder.width * size_of::<f32>())?,
            filled: vec![false; count],
        })
    }

    fn memory(&self) -> SlotMemory {
        SlotMemory { features: self.features.address(), tokens: self.tokens.address() }
    }
}

impl<B: KernelBackend> GpuNetwork<B> {
    /// Reads the network of a user's checkpoint.
    ///
    /// # Errors
    /// [`GpuNetworkError`].
    pub fn open(backend: B, file: &ReleasedFile, precision: Precision) -> Result<Self, GpuNetworkError> {
        let decoder = |fault| ReleasedError::Decoder { path: file.file().path().to_owned(), fault };
        let (vit, config) = (file.vit(), file.decoder());
        if config.context != vit.width {
            let (backbone, context) = (vit.width, config.context);
            return Err(decoder(NetworkError::Widths { backbone, decoder: context }).into());
        }
        Self::read(backend, &file.checkpoint().root(), vit, config, precision).map_err(|error| match error {
            LoadError::Weights(fault) => decoder(fault.into()).into(),
            LoadError::Gpu(error) => error.into(),
        })
    }

    /// Reads `backbone` and `mano_head` of a checkpoint, whose sizes are known and fit together.
    pub(super) fn read(
        backend: B,
        root: &Scope,
        vit: &VitConfig,
        decoder: &DecoderConfig,
        precision: Precision,
    ) -> Result<Self, LoadError> {
        let memory = |bytes| Buffer::zeros(&backend, bytes);
        let frame = FrameMemory {
            vit: VitMemory::new(&backend, vit, precision, FIRST_PICTURES)?,
            decoder: DecoderMemory::new(&backend, decoder, FIRST_ROWS)?,
            places: memory(FIRST_PICTURES * size_of::<i32>())?,
            pictures: memory(0)?,
            pixels: memory(0)?,
            plans: memory(0)?,
            shares: memory(0)?,
        };
        Ok(Self {
            shape: NetworkShape { kind: decoder.kind, longest_window: decoder.longest_window },
            vit_config: *vit,
            decoder_config: *decoder,
            precision,
            encodings: HashMap::new(),
            decodings: HashMap::new(),
            crops: CropsOp::load(&backend, precision)?,
            vit: DeviceVit::read(&backend, &root.part("backbone"), vit, precision)?,
            decoder: DeviceDecoder::read(&backend, &root.part("mano_head"), decoder, precision)?,
            slots: Slots::new(&backend, (vit, decoder), precision, FIRST_SLOTS)?,
            frame,
            backend,
        })
    }

    /// Pictures of a hand.
    fn pictures_each(&self) -> usize {
        match self.shape.kind {
            NetworkKind::Hamer => 1,
            NetworkKind::Haptic => 2,
        }
    }

    /// Makes `buffer` large enough; what was recorded with the smaller one is forgotten.
    fn grow(
        &mut self,
        bytes: usize,
        of: impl Fn(&mut FrameMemory<B>) -> &mut Buffer<B>,
    ) -> Result<(), GpuError> {
        let buffer = of(&mut self.frame);
        if buffer.bytes() < bytes {
            self.encodings.clear();
            *of(&mut self.frame) = Buffer::zeros(&self.backend, bytes)?;
        }
        Ok(())
    }

    /// Makes room for `hands` hands whose features go to `slots`.
    fn make_room(&mut self, slots: &[Slot]) -> Result<(), GpuError> {
        let pictures = slots.len() * self.pictures_each();
        if self.frame.vit.pictures() < pictures {
            self.encodings.clear();
            self.frame.vit = VitMemory::new(&self.backend, &self.vit_config, self.precision, pictures)?;
        }
        self.grow(pictures * size_of::<i32>(), |frame| &mut frame.places)?;
        self.make_rows(slots.len())?;
        let highest = slots.iter().map(|slot| slot.0 + 1).max().unwrap_or(0);
        let count = self.slots.filled.len();
        if count < highest {
            // What the old slots hold moves along through the host: this happens a few times in a run.
            let sizes = (&self.vit_config, &self.decoder_config);
            let larger = Slots::new(&self.backend, sizes, self.precision, highest.next_power_of_two())?;
            for (old, new) in [(&self.slots.features, &larger.features), (&self.slots.tokens, &larger.tokens)]
            {
                let mut bytes = vec![0; old.bytes()];
                old.read(&self.backend, 0, &mut bytes)?;
                new.write(&self.backend, 0, &bytes)?;
            }
            let old = std::mem::replace(&mut self.slots, larger);
            self.slots.filled[..count].copy_from_slice(&old.filled);
            self.encodings.clear();
            self.decodings.clear();
        }
        Ok(())
    }

    /// Makes room for `rows` rows of the decoder.
    fn make_rows(&mut self, rows: usize) -> Result<(), GpuError> {
        if self.frame.decoder.rows() < rows {
            self.encodings.clear();
            self.decodings.clear();
            let rows = rows.next_power_of_two();
            self.frame.decoder = DecoderMemory::new(&self.backend, &self.decoder_config, rows)?;
        }
        Ok(())
    }

    /// Encodes what lies in the input's memory into `slots`.
    fn run_encoding(&mut self, slots: &[Slot], input: Input) -> Result<(), GpuError> {
        let number = |slot: &Slot| slot.0 as i32;
        let new: Vec<i32> = slots.iter().map(number).collect();
        let crops = slots.iter().map(|slot| 2 * number(slot));
        let wholes = slots.iter().map(|slot| 2 * number(slot) + 1);
        let places: Vec<i32> = crops.chain(wholes).take(slots.len() * self.pictures_each()).collect();
        self.frame.places.write(&self.backend, 0, bytemuck::cast_slice(&places))?;
        self.frame.decoder.set_new(&self.backend, &new)?;
        for slot in slots {
            self.slots.filled[slot.0] = false;
        }
        let key = (slots.len(), input);
        if !self.encodings.contains_key(&key) {
            let recorded = self.record_encoding(key)?;
            self.encodings.insert(key, recorded);
        }
        if let Some(recorded) = self.encodings.get(&key) {
            // SAFETY: what the graph works on is kept as long as the graph.
            unsafe { self.backend.replay(&recorded.graph)? };
        }
        for slot in slots {
            self.slots.filled[slot.0] = true;
        }
        Ok(())
    }

    /// Work as a graph. It is done once before: libraries load and choose what they need when they are first used,
    /// which they may not while they are recorded. Doing it twice gives the same.
    fn recorded(&self, work: &mut dyn FnMut() -> Result<(), GpuError>) -> Result<B::Graph, GpuError> {
        work()?;
        self.backend.record(work)
    }

    fn record_encoding(&self, (hands, input): (usize, Input)) -> Result<Recorded<B>, GpuError> {
        let Self { backend, frame, slots, vit, decoder, crops, .. } = self;
        let pictures = hands * self.pictures_each();
        let program = decoder.start(backend, &frame.decoder, slots.memory(), hands)?;
        let target = FeatureTarget { to: slots.features.address(), places: frame.places.address() };
        let patches = frame.vit.patches();
        let graph = self.recorded(&mut || {
            // SAFETY: the memory was made for so many pictures and hands, and the lists name slots that are there.
            unsafe {
                match input {
                    Input::Pictures => crops.cut(backend, frame.pictures.address(), pictures, patches)?,
                    Input::Frame(size) => {
                        let from = (frame.pixels.address(), FrameLayout::Rgb, size);
                        let plans = (frame.plans.address(), frame.shares.address(), pictures);
                        crops.crop(backend, from, plans, patches)?;
                    }
                }
                vit.launch(backend, &frame.vit, pictures, &target)?;
                decoder.run(backend, &program)
            }
        })?;
        Ok(Recorded { graph, _program: program })
    }

    fn record_decoding(&self, rows: usize) -> Result<Recorded<B>, GpuError> {
        let Self { backend, frame, slots, decoder, .. } = self;
        let program = decoder.windows(backend, &frame.decoder, slots.memory(), rows)?;
        // SAFETY: the memory was made for so many rows, and the lists name rows and slots that are there.
        let graph = self.recorded(&mut || unsafe { decoder.run(backend, &program) })?;
        Ok(Recorded { graph, _program: program })
    }

    fn run_decoding(&mut self, windows: &[&[usize]]) -> Result<Vec<f32>, GpuError> {
        let lists = DecoderLists::new(windows);
        let rows = lists.rows();
        self.make_rows(rows)?;
        self.frame.decoder.set_windows(&self.backend, &lists)?;
        if !self.decodings.contains_key(&rows) {
            let recorded = self.record_decoding(rows)?;
            self.decodings.insert(rows, recorded);
        }
        if let Some(recorded) = self.decodings.get(&rows) {
            // SAFETY: what the graph works on is kept as long as the graph.
            unsafe { self.backend.replay(&recorded.graph)? };
        }
        self.frame.decoder.numbers(&self.backend, rows * self.decoder.outputs())
    }

    fn write_pictures(&mut self, hands: &[(Slot, HandPictures<'_>)]) -> Result<(), NetworkError> {
        let mut pictures: Vec<&Picture> = hands.iter().map(|(_, hand)| hand.crop).collect();
        if self.shape.kind == NetworkKind::Haptic {
            for (_, hand) in hands {
                pictures.push(hand.frame.ok_or(NetworkError::FrameMissing)?);
            }
        }
        let each = Picture::LEN * size_of::<f32>();
        self.grow(pictures.len() * each, |frame| &mut frame.pictures)?;
        for (at, picture) in pictures.iter().enumerate() {
            let bytes = bytemuck::cast_slice(picture.values());
            self.frame.pictures.write(&self.backend, at * each, bytes)?;
        }
        Ok(())
    }

    /// Writes a frame and the plans of its crops.
    fn write_frame(&mut self, frame: &Frame, cuts: &[Cut], sampling: Sampling) -> Result<(), GpuError> {
        let mut cuts = cuts.to_vec();
        if self.shape.kind == NetworkKind::Haptic {
            let square = Square::whole(frame.size)
                .ok_or_else(|| GpuError::Unfit("a frame without pixels has no pictures".to_owned()))?;
            let wholes = cuts.iter().map(|cut| Cut { square, side: cut.side, blurred: false });
            cuts.extend(wholes.collect::<Vec<_>>());
        }
        let (mut cropper, mut plan) = (Cropper::new(sampling), CutPlan::default());
        let (mut ints, mut shares) = (Vec::with_capacity(cuts.len() * PLAN_INTS), Vec::new());
        for cut in &cuts {
            cropper.plan_cut(frame.size, cut, &mut plan);
            CropsOp::<B>::lay_out(&plan, &mut ints, &mut shares);
        }
        let (ints, shares): (&[u8], &[u8]) = (bytemuck::cast_slice(&ints), bytemuck::cast_slice(&shares));
        self.grow(frame.size.rgb_bytes(), |memory| &mut memory.pixels)?;
        self.grow(ints.len(), |memory| &mut memory.plans)?;
        self.grow(shares.len(), |memory| &mut memory.shares)?;
        self.frame.pixels.write(&self.backend, 0, &frame.pixels[..frame.size.rgb_bytes()])?;
        self.frame.plans.write(&self.backend, 0, ints)?;
        self.frame.shares.write(&self.backend, 0, shares)
    }
}

impl From<GpuError> for NetworkError {
    fn from(error: GpuError) -> Self {
        Self::Device(error.to_string())
    }
}

impl<B: KernelBackend> WindowNetwork for GpuNetwork<B> {
    fn shape(&self) -> &NetworkShape {
        &self.shape
    }

    fn encode(&mut self, hands: &[(Slot, HandPictures<'_>)], _: &dyn Jobs) -> Result<(), NetworkError> {
        if hands.is_empty() {
            return Ok(());
        }
        let slots: Vec<Slot> = hands.iter().map(|(slot, _)| *slot).collect();
        self.make_room(&slots)?;
        self.write_pictures(hands)?;
        Ok(self.run_encoding(&slots, Input::Pictures)?)
    }

    fn encode_frame(
        &mut self,
        frame: &Frame,
        hands: &[(Slot, Cut)],
        sampling: Sampling,
    ) -> Result<bool, NetworkError> {
        // Frames that are not whole are black, which the cropper on the processor knows.
        if hands.is_empty() || frame.size.rgb_bytes() == 0 || frame.pixels.len() < frame.size.rgb_bytes() {
            return Ok(false);
        }
        let (slots, cuts): (Vec<Slot>, Vec<Cut>) = hands.iter().copied().unzip();
        self.make_room(&slots)?;
        self.write_frame(frame, &cuts, sampling)?;
        self.run_encoding(&slots, Input::Frame([frame.size.width, frame.size.height]))?;
        Ok(true)
    }

    fn decode(
        &mut self,
        windows: &[&[Slot]],
        _: &dyn Jobs,
        out: &mut Vec<HeadRow>,
    ) -> Result<(), NetworkError> {
        let longest = self.shape.longest_window;
        for window in windows {
            if !(1..=longest).contains(&window.len()) {
                return Err(NetworkError::Window { length: window.len(), longest });
            }
            let empty =
                window.iter().find(|slot| !self.slots.filled.get(slot.0).is_some_and(|&filled| filled));
            if let Some(slot) = empty {
                return Err(NetworkError::EmptySlot(slot.0));
            }
        }
        if windows.is_empty() {
            return Ok(());
        }
        let windows: Vec<Vec<usize>> =
            windows.iter().map(|window| window.iter().map(|slot| slot.0).collect()).collect();
        let windows: Vec<&[usize]> = windows.iter().map(Vec::as_slice).collect();
        let numbers = self.run_decoding(&windows)?;
        out.extend(
            numbers.chunks_exact(self.decoder.outputs()).map(|row| HeadRow::of_numbers(row.iter().copied())),
        );
        Ok(())
    }
}
