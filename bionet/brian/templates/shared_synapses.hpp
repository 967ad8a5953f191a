// Propagation of spikes through weights that are stored once.
//
// Units are channel-last, u = (y * width + x) * channels + c, and lanes (images side by side)
// follow one another: index = lane * n + u. Spikes come in ascending order. For every target the
// weights are added in the order of the source index, whatever the loops look like: the sums
// are the same to the last bit on every device, for any number of lanes and any vector width.
//
// GRADED: a spike carries the amplitude of its source unit. SIGN: pass on only what raises (1)
// or lowers (-1) the target; 0 passes everything.

#include <cstdint>
#include <cstring>

// Bytes of a vector register of the processor that the compiler builds for. A tile of wider
// blocks is split through memory: on AVX2 blocks of 64 bytes take more than twice the time.
#ifndef BIONET_BLOCK
#if defined(__AVX512F__)
#define BIONET_BLOCK 64
#elif defined(__AVX__)
#define BIONET_BLOCK 32
#else
#define BIONET_BLOCK 16
#endif
#endif

namespace bionet {

template <typename T> struct Block;
template <> struct Block<float> { typedef float type __attribute__((vector_size(BIONET_BLOCK))); };
template <> struct Block<double> { typedef double type __attribute__((vector_size(BIONET_BLOCK))); };

template <typename T> constexpr int block_width() { return BIONET_BLOCK / sizeof(T); }
// Columns of n rounded up to whole blocks; rows are padded to 64 bytes, which holds for all widths.
template <typename T> constexpr int whole_blocks(int n) {
    return (n + block_width<T>() - 1) / block_width<T>() * block_width<T>();
}

// <algorithm> alone takes longer to compile than a program's loops.
template <typename N> inline N least(N a, N b) { return b < a ? b : a; }
template <typename N> inline N most(N a, N b) { return a < b ? b : a; }
inline const int32_t* first_from(const int32_t* begin, const int32_t* end, int64_t value) {
    int64_t left = end - begin;
    while (left > 0) {
        const int64_t half = left / 2;
        if (begin[half] < value) {
            begin += half + 1;
            left -= half + 1;
        } else {
            left = half;
        }
    }
    return begin;
}

template <typename T> inline typename Block<T>::type load(const T* from) {
    typename Block<T>::type block;
    std::memcpy(&block, from, sizeof(block));
    return block;
}

template <bool GRADED, int SIGN, typename T> inline T effect(T weight, const T* amplitude, int i) {
    const T value = GRADED ? weight * amplitude[i] : weight;
    if (SIGN > 0) return value > 0 ? value : T(0);
    if (SIGN < 0) return value < 0 ? value : T(0);
    return value;
}

template <bool GRADED, int SIGN, typename T>
inline typename Block<T>::type effects(const T* weights, T amplitude) {
    typename Block<T>::type value = load<T>(weights);
    if (GRADED) value = value * amplitude;
    if (SIGN > 0) value = value > T(0) ? value : value - value;
    if (SIGN < 0) value = value < T(0) ? value : value - value;
    return value;
}

// A tile of NV blocks of one target run, held in registers while the rows are added.
template <typename T, int NV> struct Tile {
    typename Block<T>::type sum[NV];

    inline void read(const T* target, int count) {
        if (count >= NV * block_width<T>()) {
            std::memcpy(sum, target, sizeof(sum));
        } else {
            std::memset(sum, 0, sizeof(sum));
            std::memcpy(sum, target, count * sizeof(T));
        }
    }
    inline void write(T* target, int count) const {
        const int width = NV * block_width<T>();
        std::memcpy(target, sum, (count >= width ? width : count) * sizeof(T));
    }
    template <bool GRADED, int SIGN>
    inline void add(const int32_t* begin, const int32_t* end, int64_t origin, const T* weights,
                    int pitch, const T* amplitude) {
        typename Block<T>::type local[NV];
        for (int j = 0; j < NV; j++) local[j] = sum[j];
        for (const int32_t* spike = begin; spike < end; spike++) {
            const T* row = weights + (*spike - origin) * pitch;
            const T size = GRADED ? amplitude[*spike] : T(1);
#pragma GCC unroll 16
            for (int j = 0; j < NV; j++)
                local[j] += effects<GRADED, SIGN, T>(row + j * block_width<T>(), size);
        }
        for (int j = 0; j < NV; j++) sum[j] = local[j];
    }
};

// Every source unit to every target unit. weights: [source][pitch].
template <typename T, int N_SOURCE, int N_TARGET, int PITCH, bool GRADED, int SIGN> struct Dense {
    static constexpr int n_source = N_SOURCE, n_target = N_TARGET;
    template <int NV>
    static inline void tile(const int32_t* begin, const int32_t* end, int64_t base, const T* weights,
                            const T* amplitude, T* target, int first) {
        Tile<T, NV> tile;
        tile.read(target + first, N_TARGET - first);
        tile.template add<GRADED, SIGN>(begin, end, base, weights + first, PITCH, amplitude);
        tile.write(target + first, N_TARGET - first);
    }
    static void lane(const int32_t* begin, const int32_t* end, int64_t base, const T* weights,
                     const T* amplitude, T* target) {
        const int32_t* const start[2] = {begin, end};
        lanes(start, 1, base, weights, amplitude, target);
    }
    // Tile by tile for all lanes: its columns of the weights then stay in the cache.
    static void lanes(const int32_t* const* start, int n_lanes, int64_t base, const T* weights,
                      const T* amplitude, T* target) {
        constexpr int width = block_width<T>(), used = whole_blocks<T>(N_TARGET);
        int first = 0;
        for (; first + 8 * width <= used; first += 8 * width)
            all<8>(start, n_lanes, base, weights, amplitude, target, first);
        for (; first + 4 * width <= used; first += 4 * width)
            all<4>(start, n_lanes, base, weights, amplitude, target, first);
        for (; first < used; first += width)
            all<1>(start, n_lanes, base, weights, amplitude, target, first);
    }
    template <int NV>
    static inline void all(const int32_t* const* start, int n_lanes, int64_t base,
                           const T* weights, const T* amplitude, T* target, int first) {
        for (int lane = 0; lane < n_lanes; lane++)
            if (start[lane] < start[lane + 1])
                tile<NV>(start[lane], start[lane + 1], base + int64_t(lane) * N_SOURCE, weights,
                         amplitude, target + int64_t(lane) * N_TARGET, first);
    }
};

// Convolution by gathering: a target pixel's channels stay in registers while the spikes under
// its kernel are added. For one kernel row the sources are one run of (pixel, channel) indices,
// so their spikes are one run of the sorted spike list. weights: [ky][kx][c_in][pitch].
template <typename T, int C_IN, int H, int W, int C_OUT, int TH, int TW, int KH, int KW, int SH,
          int SW, int PH, int PW, int DH, int DW, int PITCH, bool GRADED, int SIGN>
struct Convolution {
    static constexpr int n_source = C_IN * H * W, n_target = C_OUT * TH * TW;

    template <int NV>
    static inline void tile(const int32_t* const* start, int64_t base, const T* weights,
                            const T* amplitude, T* target, int first) {
        for (int ty = 0; ty < TH; ty++)
            for (int tx = 0; tx < TW; tx++) {
                Tile<T, NV> tile;
                T* run = target + (ty * TW + tx) * C_OUT + first;
                tile.read(run, C_OUT - first);
                const int left = tx * SW - PW;
                for (int ky = 0; ky < KH; ky++) {
                    const int sy = ty * SH - PH + ky * DH;
                    if (sy < 0 || sy >= H) continue;
                    if (DW == 1) {
                        const int from = left < 0 ? 0 : left;
                        const int to = left + KW > W ? W : left + KW;
                        if (from >= to) continue;
                        const int64_t origin = base + (int64_t(sy) * W + left - ky * KW) * C_IN;
                        tile.template add<GRADED, SIGN>(start[sy * W + from], start[sy * W + to],
                                                        origin, weights + first, PITCH, amplitude);
                    } else {
                        for (int kx = 0; kx < KW; kx++) {
                            const int sx = left + kx * DW;
                            if (sx < 0 || sx >= W) continue;
                            const int64_t origin =
                                base + (int64_t(sy) * W + sx - ky * KW - kx) * C_IN;
                            tile.template add<GRADED, SIGN>(
                                start[sy * W + sx], start[sy * W + sx + 1], origin,
                                weights + first, PITCH, amplitude);
                        }
                    }
                }
                tile.write(run, C_OUT - first);
            }
    }
    static void lane(const int32_t* begin, const int32_t* end, int64_t base, const T* weights,
                     const T* amplitude, T* target) {
        if (begin == end) return;
        const int32_t* start[H * W + 1];  // first spike of each source pixel
        const int32_t* spike = begin;
        for (int pixel = 0; pixel < H * W; pixel++) {
            start[pixel] = spike;
            const int64_t stop = base + int64_t(pixel + 1) * C_IN;
            while (spike < end && *spike < stop) spike++;
        }
        start[H * W] = spike;
        constexpr int width = block_width<T>(), used = whole_blocks<T>(C_OUT);
        int first = 0;
        for (; first + 8 * width <= used; first += 8 * width)
            tile<8>(start, base, weights, amplitude, target, first);
        for (; first + 4 * width <= used; first += 4 * width)
            tile<4>(start, base, weights, amplitude, target, first);
        for (; first + 2 * width <= used; first += 2 * width)
            tile<2>(start, base, weights, amplitude, target, first);
        for (; first < used; first += width)
            tile<1>(start, base, weights, amplitude, target, first);
    }
};

// Convolution in groups, depthwise among them: a spike goes to the channels of its group alone, so
// it is scattered to the pixels whose kernel covers it. weights: [c_in][ky][kx][c_out / groups].
template <typename T, int C_IN, int H, int W, int C_OUT, int TH, int TW, int KH, int KW, int SH,
          int SW, int PH, int PW, int DH, int DW, int GROUPS, bool GRADED, int SIGN>
struct GroupedConvolution {
    static constexpr int n_source = C_IN * H * W, n_target = C_OUT * TH * TW;
    static void lane(const int32_t* begin, const int32_t* end, int64_t base, const T* weights,
                     const T* amplitude, T* target) {
        constexpr int in = C_IN / GROUPS, out = C_OUT / GROUPS;
        for (const int32_t* spike = begin; spike < end; spike++) {
            const uint32_t u = uint32_t(*spike - base), pixel = u / C_IN, c = u % C_IN;
            const int y = pixel / W + PH, x = pixel % W + PW;
            const T* taps = weights + int64_t(c) * (KH * KW * out);
            T* channels = target + c / in * out;
            for (int ky = 0; ky < KH; ky++) {
                const int below = y - ky * DH;
                if (below < 0 || below % SH || below / SH >= TH) continue;
                for (int kx = 0; kx < KW; kx++) {
                    const int right = x - kx * DW;
                    if (right < 0 || right % SW || right / SW >= TW) continue;
                    T* run = channels + int64_t(below / SH * TW + right / SW) * C_OUT;
                    const T* row = taps + (ky * KW + kx) * out;
                    for (int k = 0; k < out; k++)
                        run[k] += effect<GRADED, SIGN, T>(row[k], amplitude, *spike);
                }
            }
        }
    }
};

// Any connections: table[u] .. table[u + 1] are the targets of source unit u, ascending.
// weights: [connection].
template <typename T, int N_SOURCE, int N_TARGET, bool GRADED, int SIGN> struct Sparse {
    static constexpr int n_source = N_SOURCE, n_target = N_TARGET;
    static void lane(const int32_t* begin, const int32_t* end, int64_t base, const T* weights,
                     const T* amplitude, T* target, const int32_t* table) {
        const int32_t* targets = table + N_SOURCE + 1;
        for (const int32_t* spike = begin; spike < end; spike++) {
            const int u = *spike - base;
            for (int e = table[u]; e < table[u + 1]; e++)
                target[targets[e]] += effect<GRADED, SIGN, T>(weights[e], amplitude, *spike);
        }
    }
};

// The pools that a source position belongs to, along one axis: first() to last().
template <int SIZE, int KERNEL, int STRIDE, int PADDING> struct Pools {
    static inline int first(int at) {
        const int padded = at + PADDING;
        return padded < KERNEL ? 0 : (padded - KERNEL) / STRIDE + 1;
    }
    static inline int last(int at) { return least((at + PADDING) / STRIDE, SIZE - 1); }
};

// Pooling: a unit projects to its own channel. weights: [target pixel].
template <typename T, int C, int H, int W, int TH, int TW, int KH, int KW, int SH, int SW, int PH,
          int PW, bool GRADED, int SIGN>
struct Pooling {
    static constexpr int n_source = C * H * W, n_target = C * TH * TW;
    typedef Pools<TH, KH, SH, PH> Rows;
    typedef Pools<TW, KW, SW, PW> Columns;
    // The pool's unit of each source unit, -1 where there is none, if pools do not overlap.
    struct Table {
        int32_t target[n_source];
        Table() {
            for (int u = 0; u < n_source; u++) {
                const int y = u / C / W + PH, x = u / C % W + PW, ty = y / SH, tx = x / SW;
                const bool in = ty < TH && tx < TW && y % SH < KH && x % SW < KW;
                target[u] = in ? (ty * TW + tx) * C + u % C : -1;
            }
        }
    };
    static void lane(const int32_t* begin, const int32_t* end, int64_t base, const T* weights,
                     const T* amplitude, T* target) {
        if (KH <= SH && KW <= SW) {
            static const Table table;
            for (const int32_t* spike = begin; spike < end; spike++) {
                const int32_t unit = table.target[*spike - base];
                if (unit >= 0)
                    target[unit] += effect<GRADED, SIGN, T>(weights[unit / C], amplitude, *spike);
            }
            return;
        }
        for (const int32_t* spike = begin; spike < end; spike++) {
            const uint32_t u = uint32_t(*spike - base), pixel = u / C, c = u % C;
            const uint32_t y = pixel / W, x = pixel % W;
            const int last_y = Rows::last(y), first_x = Columns::first(x), last_x = Columns::last(x);
            for (int ty = Rows::first(y); ty <= last_y; ty++)
                for (int tx = first_x; tx <= last_x; tx++)
                    target[int64_t(ty * TW + tx) * C + c] +=
                        effect<GRADED, SIGN, T>(weights[ty * TW + tx], amplitude, *spike);
        }
    }
};

// A spike passes to a pool's unit if its source's estimate is the largest of the pool (the first
// of equal ones, by position). With COUNT a
// spike sets its pools' units to the largest estimate instead. weights: [1].
template <typename T, int C, int H, int W, int TH, int TW, int KH, int KW, int SH, int SW, int PH,
          int PW, bool COUNT, bool GRADED, int SIGN>
struct MaxPooling {
    static constexpr int n_source = C * H * W, n_target = C * TH * TW;
    typedef Pools<TH, KH, SH, PH> Rows;
    typedef Pools<TW, KW, SW, PW> Columns;
    static bool wins(const T* estimate, int u, int ty, int tx) {
        const int c = u % C, top = ty * SH - PH, left = tx * SW - PW;
        const int bottom = least(top + KH, H), right = least(left + KW, W);
        for (int y = most(top, 0); y < bottom; y++)
            for (int x = most(left, 0); x < right; x++) {
                const int other = (y * W + x) * C + c;
                if (estimate[other] > estimate[u] || (estimate[other] == estimate[u] && other < u))
                    return false;
            }
        return true;
    }
    static T largest(const T* estimate, int c, int ty, int tx) {
        const int top = ty * SH - PH, left = tx * SW - PW;
        const int bottom = least(top + KH, H), right = least(left + KW, W);
        T found = estimate[(most(top, 0) * W + most(left, 0)) * C + c];
        for (int y = most(top, 0); y < bottom; y++)
            for (int x = most(left, 0); x < right; x++) {
                const T other = estimate[(y * W + x) * C + c];
                if (found < other) found = other;
            }
        return found;
    }
    static void lane(const int32_t* begin, const int32_t* end, int64_t base, const T* weights,
                     const T* amplitude, T* target, const T* estimates) {
        const T* estimate = estimates + base;
        for (const int32_t* spike = begin; spike < end; spike++) {
            const int u = *spike - base, y = u / C / W, x = u / C % W;
            for (int ty = Rows::first(y); ty <= Rows::last(y); ty++)
                for (int tx = Columns::first(x); tx <= Columns::last(x); tx++)
                    if (COUNT)
                        target[int64_t(ty * TW + tx) * C + u % C] =
                            weights[0] * largest(estimate, u % C, ty, tx);
                    else if (wins(estimate, u, ty, tx))
                        target[int64_t(ty * TW + tx) * C + u % C] +=
                            effect<GRADED, SIGN, T>(weights[0], amplitude, *spike);
        }
    }
};

// Unit i to unit i, if its estimate is the largest of its lane (the first of equal ones).
// weights: [1].
template <typename T, int N, bool GRADED, int SIGN> struct Largest {
    static constexpr int n_source = N, n_target = N;
    static void lane(const int32_t* begin, const int32_t* end, int64_t base, const T* weights,
                     const T* amplitude, T* target, const T* estimates) {
        int winner = 0;
        for (int u = 1; u < N; u++)
            if (estimates[base + winner] < estimates[base + u]) winner = u;
        const int32_t* spike = first_from(begin, end, base + winner);
        for (; spike < end && *spike - base == winner; spike++)
            target[winner] += effect<GRADED, SIGN, T>(weights[0], amplitude, *spike);
    }
};

// Unit i to unit i. weights: [N].
template <typename T, int N, bool GRADED, int SIGN> struct OneToOne {
    static constexpr int n_source = N, n_target = N;
    static void lane(const int32_t* begin, const int32_t* end, int64_t base, const T* weights,
                     const T* amplitude, T* target) {
        for (const int32_t* spike = begin; spike < end; spike++)
            target[*spike - base] += effect<GRADED, SIGN, T>(weights[*spike - base], amplitude, *spike);
    }
};

// Lanes are independent, and the spike list is sorted by lane.
template <class Kernel, typename T> struct Lanes {
    template <typename... Table>
    static inline void all(const int32_t* const* start, int n_lanes, int64_t base,
                           const T* weights, const T* amplitude, T* target, Table... table) {
        for (int lane = 0; lane < n_lanes; lane++)
            Kernel::lane(start[lane], start[lane + 1], base + int64_t(lane) * Kernel::n_source,
                         weights, amplitude, target + int64_t(lane) * Kernel::n_target, table...);
    }
};
template <typename T, int N_SOURCE, int N_TARGET, int PITCH, bool GRADED, int SIGN>
struct Lanes<Dense<T, N_SOURCE, N_TARGET, PITCH, GRADED, SIGN>, T> {
    static inline void all(const int32_t* const* start, int n_lanes, int64_t base,
                           const T* weights, const T* amplitude, T* target) {
        Dense<T, N_SOURCE, N_TARGET, PITCH, GRADED, SIGN>::lanes(start, n_lanes, base, weights,
                                                                 amplitude, target);
    }
};

// Spikes on their way: a ring of slots, one for each step. In a slot every unit has one bit, so its
// spikes leave in the order of their units, whenever they entered, and a scan of it is short. Where
// jitter lets spikes of one unit meet in a slot, further bits make their number, plane by plane. A
// spike with a size has a number for it; sizes that meet are added.
template <typename T, int SLOTS, int PLANES, bool GRADED> struct Queue {
    int64_t n;          // units of all lanes
    uint64_t* waiting;  // [slot][plane][unit / 64]
    int32_t* queued;    // [slot]: whether there are any
    T* sizes;           // [slot][unit]

    inline int64_t words() const { return (n + 63) / 64; }
    inline void enter(int32_t unit, int slot, const T* amplitude) {
        // By bytes, of which the lowest stands first: spikes that follow one another seldom share
        // one, and so need not wait for each other's.
        uint8_t* byte = (uint8_t*)(waiting + int64_t(slot) * PLANES * words()) + (uint32_t(unit) >> 3);
        const uint8_t bit = uint8_t(1u << (unit & 7));
        if (GRADED) {
            T* size = sizes + slot * n + unit;
            if (*byte & bit) {
                *size += amplitude[unit];
                return;
            }
            *size = amplitude[unit];
            *byte |= bit;
        } else {
            for (int plane = 0; plane < PLANES; plane++, byte += 8 * words()) {
                const bool carry = *byte & bit;
                *byte ^= bit;
                if (!carry) break;
            }
        }
        queued[slot] = 1;
    }
    inline void enter(const int32_t* spikes, int n_spikes, const T* amplitude,
                      const int32_t* delays, int64_t now) {
        for (int k = 0; k < n_spikes; k++)
            enter(spikes[k], int((uint64_t(now) + delays[spikes[k]]) % SLOTS), amplitude);
    }
    // At most n + 64 SLOTS of the units whose spikes are due, ascending, each as often as it has
    // spikes; 0 when all have left. What is left keeps its bits, so the next call goes on from there.
    inline int leave(int64_t now, int32_t* due) {
        const int slot = int(now % SLOTS);
        uint64_t* flags = waiting + int64_t(slot) * PLANES * words();
        int found = 0;
        if (!queued[slot]) return 0;
        const int64_t n_words = words();
        for (int64_t w = 0; w < n_words; w++) {
            uint64_t once = flags[w], more = 0;
            for (int plane = 1; plane < PLANES; plane++) more |= flags[plane * n_words + w];
            if (!(once | more)) continue;
            if (found + (more ? 64 * SLOTS : 64) > n + 64 * SLOTS) return found;
            flags[w] = 0;
            if (!more) {
                for (; once; once &= once - 1) due[found++] = int32_t(w * 64 + __builtin_ctzll(once));
                continue;
            }
            for (uint64_t any = once | more; any; any &= any - 1) {
                const int bit = __builtin_ctzll(any);
                if (!(more >> bit & 1)) {
                    due[found++] = int32_t(w * 64 + bit);
                    continue;
                }
                int times = int(once >> bit & 1);
                for (int plane = 1; plane < PLANES; plane++)
                    times |= int(flags[plane * n_words + w] >> bit & 1) << plane;
                for (int k = 0; k < times; k++) due[found++] = int32_t(w * 64 + bit);
            }
            for (int plane = 1; plane < PLANES; plane++) flags[plane * n_words + w] = 0;
        }
        queued[slot] = 0;
        return found;
    }
    inline const T* sizes_at(int64_t now) const {
        return GRADED ? sizes + now % SLOTS * n : (const T*)NULL;
    }
};

// Steps that single spikes travel besides their unit's delay: SplitMix64 of the unit (in the order of
// a lane), which begins at two words of Philox4x32-10 of step, image and site, as in
// bionet.brian.queue. Its upper half is compared with bounds (see bionet.network.delays). Philox for
// every spike takes three times as long.
template <int N_SOURCE> struct Jitter {
    const int32_t* streams;  // [lane]: image
    const int32_t* bounds;   // [0]: reach, then the words
    uint32_t seed_low, seed_high, step, site;

    static constexpr int many = 16;
    typedef uint64_t Words __attribute__((vector_size(64)));
    typedef uint32_t Narrow __attribute__((vector_size(32)));
    inline uint64_t begin(uint32_t stream) const {
        uint32_t c0 = 0, c1 = step, c2 = stream, c3 = site;
        for (uint32_t round = 0; round < 10; round++) {
            const uint64_t p = c0 * uint64_t(0xD2511F53u), q = c2 * uint64_t(0xCD9E8D57u);
            c0 = uint32_t(q >> 32) ^ c1 ^ uint32_t(seed_low + round * 0x9E3779B9u);
            c1 = uint32_t(q);
            c2 = uint32_t(p >> 32) ^ c3 ^ uint32_t(seed_high + round * 0xBB67AE85u);
            c3 = uint32_t(p);
        }
        return c0 | uint64_t(c1) << 32;
    }
    inline void draw(const uint32_t* units, uint64_t begin, int32_t* moved) const {
        const int reach = bounds[0];
        for (int half = 0; half < many; half += 8) {
            Narrow here;
            std::memcpy(&here, units + half, sizeof(here));
            Words z = begin + __builtin_convertvector(here, Words) * 0x9E3779B97F4A7C15u;
            z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
            z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
            z = (z ^ (z >> 31)) >> 32;
            const Narrow word = __builtin_convertvector(z, Narrow);
            Narrow narrow = Narrow() - uint32_t(reach);
            for (int b = 1; b <= 2 * reach; b++)
                narrow -= Narrow(word > uint32_t(bounds[b]));  // true is -1
            std::memcpy(moved + half, &narrow, sizeof(narrow));
        }
    }
    template <class Line, typename T>
    inline void enter(Line& queue, int slots, const int32_t* spikes, int n_spikes,
                      const T* amplitude, const int32_t* delays, int64_t now) const {
        for (int from = 0; from < n_spikes;) {
            const int lane = spikes[from] / N_SOURCE, base = lane * N_SOURCE;
            const int stop = int(first_from(spikes + from, spikes + n_spikes, base + N_SOURCE) - spikes);
            const uint64_t start = begin(uint32_t(streams[lane]));
            for (; from < stop; from += many) {
                const int count = least(many, stop - from);
                uint32_t units[many] = {0};
                int32_t moved[many];
                for (int k = 0; k < count; k++) units[k] = uint32_t(spikes[from + k] - base);
                draw(units, start, moved);
                for (int k = 0; k < count; k++) {
                    const int32_t travel = most(0, delays[units[k]] + moved[k]);  // of any lane
                    const int slot = int((uint64_t(now) + travel) & uint64_t(slots - 1));
                    queue.enter(spikes[from + k], slot, amplitude);
                }
            }
            from = stop;
        }
    }
};

template <class Kernel, typename T, typename... Table>
void propagate(const int32_t* spikes, int n_spikes, int lanes, const T* weights, const T* amplitude,
               T* target, Table... table) {
    if (n_spikes == 0) return;
    constexpr int most_lanes = 64;
    const int32_t* const end = spikes + n_spikes;
    for (int from = 0; from < lanes; from += most_lanes) {
        const int n = least(most_lanes, lanes - from);
        const int64_t base = int64_t(from) * Kernel::n_source;
        const int32_t* start[most_lanes + 1];
        start[0] = from ? first_from(spikes, end, base) : spikes;
        for (int lane = 1; lane <= n; lane++)
            start[lane] = first_from(start[lane - 1], end, base + int64_t(lane) * Kernel::n_source);
        Lanes<Kernel, T>::all(start, n, base, weights, amplitude,
                              target + int64_t(from) * Kernel::n_target, table...);
    }
}

}  // namespace bionet
