// What all kernels share: 16-bit floats, the tensor cores and the asynchronous copies, each of which has a form
// for the host that moves the same numbers between the same threads.
#pragma once
#ifdef HANDSTREAM_HOST
#include "host/cuda_host.h"
#else
// All shared memory is given at launch; a kernel divides it itself.
#define SHARED(type, name)                                                                                      \
    extern __shared__ __align__(16) unsigned char name##_bytes[];                                               \
    type* name = reinterpret_cast<type*>(name##_bytes)
#ifndef INFINITY
#define INFINITY __int_as_float(0x7f800000)
#endif
#endif

// A 16-bit float: the upper half of a 32-bit one, or, where a kernel is compiled for it, IEEE's.
struct short_float {
    unsigned short bits;
};

// What matrices and activations are kept in: 16 bits, or 32 where a kernel is compiled for exactness.
#ifdef ELEMENT_F32
typedef float element;
#else
typedef short_float element;
#endif

constexpr int WARP_THREADS = 32;
constexpr unsigned ALL_LANES = 0xffffffffu;

union FloatBits {
    float value;
    unsigned bits;
};

__device__ __forceinline__ float to_float(float x) { return x; }

__device__ __forceinline__ float to_float(short_float x) {
    FloatBits wide;
#ifndef ELEMENT_F16
    wide.bits = unsigned(x.bits) << 16;
#elif defined(HANDSTREAM_HOST)
    const unsigned sign = (x.bits & 0x8000u) << 16, exponent = x.bits >> 10 & 31, fraction = x.bits & 1023;
    if (exponent == 0) {
        wide.value = float(fraction) * 0x1p-24f;
        wide.bits |= sign;
    } else {
        wide.bits = sign | (exponent == 31 ? 255 : exponent + 112) << 23 | fraction << 13;
    }
#else
    asm("cvt.f32.f16 %0, %1;" : "=f"(wide.value) : "h"(x.bits));
#endif
    return wide.value;
}

#ifdef HANDSTREAM_HOST
// Rounded to nearest even.
inline unsigned short_bits(float x) {
    FloatBits wide;
    wide.value = x;
#ifndef ELEMENT_F16
    return x != x ? 0x7fff : (wide.bits + 0x7fff + (wide.bits >> 16 & 1)) >> 16;
#else
    const unsigned sign = wide.bits >> 16 & 0x8000;
    FloatBits size;
    size.bits = wide.bits & 0x7fffffff;
    if (x != x) return 0x7fff;
    // Halfway from the largest number to the next power of two.
    if (size.value >= 65520.0f) return sign | 0x7c00;
    if (size.value < 0x1p-14f) return sign | unsigned(nearbyintf(size.value * 0x1p24f));
    return sign | (size.bits + 0xfff + (size.bits >> 13 & 1) - 0x38000000) >> 13;
#endif
}
#endif

// Two floats, rounded to nearest even, in one word; `low` comes first in memory.
__device__ __forceinline__ unsigned pack_pair(float low, float high) {
#ifdef HANDSTREAM_HOST
    return short_bits(low) | short_bits(high) << 16;
#else
    unsigned word;
#ifdef ELEMENT_F16
    asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(word) : "f"(high), "f"(low));
#else
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(word) : "f"(high), "f"(low));
#endif
    return word;
#endif
}

// The two numbers of a word.
__device__ __forceinline__ float low_of(unsigned word) { return to_float(short_float{(unsigned short)word}); }
__device__ __forceinline__ float high_of(unsigned word) { return to_float(short_float{(unsigned short)(word >> 16)}); }

__device__ __forceinline__ void store(float* place, float x) { *place = x; }
__device__ __forceinline__ void store(short_float* place, float x) { place->bits = (unsigned short)pack_pair(x, 0.0f); }

__device__ __forceinline__ void store_pair(float* place, float a, float b) {
    place[0] = a;
    place[1] = b;
}

// `place` lies on a multiple of four bytes.
__device__ __forceinline__ void store_pair(short_float* place, float a, float b) {
    *reinterpret_cast<unsigned*>(place) = pack_pair(a, b);
}

__device__ __forceinline__ float4 load_four(const float* place) { return *reinterpret_cast<const float4*>(place); }

// `place` lies on a multiple of eight bytes.
__device__ __forceinline__ float4 load_four(const short_float* place) {
    const uint2 words = *reinterpret_cast<const uint2*>(place);
    float4 four;
    four.x = low_of(words.x);
    four.y = high_of(words.x);
    four.z = low_of(words.y);
    four.w = high_of(words.y);
    return four;
}

__device__ __forceinline__ void store_four(float* place, float4 four) { *reinterpret_cast<float4*>(place) = four; }

__device__ __forceinline__ void store_four(short_float* place, float4 four) {
    uint2 words;
    words.x = pack_pair(four.x, four.y);
    words.y = pack_pair(four.z, four.w);
    *reinterpret_cast<uint2*>(place) = words;
}

__device__ __forceinline__ float warp_sum(float x) {
    for (int mask = WARP_THREADS / 2; mask > 0; mask /= 2) x += __shfl_xor_sync(ALL_LANES, x, mask);
    return x;
}

__device__ __forceinline__ float warp_max(float x) {
    for (int mask = WARP_THREADS / 2; mask > 0; mask /= 2) x = fmaxf(x, __shfl_xor_sync(ALL_LANES, x, mask));
    return x;
}

// The exact GELU, x Phi(x).
__device__ __forceinline__ float gelu(float x) { return 0.5f * x * (1.0f + erff(x * 0.70710678f)); }

// c += A B for A of 16 rows and 16 columns, B of 16 rows and 8 columns. With g = lane / 4 and t = lane % 4 a lane
// holds of A the pairs of columns 2t and 2t + 8 of the rows g and g + 8 (a[0]: row g, column 2t; a[1]: row g + 8;
// a[2], a[3]: column 2t + 8), of B the pairs of rows 2t and 2t + 8 of column g, of c the pairs of columns 2t of the
// rows g (c[0], c[1]) and g + 8.
__device__ __forceinline__ void multiply_add(float (&c)[4], const unsigned (&a)[4], unsigned b0, unsigned b1) {
#ifdef HANDSTREAM_HOST
    struct Held {
        unsigned a[4], b[2];
    };
    const Held held = {{a[0], a[1], a[2], a[3]}, {b0, b1}};
    const auto all = host::show(held);
    const unsigned g = host::self->lane() / 4, t = host::self->lane() % 4;
    const auto half = [](unsigned word, int i) { return i == 0 ? low_of(word) : high_of(word); };
    for (unsigned u = 0; u < 4; ++u) {
        const Held of_a = all.of(4 * g + u);
        for (unsigned n = 0; n < 2; ++n) {
            const Held of_b = all.of(4 * (2 * t + n) + u);
            for (int i = 0; i < 2; ++i) {
                c[n] += half(of_a.a[0], i) * half(of_b.b[0], i) + half(of_a.a[2], i) * half(of_b.b[1], i);
                c[2 + n] += half(of_a.a[1], i) * half(of_b.b[0], i) + half(of_a.a[3], i) * half(of_b.b[1], i);
            }
        }
    }
#else
#ifdef ELEMENT_F16
#define SHORT_FLOATS "f16.f16"
#else
#define SHORT_FLOATS "bf16.bf16"
#endif
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32." SHORT_FLOATS
        ".f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
#endif
}

#ifndef HANDSTREAM_HOST
__device__ __forceinline__ unsigned shared_address(const void* place) {
    return (unsigned)__cvta_generic_to_shared(place);
}
#endif

// Four matrices of 8 rows of 8 halves. Lane 8m + r gives the address of row r of matrix m in shared memory, on a
// multiple of 16 bytes; out[m] is the pair of columns 2t of row g of matrix m, or, turned, of rows 2t of column g.
template <bool TURNED> __device__ __forceinline__ void load_matrices(unsigned (&out)[4], const void* row) {
#ifdef HANDSTREAM_HOST
    const auto all = host::show(static_cast<const unsigned short*>(row));
    const unsigned g = host::self->lane() / 4, t = host::self->lane() % 4;
    for (unsigned m = 0; m < 4; ++m) {
        const auto at = [&](unsigned r, unsigned c) { return unsigned(all.of(8 * m + r)[c]); };
        out[m] = TURNED ? at(2 * t, g) | at(2 * t + 1, g) << 16 : at(g, 2 * t) | at(g, 2 * t + 1) << 16;
    }
    __syncwarp();
#else
    if (TURNED) {
        asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
                     : "=r"(out[0]), "=r"(out[1]), "=r"(out[2]), "=r"(out[3])
                     : "r"(shared_address(row))
                     : "memory");
    } else {
        asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
                     : "=r"(out[0]), "=r"(out[1]), "=r"(out[2]), "=r"(out[3])
                     : "r"(shared_address(row))
                     : "memory");
    }
#endif
}

// Starts to copy 16 bytes from global to shared memory, both on multiples of 16 bytes.
__device__ __forceinline__ void start_copy(void* shared, const void* global) {
#ifdef HANDSTREAM_HOST
    memcpy(shared, global, 16);
#else
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(shared_address(shared)), "l"(global) : "memory");
#endif
}

// Waits for all copies that this thread started; a barrier then shows them to the block.
__device__ __forceinline__ void finish_copies() {
#ifndef HANDSTREAM_HOST
    asm volatile("cp.async.wait_all;" ::: "memory");
#endif
}

// Waits until all blocks of a cooperative launch have come here `round` times. `arrived` is zero before the launch.
__device__ __forceinline__ void wait_for_all_blocks(unsigned* arrived, unsigned round) {
    __syncthreads();
    if (threadIdx.x == 0) {
        __threadfence();
        atomicAdd(arrived, 1u);
        const unsigned wanted = round * gridDim.x;
#ifdef HANDSTREAM_HOST
        while (*arrived < wanted) host::give_way();
#else
        unsigned seen;
        do {
            asm volatile("ld.acquire.gpu.global.u32 %0, [%1];" : "=r"(seen) : "l"(arrived) : "memory");
        } while (seen < wanted);
        __threadfence();
#endif
    }
    __syncthreads();
}
