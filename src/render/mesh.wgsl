struct Vertex {
    @location(0) position: vec3<f32>,
    @location(1) normal: vec3<f32>,
    @location(2) coordinate: vec2<f32>,
    @location(3) colour: vec4<f32>,
}

struct Surface {
    @builtin(position) clip: vec4<f32>,
    @location(0) point: vec3<f32>,
    @location(1) normal: vec3<f32>,
    @location(2) coordinate: vec2<f32>,
    @location(3) colour: vec4<f32>,
}

const GAMMA: f32 = 2.2;

struct Lit {
    @builtin(position) clip: vec4<f32>,
    @location(0) colour: vec4<f32>,
}

fn placed(vertex: Vertex) -> Surface {
    let point = (panel.viewer_from_scene * vec4(vertex.position, 1.0)).xyz;
    let near = panel.depth_range.x;
    let far = panel.depth_range.y;
    let perspective = panel.radial.w > 0.5;

    // Multiplied by depth throughout, so that an ideal lens stays linear and clips rightly.
    var spread = point.xy;
    var w = 1.0;
    var depth = (point.z - near) / (far - near);
    if perspective {
        w = point.z;
        depth = (point.z - near) * far / (far - near);
        let ray = point.xy / max(point.z, near);
        let r2 = dot(ray, ray);
        let radial = 1.0 + r2 * (panel.radial.x + r2 * (panel.radial.y + r2 * panel.radial.z));
        let p = panel.tangential;
        let tangential = 2.0 * ray.x * ray.y * p + p.yx * (vec2(r2) + 2.0 * ray * ray);
        spread = point.xy * radial + tangential * point.z;
    }
    // Pixel centres are whole numbers in a camera model and halves here.
    var pixel = (panel.focal * spread + (panel.centre + 0.5) * w) * panel.scale;
    if panel.ambience.z > 0.5 {
        pixel.x = panel.area_size.x * w - pixel.x;
    }
    let part = (panel.area_origin * w + pixel) / panel.target_size;
    let rotation = mat3x3(
        panel.viewer_from_scene[0].xyz,
        panel.viewer_from_scene[1].xyz,
        panel.viewer_from_scene[2].xyz,
    );
    return Surface(
        vec4(2.0 * part.x - w, w - 2.0 * part.y, depth, w),
        point,
        rotation * vertex.normal,
        vertex.coordinate,
        vertex.colour,
    );
}

@vertex
fn place(vertex: Vertex) -> Surface {
    return placed(vertex);
}

// A triangle over the whole layer, farther than all that is drawn.
@vertex
fn wipe(@builtin(vertex_index) index: u32) -> @builtin(position) vec4<f32> {
    return vec4(f32(index & 1u) * 4.0 - 1.0, f32(index >> 1u) * 4.0 - 1.0, 1.0, 1.0);
}

@fragment
fn nothing() -> @location(0) vec4<f32> {
    return vec4(0.0);
}

// Direction from a surface point to the eye.
fn to_eye(point: vec3<f32>) -> vec3<f32> {
    return select(vec3(0.0, 0.0, -1.0), -normalize(point), panel.radial.w > 0.5);
}

// The normal, on the side that is seen.
fn seen_normal(surface: Surface, eye: vec3<f32>) -> vec3<f32> {
    let normal = normalize(surface.normal);
    return select(-normal, normal, dot(normal, eye) >= 0.0);
}

// Light from all around, a third less from below.
fn ambient(normal: vec3<f32>) -> f32 {
    return panel.ambience.x * (0.83 - 0.17 * normal.y);
}

fn encode(light: vec3<f32>, opacity: f32) -> vec4<f32> {
    let colour = pow(clamp(light, vec3(0.0), vec3(1.0)), vec3(1.0 / GAMMA));
    return vec4(colour * opacity, opacity);
}

// A soft surface of this colour as it looks where its normal is turned to the eye.
fn softly_lit(colour: vec4<f32>, normal: vec3<f32>, eye: vec3<f32>) -> vec4<f32> {
    let base = pow(colour.rgb, vec3(GAMMA));
    // Light reaches a little around the edge of soft things.
    let wrapped = clamp((dot(normal, panel.lamp.xyz) + 0.25) / 1.25, 0.0, 1.0);
    let half_way = normalize(panel.lamp.xyz + eye);
    let gloss = 0.10 * pow(max(dot(normal, half_way), 0.0), 24.0) * panel.lamp.w;
    let rim = panel.ambience.y * pow(1.0 - max(dot(normal, eye), 0.0), 3.0);
    let light = base * (ambient(normal) + panel.lamp.w * wrapped + rim) + vec3(gloss + 0.12 * rim);
    return encode(light, colour.a);
}

@fragment
fn soft(surface: Surface) -> @location(0) vec4<f32> {
    let eye = to_eye(surface.point);
    return softly_lit(surface.colour, seen_normal(surface, eye), eye);
}

// The same with the light of each vertex, for fine meshes: a fraction of the work.
@vertex
fn place_lit(vertex: Vertex) -> Lit {
    let surface = placed(vertex);
    let eye = to_eye(surface.point);
    return Lit(surface.clip, softly_lit(surface.colour, normalize(surface.normal), eye));
}

@fragment
fn lit(surface: Lit) -> @location(0) vec4<f32> {
    return surface.colour;
}

@fragment
fn matt(surface: Surface) -> @location(0) vec4<f32> {
    let normal = seen_normal(surface, to_eye(surface.point));
    let base = pow(textureSample(picture, picture_sampler, surface.coordinate).rgb, vec3(GAMMA));
    let light = base * (ambient(normal) + panel.lamp.w * max(dot(normal, panel.lamp.xyz), 0.0));
    return encode(light, 1.0);
}
