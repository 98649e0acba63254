//! HaMeR's and HaPTIC's networks on the device, as [`crate::haptic::full::CpuNetwork`] is on the processor.

mod room;

use std::collections::HashMap;

use self::room::{Room, Sizes};
use super::backend::KernelBackend;
use super::decoder::{DecoderLists, DeviceDecoder, Program};
use super::error::GpuError;
use super::kernel::Precision;
use super::matrix::LoadError;
use super::ops::{CropsOp, FrameLayout};
use super::vit::{DeviceVit, FeatureTarget};
use crate::frame::Frame;
use crate::haptic::full::{
    Cut, DecoderConfig, HandPictures, HeadRow, NetworkError, NetworkKind, NetworkShape, Picture,
    ReleasedError, ReleasedFile, Sampling, Slot, WindowNetwork,
};
use crate::jobs::Jobs;
use crate::net::{Scope, VitConfig};

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
/// Everything that a frame needs, from its bytes to the heads' numbers, is launched as one recorded graph; memory is
/// taken only when there are more hands, frames or slots than ever before.
pub struct GpuNetwork<B: KernelBackend> {
    shape: NetworkShape,
    graphs: HashMap<Work, Recorded<B>>,
    /// What was done last, as long as its graph is kept.
    last: Option<Work>,
    crops: CropsOp<B>,
    vit: DeviceVit<B>,
    decoder: DeviceDecoder<B>,
    room: Room<B>,
    backend: B,
}

/// What a graph does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Work {
    /// Encodes so many hands.
    hands: usize,
    input: Input,
    /// Then decodes windows of so many rows together.
    rows: usize,
}

/// What the backbone's patches are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Input {
    /// Nothing: frames that were encoded before are decoded.
    None,
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
        Ok(Self {
            shape: NetworkShape { kind: decoder.kind, longest_window: decoder.longest_window },
            graphs: HashMap::new(),
            last: None,
            crops: CropsOp::load(&backend, precision)?,
            vit: DeviceVit::read(&backend, &root.part("backbone"), vit, precision)?,
            decoder: DeviceDecoder::read(&backend, &root.part("mano_head"), decoder, precision)?,
            room: Room::new(&backend, Sizes { vit: *vit, decoder: *decoder, precision })?,
            backend,
        })
    }

    /// Notes that memory moved: what was recorded works on memory that is gone.
    fn moved(&mut self, moved: bool) {
        if moved {
            self.graphs.clear();
            self.last = None;
        }
    }

    /// Makes room for new frames in `slots`, and says that the next pictures go there.
    fn begin(&mut self, slots: &[usize]) -> Result<(), GpuError> {
        let slots_moved = self.room.make_slots(&self.backend, slots)?;
        let rows_moved = self.room.make_rows(&self.backend, slots.len())?;
        self.moved(slots_moved || rows_moved);
        self.room.mark(slots, false);
        self.room.set_slots(&self.backend, slots)
    }

    /// Refuses windows that cannot be decoded; frames in `new` will be there by then.
    fn check(&self, windows: &[&[Slot]], new: &[usize]) -> Result<(), NetworkError> {
        self.shape.check_lengths(windows)?;
        let is_empty = |slot: &&Slot| !new.contains(&slot.0) && !self.room.is_filled(slot.0);
        let empty = windows.iter().copied().flatten().find(is_empty);
        empty.map_or(Ok(()), |slot| Err(NetworkError::EmptySlot(slot.0)))
    }

    /// Says which windows are decoded next; how many rows they have.
    fn set_windows(&mut self, windows: &[&[Slot]]) -> Result<usize, GpuError> {
        let windows: Vec<Vec<usize>> =
            windows.iter().map(|window| window.iter().map(|slot| slot.0).collect()).collect();
        let lists = DecoderLists::new(&windows.iter().map(Vec::as_slice).collect::<Vec<_>>());
        let moved = self.room.make_rows(&self.backend, lists.rows())?;
        self.moved(moved);
        self.room.decoder.set_windows(&self.backend, &lists)?;
        Ok(lists.rows())
    }

    /// Does what lies ready.
    fn run(&mut self, work: Work) -> Result<(), GpuError> {
        if !self.graphs.contains_key(&work) {
            let recorded = self.record(work)?;
            self.graphs.insert(work, recorded);
        }
        self.last = Some(work);
        self.repeat()
    }

    /// What it runs on.
    pub fn backend(&self) -> &B {
        &self.backend
    }

    /// Gives the device once more what it did last, without waiting for it: to be timed.
    ///
    /// # Errors
    /// [`GpuError`].
    pub fn repeat(&self) -> Result<(), GpuError> {
        if let Some(recorded) = self.last.as_ref().and_then(|work| self.graphs.get(work)) {
            // SAFETY: what the graph works on is kept as long as the graph.
            unsafe { self.backend.replay(&recorded.graph)? };
        }
        Ok(())
    }

    fn record(&self, work: Work) -> Result<Recorded<B>, GpuError> {
        let Self { backend, room, vit, decoder, crops, .. } = self;
        let Work { hands, input, rows } = work;
        let program = decoder.program(backend, &room.decoder, room.slots(), (hands, rows))?;
        let pictures = hands * room.pictures_each();
        let target = FeatureTarget { to: room.slots().features, places: room.places() };
        let patches = room.vit.patches();
        let mut launch = || {
            // SAFETY: the memory was made for so many pictures, hands and rows, and the lists name slots and rows that
            // are there.
            unsafe {
                match input {
                    Input::None => return decoder.run(backend, &program),
                    Input::Pictures => crops.cut(backend, room.pictures(), pictures, patches)?,
                    Input::Frame(size) => {
                        let [pixels, plans, shares] = room.frame();
                        let from = (pixels, FrameLayout::Rgb, size);
                        crops.crop(backend, from, (plans, shares, pictures), patches)?;
                    }
                }
                vit.launch(backend, &room.vit, pictures, &target)?;
                decoder.run(backend, &program)
            }
        };
        // It is done once before: libraries load and choose what they need when they are first used, which they may not
        // while they are recorded. Doing it twice gives the same.
        launch()?;
        let graph = backend.record(&mut launch)?;
        Ok(Recorded { graph, _program: program })
    }

    /// The heads' numbers of the last windows, appended to `out`.
    fn read_rows(&self, rows: usize, out: &mut Vec<HeadRow>) -> Result<(), GpuError> {
        let outputs = self.decoder.outputs();
        let numbers = self.room.decoder.numbers(&self.backend, rows * outputs)?;
        out.extend(numbers.chunks_exact(outputs).map(|row| HeadRow::of_numbers(row.iter().copied())));
        Ok(())
    }
}

impl From<GpuError> for NetworkError {
    fn from(error: GpuError) -> Self {
        Self::Device(error.to_string())
    }
}

fn numbers_of<T>(hands: &[(Slot, T)]) -> Vec<usize> {
    hands.iter().map(|(slot, _)| slot.0).collect()
}

impl<B: KernelBackend> WindowNetwork for GpuNetwork<B> {
    fn shape(&self) -> &NetworkShape {
        &self.shape
    }

    fn encode(&mut self, hands: &[(Slot, HandPictures<'_>)], _: &dyn Jobs) -> Result<(), NetworkError> {
        if hands.is_empty() {
            return Ok(());
        }
        let mut pictures: Vec<&Picture> = hands.iter().map(|(_, hand)| hand.crop).collect();
        if self.shape.kind == NetworkKind::Haptic {
            for (_, hand) in hands {
                pictures.push(hand.frame.ok_or(NetworkError::FrameMissing)?);
            }
        }
        let slots = numbers_of(hands);
        self.begin(&slots)?;
        let moved = self.room.write_pictures(&self.backend, &pictures)?;
        self.moved(moved);
        self.run(Work { hands: slots.len(), input: Input::Pictures, rows: 0 })?;
        self.room.mark(&slots, true);
        Ok(())
    }

    fn see(
        &mut self,
        frame: &Frame,
        (hands, sampling): (&[(Slot, Cut)], Sampling),
        windows: &[&[Slot]],
        out: &mut Vec<HeadRow>,
    ) -> Result<bool, NetworkError> {
        // Frames that are not whole are black, which the cropper on the processor knows.
        if hands.is_empty() || frame.size.rgb_bytes() == 0 || frame.pixels.len() < frame.size.rgb_bytes() {
            return Ok(false);
        }
        let slots = numbers_of(hands);
        self.check(windows, &slots)?;
        self.begin(&slots)?;
        let cuts: Vec<Cut> = hands.iter().map(|(_, cut)| *cut).collect();
        let moved = self.room.write_frame(&self.backend, frame, &cuts, sampling)?;
        self.moved(moved);
        let rows = self.set_windows(windows)?;
        let input = Input::Frame([frame.size.width, frame.size.height]);
        self.run(Work { hands: slots.len(), input, rows })?;
        self.room.mark(&slots, true);
        self.read_rows(rows, out)?;
        Ok(true)
    }

    fn decode(
        &mut self,
        windows: &[&[Slot]],
        _: &dyn Jobs,
        out: &mut Vec<HeadRow>,
    ) -> Result<(), NetworkError> {
        self.check(windows, &[])?;
        if windows.is_empty() {
            return Ok(());
        }
        let rows = self.set_windows(windows)?;
        self.run(Work { hands: 0, input: Input::None, rows })?;
        Ok(self.read_rows(rows, out)?)
    }
}
