use std::sync::Arc;

use nalgebra::{Isometry3, Vector3};

use super::*;
use crate::frame::PictureSize;
use crate::geometry::{CameraModel, CameraPoint, Pixel};

const SIZE: PictureSize = PictureSize { width: 96, height: 64 };

/// A renderer, or `None` with a printed reason where this machine cannot draw.
fn renderer() -> Option<Renderer> {
    match Renderer::new(SIZE) {
        Ok(renderer) => Some(renderer),
        Err(error) => {
            println!("skipped: {error}");
            None
        }
    }
}

fn panel<'a>(camera: CameraModel, meshes: Vec<&'a Mesh>) -> Panel<'a> {
    Panel {
        area: Area::whole(SIZE),
        background: Background::Plain(Colour::rgb(0, 0, 200)),
        under: Vec::new(),
        view: View {
            projection: Projection::Camera(camera),
            viewer_from_scene: Isometry3::identity(),
            mirrored: false,
            light: Light::default(),
        },
        meshes,
        over: Vec::new(),
    }
}

fn at(picture: &[u8], x: usize, y: usize) -> [u8; 3] {
    let start = (y * SIZE.width + x) * 3;
    [picture[start], picture[start + 1], picture[start + 2]]
}

fn lens() -> CameraModel {
    CameraModel { distortion: [0.1, -0.05, 0.01, -0.02, 0.0], ..CameraModel::from_fov(70.0, SIZE) }
}

#[test]
fn a_triangle_lands_where_the_camera_model_projects_it() {
    let Some(mut renderer) = renderer() else { return };
    let camera = lens();
    let corners = [[-0.25, -0.1, 0.6], [0.3, -0.05, 0.8], [-0.05, 0.12, 0.5]].map(Vector3::from);
    let paint = Paint::Plain(Colour::rgb(250, 40, 40));
    let mesh = Mesh::smooth(corners.to_vec(), Arc::from([[0, 1, 2]]), paint);
    let picture = renderer.draw(&Scene::of(vec![panel(camera.clone(), vec![&mesh])])).unwrap();
    let centre = corners.iter().sum::<Vector3<f32>>() / 3.0;
    for corner in corners {
        let pixel = |point: Vector3<f32>| {
            let pixel = camera.project(CameraPoint(point)).unwrap();
            at(&picture, pixel.x.round() as usize, pixel.y.round() as usize)
        };
        let inside = pixel(corner + (centre - corner) * 0.2);
        let outside = pixel(corner - (centre - corner) * 0.2);
        assert!(inside[0] > inside[2], "inside is {inside:?}");
        assert_eq!(outside, [0, 0, 200]);
    }
}

#[test]
fn a_mirrored_panel_is_the_mirror_image_with_background_and_meshes() {
    let Some(mut renderer) = renderer() else { return };
    let corners = [[0.1, -0.1, 0.6], [0.3, -0.05, 0.8], [0.2, 0.12, 0.5]].map(Vector3::from);
    let mesh = Mesh::smooth(corners.to_vec(), Arc::from([[0, 1, 2]]), Paint::Plain(Colour::rgb(250, 40, 40)));
    let rgb: Vec<u8> = [[10, 20, 30], [200, 210, 220]].concat();
    let mut plain = panel(lens(), vec![&mesh]);
    plain.background = Background::Picture { rgb: &rgb, size: PictureSize::new(2, 1) };
    let mut mirrored = plain.clone();
    mirrored.view.mirrored = true;
    let point = corners.iter().sum::<Vector3<f32>>() / 3.0;
    let at_sides = [plain.view.project(point, SIZE), mirrored.view.project(point, SIZE)];
    let [left, right] = at_sides.map(|pixel| pixel.unwrap().x);
    assert!((left + right - (SIZE.width as f32 - 1.0)).abs() < 1e-3);
    let plain = renderer.draw(&Scene::of(vec![plain])).unwrap();
    let mirrored = renderer.draw(&Scene::of(vec![mirrored])).unwrap();
    let all = (0..SIZE.height).flat_map(|y| (0..SIZE.width).map(move |x| (x, y)));
    let differ = |&(x, y): &(usize, usize)| {
        let (a, b) = (at(&plain, x, y), at(&mirrored, SIZE.width - 1 - x, y));
        (0..3).any(|k| a[k].abs_diff(b[k]) > 3)
    };
    // Edges of triangles may fall to the other pixel.
    let differing = all.filter(differ).count();
    assert!(differing < SIZE.width * SIZE.height / 25, "{differing} pixels differ");
}

#[test]
fn a_resized_renderer_draws_pictures_of_the_new_size() {
    let Some(mut renderer) = renderer() else { return };
    renderer.resize(PictureSize::new(70, 50)).unwrap();
    let picture = renderer.draw(&Scene::of(vec![panel(lens(), Vec::new())])).unwrap();
    assert_eq!((renderer.size(), picture.len()), (PictureSize::new(70, 50), 70 * 50 * 3));
    assert_eq!(picture[..3], [0, 0, 200]);
    assert!(renderer.resize(PictureSize::new(0, 50)).is_err());
}

#[test]
fn the_nearer_of_two_surfaces_is_seen() {
    let Some(mut renderer) = renderer() else { return };
    let wall = |z: f32, colour| {
        let corners = [[-1.0, -1.0, z], [1.0, -1.0, z], [0.0, 2.0, z]].map(Vector3::from);
        Mesh::smooth(corners.to_vec(), Arc::from([[0, 1, 2]]), Paint::Plain(colour))
    };
    let (near, far) = (wall(0.5, Colour::rgb(0, 255, 0)), wall(0.9, Colour::rgb(255, 0, 0)));
    let scene = Scene::of(vec![panel(CameraModel::from_fov(60.0, SIZE), vec![&near, &far])]);
    let [red, green, _] = at(&renderer.draw(&scene).unwrap(), 48, 32);
    assert!(green > red);
}

#[test]
fn strokes_and_backgrounds_stay_in_their_panel() {
    let Some(mut renderer) = renderer() else { return };
    let rgb: Vec<u8> = [[10, 20, 30], [200, 210, 220]].concat();
    let mut left = panel(CameraModel::from_fov(60.0, SIZE), Vec::new());
    left.area = Area { x: 0, y: 0, size: PictureSize::new(48, 64) };
    left.background = Background::Picture { rgb: &rgb, size: PictureSize::new(1, 2) };
    left.over =
        vec![Stroke::line(Pixel::new(10.0, 32.0), Pixel::new(90.0, 32.0), 3.0, Colour::rgb(255, 0, 0))];
    let mut right = panel(CameraModel::from_fov(60.0, SIZE), Vec::new());
    right.area = Area { x: 48, ..left.area };
    let picture = renderer.draw(&Scene::of(vec![right, left])).unwrap();
    assert_eq!(at(&picture, 2, 0), [10, 20, 30]);
    assert_eq!(at(&picture, 30, 32), [255, 0, 0]);
    assert_eq!(at(&picture, 47, 32), [255, 0, 0]);
    assert_eq!(at(&picture, 48, 32), [0, 0, 200]);
}

#[test]
fn a_scene_over_the_last_one_changes_its_own_panels_alone_and_leaves_no_ghost_of_a_mesh() {
    let mut renderer = match Renderer::quick(SIZE) {
        Ok(renderer) => renderer,
        Err(error) => return println!("skipped: {error}"),
    };
    let triangle = |x: f32| {
        let corners = [[x - 0.1, -0.1, 0.6], [x + 0.1, -0.1, 0.6], [x, 0.1, 0.6]].map(Vector3::from);
        Mesh::smooth(corners.to_vec(), Arc::from([[0, 1, 2]]), Paint::Plain(Colour::rgb(250, 40, 40)))
    };
    let (first, second) = (triangle(-0.25), triangle(0.2));
    let half = |x, mesh| Panel {
        area: Area { x, y: 0, size: PictureSize::new(48, 64) },
        ..panel(CameraModel::from_fov(90.0, PictureSize::new(48, 64)), vec![mesh])
    };
    let both = renderer.draw(&Scene::of(vec![half(0, &first), half(48, &first)])).unwrap();
    let mut over = Scene { panels: vec![half(48, &second)], over_last: true };
    let changed = renderer.draw(&over).unwrap();
    let fresh = renderer.draw(&Scene::of(vec![half(0, &first), half(48, &second)])).unwrap();
    assert!(changed == fresh && changed != both);
    over.over_last = false;
    let alone = renderer.draw(&over).unwrap();
    assert_eq!([at(&alone, 10, 10), at(&alone, 90, 5)], [[0; 3], [0, 0, 200]]);
}

#[test]
fn a_mesh_with_a_missing_vertex_is_refused() {
    let Some(mut renderer) = renderer() else { return };
    let mut mesh =
        Mesh::smooth(vec![Vector3::z(); 3], Arc::from([[0, 1, 2]]), Paint::Plain(Colour::rgb(1, 1, 1)));
    mesh.faces = Arc::from([[0, 1, 3]]);
    let scene = Scene::of(vec![panel(lens(), vec![&mesh])]);
    assert!(matches!(renderer.draw(&scene), Err(RenderError::Mesh { .. })));
}
