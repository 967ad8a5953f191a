// Standard normal numbers of all units of a step; see bionet.brian.normal_numbers for the formulas.
// One call of Philox4x32-10 makes four words, and a pair of words two numbers (Box and Muller). All
// is additions, products and square roots in float, in one order: the same bits on every device.
#include <cmath>
#include <cstdint>
#include <cstring>

namespace bionet {

// Words of 32 bits in lanes of 64, so that a product needs no packing.
typedef uint64_t Words __attribute__((vector_size(64)));
typedef uint32_t Narrow __attribute__((vector_size(32)));

inline void store(uint32_t* to, Words words) {
    const Narrow narrow = __builtin_convertvector(words, Narrow);
    std::memcpy(to, &narrow, sizeof(narrow));
}

// The keys of the ten rounds, for all lanes of a vector.
struct Keys {
    Words low[10], high[10];
    Keys(uint32_t seed_low, uint32_t seed_high) {
        for (uint32_t round = 0; round < 10; round++) {
            low[round] = Words() + uint32_t(seed_low + round * 0x9E3779B9u);
            high[round] = Words() + uint32_t(seed_high + round * 0xBB67AE85u);
        }
    }
};

// Words 0 to 3 of the counters first .. first + 15, in two halves that do not wait for each other.
inline void philox_block(uint32_t first, uint32_t step, uint32_t stream, uint32_t site,
                         const Keys& keys, uint32_t* words) {
    const Words places = {0, 1, 2, 3, 4, 5, 6, 7};
    Words a0 = places + first, a1 = Words() + step, a2 = Words() + stream, a3 = Words() + site;
    Words b0 = a0 + 8, b1 = a1, b2 = a2, b3 = a3;
    for (int round = 0; round < 10; round++) {
        const Words p = a0 * 0xD2511F53u, q = a2 * 0xCD9E8D57u;
        const Words r = b0 * 0xD2511F53u, s = b2 * 0xCD9E8D57u;
        a0 = (q >> 32) ^ a1 ^ keys.low[round];
        b0 = (s >> 32) ^ b1 ^ keys.low[round];
        a2 = (p >> 32) ^ a3 ^ keys.high[round];
        b2 = (r >> 32) ^ b3 ^ keys.high[round];
        a1 = q & 0xffffffffu;
        b1 = s & 0xffffffffu;
        a3 = p & 0xffffffffu;
        b3 = r & 0xffffffffu;
    }
    store(words, a0);
    store(words + 8, b0);
    store(words + 16, a1);
    store(words + 24, b1);
    store(words + 32, a2);
    store(words + 40, b2);
    store(words + 48, a3);
    store(words + 56, b3);
}

// Two numbers of each of 16 n pairs of words, in blocks of 16: words a, words b -> z 0, z 1.
inline void box_muller(const uint32_t* words, int n, float* z) {
    float radius[512], first[512], second[512];
    for (int b = 0; b < n; b++)
        for (int k = 0; k < 16; k++) {
            const float u = (float(int32_t(words[32 * b + k] >> 1)) + 0.5f) * 4.656612873077393e-10f;
            int32_t bits;
            std::memcpy(&bits, &u, 4);
            const int32_t power = (bits - 0x3f3504f3) >> 23;
            bits -= power << 23;
            float m;
            std::memcpy(&m, &bits, 4);
            const float f = m - 1.0f, g = f * f;
            float p = 7.0376836292e-2f;
            p = p * f + -1.1514610310e-1f;
            p = p * f + 1.1676998740e-1f;
            p = p * f + -1.2420140846e-1f;
            p = p * f + 1.4249322787e-1f;
            p = p * f + -1.6668057665e-1f;
            p = p * f + 2.0000714765e-1f;
            p = p * f + -2.4999993993e-1f;
            p = p * f + 3.3333331174e-1f;
            const float log = ((f * g) * p + -0.5f * g) + (f + float(power) * 0.6931471805599453f);
            const float square = -2.0f * log;
            radius[16 * b + k] = std::sqrt(square > 0.0f ? square : 0.0f);
        }
    for (int b = 0; b < n; b++)
        for (int k = 0; k < 16; k++) {
            const uint32_t word = words[32 * b + 16 + k];
            const float x = float(int32_t(word << 2)) * 3.6572951981678991e-10f;  // pi / 2**33
            const float y = x * x;
            const float s =
                x + x * y * (-1.6666654611e-1f + y * (8.3321608736e-3f + y * -1.9515295891e-4f));
            const float c = (1.0f - 0.5f * y) +
                            y * y * (4.166664568298827e-2f +
                                     y * (-1.388731625493765e-3f + y * 2.443315711809948e-5f));
            const bool swapped = word & 0x40000000u;
            const float one = swapped ? s : c, other = swapped ? c : s;
            first[16 * b + k] = (word + 0x40000000u) & 0x80000000u ? -one : one;
            second[16 * b + k] = word & 0x80000000u ? -other : other;
        }
    for (int b = 0; b < n; b++)
        for (int k = 0; k < 16; k++) {
            z[32 * b + k] = radius[16 * b + k] * first[16 * b + k];
            z[32 * b + 16 + k] = radius[16 * b + k] * second[16 * b + k];
        }
}

// Numbers of n units of each lane. Sixteen counters make those of 64 units.
template <typename T, int N, int LANES, int APART>
void normal_numbers(T* numbers, const int32_t* streams, int32_t seed_low, int32_t seed_high,
                    uint32_t step, uint32_t site) {
    constexpr int at_once = 16;  // blocks of 64
    const Keys keys(seed_low, seed_high);
    uint32_t words[64 * at_once];
    float z[64 * at_once];
    for (int lane = 0; lane < LANES; lane++)
        for (int from = 0; from < N; from += 64 * at_once) {
            const int blocks = (N - from + 63) / 64, n = blocks < at_once ? blocks : at_once;
            for (int b = 0; b < n; b++)
                philox_block(uint32_t(from / 4 + 16 * b), step,
                             uint32_t(streams[int64_t(lane) * APART]), site, keys, words + 64 * b);
            box_muller(words, 2 * n, z);
            T* to = numbers + int64_t(lane) * N + from;
            const int count = N - from < 64 * at_once ? N - from : 64 * at_once;
            for (int k = 0; k < count; k++) to[k] = T(z[k]);
        }
}

}  // namespace bionet
