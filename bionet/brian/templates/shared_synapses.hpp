// Propagation of spikes through weights that are stored once.
//
// Units are channel-last, u = (y * width + x) * channels + c, and lanes (images side by side)
// follow one another: index = lane * n + u. Spikes come in ascending order. For every target the
// weights are added in the order of the source index, whatever the loops look like: the sums
// are the same to the last bit on every device and for any number of lanes and threads.
//
// GRADED: a spike carries the amplitude of its source unit. SIGN: pass on only what raises (1)
// or lowers (-1) the target; 0 passes everything.

#include <algorithm>
#include <cstdint>
#include <cstring>

namespace bionet {

template <typename T> struct Block;
template <> struct Block<float> { typedef float type __attribute__((vector_size(64))); };
template <> struct Block<double> { typedef double type __attribute__((vector_size(64))); };

template <typename T> constexpr int block_width() { return 64 / sizeof(T); }

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
        constexpr int width = block_width<T>();
        int first = 0;
        for (; first + 8 * width <= PITCH; first += 8 * width)
            tile<8>(begin, end, base, weights, amplitude, target, first);
        for (; first + 4 * width <= PITCH; first += 4 * width)
            tile<4>(begin, end, base, weights, amplitude, target, first);
        for (; first < PITCH; first += width)
            tile<1>(begin, end, base, weights, amplitude, target, first);
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
        constexpr int width = block_width<T>();
        int first = 0;
        for (; first + 8 * width <= PITCH; first += 8 * width)
            tile<8>(start, base, weights, amplitude, target, first);
        for (; first + 4 * width <= PITCH; first += 4 * width)
            tile<4>(start, base, weights, amplitude, target, first);
        for (; first + 2 * width <= PITCH; first += 2 * width)
            tile<2>(start, base, weights, amplitude, target, first);
        for (; first < PITCH; first += width)
            tile<1>(start, base, weights, amplitude, target, first);
    }
};

// Anything in which all units of a source pixel share their target pixels, by a table:
// table[pixel] .. table[pixel + 1] are the entries (target pixel, tap) of a source pixel.
// Grouped convolution. weights: [tap][c_in / groups][group][c_out / groups].
template <typename T, int C_IN, int H, int W, int C_OUT, int N_TARGET, int GROUPS, bool GRADED,
          int SIGN>
struct GroupedConvolution {
    static constexpr int n_source = C_IN * H * W, n_target = N_TARGET;
    static void lane(const int32_t* begin, const int32_t* end, int64_t base, const T* weights,
                     const T* amplitude, T* target, const int32_t* table) {
        constexpr int in = C_IN / GROUPS, out = C_OUT / GROUPS;
        const int32_t* entries = table + H * W + 1;
        for (const int32_t* spike = begin; spike < end; spike++) {
            const int u = *spike - base, pixel = u / C_IN, c = u % C_IN;
            const int group = c / in;
            for (int e = table[pixel]; e < table[pixel + 1]; e++) {
                T* run = target + int64_t(entries[2 * e]) * C_OUT + group * out;
                const T* row =
                    weights + ((int64_t(entries[2 * e + 1]) * in + c % in) * GROUPS + group) * out;
                for (int k = 0; k < out; k++)
                    run[k] += effect<GRADED, SIGN, T>(row[k], amplitude, *spike);
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

// Pooling: a unit projects to its own channel. weights: [tap], one for each table entry.
template <typename T, int C, int H, int W, int N_TARGET, bool GRADED, int SIGN> struct Pooling {
    static constexpr int n_source = C * H * W, n_target = N_TARGET;
    static void lane(const int32_t* begin, const int32_t* end, int64_t base, const T* weights,
                     const T* amplitude, T* target, const int32_t* table) {
        const int32_t* entries = table + H * W + 1;
        for (const int32_t* spike = begin; spike < end; spike++) {
            const int u = *spike - base, pixel = u / C, c = u % C;
            for (int e = table[pixel]; e < table[pixel + 1]; e++)
                target[int64_t(entries[2 * e]) * C + c] +=
                    effect<GRADED, SIGN, T>(weights[entries[2 * e + 1]], amplitude, *spike);
        }
    }
};

// A spike passes to a pool's unit if its source's estimate is the largest of the pool (the first
// of equal ones, by position). weights: [1].
template <typename T, int C, int H, int W, int TH, int TW, int KH, int KW, int SH, int SW, int PH,
          int PW, bool GRADED, int SIGN>
struct MaxPooling {
    static constexpr int n_source = C * H * W, n_target = C * TH * TW;
    static int first(int at, int kernel, int stride) { return at < kernel ? 0 : (at - kernel) / stride + 1; }
    static bool wins(const T* estimate, int u, int ty, int tx) {
        const int c = u % C, top = ty * SH - PH, left = tx * SW - PW;
        const int bottom = std::min(top + KH, H), right = std::min(left + KW, W);
        for (int y = std::max(top, 0); y < bottom; y++)
            for (int x = std::max(left, 0); x < right; x++) {
                const int other = (y * W + x) * C + c;
                if (estimate[other] > estimate[u] || (estimate[other] == estimate[u] && other < u))
                    return false;
            }
        return true;
    }
    static void lane(const int32_t* begin, const int32_t* end, int64_t base, const T* weights,
                     const T* amplitude, T* target, const T* estimates) {
        const T* estimate = estimates + base;
        for (const int32_t* spike = begin; spike < end; spike++) {
            const int u = *spike - base, y = u / C / W + PH, x = u / C % W + PW;
            for (int ty = first(y, KH, SH); ty <= std::min(y / SH, TH - 1); ty++)
                for (int tx = first(x, KW, SW); tx <= std::min(x / SW, TW - 1); tx++)
                    if (wins(estimate, u, ty, tx))
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
        const int winner = int(std::max_element(estimates + base, estimates + base + N) - (estimates + base));
        const int32_t* spike = std::lower_bound(begin, end, int32_t(base + winner));
        if (spike < end && *spike - base == winner)
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

// Lanes are independent, and the spike list is sorted by lane: threads share nothing.
template <class Kernel, typename T, typename... Table>
void propagate(const int32_t* spikes, int n_spikes, int lanes, const T* weights, const T* amplitude,
               T* target, Table... table) {
    if (n_spikes == 0) return;
    const int32_t* const end = spikes + n_spikes;
#pragma omp parallel for schedule(static)
    for (int lane = 0; lane < lanes; lane++) {
        const int64_t base = int64_t(lane) * Kernel::n_source;
        const int32_t* first = std::lower_bound(spikes, end, int32_t(base));
        const int32_t* last = std::lower_bound(first, end, int32_t(base + Kernel::n_source));
        Kernel::lane(first, last, base, weights, amplitude,
                     target + int64_t(lane) * Kernel::n_target, table...);
    }
}

}  // namespace bionet
