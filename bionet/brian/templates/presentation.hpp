// What the start and end of a presentation share: files, spike counts, and what was asked to be
// recorded. C's own input and output: <fstream> takes longer to compile than a program's loops.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace bionet {

inline void give_up(const char* what, const char* name) {
    std::fprintf(stderr, "%s %s\n", what, name);
    std::exit(1);
}

// A value that is no number ends the program; who started it reads the line.
inline void not_finite(int variable, int64_t image, int64_t unit, int64_t step) {
    std::printf("not finite %d %lld %lld %lld\n", variable, (long long)image, (long long)unit,
                (long long)step);
    std::fflush(stdout);
    std::_Exit(0);
}

// A file of a folder whose name ends with a slash.
inline FILE* opened(const char* folder, const char* name, const char* mode) {
    char path[4096];
    std::snprintf(path, sizeof(path), "%s%s", folder, name);
    FILE* file = std::fopen(path, mode);
    if (!file) give_up("cannot open", path);
    return file;
}

template <typename V> inline void read(FILE* file, V* values, int64_t n) {
    if (int64_t(std::fread(values, sizeof(V), n, file)) != n) give_up("cannot read", "the input");
}

template <typename V> inline void write(FILE* file, const V* values, int64_t n) {
    if (int64_t(std::fwrite(values, sizeof(V), n, file)) != n) give_up("cannot write", "results");
}

template <typename Narrow, typename V> void write_as(FILE* file, const V* values, int64_t n) {
    Narrow part[1024];
    for (int64_t from = 0; from < n; from += 1024) {
        const int64_t size = n - from < 1024 ? n - from : 1024;
        for (int64_t k = 0; k < size; k++) part[k] = Narrow(values[from + k]);
        write(file, part, size);
    }
}

// Spike counts in the smallest type that holds one count of a presentation.
inline void write_counts(FILE* file, const int32_t* counts, int64_t n, int32_t steps) {
    if (steps < 256) write_as<uint8_t>(file, counts, n);
    else if (steps < 65536) write_as<uint16_t>(file, counts, n);
    else write(file, counts, n);
}

template <typename V> void write_steps(FILE* file, const V* values, int64_t n, int32_t steps) {
    if (steps < 32768) write_as<int16_t>(file, values, n);
    else write_as<int32_t>(file, values, n);
}

inline void count(const int32_t* spikes, int32_t n, int32_t* counts) {
    for (int32_t k = 0; k < n; k++) counts[spikes[k]]++;
}

// Spikes of each lane, added to events[lane * stride]; the list is sorted, so a search is enough.
inline void count_by_lane(const int32_t* spikes, int32_t n, int64_t size, int lanes,
                          int32_t* events, int64_t stride) {
    int32_t begin = 0;
    for (int64_t lane = 0; lane < lanes && begin < n; lane++) {
        int32_t left = begin, right = n;
        while (left < right) {
            const int32_t middle = left + (right - left) / 2;
            if (spikes[middle] < (lane + 1) * size) left = middle + 1;
            else right = middle;
        }
        events[lane * stride] += left - begin;
        begin = left;
    }
}

// Pairs (step of the run, unit), and the sizes of the spikes where they have one.
template <typename V>
void record_spikes(FILE* file, FILE* sizes, const int32_t* spikes, int32_t n, int32_t now,
                   const V* amplitude) {
    for (int32_t k = 0; k < n; k++) {
        const int32_t pair[2] = {now, spikes[k]};
        write(file, pair, 2);
        if (amplitude) write(sizes, amplitude + spikes[k], 1);
    }
}

// Values of the chosen units of every lane.
template <typename V>
void record_values(FILE* file, const V* values, int64_t size, int lanes, const int32_t* units,
                   int32_t n) {
    for (int64_t lane = 0; lane < lanes; lane++)
        for (int32_t k = 0; k < n; k++) write(file, values + lane * size + units[k], 1);
}

}  // namespace bionet
