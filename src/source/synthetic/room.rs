//! The room around the hands: walls, floor, a desk and things on it, all textured.

use nalgebra::Vector3;

use super::texture::{Surface, picture};
use crate::frame::PictureSize;
use crate::render::{Mesh, Paint, RenderError, Renderer, TextureId};

/// Side of a texture in pixels and on a surface in metres: about a pixel of the far wall each.
const TEXTURE: PictureSize = PictureSize { width: 768, height: 768 };
const TEXTURE_METRES: f32 = 1.9;

const WALL: Surface =
    Surface { tint: [171.0, 178.0, 184.0], cloud: 0.30, marks: 0.10, grain: 1.0, seed: 100 };
const FLOOR: Surface =
    Surface { tint: [104.0, 108.0, 104.0], cloud: 0.35, marks: 0.25, grain: 5.0, seed: 200 };
const DESK: Surface = Surface { tint: [88.0, 98.0, 104.0], cloud: 0.40, marks: 0.22, grain: 6.0, seed: 300 };
const PAINTED: Surface =
    Surface { tint: [92.0, 122.0, 134.0], cloud: 0.45, marks: 0.45, grain: 1.0, seed: 400 };
const PRINTED: Surface =
    Surface { tint: [150.0, 152.0, 140.0], cloud: 0.55, marks: 0.65, grain: 1.0, seed: 500 };

/// A block: its centre and its size in metres, in the world (x right, y down, z forward).
struct Block {
    centre: [f32; 3],
    size: [f32; 3],
    surface: usize,
}

const fn block(centre: [f32; 3], size: [f32; 3], surface: usize) -> Block {
    Block { centre, size, surface }
}

/// The room from inside and what stands in it. Surfaces: 0 wall, 1 floor, 2 desk, 3 painted, 4 printed.
const BLOCKS: [Block; 13] = [
    // Desk top and what stands on it.
    block([0.0, 0.62, 1.35], [2.2, 0.05, 0.9], 2),
    block([-0.62, 0.46, 1.50], [0.34, 0.27, 0.22], 3),
    block([-0.20, 0.55, 1.62], [0.26, 0.09, 0.20], 4),
    block([0.58, 0.42, 1.56], [0.20, 0.36, 0.24], 4),
    block([0.90, 0.53, 1.40], [0.22, 0.13, 0.28], 3),
    // Pictures and shelves on the far wall.
    block([-0.85, -0.55, 2.58], [0.62, 0.46, 0.04], 4),
    block([0.15, -0.62, 2.58], [0.46, 0.62, 0.04], 3),
    block([1.05, -0.38, 2.46], [0.80, 0.04, 0.26], 2),
    block([0.85, -0.52, 2.48], [0.12, 0.24, 0.18], 3),
    block([1.02, -0.50, 2.48], [0.10, 0.20, 0.18], 4),
    block([1.22, -0.54, 2.48], [0.16, 0.28, 0.18], 0),
    // A cupboard and a post at the sides.
    block([-1.62, 0.25, 2.25], [0.60, 1.70, 0.60], 3),
    block([1.78, 0.10, 1.55], [0.12, 2.60, 0.12], 2),
];

/// The meshes of the room; textures go to `renderer`.
pub(super) fn room(renderer: &mut Renderer, seed: u64) -> Result<Vec<Mesh>, RenderError> {
    let mut textures = Vec::new();
    for surface in [WALL, FLOOR, DESK, PAINTED, PRINTED] {
        let surface = Surface { seed: surface.seed.wrapping_add(seed.wrapping_mul(1000)), ..surface };
        textures.push(renderer.add_texture(&picture(&surface, TEXTURE), TEXTURE)?);
    }
    let mut builders: Vec<Builder> = textures.iter().map(|&texture| Builder::new(texture)).collect();
    let (left, right, top, floor, back, behind) = (-2.0, 2.0, -1.35, 1.2, 2.6, -1.0);
    let point = Vector3::new;
    let (wide, high, deep) =
        (point(right - left, 0.0, 0.0), point(0.0, floor - top, 0.0), point(0.0, 0.0, back - behind));
    builders[0].rectangle(point(left, top, back), wide, high);
    builders[0].rectangle(point(left, top, behind), deep, high);
    builders[0].rectangle(point(right, top, back), -deep, high);
    builders[0].rectangle(point(left, top, behind), wide, deep);
    builders[1].rectangle(point(left, floor, back), wide, -deep);
    for block in &BLOCKS {
        builders[block.surface].block(Vector3::from(block.centre), Vector3::from(block.size));
    }
    Ok(builders.into_iter().map(Builder::finish).collect())
}

/// Flat rectangles that wear one texture.
struct Builder {
    texture: TextureId,
    positions: Vec<Vector3<f32>>,
    normals: Vec<Vector3<f32>>,
    coordinates: Vec<[f32; 2]>,
    faces: Vec<[u32; 3]>,
}

impl Builder {
    fn new(texture: TextureId) -> Self {
        Self { texture, positions: vec![], normals: vec![], coordinates: vec![], faces: vec![] }
    }

    /// A rectangle from a corner along `right` and `down` as seen from its front.
    fn rectangle(&mut self, corner: Vector3<f32>, right: Vector3<f32>, down: Vector3<f32>) {
        let first = self.positions.len() as u32;
        let normal = down.cross(&right).normalize();
        // Where the texture starts depends on the place, so that no two things look alike.
        let start = [corner.x * 0.37 + corner.z * 0.61, corner.y * 0.53 + corner.z * 0.29];
        for (along, across) in [(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)] {
            self.positions.push(corner + right * along + down * across);
            self.normals.push(normal);
            self.coordinates.push([
                start[0] + along * right.norm() / TEXTURE_METRES,
                start[1] + across * down.norm() / TEXTURE_METRES,
            ]);
        }
        self.faces.extend([[first, first + 1, first + 2], [first, first + 2, first + 3]]);
    }

    /// The five sides of a block that can be seen from before it.
    fn block(&mut self, centre: Vector3<f32>, size: Vector3<f32>) {
        let [x, y, z] = [size.x, size.y, size.z];
        let (wide, high, deep) = (Vector3::x() * x, Vector3::y() * y, Vector3::z() * z);
        let near = centre - (wide + high + deep) / 2.0;
        self.rectangle(near, wide, high);
        self.rectangle(near + deep, -deep, high);
        self.rectangle(near + wide, deep, high);
        self.rectangle(near + deep, wide, -deep);
        self.rectangle(near + high, wide, deep);
    }

    fn finish(self) -> Mesh {
        let paint = Paint::Texture { texture: self.texture, coordinates: self.coordinates.into() };
        Mesh {
            positions: self.positions,
            normals: self.normals,
            faces: self.faces.into(),
            paint,
            closed: false,
        }
    }
}
