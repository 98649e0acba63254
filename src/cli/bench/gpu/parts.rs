//! Every product and every kernel of `kernels/` by itself, beside its own floor.

use anyhow::Result;
use handstream::event::Side;
use handstream::gpu::backend::{Into, KernelBackend, Product};
use handstream::gpu::ops::{
    AttentionOp, ContactsOp, CorrelationEdges, CorrelationMaps, CorrelationOp, CropsOp, DeviceSurface,
    FrameLayout, GeluOp, HandRows, HandsOp, LayerNormOp, NormWeights, PATCH_NUMBERS,
};
use handstream::gpu::{Buffer, CudaBackend, FULL_SIZE, GpuError, Precision};
use handstream::hand::HandModel;
use handstream::haptic::full::{Cropper, CutPlan, Sampling};
use handstream::metrics::ClosedSurface;
use handstream::net::vit::TOKENS;

use super::ceilings::{Ceilings, noise, normed};
use super::frames::{FRAME, cuts, frame};
use super::median;

/// Pictures of a frame of two hands.
const PICTURES: usize = 4;
/// Numbers of the heads for a hand: 16 rotations in 6D, shape, camera, depth.
const HEAD_NUMBERS: usize = 110;
/// Hands that are posed, and vertices a hand's planes of numbers: rest, shape, pose.
const HANDS: usize = 2;
const PLANES: usize = 1 + 10 + 135;
/// DPVO's usual graph: patches, frames in which each is looked for, numbers of a feature, pixels of a patch, and the
/// size of the full map for 640x480.
const DPVO_PATCHES: usize = 96;
const DPVO_FRAMES: usize = 10;
const DPVO_FEATURES: usize = 128;
const DPVO_PIXELS: usize = 9;
const DPVO_MAP: [usize; 2] = [160, 120];
/// Correlations of an edge: two levels, 7 x 7 places.
const DPVO_OUTPUTS: usize = 2 * 7 * 7 * DPVO_PIXELS;

/// Prints the table's rows.
struct Table<'a> {
    card: &'a CudaBackend,
    ceilings: &'a Ceilings,
    runs: usize,
}

impl Table<'_> {
    fn row(
        &self,
        name: &str,
        (bytes, operations): (usize, usize),
        work: impl FnMut() -> Result<(), GpuError>,
    ) -> Result<()> {
        let floor = self.ceilings.floor(bytes as f64, operations as f64) * 1e6;
        let measured = median(self.card.time(self.runs, work)?) * 1e3;
        println!("| {name} | {floor:.1} | {measured:.1} | {:.0} % |", 100.0 * floor / measured);
        Ok(())
    }
}

/// Times them all.
pub fn parts(card: &CudaBackend, ceilings: &Ceilings, runs: usize) -> Result<()> {
    let table = Table { card, ceilings, runs };
    println!("| part, {PICTURES} pictures | floor us | measured us | of the floor |\n|---|---|---|---|");
    backbone(&table)?;
    crops(&table)?;
    hands(&table)?;
    contacts(&table)?;
    correlation(&table)?;
    println!(
        "\nParts run over one set of buffers, which the second cache holds; the floors are the memory's.\n"
    );
    Ok(())
}

fn backbone(table: &Table) -> Result<()> {
    let (vit, _) = FULL_SIZE;
    let (card, rows) = (table.card, PICTURES * TOKENS);
    let hidden = noise(card, rows * vit.hidden)?;
    let wide = noise(card, vit.hidden * vit.width)?;
    let out = Buffer::zeros(card, rows * vit.hidden * size_of::<f32>())?;
    let bias = Buffer::zeros(card, vit.hidden * size_of::<f32>())?;
    for (name, inputs, outputs, into) in [
        ("queries, keys, values", vit.width, 3 * vit.width, Into::Elements),
        ("attention's output", vit.width, vit.width, Into::AddedToStream),
        ("feed-forward, first", vit.width, vit.hidden, Into::Gelu),
        ("feed-forward, second", vit.hidden, vit.width, Into::AddedToStream),
    ] {
        let product = Product {
            rows,
            inputs,
            outputs,
            x: hidden.address(),
            weight: wide.address(),
            bias: bias.address(),
            y: out.address(),
            precision: Precision::Bf16,
            into,
        };
        let result = if into == Into::AddedToStream { 8 } else { 2 };
        let bytes = 2 * (rows * inputs + inputs * outputs) + result * rows * outputs;
        // SAFETY: the buffers have the numbers of the largest of these.
        table.row(name, (bytes, 2 * rows * inputs * outputs), || unsafe { card.product(&product) })?;
    }
    let attention = AttentionOp::load(card, vit.heads, vit.width / vit.heads, Precision::Bf16)?;
    let sizes = (2 * rows * 4 * vit.width, 4 * rows * TOKENS * vit.width);
    // SAFETY: the buffers have the rows.
    table.row("attention", sizes, || unsafe {
        attention.launch(card, hidden.address(), PICTURES, out.address())
    })?;
    let norm = LayerNormOp::load(card, vit.width, Precision::Bf16)?;
    let weights = NormWeights { weight: bias.address(), bias: bias.address(), epsilon: 1e-6 };
    let stream = Buffer::zeros(card, rows * vit.width * size_of::<f32>())?;
    // SAFETY: the buffers have the rows.
    table.row("layer norm", (6 * rows * vit.width, 0), || unsafe {
        normed(card, &norm, (&stream, &out), rows, &weights)
    })?;
    let gelu = GeluOp::load(card, Precision::F32)?;
    let count = rows * vit.hidden;
    // SAFETY: the buffer has the numbers.
    table.row("exact GELU, 32 bits", (8 * count, 0), || unsafe { gelu.launch(card, out.address(), count) })
}

fn crops(table: &Table) -> Result<()> {
    let card = table.card;
    let frame = frame(0);
    let (mut cropper, mut plan) = (Cropper::new(Sampling::Bilinear), CutPlan::default());
    let (mut ints, mut shares) = (Vec::new(), Vec::new());
    let cuts = cuts()?;
    for cut in cuts.iter().chain(&cuts) {
        cropper.plan_cut(FRAME, cut, &mut plan);
        CropsOp::<CudaBackend>::lay_out(&plan, &mut ints, &mut shares);
    }
    let (ints, shares) = (Buffer::of_ints(card, &ints)?, Buffer::of_floats(card, &shares)?);
    let pixels = Buffer::of_bytes(card, &frame.pixels)?;
    let patches = Buffer::zeros(card, 2 * PICTURES * TOKENS * PATCH_NUMBERS)?;
    let op = CropsOp::load(card, Precision::Bf16)?;
    // The pixels below the crops, each read once, and the patches.
    let read: usize = cuts.iter().map(|cut| 3 * cut.square.side().powi(2) as usize).sum();
    let bytes = 2 * read + patches.bytes();
    // SAFETY: frame, plans and patches are there.
    table.row("crops", (bytes, 0), || unsafe {
        op.crop(
            card,
            (pixels.address(), FrameLayout::Rgb, [FRAME.width, FRAME.height]),
            (ints.address(), shares.address(), PICTURES),
            patches.address(),
        )
    })
}

fn hands(table: &Table) -> Result<()> {
    let card = table.card;
    let model = HandModel::open();
    let count = model.vertex_count();
    let op = HandsOp::load(card, &model)?;
    let numbers: Vec<f32> =
        (0..HANDS * HEAD_NUMBERS).map(|i| ((i * 37) % 101) as f32 / 101.0 - 0.4).collect();
    let rows = Buffer::of_floats(card, &numbers)?;
    let translations = Buffer::of_floats(card, &[0.1; 3 * HANDS])?;
    let left = Buffer::of_ints(card, &[1, 0])?;
    let vertices = Buffer::zeros(card, HANDS * count * 3 * size_of::<f32>())?;
    let points = Buffer::zeros(card, HANDS * 21 * 3 * size_of::<f32>())?;
    let hands = HandRows {
        count: HANDS,
        rotations: rows.address(),
        betas: rows.address().plus(96 * size_of::<f32>()),
        pitch: HEAD_NUMBERS,
        translations: translations.address(),
        left: left.address(),
    };
    let bytes = PLANES * 3 * count * size_of::<f32>() + vertices.bytes() + points.bytes();
    // SAFETY: there are two hands and room for their results.
    table.row("posed hands, 2", (bytes, 0), || unsafe {
        op.launch(card, &hands, vertices.address(), points.address())
    })
}

fn contacts(table: &Table) -> Result<()> {
    let card = table.card;
    let model = HandModel::open();
    let count = model.vertex_count();
    let surfaces = [Side::Left, Side::Right].map(|side| ClosedSurface::new(model.faces(side), count));
    let faces = surfaces[0].faces().len();
    let on_card = [DeviceSurface::new(card, &surfaces[0])?, DeviceSurface::new(card, &surfaces[1])?];
    let rest = model.tables().rest;
    let vertices = [rest.as_slice(), &rest].concat();
    let vertices = Buffer::of_floats(card, &vertices)?;
    let nearest = Buffer::zeros(card, 2 * count * size_of::<i32>())?;
    let op = ContactsOp::load(card, faces)?;
    // About 20 operations of 64 bits for each vertex and triangle, of which a card does a fifteenth of 16-bit ones.
    let operations = 2 * count * faces * 20 * 15;
    // SAFETY: both hands have the vertices of their surfaces.
    table.row("vertices in the other hand", (vertices.bytes() + nearest.bytes(), operations), || unsafe {
        op.launch(card, (vertices.address(), count), [&on_card[0], &on_card[1]], nearest.address())
    })
}

fn correlation(table: &Table) -> Result<()> {
    let card = table.card;
    let [width, height] = DPVO_MAP;
    let edges = DPVO_PATCHES * DPVO_FRAMES;
    let zeros = |count: usize| Buffer::zeros(card, count * size_of::<f32>());
    let full = zeros(DPVO_FRAMES * width * height * DPVO_FEATURES)?;
    let small = zeros(DPVO_FRAMES * (width / 4) * (height / 4) * DPVO_FEATURES)?;
    let patches = zeros(DPVO_PATCHES * DPVO_PIXELS * DPVO_FEATURES)?;
    let out = zeros(edges * DPVO_OUTPUTS)?;
    let ints = |of: &dyn Fn(usize) -> usize| {
        Buffer::of_ints(card, &(0..edges).map(|edge| of(edge) as i32).collect::<Vec<i32>>())
    };
    let (patch_of, frame_of) = (ints(&|edge| edge % DPVO_PATCHES)?, ints(&|edge| edge / DPVO_PATCHES)?);
    let place = |i: usize| (4 + (i * 7919) % (height - 8)) as f32;
    let places: Vec<f32> = (0..edges * DPVO_PIXELS * 2).map(place).collect();
    let places = Buffer::of_floats(card, &places)?;
    let maps = CorrelationMaps {
        full: full.address(),
        small: small.address(),
        width: width as i32,
        height: height as i32,
        small_width: (width / 4) as i32,
        small_height: (height / 4) as i32,
    };
    let listed = CorrelationEdges {
        count: edges,
        patches: patches.address(),
        patch_of: patch_of.address(),
        frame_of: frame_of.address(),
        places: places.address(),
    };
    let op = CorrelationOp::load(card)?;
    let bytes = full.bytes() + small.bytes() + patches.bytes() + out.bytes();
    // SAFETY: maps, patches and edges are as the sizes say.
    table.row("DPVO's correlation, 960 edges", (bytes, 0), || unsafe {
        op.launch(card, &maps, &listed, out.address())
    })
}
