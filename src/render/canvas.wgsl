// Corner of a quad whose four vertices follow each other as in a strip.
fn corner(index: u32) -> vec2<f32> {
    return vec2(f32(index & 1u), f32((index >> 1u) & 1u));
}

@vertex
fn fill(@builtin(vertex_index) index: u32) -> @builtin(position) vec4<f32> {
    return vec4(clip_from_panel(corner(index) * panel.area_size), 0.0, 1.0);
}

@fragment
fn ground() -> @location(0) vec4<f32> {
    return panel.ground;
}

@fragment
fn layer(@builtin(position) at: vec4<f32>) -> @location(0) vec4<f32> {
    return textureLoad(picture, vec2<i32>(at.xy), 0);
}

// The layer of one sample a pixel: where it ends, the mean of the pixel and its neighbours.
@fragment
fn smoothed_layer(@builtin(position) at: vec4<f32>) -> @location(0) vec4<f32> {
    let here = vec2<i32>(at.xy);
    let last = vec2<i32>(textureDimensions(picture)) - 1;
    let middle = textureLoad(picture, here, 0);
    let left = textureLoad(picture, vec2(max(here.x - 1, 0), here.y), 0);
    let right = textureLoad(picture, vec2(min(here.x + 1, last.x), here.y), 0);
    let above = textureLoad(picture, vec2(here.x, max(here.y - 1, 0)), 0);
    let below = textureLoad(picture, vec2(here.x, min(here.y + 1, last.y)), 0);
    let around = left + right + above + below;
    let inside = all(abs(vec4(left.a, right.a, above.a, below.a) - middle.a) < vec4(0.02));
    return select((2.0 * middle + around) / 6.0, middle, inside);
}

struct Capsule {
    @builtin(position) clip: vec4<f32>,
    @location(0) pixel: vec2<f32>,
    @location(1) @interpolate(flat) ends: vec4<f32>,
    @location(2) @interpolate(flat) radius: f32,
    @location(3) @interpolate(flat) colour: vec4<f32>,
}

@vertex
fn stroke(
    @builtin(vertex_index) index: u32,
    @location(0) ends: vec4<f32>,
    @location(1) radius: f32,
    @location(2) colour: vec4<f32>,
) -> Capsule {
    let across = ends.zw - ends.xy;
    let span = length(across);
    let along = select(vec2(1.0, 0.0), across / max(span, 1e-6), span > 1e-6);
    let reach = radius + 1.0;
    let at = corner(index);
    let local = vec2(mix(-reach, span + reach, at.x), mix(-reach, reach, at.y));
    let pixel = ends.xy + 0.5 + along * local.x + vec2(-along.y, along.x) * local.y;
    return Capsule(vec4(clip_from_panel(pixel), 0.0, 1.0), pixel, ends + 0.5, radius, colour);
}

@fragment
fn capsule(at: Capsule) -> @location(0) vec4<f32> {
    let across = at.ends.zw - at.ends.xy;
    let offset = at.pixel - at.ends.xy;
    let part = clamp(dot(offset, across) / max(dot(across, across), 1e-12), 0.0, 1.0);
    // Coverage of a pixel falls from 1 to 0 across the edge; hair lines fade instead of vanishing.
    let distance = length(offset - part * across);
    let coverage = clamp(at.radius + 0.5 - distance, 0.0, 1.0) * min(1.0, 2.0 * at.radius);
    let opacity = at.colour.a * coverage;
    return vec4(at.colour.rgb * opacity, opacity);
}
