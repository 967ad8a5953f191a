// One winner of each lane: its spike stays, all other units of the lane are set back, and no unit
// of it fires before the inhibition is over. One text for Cython and C++ standalone.
#include <cstdint>

namespace bionet {

// Number of the unit in PyTorch's order (channels, pixels); inside it is channel-last.
template <int Channels, int Pixels> inline int64_t torch_number(int64_t unit) {
    return (unit % Channels) * Pixels + unit / Channels;
}

template <typename T, int Lanes, int Channels, int Pixels>
int inhibit(int32_t* spikes, int n_spikes, T* v, int64_t* until, int64_t now, int64_t period,
            T rest, bool* not_refractory, double* last_spike) {
    const int64_t size = int64_t(Channels) * Pixels;
    int kept = 0, k = 0;
    for (int64_t lane = 0; lane < Lanes; lane++) {
        const bool silent = now < until[lane];
        const int64_t begin = lane * size, end = begin + size;
        int64_t winner = -1;
        for (; k < n_spikes && spikes[k] < end; k++) {
            const int64_t unit = spikes[k];
            if (not_refractory) {  // a spike that is taken back leaves no refractory period
                not_refractory[unit] = true;
                last_spike[unit] = -1e4;
            }
            if (silent) continue;
            const bool higher = winner < 0 || v[unit] > v[winner];
            const bool first = winner >= 0 && v[unit] == v[winner] &&
                torch_number<Channels, Pixels>(unit - begin) <
                torch_number<Channels, Pixels>(winner - begin);
            if (higher || first) winner = unit;
        }
        if (!silent && winner < 0) continue;
        for (int64_t unit = begin; unit < end; unit++)
            if (unit != winner) v[unit] = rest;
        if (winner < 0) continue;
        until[lane] = now + period;
        spikes[kept++] = int32_t(winner);
    }
    return kept;
}

}  // namespace bionet
