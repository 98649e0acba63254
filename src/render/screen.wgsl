@group(0) @binding(0) var picture: texture_2d<f32>;
@group(0) @binding(1) var picture_sampler: sampler;

struct Fill {
    @builtin(position) clip: vec4<f32>,
    @location(0) coordinate: vec2<f32>,
}

@vertex
fn fill(@builtin(vertex_index) index: u32) -> Fill {
    let at = vec2(f32(index & 1u), f32(index >> 1u));
    return Fill(vec4(2.0 * at.x - 1.0, 1.0 - 2.0 * at.y, 0.0, 1.0), at);
}

@fragment
fn canvas(at: Fill) -> @location(0) vec4<f32> {
    return vec4(textureSampleLevel(picture, picture_sampler, at.coordinate, 0.0).rgb, 1.0);
}

// The same where every pixel of the picture is one of the window.
@fragment
fn same(at: Fill) -> @location(0) vec4<f32> {
    return vec4(textureLoad(picture, vec2<i32>(at.clip.xy), 0).rgb, 1.0);
}
