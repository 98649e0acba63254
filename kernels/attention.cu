// Attention of the 192 tokens of a picture to each other, heads of HEAD numbers, without a matrix of scores in
// memory: a warp keeps the scores of 16 queries in registers, all 192 of them, so that the softmax is exact and
// needs no second pass.
//
// One block is 64 queries of one head of one picture; the head's keys and values lie in shared memory, rows 16
// bytes longer than their numbers so that eight rows start in different banks.
//
// ViT-H, 4 pictures (4 x 16 heads x 192 tokens x 80):
//   operations: 2 * 2 * 192 * 192 * 80 * 64 = 0.755 GFLOP; floor at 800 TFLOP/s 0.9 us.
//   bytes: 768 * (3 * 1280 + 1280) * 2 = 7.9 MB; floor at 3.0 TB/s 2.6 us, less from the cache that the product
//   before it has just filled.
// Measured: not run.
#include "common.cuh"

#ifndef HEAD
#define HEAD 80
#endif

constexpr int TOKENS = 192;
constexpr int WARPS = 4;
// Queries of a warp: the rows of a tensor core's tile.
constexpr int ROWS = 16;
constexpr int QUERIES = WARPS * ROWS;

#ifdef ELEMENT_F32

// The plain form: lanes are keys, then numbers of a head.
constexpr int PITCH = HEAD + 1;

extern "C" __global__ void __launch_bounds__(WARPS* WARP_THREADS)
    attention(const element* qkv, element* out, int heads, float scale) {
    SHARED(float, keys);
    float* values = keys + TOKENS * PITCH;
    const int warp = threadIdx.x / WARP_THREADS, lane = threadIdx.x % WARP_THREADS;
    float* shares = values + TOKENS * PITCH + warp * TOKENS;
    const size_t width = (size_t)heads * HEAD, pitch = 3 * width;
    const size_t first = (size_t)blockIdx.z * TOKENS;
    const element* from = qkv + first * pitch + blockIdx.y * HEAD;
    for (int i = threadIdx.x; i < TOKENS * HEAD; i += blockDim.x) {
        const int token = i / HEAD, d = i % HEAD;
        keys[token * PITCH + d] = from[token * pitch + width + d];
        values[token * PITCH + d] = from[token * pitch + 2 * width + d];
    }
    __syncthreads();
    for (int q = 0; q < ROWS; ++q) {
        const int row = blockIdx.x * QUERIES + warp * ROWS + q;
        const element* query = from + row * pitch;
        float score[TOKENS / WARP_THREADS], most = -INFINITY, sum = 0.0f;
        for (int i = 0; i < TOKENS / WARP_THREADS; ++i) {
            const float* key = keys + (i * WARP_THREADS + lane) * PITCH;
            float product = 0.0f;
            for (int d = 0; d < HEAD; ++d) product += query[d] * key[d];
            score[i] = product * scale;
            most = fmaxf(most, score[i]);
        }
        most = warp_max(most);
        for (int i = 0; i < TOKENS / WARP_THREADS; ++i) {
            score[i] = expf(score[i] - most);
            sum += score[i];
            shares[i * WARP_THREADS + lane] = score[i];
        }
        sum = warp_sum(sum);
        __syncwarp();
        for (int d = lane; d < HEAD; d += WARP_THREADS) {
            float mixed = 0.0f;
            for (int t = 0; t < TOKENS; ++t) mixed += shares[t] * values[t * PITCH + d];
            out[(first + row) * width + blockIdx.y * HEAD + d] = mixed / sum;
        }
        __syncwarp();
    }
}

#else

constexpr int PITCH = HEAD + 8;
// Steps of 16 numbers of a head, of 16 keys, and columns of 16 numbers of the result.
constexpr int STEPS = HEAD / 16;
constexpr int KEY_STEPS = TOKENS / 16;
constexpr float LOG2_E = 1.44269504f;

__device__ __forceinline__ unsigned load_word(const element* place) {
    return *reinterpret_cast<const unsigned*>(place);
}

extern "C" __global__ void __launch_bounds__(WARPS* WARP_THREADS)
    attention(const element* qkv, element* out, int heads, float scale) {
    static_assert(HEAD % 16 == 0, "heads of whole tiles");
    SHARED(element, keys);
    element* values = keys + TOKENS * PITCH;
    const int warp = threadIdx.x / WARP_THREADS, lane = threadIdx.x % WARP_THREADS;
    const size_t width = (size_t)heads * HEAD, pitch = 3 * width;
    const size_t first = (size_t)blockIdx.z * TOKENS;
    const element* from = qkv + first * pitch + blockIdx.y * HEAD;
    constexpr int CHUNKS = HEAD / 8;
    for (int i = threadIdx.x; i < TOKENS * CHUNKS; i += blockDim.x) {
        const int token = i / CHUNKS, d = i % CHUNKS * 8;
        start_copy(keys + token * PITCH + d, from + token * pitch + width + d);
        start_copy(values + token * PITCH + d, from + token * pitch + 2 * width + d);
    }

    // Meanwhile the queries: rows g and g + 8 of the warp's 16.
    const int g = lane / 4, t = lane % 4;
    const int row = blockIdx.x * QUERIES + warp * ROWS + g;
    unsigned query[STEPS][4];
#pragma unroll
    for (int s = 0; s < STEPS; ++s) {
        const element* place = from + row * pitch + s * 16 + 2 * t;
        query[s][0] = load_word(place);
        query[s][1] = load_word(place + 8 * pitch);
        query[s][2] = load_word(place + 8);
        query[s][3] = load_word(place + 8 * pitch + 8);
    }
    finish_copies();
    __syncthreads();

    // Keys are B's columns: a matrix is 8 keys and 8 numbers, and four of them 16 keys and 16 numbers.
    float score[2 * KEY_STEPS][4] = {};
    const int matrix = lane / 8, in_matrix = lane % 8;
#pragma unroll
    for (int k = 0; k < KEY_STEPS; ++k) {
#pragma unroll
        for (int s = 0; s < STEPS; ++s) {
            unsigned key[4];
            load_matrices<false>(
                key, keys + (k * 16 + matrix / 2 * 8 + in_matrix) * PITCH + s * 16 + matrix % 2 * 8);
            multiply_add(score[2 * k], query[s], key[0], key[1]);
            multiply_add(score[2 * k + 1], query[s], key[2], key[3]);
        }
    }

    // The four lanes of a row share its maximum and its sum.
    float most[2] = {-INFINITY, -INFINITY}, sum[2] = {0.0f, 0.0f};
#pragma unroll
    for (int n = 0; n < 2 * KEY_STEPS; ++n) {
#pragma unroll
        for (int i = 0; i < 4; ++i) most[i / 2] = fmaxf(most[i / 2], score[n][i]);
    }
#pragma unroll
    for (int half = 0; half < 2; ++half) {
        most[half] = fmaxf(most[half], __shfl_xor_sync(ALL_LANES, most[half], 1));
        most[half] = fmaxf(most[half], __shfl_xor_sync(ALL_LANES, most[half], 2));
    }
    const float factor = scale * LOG2_E;
#pragma unroll
    for (int n = 0; n < 2 * KEY_STEPS; ++n) {
#pragma unroll
        for (int i = 0; i < 4; ++i) {
            score[n][i] = exp2f((score[n][i] - most[i / 2]) * factor);
            sum[i / 2] += score[n][i];
        }
    }
#pragma unroll
    for (int half = 0; half < 2; ++half) {
        sum[half] += __shfl_xor_sync(ALL_LANES, sum[half], 1);
        sum[half] += __shfl_xor_sync(ALL_LANES, sum[half], 2);
    }

    // What a lane holds of two tiles of scores is what it must hold of A for the product with the values.
    float mixed[2 * STEPS][4] = {};
#pragma unroll
    for (int k = 0; k < KEY_STEPS; ++k) {
        const unsigned share[4] = {
            pack_pair(score[2 * k][0], score[2 * k][1]), pack_pair(score[2 * k][2], score[2 * k][3]),
            pack_pair(score[2 * k + 1][0], score[2 * k + 1][1]), pack_pair(score[2 * k + 1][2], score[2 * k + 1][3])};
#pragma unroll
        for (int s = 0; s < STEPS; ++s) {
            unsigned value[4];
            load_matrices<true>(
                value, values + (k * 16 + matrix % 2 * 8 + in_matrix) * PITCH + s * 16 + matrix / 2 * 8);
            multiply_add(mixed[2 * s], share, value[0], value[1]);
            multiply_add(mixed[2 * s + 1], share, value[2], value[3]);
        }
    }
    element* to = out + (first + row) * width + blockIdx.y * HEAD + 2 * t;
#pragma unroll
    for (int n = 0; n < 2 * STEPS; ++n) {
        store_pair(to + n * 8, mixed[n][0] / sum[0], mixed[n][1] / sum[0]);
        store_pair(to + 8 * width + n * 8, mixed[n][2] / sum[1], mixed[n][3] / sum[1]);
    }
}

#endif
