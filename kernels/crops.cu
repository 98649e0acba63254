// Pictures for the backbone: a camera frame to N normalised, mirrored crops in one launch, each cut into the
// patches that the first product reads; and pictures that were cut elsewhere to the same patches.
//
// A crop is upright, so that sampling, blur, mirror and border are two lists of shares, one per axis, which the
// host plans: output pixel (x, y) is the sum of `taps` rows and columns of the frame from `start` on, each times its
// share. The result is [N * 192, 3 * 16 * 16]: token by token, colour by colour, row by row. Patches begin 2 pixels
// outside of the picture, where they are zero.
//
// One block is one patch of one crop, one thread one of its pixels.
//
// 4 crops of a 1280x720 frame, two taps:
//   bytes: at most 2.8 MB of frame and 4 * 192 * 768 * 2 = 1.2 MB of patches; floor at 3.0 TB/s 1.3 us.
//   operations: 4 * 147456 * 3 colours * 6 = 11 MFLOP: 0.2 us at 60 TFLOP/s.
// Measured: not run.
#include "common.cuh"

constexpr int COLUMNS = 192, ROWS = 256;
constexpr int GRID_COLUMNS = 12, TOKENS = 192, PATCH = 16, PADDING = 2, COLOURS = 3;
constexpr int PATCH_PIXELS = PATCH * PATCH;

// How a frame's bytes lie.
enum Layout { RGB = 0, NV12 = 1, YUYV = 2 };

struct Frame {
    const unsigned char* bytes;
    int layout, width, height;
};

// The plan of one crop: taps of both axes, where its shares begin, whether colours are rounded to whole steps; then
// the first source column of each output column and the first source row of each output row. Shares of columns
// come first, `taps` for each output.
constexpr int PLAN_HEAD = 4;
constexpr int PLAN = PLAN_HEAD + COLUMNS + ROWS;

struct Normal {
    float factor[COLOURS], offset[COLOURS];
};

__device__ __forceinline__ float within_byte(int value) { return (float)min(max(value >> 8, 0), 255); }

// ITU-R BT.601, limited range, in steps of 1/256.
__device__ __forceinline__ void from_yuv(int y, int u, int v, float (&rgb)[COLOURS]) {
    const int c = 298 * (y - 16) + 128, d = u - 128, e = v - 128;
    rgb[0] = within_byte(c + 409 * e);
    rgb[1] = within_byte(c - 100 * d - 208 * e);
    rgb[2] = within_byte(c + 516 * d);
}

__device__ __forceinline__ void read_pixel(const Frame& frame, int x, int y, float (&rgb)[COLOURS]) {
    const size_t width = frame.width;
    if (frame.layout == RGB) {
        const unsigned char* pixel = frame.bytes + (y * width + x) * COLOURS;
        for (int c = 0; c < COLOURS; ++c) rgb[c] = pixel[c];
    } else if (frame.layout == NV12) {
        const unsigned char* colour = frame.bytes + frame.height * width + y / 2 * width + x / 2 * 2;
        from_yuv(frame.bytes[y * width + x], colour[0], colour[1], rgb);
    } else {
        const unsigned char* pair = frame.bytes + (y * width + x / 2 * 2) * 2;
        from_yuv(pair[x % 2 * 2], pair[1], pair[3], rgb);
    }
}

extern "C" __global__ void __launch_bounds__(PATCH_PIXELS)
    crop_patches(const unsigned char* bytes, int layout, int width, int height, const int* plans,
                 const float* shares, Normal normal, element* patches) {
    const int token = blockIdx.x, crop = blockIdx.y;
    const int y = token / GRID_COLUMNS * PATCH + threadIdx.x / PATCH - PADDING;
    const int x = token % GRID_COLUMNS * PATCH + threadIdx.x % PATCH - PADDING;
    const Frame frame = {bytes, layout, width, height};
    const int* plan = plans + (size_t)crop * PLAN;
    const int column_taps = plan[0], row_taps = plan[1];
    float sum[COLOURS] = {0.0f, 0.0f, 0.0f};
    const bool inside = x >= 0 && y >= 0;
    if (inside) {
        const int left = plan[PLAN_HEAD + x], top = plan[PLAN_HEAD + COLUMNS + y];
        const float* of_columns = shares + plan[2] + (size_t)x * column_taps;
        const float* of_rows = shares + plan[2] + (size_t)COLUMNS * column_taps + (size_t)y * row_taps;
        for (int i = 0; i < column_taps; ++i) {
            float mixed[COLOURS] = {0.0f, 0.0f, 0.0f};
            for (int j = 0; j < row_taps; ++j) {
                float rgb[COLOURS];
                read_pixel(frame, left + i, top + j, rgb);
                for (int c = 0; c < COLOURS; ++c) mixed[c] += rgb[c] * of_rows[j];
            }
            for (int c = 0; c < COLOURS; ++c) sum[c] += mixed[c] * of_columns[i];
        }
    }
    element* patch = patches + ((size_t)crop * TOKENS + token) * COLOURS * PATCH_PIXELS + threadIdx.x;
    for (int c = 0; c < COLOURS; ++c) {
        // Halves upward; sums are multiples of 1/1024 that may be off by a rounding.
        const float colour = plan[3] ? floorf(sum[c] + 0.5f + 1.0f / 2048.0f) : sum[c];
        store(patch + c * PATCH_PIXELS, inside ? colour * normal.factor[c] + normal.offset[c] : 0.0f);
    }
}

extern "C" __global__ void __launch_bounds__(PATCH_PIXELS) cut_patches(const float* pictures, element* patches) {
    const int token = blockIdx.x, picture = blockIdx.y;
    const int y = token / GRID_COLUMNS * PATCH + threadIdx.x / PATCH - PADDING;
    const int x = token % GRID_COLUMNS * PATCH + threadIdx.x % PATCH - PADDING;
    element* patch = patches + ((size_t)picture * TOKENS + token) * COLOURS * PATCH_PIXELS + threadIdx.x;
    for (int c = 0; c < COLOURS; ++c) {
        const float* plane = pictures + ((size_t)picture * COLOURS + c) * ROWS * COLUMNS;
        store(patch + c * PATCH_PIXELS, x >= 0 && y >= 0 ? plane[y * COLUMNS + x] : 0.0f);
    }
}
