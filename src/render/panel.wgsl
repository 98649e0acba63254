// What both passes know of a panel; the same bytes as `PanelUniform` in pipeline.rs.
struct Panel {
    viewer_from_scene: mat4x4<f32>,
    target_size: vec2<f32>,
    area_origin: vec2<f32>,
    area_size: vec2<f32>,
    // Panel pixels a picture pixel of the camera.
    scale: vec2<f32>,
    focal: vec2<f32>,
    centre: vec2<f32>,
    // k1, k2, k3; 1 with perspective, 0 without.
    radial: vec4<f32>,
    // p1, p2.
    tangential: vec2<f32>,
    // Nearest and farthest depth drawn, metres.
    depth_range: vec2<f32>,
    // Direction to the lamp in the viewer's frame, its strength.
    lamp: vec4<f32>,
    // Ambient light, rim; 1 where left and right change places.
    ambience: vec4<f32>,
    // Colour of a plain background.
    ground: vec4<f32>,
}

@group(0) @binding(0) var<uniform> panel: Panel;
@group(1) @binding(0) var picture: texture_2d<f32>;
@group(1) @binding(1) var picture_sampler: sampler;

// Clip position of a point in pixels of the panel, counted from its top left corner.
fn clip_from_panel(pixel: vec2<f32>) -> vec2<f32> {
    let part = (panel.area_origin + pixel) / panel.target_size;
    return vec2(2.0 * part.x - 1.0, 1.0 - 2.0 * part.y);
}
