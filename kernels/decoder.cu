// The decoder of HaMeR and HaPTIC over a window: a few tokens through many small layers, in one cooperative launch.
//
// The host writes the decoder down as a list of steps. All blocks work on one step, wait for each other, and go
// on; every step is one of
//   DENSE  out[b, r, :] = f(W[b] in'[b, r, :] + bias), in' = in or its layer norm, f nothing or GELU, with a
//          residual added. Batches are the heads of an absorbed key or value layer (each reads its part of a row), or the
//          frames whose features stand in the place of W (scores: the rows are then heads).
//   SUM    softmax over the tokens of a frame, then the sum of its features with these shares.
//   MIX    attention of a window's frames to each other from rows of queries, keys and values.
//   COPY   rows to rows, either end through a list of row numbers.
// Activations are 32-bit and stay in the second cache; weights and features are 16-bit.
//
// A DENSE step works on tiles of 16 rows x 8 outputs, one tile per warp or one shared by `split` warps, each of
// which sums a part of the inputs. In 16 bits the tile is the tensor cores' m16n8k16: a lane reads 16 bytes of a
// row of W at once, which serve for two products because the order of a sum is free.
//
// HaPTIC, two hands, 8 frames (16 rows), keys and values absorbed, tokens of new frames begun elsewhere:
//   bytes: 58.9 M weights in 16 bits 118 MB, features 15.7 MB once: floor at 3.0 TB/s 44 us.
//   operations: 16 rows x 58.9 M x 2 = 1.9 GFLOP, features 6 x 2 x 2 x 16 x 8 x 192 x 1280 x 2 = 1.5 GFLOP:
//   a few us on the tensor cores.
//   waits: about 100 steps, each at least one barrier of all blocks (1 to 2 us): 100 to 200 us, what will be seen.
// Measured: not run.
#include "common.cuh"

#ifndef HEADS
#define HEADS 8
#endif

constexpr int WARPS = 8;
constexpr int THREADS = WARPS * WARP_THREADS;
// A tile of the tensor cores.
constexpr int TILE_ROWS = 16, TILE_OUTPUTS = 8;
// Inputs that a lane's 16 bytes of weights and its three neighbours' cover.
constexpr int CHUNK = 32;
constexpr int MOST_INPUTS = 1280;
// Rows in shared memory start in different banks.
constexpr int INPUT_PITCH = MOST_INPUTS + 8;
// Columns of a frame's features that a block sums at once, four per lane.
constexpr int SUM_COLUMNS = 4 * WARP_THREADS;

enum Kind { DENSE = 0, SUM = 1, MIX = 2, COPY = 3 };
enum Flags { WITH_NORM = 1, WITH_GELU = 2 };

// One step; the host's structure of the same fields in the same order. Pitches and batches count numbers.
struct Step {
    int kind, flags, batches, rows, outputs, inputs, weight_pitch, split;
    int input_pitch, input_batch, output_pitch, output_batch;
    float scale, epsilon;
    const element* weight;
    long long weight_batch;
    // Row numbers: which features stand for a batch of W (DENSE, SUM), from where and to where rows go (COPY), the
    // first row of a row's window (MIX).
    const int* from;
    // Rows of a row's window (MIX); where rows go (COPY).
    const int* to;
    const float* bias;
    const float* norm_weight;
    const float* norm_bias;
    // Added to a row before its norm: row `code_rows[r]` of `codes`.
    const float* codes;
    const int* code_rows;
    const float* input;
    // Added to the result, laid out as the output. It may be the output, but then it may not be the input: blocks
    // still read that.
    const float* residual;
    float* output;
};

// Rows `first` to `first + 16` of a batch into shared memory, normed where the step says so; zeros where there
// are none.
__device__ void stage(const Step& step, int batch, int first, element* staged) {
    constexpr int PARTS = (MOST_INPUTS + WARP_THREADS - 1) / WARP_THREADS;
    const int warp = threadIdx.x / WARP_THREADS, lane = threadIdx.x % WARP_THREADS;
    const int count = step.inputs;
    for (int r = warp; r < TILE_ROWS; r += WARPS) {
        element* out = staged + r * INPUT_PITCH;
        const int row = first + r;
        if (row >= step.rows) {
            for (int c = lane; c < step.weight_pitch; c += WARP_THREADS) store(out + c, 0.0f);
            continue;
        }
        const float* in = step.input + (size_t)batch * step.input_batch + (size_t)row * step.input_pitch;
        float part[PARTS];
        float sum = 0.0f;
#pragma unroll
        for (int i = 0; i < PARTS; ++i) {
            const int c = i * WARP_THREADS + lane;
            part[i] = c < count ? in[c] : 0.0f;
            if (step.codes && c < count) part[i] += step.codes[(size_t)step.code_rows[row] * count + c];
            sum += part[i];
        }
        if (step.flags & WITH_NORM) {
            const float mean = warp_sum(sum) / count;
            sum = 0.0f;
#pragma unroll
            for (int i = 0; i < PARTS; ++i) {
                part[i] -= mean;
                sum += i * WARP_THREADS + lane < count ? part[i] * part[i] : 0.0f;
            }
            const float scale = rsqrtf(warp_sum(sum) / count + step.epsilon);
#pragma unroll
            for (int i = 0; i < PARTS; ++i) {
                const int c = i * WARP_THREADS + lane;
                if (c < count) part[i] = part[i] * scale * step.norm_weight[c] + step.norm_bias[c];
            }
        }
#pragma unroll
        for (int i = 0; i < PARTS; ++i) {
            const int c = i * WARP_THREADS + lane;
            if (c < step.weight_pitch) store(out + c, c < count ? part[i] : 0.0f);
        }
    }
}

// The warp's part of a tile's sums, every `split`-th chunk from `part` on. c[0], c[1] belong to row g and outputs 2t,
// 2t + 1 of the tile, c[2], c[3] to row g + 8, as in `multiply_add`. Rows of W behind the last are read from the last.
__device__ __forceinline__ void tile_sums(const Step& step, const element* weight, int first_output, int part,
                                          const element* staged, float (&c)[4]) {
    const int lane = threadIdx.x % WARP_THREADS, g = lane / 4, t = lane % 4;
#ifdef ELEMENT_F32
    const element* rows[2];
    for (int n = 0; n < 2; ++n) {
        rows[n] = weight + (size_t)min(first_output + 2 * t + n, step.outputs - 1) * step.weight_pitch;
    }
    for (int chunk = part * CHUNK; chunk < step.weight_pitch; chunk += step.split * CHUNK) {
        for (int k = chunk; k < chunk + CHUNK; ++k) {
            for (int n = 0; n < 2; ++n) {
                c[n] += staged[g * INPUT_PITCH + k] * rows[n][k];
                c[2 + n] += staged[(g + 8) * INPUT_PITCH + k] * rows[n][k];
            }
        }
    }
#else
    const element* row = weight + (size_t)min(first_output + g, step.outputs - 1) * step.weight_pitch + 8 * t;
    const element* upper = staged + g * INPUT_PITCH + 8 * t;
    const element* lower = upper + 8 * INPUT_PITCH;
#pragma unroll 4
    for (int chunk = part * CHUNK; chunk < step.weight_pitch; chunk += step.split * CHUNK) {
        const uint4 w = *reinterpret_cast<const uint4*>(row + chunk);
        const uint4 a = *reinterpret_cast<const uint4*>(upper + chunk);
        const uint4 b = *reinterpret_cast<const uint4*>(lower + chunk);
        const unsigned first[4] = {a.x, b.x, a.y, b.y}, second[4] = {a.z, b.z, a.w, b.w};
        multiply_add(c, first, w.x, w.y);
        multiply_add(c, second, w.z, w.w);
    }
#endif
}

__device__ void dense(const Step& step, element* staged, float* parts) {
    const int warp = threadIdx.x / WARP_THREADS, lane = threadIdx.x % WARP_THREADS;
    const int at_once = WARPS / step.split, tile = warp / step.split, part = warp % step.split;
    const int groups = (step.outputs + TILE_OUTPUTS * at_once - 1) / (TILE_OUTPUTS * at_once);
    const int row_tiles = (step.rows + TILE_ROWS - 1) / TILE_ROWS;
    const int works = groups * row_tiles * step.batches;
    int staged_is = -1;
    for (int work = blockIdx.x; work < works; work += gridDim.x) {
        const int rows_of = work / groups, batch = rows_of / row_tiles, first_row = rows_of % row_tiles * TILE_ROWS;
        if (rows_of != staged_is) {
            // Nobody may still read what lay there.
            __syncthreads();
            stage(step, batch, first_row, staged);
            __syncthreads();
            staged_is = rows_of;
        }
        const long long which = step.from ? step.from[batch] : batch;
        const element* weight = step.weight + which * step.weight_batch;
        const int first_output = (work % groups * at_once + tile) * TILE_OUTPUTS;
        float c[4] = {0.0f, 0.0f, 0.0f, 0.0f};
        tile_sums(step, weight, first_output, part, staged, c);
        if (step.split > 1) {
#pragma unroll
            for (int i = 0; i < 4; ++i) parts[(warp * 4 + i) * WARP_THREADS + lane] = c[i];
            __syncthreads();
            if (part == 0) {
#pragma unroll
                for (int i = 0; i < 4; ++i) {
                    for (int p = 1; p < step.split; ++p) c[i] += parts[((warp + p) * 4 + i) * WARP_THREADS + lane];
                }
            }
            __syncthreads();
        }
        if (part != 0) continue;
#pragma unroll
        for (int i = 0; i < 4; ++i) {
            const int row = first_row + lane / 4 + i / 2 * 8, output = first_output + lane % 4 * 2 + i % 2;
            if (row >= step.rows || output >= step.outputs) continue;
            float value = c[i] * step.scale + (step.bias ? step.bias[output] : 0.0f);
            if (step.flags & WITH_GELU) value = gelu(value);
            const size_t at = (size_t)batch * step.output_batch + (size_t)row * step.output_pitch + output;
            step.output[at] = step.residual ? step.residual[at] + value : value;
        }
    }
}

// `inputs` are the tokens of a frame, `outputs` the numbers of each, `rows` the heads.
__device__ void sum(const Step& step, float* shares, float* parts) {
    const int warp = threadIdx.x / WARP_THREADS, lane = threadIdx.x % WARP_THREADS;
    const int slices = (step.outputs + SUM_COLUMNS - 1) / SUM_COLUMNS;
    int shares_are = -1;
    for (int work = blockIdx.x; work < slices * step.batches; work += gridDim.x) {
        const int batch = work / slices, column = work % slices * SUM_COLUMNS + 4 * lane;
        __syncthreads();
        if (batch != shares_are) {
            for (int head = warp; head < HEADS; head += WARPS) {
                const float* score = step.input + (size_t)batch * step.input_batch + head * step.input_pitch;
                float most = -INFINITY, total = 0.0f;
                for (int t = lane; t < step.inputs; t += WARP_THREADS) most = fmaxf(most, score[t]);
                most = warp_max(most);
                for (int t = lane; t < step.inputs; t += WARP_THREADS) total += expf(score[t] - most);
                total = warp_sum(total);
                for (int t = lane; t < step.inputs; t += WARP_THREADS) {
                    shares[t * HEADS + head] = expf(score[t] - most) / total;
                }
            }
            shares_are = batch;
            __syncthreads();
        }
        const long long which = step.from ? step.from[batch] : batch;
        const element* features = step.weight + which * step.weight_batch + column;
        float mixed[HEADS][4] = {};
        if (column < step.outputs) {
#pragma unroll 4
            for (int t = warp; t < step.inputs; t += WARPS) {
                const float4 feature = load_four(features + (size_t)t * step.weight_pitch);
#pragma unroll
                for (int head = 0; head < HEADS; ++head) {
                    const float share = shares[t * HEADS + head];
                    mixed[head][0] += share * feature.x;
                    mixed[head][1] += share * feature.y;
                    mixed[head][2] += share * feature.z;
                    mixed[head][3] += share * feature.w;
                }
            }
        }
#pragma unroll
        for (int head = 0; head < HEADS; ++head) {
            float4 four;
            four.x = mixed[head][0];
            four.y = mixed[head][1];
            four.z = mixed[head][2];
            four.w = mixed[head][3];
            store_four(parts + (warp * HEADS + head) * SUM_COLUMNS + 4 * lane, four);
        }
        __syncthreads();
        for (int i = threadIdx.x; i < HEADS * SUM_COLUMNS; i += THREADS) {
            const int head = i / SUM_COLUMNS, to = work % slices * SUM_COLUMNS + i % SUM_COLUMNS;
            if (to >= step.outputs) continue;
            float total = 0.0f;
            for (int w = 0; w < WARPS; ++w) total += parts[w * HEADS * SUM_COLUMNS + i];
            step.output[(size_t)batch * step.output_batch + head * step.output_pitch + to] = total;
        }
    }
}

// Rows hold queries, keys and values of `outputs` numbers each, all heads; a warp is one head of one row. A window
// has at most as many frames as a warp has lanes.
__device__ void mix(const Step& step) {
    const int lane = threadIdx.x % WARP_THREADS, size = step.outputs / HEADS;
    const int first_warp = blockIdx.x * WARPS + threadIdx.x / WARP_THREADS;
    for (int work = first_warp; work < step.rows * HEADS; work += gridDim.x * WARPS) {
        const int row = work / HEADS, head = work % HEADS;
        const int frames = step.to[row];
        const float* query = step.input + (size_t)row * step.input_pitch + head * size;
        const float* window = step.input + (size_t)step.from[row] * step.input_pitch + head * size;
        float own = -INFINITY;
        for (int j = 0; j < frames; ++j) {
            const float* key = window + (size_t)j * step.input_pitch + step.outputs;
            float product = 0.0f;
            for (int d = lane; d < size; d += WARP_THREADS) product += query[d] * key[d];
            product = warp_sum(product) * step.scale;
            if (lane == j) own = product;
        }
        const float most = warp_max(own);
        own = lane < frames ? expf(own - most) : 0.0f;
        own /= warp_sum(own);
        // Every lane takes part in every exchange.
        for (int first = 0; first < size; first += WARP_THREADS) {
            const int d = first + lane;
            float mixed = 0.0f;
            for (int j = 0; j < frames; ++j) {
                const float share = __shfl_sync(ALL_LANES, own, j);
                if (d < size) mixed += share * window[(size_t)j * step.input_pitch + 2 * step.outputs + d];
            }
            if (d < size) step.output[(size_t)row * step.output_pitch + head * size + d] = mixed;
        }
    }
}

__device__ void copy(const Step& step) {
    for (int i = blockIdx.x * THREADS + threadIdx.x; i < step.rows * step.outputs; i += gridDim.x * THREADS) {
        const int row = i / step.outputs, column = i % step.outputs;
        const size_t from = step.from ? step.from[row] : row, to = step.to ? step.to[row] : row;
        step.output[to * step.output_pitch + column] = step.input[from * step.input_pitch + column];
    }
}

// `arrived` is zero before the launch, and after it.
extern "C" __global__ void __launch_bounds__(THREADS) decode(const Step* steps, int count, unsigned* arrived) {
    SHARED(unsigned char, memory);
    float* parts = reinterpret_cast<float*>(memory);
    float* shares = parts + WARPS * HEADS * SUM_COLUMNS;
    // Rows of a DENSE step and the shares of a SUM are never needed together.
    element* staged = reinterpret_cast<element*>(shares);
    for (int i = 0; i < count; ++i) {
        const Step& step = steps[i];
        if (step.kind == DENSE) {
            dense(step, staged, parts);
        } else if (step.kind == SUM) {
            sum(step, shares, parts);
        } else if (step.kind == MIX) {
            mix(step);
        } else {
            copy(step);
        }
        wait_for_all_blocks(arrived, i + 1);
    }
    // Everybody has seen the last number before the first block to come here a second time makes it the last.
    if (threadIdx.x == 0 && atomicAdd(arrived + 1, 1u) == gridDim.x - 1) {
        arrived[0] = 0;
        arrived[1] = 0;
    }
}
