// Posed hands: rotations from their 6D form, forward kinematics, shape and pose blend shapes, linear blend skinning
// (Loper et al. 2015, eq. 2-9; Romero et al. 2017), the 21 key points; left hands mirrored.
//
// A block is 64 vertices of one hand, one thread one coordinate before skinning; the kinematic chain is computed by
// every block, which is cheaper than a launch of its own. Blend shapes are one plane of 3 V numbers each, so that
// neighbouring threads read neighbouring numbers.
//
// MANO, 778 vertices, two hands: 146 planes x 2334 x 4 bytes = 1.4 MB, read once from memory and once from the cache:
// floor at 3.0 TB/s 0.5 us; 2 x 2334 x (145 + 40) x 2 = 1.7 MFLOP.
// Measured: not run.
#include "common.cuh"

constexpr int JOINTS = 16, SHAPES = 10, FINGERS = 5, POINTS = 21;
constexpr int FEATURES = 9 * (JOINTS - 1);
constexpr int VERTICES_AT_ONCE = 64;
constexpr int THREADS = 3 * VERTICES_AT_ONCE;
constexpr int SIX = 6;

struct Model {
    // [3 V], [10][3 V], [135][3 V] or null, [V][16].
    const float *rest, *shape, *pose, *weights;
    // [16][3], [16][10][3].
    const float *joints, *joint_shape;
    // Parent of each joint, -1 for the wrist; the vertices at the five finger tips; where each of 16 joints and 5
    // tips goes among the key points.
    const int *parents, *tips, *point_of;
    int vertices;
};

__device__ __forceinline__ void rotation_from_six(const float* six, float* r) {
    float a[3], b[3];
    float length = 0.0f, along = 0.0f;
    for (int i = 0; i < 3; ++i) length += six[i] * six[i];
    length = fmaxf(sqrtf(length), 1e-12f);
    for (int i = 0; i < 3; ++i) a[i] = six[i] / length;
    for (int i = 0; i < 3; ++i) along += a[i] * six[3 + i];
    length = 0.0f;
    for (int i = 0; i < 3; ++i) {
        b[i] = six[3 + i] - along * a[i];
        length += b[i] * b[i];
    }
    length = fmaxf(sqrtf(length), 1e-12f);
    for (int i = 0; i < 3; ++i) b[i] /= length;
    for (int i = 0; i < 3; ++i) {
        const int j = (i + 1) % 3, k = (i + 2) % 3;
        r[3 * i] = a[i];
        r[3 * i + 1] = b[i];
        r[3 * i + 2] = a[j] * b[k] - a[k] * b[j];
    }
}

// Hand h has its rotations at `rotations + h * pitch`, its shape at `betas + h * pitch`.
extern "C" __global__ void __launch_bounds__(THREADS)
    pose_hands(Model model, const float* rotations, const float* betas, int pitch, const float* translations,
               const int* left, float* vertices, float* points) {
    SHARED(float, memory);
    float* own = memory;                  // [16][9]: rotations of the joints themselves, rows first
    float* chained = own + JOINTS * 9;    // [16][9]
    float* resting = chained + JOINTS * 9;  // [16][3]
    float* placed = resting + JOINTS * 3;   // [16][3]
    float* moved = placed + JOINTS * 3;     // [16][3]: where a joint's bone takes the origin
    float* blended = moved + JOINTS * 3;    // [192]
    const int hand = blockIdx.y, thread = threadIdx.x;
    const float* six = rotations + (size_t)hand * pitch;
    const float* beta = betas + (size_t)hand * pitch;
    const float turn = left[hand] ? -1.0f : 1.0f;
    const float* translation = translations + 3 * hand;
    if (thread < JOINTS) {
        rotation_from_six(six + SIX * thread, own + 9 * thread);
        for (int i = 0; i < 3; ++i) {
            float at = model.joints[3 * thread + i];
            for (int k = 0; k < SHAPES; ++k) at += model.joint_shape[(thread * SHAPES + k) * 3 + i] * beta[k];
            resting[3 * thread + i] = at;
        }
    }
    __syncthreads();
    // One thread per number of a matrix or a place: a joint after its parent.
    for (int joint = 0; joint < JOINTS; ++joint) {
        const int parent = model.parents[joint];
        if (thread < 9) {
            const int row = thread / 3, column = thread % 3;
            float value = own[9 * joint + thread];
            if (parent >= 0) {
                value = 0.0f;
                for (int k = 0; k < 3; ++k) value += chained[9 * parent + 3 * row + k] * own[9 * joint + 3 * k + column];
            }
            chained[9 * joint + thread] = value;
        } else if (thread >= WARP_THREADS && thread < WARP_THREADS + 3) {
            const int row = thread - WARP_THREADS;
            float value = resting[3 * joint + row];
            if (parent >= 0) {
                value = placed[3 * parent + row];
                for (int k = 0; k < 3; ++k) {
                    value += chained[9 * parent + 3 * row + k] * (resting[3 * joint + k] - resting[3 * parent + k]);
                }
            }
            placed[3 * joint + row] = value;
        }
        __syncthreads();
    }
    if (thread < 3 * JOINTS) {
        const int joint = thread / 3, row = thread % 3;
        float value = placed[thread];
        for (int k = 0; k < 3; ++k) value -= chained[9 * joint + 3 * row + k] * resting[3 * joint + k];
        moved[thread] = value;
        if (blockIdx.x == 0) {
            const float out = placed[thread] + translation[row] * (row == 0 ? turn : 1.0f);
            points[(hand * POINTS + model.point_of[joint]) * 3 + row] = row == 0 ? turn * out : out;
        }
    }

    const int numbers = 3 * model.vertices, number = blockIdx.x * THREADS + thread;
    if (number < numbers) {
        float value = model.rest[number];
#pragma unroll
        for (int k = 0; k < SHAPES; ++k) value += model.shape[(size_t)k * numbers + number] * beta[k];
        if (model.pose) {
#pragma unroll 9
            for (int k = 0; k < FEATURES; ++k) {
                const float feature = own[9 + k] - (k % 9 % 4 == 0 ? 1.0f : 0.0f);
                value += model.pose[(size_t)k * numbers + number] * feature;
            }
        }
        blended[thread] = value;
    }
    __syncthreads();
    if (number >= numbers) return;
    const int vertex = number / 3, row = number % 3;
    const float* point = blended + thread - row;
    float value = 0.0f;
    for (int joint = 0; joint < JOINTS; ++joint) {
        const float weight = model.weights[vertex * JOINTS + joint];
        float at = moved[3 * joint + row];
        for (int k = 0; k < 3; ++k) at += chained[9 * joint + 3 * row + k] * point[k];
        value += weight * at;
    }
    value += translation[row] * (row == 0 ? turn : 1.0f);
    if (row == 0) value *= turn;
    vertices[(size_t)hand * numbers + number] = value;
    for (int finger = 0; finger < FINGERS; ++finger) {
        if (model.tips[finger] == vertex) {
            points[(hand * POINTS + model.point_of[JOINTS + finger]) * 3 + row] = value;
        }
    }
}
