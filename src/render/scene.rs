//! What to draw: panels of a picture, each with a background, strokes, and meshes seen through a view.

use std::sync::Arc;

use nalgebra::{Isometry3, Vector3};

use super::TextureId;
use crate::frame::PictureSize;
use crate::geometry::{CameraModel, CameraPoint, Pixel};

/// Pixels around a mesh's vertices that it may still colour.
const MESH_EDGE: f32 = 2.0;

/// Red, green, blue, opacity, 0..=255 each, sRGB, not multiplied by opacity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Colour(pub [u8; 4]);

impl Colour {
    /// An opaque colour.
    pub const fn rgb(red: u8, green: u8, blue: u8) -> Self {
        Self([red, green, blue, 255])
    }

    /// The same colour with another opacity, 0..=1.
    pub fn with_opacity(self, opacity: f32) -> Self {
        let [red, green, blue, _] = self.0;
        Self([red, green, blue, (opacity.clamp(0.0, 1.0) * 255.0).round() as u8])
    }
}

/// A picture to draw, made of panels that lie beside each other.
#[derive(Clone, Debug, Default)]
pub struct Scene<'a> {
    /// The panels.
    pub panels: Vec<Panel<'a>>,
    /// What no panel covers stays as it was in the last picture, instead of being black.
    pub over_last: bool,
}

impl<'a> Scene<'a> {
    /// A picture of these panels alone.
    pub fn of(panels: Vec<Panel<'a>>) -> Self {
        Self { panels, over_last: false }
    }
}

/// A rectangle of the picture in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Area {
    /// Leftmost column.
    pub x: usize,
    /// Topmost row.
    pub y: usize,
    /// Columns and rows.
    pub size: PictureSize,
}

impl Area {
    /// The whole of a picture of `size`.
    pub fn whole(size: PictureSize) -> Self {
        Self { x: 0, y: 0, size }
    }

    /// The part of the area that lies in a picture of `size`; `None` where nothing does.
    pub(super) fn within(self, size: PictureSize) -> Option<[u32; 4]> {
        let right = (self.x + self.size.width).min(size.width);
        let bottom = (self.y + self.size.height).min(size.height);
        (self.x < right && self.y < bottom)
            .then(|| [self.x as u32, self.y as u32, (right - self.x) as u32, (bottom - self.y) as u32])
    }
}

/// One part of the picture: background, strokes under the meshes, meshes, strokes over them.
#[derive(Clone, Debug)]
pub struct Panel<'a> {
    /// Where the panel lies; nothing of it is drawn outside.
    pub area: Area,
    /// What fills it.
    pub background: Background<'a>,
    /// Lines and discs below the meshes.
    pub under: Vec<Stroke>,
    /// How the meshes are seen.
    pub view: View,
    /// Surfaces, hidden by one another according to depth.
    pub meshes: Vec<&'a Mesh>,
    /// Lines and discs on top.
    pub over: Vec<Stroke>,
}

impl Panel<'_> {
    /// The parts of a picture of `size` in which its meshes lie, none of which covers another.
    pub(super) fn mesh_parts(&self, size: PictureSize) -> Vec<PixelRange> {
        let Some([x, y, width, height]) = self.area.within(size) else { return Vec::new() };
        let whole = PixelRange { low: [x, y], high: [x + width, y + height] };
        let mut parts: Vec<PixelRange> = Vec::new();
        for mesh in &self.meshes {
            let mut part = self.reach(mesh, whole);
            while let Some(k) = parts.iter().position(|other| other.meets(&part)) {
                part = parts.swap_remove(k).with(&part);
            }
            if (0..2).all(|axis| part.low[axis] < part.high[axis]) {
                parts.push(part);
            }
        }
        parts
    }

    /// The part of the panel, `whole` in the picture, that a mesh reaches.
    fn reach(&self, mesh: &Mesh, whole: PixelRange) -> PixelRange {
        let (mut low, mut high) = ([f32::INFINITY; 2], [f32::NEG_INFINITY; 2]);
        for position in &mesh.positions {
            // What reaches behind the viewer may be seen anywhere.
            let Some(pixel) = self.view.project(*position, self.area.size) else { return whole };
            low = [low[0].min(pixel.x), low[1].min(pixel.y)];
            high = [high[0].max(pixel.x), high[1].max(pixel.y)];
        }
        let first = [self.area.x as f32, self.area.y as f32];
        let within = |k: usize, pixel: f32| (pixel.max(0.0) as u32).clamp(whole.low[k], whole.high[k]);
        PixelRange {
            low: std::array::from_fn(|k| within(k, (first[k] + low[k] - MESH_EDGE).floor())),
            high: std::array::from_fn(|k| within(k, (first[k] + high[k] + MESH_EDGE).ceil())),
        }
    }
}

/// A rectangle of pixels: first column and row, and those after the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PixelRange {
    pub low: [u32; 2],
    pub high: [u32; 2],
}

impl PixelRange {
    fn meets(&self, other: &Self) -> bool {
        (0..2).all(|axis| self.low[axis] < other.high[axis] && other.low[axis] < self.high[axis])
    }

    /// The same with a border of so many pixels, within a picture of `size`.
    pub fn grown(&self, border: u32, size: PictureSize) -> Self {
        let most = [size.width as u32, size.height as u32];
        Self {
            low: self.low.map(|first| first.saturating_sub(border)),
            high: std::array::from_fn(|axis| (self.high[axis] + border).min(most[axis])),
        }
    }

    fn with(&self, other: &Self) -> Self {
        Self {
            low: std::array::from_fn(|axis| self.low[axis].min(other.low[axis])),
            high: std::array::from_fn(|axis| self.high[axis].max(other.high[axis])),
        }
    }
}

/// What fills a panel.
#[derive(Clone, Copy, Debug)]
pub enum Background<'a> {
    /// One colour.
    Plain(Colour),
    /// A picture, stretched over the panel: 8-bit RGB rows without padding.
    Picture {
        /// `height * width * 3` bytes.
        rgb: &'a [u8],
        /// Columns and rows.
        size: PictureSize,
    },
}

/// How three-dimensional things land in a panel.
#[derive(Clone, Debug)]
pub struct View {
    /// Lens.
    pub projection: Projection,
    /// Where the viewer is: takes scene points to the viewer's frame (x right, y down, z forward).
    pub viewer_from_scene: Isometry3<f32>,
    /// Left and right change places, in the background's picture too, as in a mirror.
    pub mirrored: bool,
    /// Light.
    pub light: Light,
}

/// How a point of the viewer's frame becomes a pixel of the panel.
#[derive(Clone, Debug)]
pub enum Projection {
    /// Through a camera, lens distortion included; the camera's picture is stretched over the panel.
    Camera(CameraModel),
    /// Without perspective.
    Orthographic {
        /// Scale.
        pixels_per_metre: f32,
        /// Pixel of the panel where the viewer's z axis lies.
        centre: Pixel,
    },
}

impl View {
    /// Pixel of a panel of `size` where a scene point lands; `None` behind a camera.
    pub fn project(&self, scene_point: Vector3<f32>, size: PictureSize) -> Option<Pixel> {
        let point = self.viewer_from_scene.transform_point(&scene_point.into()).coords;
        let pixel = match &self.projection {
            Projection::Camera(camera) => {
                let pixel = camera.project(CameraPoint(point))?;
                let x = (pixel.x + 0.5) * size.width as f32 / camera.size.width as f32 - 0.5;
                let y = (pixel.y + 0.5) * size.height as f32 / camera.size.height as f32 - 0.5;
                Pixel::new(x, y)
            }
            Projection::Orthographic { pixels_per_metre, centre } => {
                Pixel::new(centre.x + pixels_per_metre * point.x, centre.y + pixels_per_metre * point.y)
            }
        };
        Some(self.mirror(pixel, size))
    }

    /// Where a pixel of a panel of `size` is seen: elsewhere only in a mirror.
    pub fn mirror(&self, pixel: Pixel, size: PictureSize) -> Pixel {
        if self.mirrored { Pixel::new(size.width as f32 - 1.0 - pixel.x, pixel.y) } else { pixel }
    }
}

/// One far lamp, light from all around, and a rim that sets shapes off against the background.
#[derive(Clone, Copy, Debug)]
pub struct Light {
    /// Direction from the scene to the lamp, in the scene's frame; any length.
    pub to_lamp: Vector3<f32>,
    /// Strength of the lamp.
    pub key: f32,
    /// Light from all around; a third less from below.
    pub ambient: f32,
    /// Brightening of surfaces seen at a grazing angle.
    pub rim: f32,
}

impl Default for Light {
    /// A lamp above the viewer's left shoulder.
    fn default() -> Self {
        Self { to_lamp: Vector3::new(-0.45, -0.8, -0.75), key: 0.85, ambient: 0.34, rim: 0.22 }
    }
}

/// A surface of triangles in metres in the scene's frame. Both sides are visible, unless it is closed.
#[derive(Clone, Debug)]
pub struct Mesh {
    /// Vertices.
    pub positions: Vec<Vector3<f32>>,
    /// Unit normals, one a vertex.
    pub normals: Vec<Vector3<f32>>,
    /// Vertex numbers of each triangle; the normal points to where they run counter-clockwise.
    pub faces: Arc<[[u32; 3]]>,
    /// Colours.
    pub paint: Paint,
    /// Whether its inside cannot be seen: triangles that look away are then left out.
    pub closed: bool,
}

/// Colours of a mesh.
#[derive(Clone, Debug)]
pub enum Paint {
    /// One colour, softly lit with a slight gloss.
    Plain(Colour),
    /// A colour for each vertex, softly lit with a slight gloss.
    PerVertex(Arc<[Colour]>),
    /// A picture wrapped around a matt surface, repeated outside 0..1.
    Texture {
        /// Which picture.
        texture: TextureId,
        /// Place in the picture for each vertex, (0, 0) its top left, (1, 1) its bottom right corner.
        coordinates: Arc<[[f32; 2]]>,
    },
}

impl Mesh {
    /// A smooth surface of two visible sides: each vertex gets the mean normal of its triangles, weighted by their area.
    pub fn smooth(positions: Vec<Vector3<f32>>, faces: Arc<[[u32; 3]]>, paint: Paint) -> Self {
        let mut normals = vec![Vector3::zeros(); positions.len()];
        for face in faces.iter() {
            let corner = |k: usize| positions.get(face[k] as usize).copied();
            let (Some(a), Some(b), Some(c)) = (corner(0), corner(1), corner(2)) else { continue };
            let area_normal = (b - a).cross(&(c - a));
            for &vertex in face {
                normals[vertex as usize] += area_normal;
            }
        }
        for normal in &mut normals {
            *normal = normal.try_normalize(f32::MIN_POSITIVE).unwrap_or_else(|| -Vector3::z());
        }
        Self { positions, normals, faces, paint, closed: false }
    }

    /// The triangles that can be seen in a view: all, or of a closed mesh those that are turned to the viewer.
    pub(super) fn seen_faces(&self, view: &View) -> impl Iterator<Item = [u32; 3]> {
        let scene_from_viewer = view.viewer_from_scene.inverse();
        let eye = match view.projection {
            Projection::Camera(_) => Some(scene_from_viewer.translation.vector),
            Projection::Orthographic { .. } => None,
        };
        let against = -(scene_from_viewer.rotation * Vector3::z());
        let turned_away = move |face: &[u32; 3]| {
            let [a, b, c] = face.map(|vertex| self.positions[vertex as usize]);
            let to_viewer = eye.map_or(against, |eye| eye - a);
            (b - a).cross(&(c - a)).dot(&to_viewer) <= 0.0
        };
        self.faces.iter().filter(move |face| !(self.closed && turned_away(face))).copied()
    }
}

/// A line with round ends, or a disc where both ends are the same, with soft edges.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stroke {
    /// One end, pixels of the panel.
    pub from: Pixel,
    /// The other end.
    pub to: Pixel,
    /// Half the thickness in pixels.
    pub radius: f32,
    /// Colour.
    pub colour: Colour,
}

impl Stroke {
    /// A line of thickness `2 * radius`.
    pub fn line(from: Pixel, to: Pixel, radius: f32, colour: Colour) -> Self {
        Self { from, to, radius, colour }
    }

    /// A disc.
    pub fn disc(centre: Pixel, radius: f32, colour: Colour) -> Self {
        Self { from: centre, to: centre, radius, colour }
    }
}

#[cfg(test)]
mod tests {
    use nalgebra::UnitQuaternion;

    use super::*;

    #[test]
    fn normals_of_a_flat_square_point_to_its_front() {
        let corner = |x: f32, y: f32| Vector3::new(x, y, 0.0);
        let positions = vec![corner(0.0, 0.0), corner(1.0, 0.0), corner(1.0, 1.0), corner(0.0, 1.0)];
        let faces = Arc::from([[0, 1, 2], [0, 2, 3]]);
        let mesh = Mesh::smooth(positions, faces, Paint::Plain(Colour::rgb(0, 0, 0)));
        for normal in mesh.normals {
            assert!((normal - Vector3::z()).norm() < 1e-6);
        }
    }

    #[test]
    fn of_a_closed_mesh_the_front_is_seen_from_every_side() {
        let corners = [[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]].map(Vector3::from);
        let faces = Arc::from([[0, 2, 1], [0, 3, 2], [0, 1, 3], [1, 2, 3]]);
        let mesh = Mesh::smooth(corners.to_vec(), faces, Paint::Plain(Colour::rgb(0, 0, 0)));
        let closed = Mesh { closed: true, ..mesh.clone() };
        let camera = CameraModel::guess(PictureSize::new(64, 48));
        let orthographic = Projection::Orthographic { pixels_per_metre: 1.0, centre: Pixel::new(0.0, 0.0) };
        for projection in [Projection::Camera(camera), orthographic] {
            let seen = |mesh: &Mesh, turn: f32| {
                // The viewer looks along the scene's z axis from far before it, or back along it from behind.
                let turned = UnitQuaternion::from_axis_angle(&Vector3::y_axis(), turn);
                let view = View {
                    projection: projection.clone(),
                    viewer_from_scene: Isometry3::from_parts(Vector3::new(0.0, 0.0, 5.0).into(), turned),
                    mirrored: false,
                    light: Light::default(),
                };
                mesh.seen_faces(&view).collect::<Vec<_>>()
            };
            assert_eq!(seen(&mesh, 0.0).len(), 4);
            let (before, behind) = (seen(&closed, 0.0), seen(&closed, std::f32::consts::PI));
            assert!(before.contains(&[0, 2, 1]) && !before.contains(&[1, 2, 3]), "{before:?}");
            assert!(behind.contains(&[1, 2, 3]) && !behind.contains(&[0, 2, 1]), "{behind:?}");
        }
    }

    #[test]
    fn meshes_that_lie_apart_have_parts_of_their_own_and_others_share_one() {
        let triangle = |x: f32| {
            let corners = [[0.0, 0.0], [0.1, 0.0], [0.0, 0.1]].map(|[dx, y]| Vector3::new(x + dx, y, 1.0));
            Mesh::smooth(corners.to_vec(), Arc::from([[0, 1, 2]]), Paint::Plain(Colour::rgb(0, 0, 0)))
        };
        let meshes = [triangle(-0.4), triangle(0.3), triangle(0.32)];
        let panel = Panel {
            area: Area { x: 10, y: 0, size: PictureSize::new(100, 100) },
            background: Background::Plain(Colour::rgb(0, 0, 0)),
            under: Vec::new(),
            view: View {
                projection: Projection::Orthographic {
                    pixels_per_metre: 100.0,
                    centre: Pixel::new(50.0, 50.0),
                },
                viewer_from_scene: Isometry3::identity(),
                mirrored: false,
                light: Light::default(),
            },
            meshes: meshes.iter().collect(),
            over: Vec::new(),
        };
        let parts = panel.mesh_parts(PictureSize::new(100, 100));
        assert_eq!(parts[0], PixelRange { low: [18, 48], high: [32, 62] });
        assert_eq!(parts[1..], [PixelRange { low: [88, 48], high: [100, 62] }]);
    }

    #[test]
    fn an_area_is_cut_at_the_border_of_the_picture() {
        let area = Area { x: 6, y: 2, size: PictureSize::new(10, 4) };
        assert_eq!(area.within(PictureSize::new(8, 100)), Some([6, 2, 2, 4]));
        assert_eq!(area.within(PictureSize::new(6, 100)), None);
    }
}
