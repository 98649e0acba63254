// CUDA C++ on a processor, for tests: every thread of a block is a fibre, blocks run one after the other, or all
// at once where a launch is cooperative. Barriers and warp exchanges are real: a thread goes on when the others
// it waits for have come, and threads that wait for each other for ever end the program with a sentence.
//
// A fibre runs until it waits, so that of races it shows only those that another order of the threads brings out; it
// knows nothing of the memory model and of time.
#pragma once
#include <csetjmp>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <mutex>
#include <ucontext.h>
#include <utility>
#include <vector>

#define __global__
#define __device__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __align__(bytes) alignas(bytes)

struct dim3 {
    unsigned x, y, z;
};
struct float2 {
    float x, y;
};
struct float4 {
    float x, y, z, w;
};
struct uint2 {
    unsigned x, y;
};
struct uint4 {
    unsigned x, y, z, w;
};

static dim3 threadIdx, blockIdx, blockDim, gridDim;

namespace host {

constexpr unsigned WARP = 32;
constexpr size_t STACK_BYTES = 128 << 10;
/// The largest thing that a thread shows the other threads of its warp.
constexpr size_t EXCHANGE_BYTES = 64;

/// Threads that wait for each other.
struct Barrier {
    unsigned expected = 0, arrived = 0, round = 0;

    void open_if_all_came() {
        if (expected > 0 && arrived == expected) {
            arrived = 0;
            ++round;
        }
    }
};

struct Warp {
    Barrier barrier;
    /// Two, so that a thread may show something new while another still looks at what it showed before.
    alignas(16) unsigned char shown[2][WARP][EXCHANGE_BYTES];
};

struct Block {
    dim3 index;
    Barrier barrier;
    std::vector<Warp> warps;
    std::unique_ptr<unsigned char[]> shared;
};

struct Thread {
    ucontext_t start;
    jmp_buf state;
    std::unique_ptr<char[]> stack;
    dim3 index;
    Block* block = nullptr;
    unsigned number = 0, exchanges = 0;
    bool started = false, done = false;
    /// The barrier that it waits at, and the round that it came in.
    const Barrier* waits = nullptr;
    unsigned since = 0;

    Warp& warp() { return block->warps[number / WARP]; }
    unsigned lane() const { return number % WARP; }
};

static std::vector<std::unique_ptr<Thread>> threads;
static Thread* self = nullptr;
static jmp_buf scheduler;
static std::function<void()> body;
/// Threads take their turns forwards and backwards: what one must not read before another has written it is sometimes
/// read before, and shows itself in the results.
static bool backwards = false;
static std::mutex one_at_a_time;

/// Back to the scheduler, which goes on with the next thread.
inline void give_way() {
    if (_setjmp(self->state) == 0) _longjmp(scheduler, 1);
}

inline void wait_at(Barrier& barrier) {
    self->waits = &barrier;
    self->since = barrier.round;
    ++barrier.arrived;
    barrier.open_if_all_came();
    if (barrier.round == self->since) give_way();
    self->waits = nullptr;
}

/// A thread that has ended is waited for no more.
inline void leave(Barrier& barrier) {
    --barrier.expected;
    barrier.open_if_all_came();
}

inline void run_thread() {
    body();
    self->done = true;
    leave(self->block->barrier);
    leave(self->warp().barrier);
    _longjmp(scheduler, 1);
}

inline void resume(Thread& thread) {
    self = &thread;
    threadIdx = thread.index;
    blockIdx = thread.block->index;
    if (_setjmp(scheduler) == 0) {
        if (thread.started) _longjmp(thread.state, 1);
        thread.started = true;
        setcontext(&thread.start);
    }
}

/// Shows a value to the warp, and returns what `lane` shows.
template <class T> struct Shown {
    const unsigned char (*all)[EXCHANGE_BYTES];

    T of(unsigned lane) const {
        T value;
        memcpy(&value, all[lane], sizeof value);
        return value;
    }
};

template <class T> Shown<T> show(const T& value) {
    static_assert(sizeof(T) <= EXCHANGE_BYTES, "too large to be shown");
    Warp& warp = self->warp();
    auto* all = warp.shown[self->exchanges++ % 2];
    memcpy(all[self->lane()], &value, sizeof value);
    wait_at(warp.barrier);
    return {all};
}

/// Runs all threads of these blocks to their ends.
inline void run_blocks(std::vector<Block>& blocks, unsigned per_block, size_t shared_bytes) {
    while (threads.size() < blocks.size() * per_block) {
        threads.push_back(std::make_unique<Thread>());
        threads.back()->stack.reset(new char[STACK_BYTES]);
    }
    size_t count = 0;
    for (Block& block : blocks) {
        block.barrier = {per_block};
        block.warps.resize((per_block + WARP - 1) / WARP);
        // What nobody wrote is no zero: a value that is no number shows itself in the results.
        memset(block.shared.get(), 0xff, shared_bytes);
        for (unsigned i = 0; i < per_block; ++i) {
            Thread& thread = *threads[count++];
            thread.index = {i % blockDim.x, i / blockDim.x % blockDim.y, i / blockDim.x / blockDim.y};
            thread.block = &block;
            thread.number = i;
            thread.exchanges = 0;
            thread.started = thread.done = false;
            thread.waits = nullptr;
            getcontext(&thread.start);
            thread.start.uc_stack.ss_sp = thread.stack.get();
            thread.start.uc_stack.ss_size = STACK_BYTES;
            thread.start.uc_link = nullptr;
            makecontext(&thread.start, run_thread, 0);
        }
        for (unsigned w = 0; w < block.warps.size(); ++w) {
            block.warps[w].barrier = {std::min(WARP, per_block - w * WARP)};
        }
    }
    for (size_t left = count; left > 0; backwards = !backwards) {
        bool moved = false;
        for (size_t i = 0; i < count; ++i) {
            Thread& thread = *threads[backwards ? count - 1 - i : i];
            if (thread.done || (thread.waits && thread.waits->round == thread.since)) continue;
            resume(thread);
            moved = true;
            left -= thread.done;
        }
        if (!moved) {
            fprintf(stderr, "threads of a kernel wait for each other for ever\n");
            abort();
        }
    }
}

inline void launch(const unsigned* grid, const unsigned* block, unsigned shared_bytes, bool cooperative,
                   std::function<void()> kernel) {
    std::lock_guard<std::mutex> alone(one_at_a_time);
    gridDim = {grid[0], grid[1], grid[2]};
    blockDim = {block[0], block[1], block[2]};
    body = std::move(kernel);
    const unsigned count = grid[0] * grid[1] * grid[2], per_block = block[0] * block[1] * block[2];
    std::vector<Block> blocks(cooperative ? count : 1);
    for (Block& block : blocks) block.shared.reset(new unsigned char[shared_bytes + 16]);
    for (unsigned first = 0; first < count; first += blocks.size()) {
        for (unsigned i = 0; i < blocks.size(); ++i) {
            const unsigned n = first + i;
            blocks[i].index = {n % grid[0], n / grid[0] % grid[1], n / grid[0] / grid[1]};
        }
        run_blocks(blocks, per_block, shared_bytes);
    }
}

template <class... A, size_t... I>
void call(void (*kernel)(A...), void** arguments, std::index_sequence<I...>) {
    kernel(*static_cast<std::remove_cv_t<A>*>(arguments[I])...);
}

/// Launches with arguments as the driver takes them: a pointer to each.
template <class... A>
void launch_with(void (*kernel)(A...), const unsigned* grid, const unsigned* block, unsigned shared_bytes,
                 int cooperative, void** arguments) {
    launch(grid, block, shared_bytes, cooperative != 0,
           [=] { call(kernel, arguments, std::index_sequence_for<A...>()); });
}

}  // namespace host

/// Makes a kernel reachable from outside under the name `launch_NAME`.
#define HOST_KERNEL(name)                                                                                       \
    extern "C" void launch_##name(const unsigned* grid, const unsigned* block, unsigned shared_bytes,            \
                                  int cooperative, void** arguments) {                                          \
        host::launch_with(name, grid, block, shared_bytes, cooperative, arguments);                             \
    }

#define SHARED(type, name)                                                                                      \
    type* name = reinterpret_cast<type*>((reinterpret_cast<uintptr_t>(host::self->block->shared.get()) + 15) &   \
                                         ~uintptr_t(15))

inline void __syncthreads() { host::wait_at(host::self->block->barrier); }
inline void __syncwarp(unsigned = ~0u) { host::wait_at(host::self->warp().barrier); }
inline void __threadfence() {}

template <class T> T __shfl_xor_sync(unsigned, T value, int mask) {
    return host::show(value).of(host::self->lane() ^ unsigned(mask));
}
template <class T> T __shfl_sync(unsigned, T value, int lane) { return host::show(value).of(unsigned(lane) % 32); }

template <class T> T atomicAdd(T* place, T value) {
    T before = *place;
    *place = before + value;
    return before;
}

inline float rsqrtf(float x) { return 1.0f / std::sqrt(x); }
inline int min(int a, int b) { return a < b ? a : b; }
inline int max(int a, int b) { return a > b ? a : b; }
using std::fmaxf;
using std::fminf;
