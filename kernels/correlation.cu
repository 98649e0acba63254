// DPVO's correlation (Teed et al. 2023): the products of a patch's nine pixels with the 8 x 8 pixels about where each
// of them is expected, on two levels, mixed bilinearly to 7 x 7, in one launch.
//
// A block is one pixel of one patch on one level; eight lanes share a product of 128 numbers, so that a warp makes
// four at a time, neighbours in a row. The 64 products stay in shared memory, and 49 leave mixed.
//
// 96 patches seen in 10 frames each (960 edges), maps of 128 32-bit channels:
//   operations: 960 * 9 * 2 * 64 * 128 * 2 = 283 MFLOP: 4.7 us at 60 TFLOP/s.
//   bytes: each block reads 64 pixels of 512 bytes, 566 MB in all, most of it from the cache, because the windows of
//   a patch's pixels overlap; from memory 10 maps of 160 x 120 x 512 = 98 MB: floor at 3.0 TB/s 33 us.
// Measured: not run.
#include "common.cuh"

constexpr int FEATURES = 128, PATCH_PIXELS = 9, LEVELS = 2;
constexpr int RADIUS = 3, SIDE = 2 * RADIUS + 1, RAW = SIDE + 1;
constexpr int OUTPUTS = LEVELS * SIDE * SIDE * PATCH_PIXELS;
// The second level is this many times smaller.
constexpr float SHRUNK = 4.0f;
constexpr int LANES = 8;
constexpr int THREADS = 128;

// Both levels of all frames: [frames, height, width, 128].
struct Maps {
    const float *full, *small;
    int width, height, small_width, small_height;
};

// Edge e joins patch `patch_of[e]`, nine rows of 128 numbers, to frame `frame_of[e]`, where its pixels are expected
// at `places[e]`, [9][x, y] in pixels of the full map. Results are [edges][dx, dy, pixel, level].
extern "C" __global__ void __launch_bounds__(THREADS)
    correlate(Maps maps, const float* patches, const int* patch_of, const int* frame_of, const float* places,
              float* out) {
    SHARED(float, raw);
    const int pixel = blockIdx.x, level = blockIdx.y, edge = blockIdx.z;
    const int lane = threadIdx.x % LANES, worker = threadIdx.x / LANES;
    const float* map = level == 0 ? maps.full : maps.small;
    const int width = level == 0 ? maps.width : maps.small_width;
    const int height = level == 0 ? maps.height : maps.small_height;
    const float shrink = level == 0 ? 1.0f : 1.0f / SHRUNK;
    const float* place = places + ((size_t)edge * PATCH_PIXELS + pixel) * 2;
    const float x = place[0] * shrink, y = place[1] * shrink;
    const float left = floorf(x), top = floorf(y);
    // Far outside there is nothing to meet, and what is no number meets nothing.
    const bool somewhere = fabsf(left) < 1e6f && fabsf(top) < 1e6f;
    const int first_x = somewhere ? (int)left - RADIUS : -2 * RAW, first_y = somewhere ? (int)top - RADIUS : -2 * RAW;
    const float* frame = map + (size_t)frame_of[edge] * height * width * FEATURES;
    const float* own = patches + ((size_t)patch_of[edge] * PATCH_PIXELS + pixel) * FEATURES + 4 * lane;
    constexpr int PARTS = FEATURES / (4 * LANES);
    float4 mine[PARTS];
#pragma unroll
    for (int i = 0; i < PARTS; ++i) mine[i] = load_four(own + i * 4 * LANES);
#pragma unroll
    for (int at = worker; at < RAW * RAW; at += THREADS / LANES) {
        const int column = first_x + at % RAW, row = first_y + at / RAW;
        float product = 0.0f;
        if (column >= 0 && row >= 0 && column < width && row < height) {
            const float* other = frame + ((size_t)row * width + column) * FEATURES + 4 * lane;
#pragma unroll
            for (int i = 0; i < PARTS; ++i) {
                const float4 theirs = load_four(other + i * 4 * LANES);
                product += mine[i].x * theirs.x + mine[i].y * theirs.y + mine[i].z * theirs.z + mine[i].w * theirs.w;
            }
        }
        for (int mask = LANES / 2; mask > 0; mask /= 2) product += __shfl_xor_sync(ALL_LANES, product, mask);
        if (lane == 0) raw[at] = product;
    }
    __syncthreads();
    if (threadIdx.x >= SIDE * SIDE) return;
    const int dx = threadIdx.x / SIDE, dy = threadIdx.x % SIDE;
    const float right = somewhere ? x - left : 0.0f, low = somewhere ? y - top : 0.0f;
    const float* corner = raw + dy * RAW + dx;
    const float upper = corner[0] * (1.0f - right) + corner[1] * right;
    const float lower = corner[RAW] * (1.0f - right) + corner[RAW + 1] * right;
    out[(size_t)edge * OUTPUTS + (threadIdx.x * PATCH_PIXELS + pixel) * LEVELS + level] =
        upper * (1.0f - low) + lower * low;
}
