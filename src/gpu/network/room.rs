//! The device's memory that a network's frames pass through or stay in.

use crate::frame::Frame;
use crate::gpu::backend::{Address, KernelBackend};
use crate::gpu::decoder::{DecoderMemory, SlotMemory};
use crate::gpu::error::GpuError;
use crate::gpu::kernel::Precision;
use crate::gpu::memory::Buffer;
use crate::gpu::ops::{CropsOp, PLAN_INTS};
use crate::gpu::vit::VitMemory;
use crate::haptic::full::{Cropper, Cut, CutPlan, DecoderConfig, NetworkKind, Picture, Sampling, Square};
use crate::net::VitConfig;
use crate::net::vit::TOKENS;

/// Slots, rows and pictures that there is room for at first; more make room when they come.
const FIRST_SLOTS: usize = 32;
const FIRST_ROWS: usize = 16;
const FIRST_PICTURES: usize = 4;

/// What decides how much memory a thing takes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sizes {
    pub vit: VitConfig,
    pub decoder: DecoderConfig,
    pub precision: Precision,
}

/// What is kept of frames.
struct Slots<B: KernelBackend> {
    features: Buffer<B>,
    tokens: Buffer<B>,
    filled: Vec<bool>,
}

/// All memory beside the weights. What makes room says whether anything moved: what was recorded before then works on
/// memory that is gone.
pub(super) struct Room<B: KernelBackend> {
    sizes: Sizes,
    slots: Slots<B>,
    pub vit: VitMemory<B>,
    pub decoder: DecoderMemory<B>,
    /// Where each picture's features go.
    places: Buffer<B>,
    pictures: Buffer<B>,
    pixels: Buffer<B>,
    plans: Buffer<B>,
    shares: Buffer<B>,
}

impl<B: KernelBackend> Slots<B> {
    fn new(backend: &B, sizes: &Sizes, count: usize) -> Result<Self, GpuError> {
        let features = 2 * TOKENS * sizes.vit.width * sizes.precision.bytes();
        Ok(Self {
            features: Buffer::zeros(backend, count * features)?,
            tokens: Buffer::zeros(backend, count * sizes.decoder.width * size_of::<f32>())?,
            filled: vec![false; count],
        })
    }
}

impl<B: KernelBackend> Room<B> {
    pub fn new(backend: &B, sizes: Sizes) -> Result<Self, GpuError> {
        let memory = |bytes| Buffer::zeros(backend, bytes);
        Ok(Self {
            sizes,
            slots: Slots::new(backend, &sizes, FIRST_SLOTS)?,
            vit: VitMemory::new(backend, &sizes.vit, sizes.precision, FIRST_PICTURES)?,
            decoder: DecoderMemory::new(backend, &sizes.decoder, FIRST_ROWS)?,
            places: memory(FIRST_PICTURES * size_of::<i32>())?,
            pictures: memory(0)?,
            pixels: memory(0)?,
            plans: memory(0)?,
            shares: memory(0)?,
        })
    }

    /// Pictures of a hand.
    pub fn pictures_each(&self) -> usize {
        match self.sizes.decoder.kind {
            NetworkKind::Hamer => 1,
            NetworkKind::Haptic => 2,
        }
    }

    /// Makes room for hands whose features go to `slots`.
    pub fn make_slots(&mut self, backend: &B, slots: &[usize]) -> Result<bool, GpuError> {
        let pictures = slots.len() * self.pictures_each();
        let mut moved = self.vit.pictures() < pictures;
        if moved {
            self.vit = VitMemory::new(backend, &self.sizes.vit, self.sizes.precision, pictures)?;
        }
        moved |= grow(backend, &mut self.places, pictures * size_of::<i32>())?;
        let highest = slots.iter().map(|slot| slot + 1).max().unwrap_or(0);
        let count = self.slots.filled.len();
        if count < highest {
            // What the old slots hold moves along through the host: this happens a few times in a run.
            let larger = Slots::new(backend, &self.sizes, highest.next_power_of_two())?;
            for (old, new) in [(&self.slots.features, &larger.features), (&self.slots.tokens, &larger.tokens)]
            {
                let mut bytes = vec![0; old.bytes()];
                old.read(backend, 0, &mut bytes)?;
                new.write(backend, 0, &bytes)?;
            }
            let old = std::mem::replace(&mut self.slots, larger);
            self.slots.filled[..count].copy_from_slice(&old.filled);
            moved = true;
        }
        Ok(moved)
    }

    /// Makes room for `rows` rows of the decoder.
    pub fn make_rows(&mut self, backend: &B, rows: usize) -> Result<bool, GpuError> {
        let moved = self.decoder.rows() < rows;
        if moved {
            self.decoder = DecoderMemory::new(backend, &self.sizes.decoder, rows.next_power_of_two())?;
        }
        Ok(moved)
    }

    /// Says that the next pictures' features go to `slots`, for which there is room.
    pub fn set_slots(&self, backend: &B, slots: &[usize]) -> Result<(), GpuError> {
        let number = |slot: &usize| *slot as i32;
        let new: Vec<i32> = slots.iter().map(number).collect();
        let crops = slots.iter().map(|slot| 2 * number(slot));
        let wholes = slots.iter().map(|slot| 2 * number(slot) + 1);
        let places: Vec<i32> = crops.chain(wholes).take(slots.len() * self.pictures_each()).collect();
        self.places.write(backend, 0, bytemuck::cast_slice(&places))?;
        self.decoder.set_new(backend, &new)
    }

    /// Whether a slot holds a frame's features.
    pub fn is_filled(&self, slot: usize) -> bool {
        self.slots.filled.get(slot).is_some_and(|&filled| filled)
    }

    /// Says whether `slots` hold frames' features.
    pub fn mark(&mut self, slots: &[usize], filled: bool) {
        for &slot in slots {
            if let Some(mark) = self.slots.filled.get_mut(slot) {
                *mark = filled;
            }
        }
    }

    /// Where features and tokens are.
    pub fn slots(&self) -> SlotMemory {
        SlotMemory { features: self.slots.features.address(), tokens: self.slots.tokens.address() }
    }

    /// Where the features of the next pictures go.
    pub fn places(&self) -> Address {
        self.places.address()
    }

    /// Where pictures lie that were cut elsewhere.
    pub fn pictures(&self) -> Address {
        self.pictures.address()
    }

    /// Where a frame lies, and the plans of its crops with their shares.
    pub fn frame(&self) -> [Address; 3] {
        [&self.pixels, &self.plans, &self.shares].map(Buffer::address)
    }

    /// Brings in pictures.
    pub fn write_pictures(&mut self, backend: &B, pictures: &[&Picture]) -> Result<bool, GpuError> {
        let each = Picture::LEN * size_of::<f32>();
        let moved = grow(backend, &mut self.pictures, pictures.len() * each)?;
        for (at, picture) in pictures.iter().enumerate() {
            self.pictures.write(backend, at * each, bytemuck::cast_slice(picture.values()))?;
        }
        Ok(moved)
    }

    /// Brings in a frame, of which all pixels are there, and the plans of its crops, for HaPTIC of the whole frame
    /// behind them.
    pub fn write_frame(
        &mut self,
        backend: &B,
        frame: &Frame,
        cuts: &[Cut],
        sampling: Sampling,
    ) -> Result<bool, GpuError> {
        let mut cuts = cuts.to_vec();
        if self.sizes.decoder.kind == NetworkKind::Haptic {
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
        let pixels = frame.pixels.get(..frame.size.rgb_bytes()).unwrap_or(&frame.pixels);
        let parts: [(&mut Buffer<B>, &[u8]); 3] = [
            (&mut self.pixels, pixels),
            (&mut self.plans, bytemuck::cast_slice(&ints)),
            (&mut self.shares, bytemuck::cast_slice(&shares)),
        ];
        let mut moved = false;
        for (buffer, bytes) in parts {
            moved |= grow(backend, buffer, bytes.len())?;
            buffer.write(backend, 0, bytes)?;
        }
        Ok(moved)
    }
}

/// Makes `buffer` large enough; whether it moved.
fn grow<B: KernelBackend>(backend: &B, buffer: &mut Buffer<B>, bytes: usize) -> Result<bool, GpuError> {
    let moves = buffer.bytes() < bytes;
    if moves {
        *buffer = Buffer::zeros(backend, bytes)?;
    }
    Ok(moves)
}
