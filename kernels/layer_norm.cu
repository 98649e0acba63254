// Layer normalisation of rows of WIDTH numbers, with what is added to the residual stream before it.
//
//   x += added[row % period];  y = (x - mean(x)) / sqrt(variance(x) + epsilon) * weight + bias
//
// One warp per row, the row in registers from one reading of it. Sums are 32-bit, variance after the mean.
//
// ViT-H, 4 pictures (768 rows of 1280), x 32-bit and y 16-bit:
//   bytes: 768 * 1280 * (4 + 2) = 5.9 MB, with the sum written back 9.8 MB; floor at 3.0 TB/s 2.0 (3.3) us.
//   operations: about 8 per number, 8 MFLOP: nothing beside the bytes.
// Measured: not run.
#include "common.cuh"

#ifndef WIDTH
#define WIDTH 1280
#endif

// Numbers that a lane reads at once.
constexpr int STEP = 4 * WARP_THREADS;
constexpr int PARTS = (WIDTH + STEP - 1) / STEP;

// `added`, where it is not null, has `period` rows. `places`, where it is not null, says for each `group` rows of
// x where they go: as which group of y.
extern "C" __global__ void __launch_bounds__(128)
    layer_norm(float* x, const float* added, int period, const float* weight, const float* bias, element* y,
               const int* places, int group, int rows, float epsilon) {
    const int row = blockIdx.x * (blockDim.x / WARP_THREADS) + threadIdx.x / WARP_THREADS;
    const int lane = threadIdx.x % WARP_THREADS;
    if (row >= rows) return;
    float* in = x + (size_t)row * WIDTH;
    const size_t to = places ? (size_t)places[row / group] * group + row % group : (size_t)row;
    element* out = y + to * WIDTH;

    float4 part[PARTS];
    float sum = 0.0f;
#pragma unroll
    for (int i = 0; i < PARTS; ++i) {
        const int column = i * STEP + 4 * lane;
        if (column >= WIDTH) continue;
        part[i] = load_four(in + column);
        if (added) {
            const float4 more = load_four(added + (size_t)(row % period) * WIDTH + column);
            part[i].x += more.x;
            part[i].y += more.y;
            part[i].z += more.z;
            part[i].w += more.w;
            store_four(in + column, part[i]);
        }
        sum += part[i].x + part[i].y + part[i].z + part[i].w;
    }
    const float mean = warp_sum(sum) / WIDTH;
    sum = 0.0f;
#pragma unroll
    for (int i = 0; i < PARTS; ++i) {
        if (i * STEP + 4 * lane >= WIDTH) continue;
        part[i].x -= mean;
        part[i].y -= mean;
        part[i].z -= mean;
        part[i].w -= mean;
        sum += part[i].x * part[i].x + part[i].y * part[i].y + part[i].z * part[i].z + part[i].w * part[i].w;
    }
    const float scale = rsqrtf(warp_sum(sum) / WIDTH + epsilon);
#pragma unroll
    for (int i = 0; i < PARTS; ++i) {
        const int column = i * STEP + 4 * lane;
        if (column >= WIDTH) continue;
        const float4 w = load_four(weight + column), b = load_four(bias + column);
        float4 normed;
        normed.x = part[i].x * scale * w.x + b.x;
        normed.y = part[i].y * scale * w.y + b.y;
        normed.z = part[i].z * scale * w.z + b.z;
        normed.w = part[i].w * scale * w.w + b.w;
        store_four(out + column, normed);
    }
}
