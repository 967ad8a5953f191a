// The first value that is NaN or infinite, or -1; a block at a time, so that a look costs little.
#include <cstdint>
namespace bionet {
template <typename Value>
static int64_t first_not_finite(const Value* values, int64_t n) {
    for (int64_t base = 0; base < n; base += 1024) {
        const int64_t stop = base + 1024 < n ? base + 1024 : n;
        int wrong = 0;
        for (int64_t k = base; k < stop; k++) wrong |= !(values[k] - values[k] == Value(0));
        if (wrong)
            for (int64_t k = base; k < stop; k++)
                if (!(values[k] - values[k] == Value(0))) return k;
    }
    return -1;
}
}
