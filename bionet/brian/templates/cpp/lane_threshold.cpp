{# USES_VARIABLES { N } #}
{% extends 'common_group.cpp' %}
{# Brian2's threshold with one change: the condition of 64 units makes one word of bits, in a loop
   that the compiler vectorises, and the set ones are picked out six at a time, whether there are so
   many or not. How many spikes the next word holds nobody can foretell, and a branch that is
   foretold wrongly costs as much as thirty units. #}
{% block extra_headers %}
#include <cstring>
{% endblock %}
{% block maincode %}
    {% set _events = get_array_name(eventspace_variable) %}
    const int _vectorisation_idx = -1;
    {{scalar_code|autoindent}}

    auto _fires = [&](const size_t _idx) -> bool {
        const size_t _vectorisation_idx = _idx;
        {{vector_code|autoindent}}
        return _cond;
    };
    int32_t* const _out = {{_events}};
    int32_t _total = 0;
    int64_t _base = 0;
    for (; _base + 64 <= N; _base += 64)
    {
        char _flags[64];
        for (int _k = 0; _k < 64; _k++)
            _flags[_k] = _fires(_base + _k) ? -1 : 0;
        uint64_t _word = 0;
#if defined(__AVX512BW__)
        typedef char _Part __attribute__((vector_size(64)));
        _Part _part;
        std::memcpy(&_part, _flags, 64);
        _word = __builtin_ia32_cvtb2mask512(_part);
#elif defined(__AVX2__)
        typedef char _Part __attribute__((vector_size(32)));
        for (int _k = 0; _k < 2; _k++)
        {
            _Part _part;
            std::memcpy(&_part, _flags + 32 * _k, 32);
            _word |= uint64_t(uint32_t(__builtin_ia32_pmovmskb256(_part))) << (32 * _k);
        }
#elif defined(__SSE2__)
        typedef char _Part __attribute__((vector_size(16)));
        for (int _k = 0; _k < 4; _k++)
        {
            _Part _part;
            std::memcpy(&_part, _flags + 16 * _k, 16);
            _word |= uint64_t(uint16_t(__builtin_ia32_pmovmskb128(_part))) << (16 * _k);
        }
#else
        {# The lowest bits of eight bytes, brought together by one product. #}
        for (int _k = 0; _k < 8; _k++)
        {
            uint64_t _eight;
            std::memcpy(&_eight, _flags + 8 * _k, 8);
            _word |= (((_eight & 0x0101010101010101ULL) * 0x0102040810204080ULL) >> 56) << (8 * _k);
        }
#endif
        if (!_word) continue;
        int32_t* _next = _out + _total;
        _total += __builtin_popcountll(_word);
        if (_total + 6 > N)
        {
            for (; _word; _word &= _word - 1)
                *_next++ = int32_t(_base + __builtin_ctzll(_word));
            continue;
        }
        for (;; _next += 6)
        {
            for (int _k = 0; _k < 6; _k++, _word &= _word - 1)
                _next[_k] = int32_t(_base + __builtin_ctzll(_word | 1ULL << 63));
            if (!_word) break;
        }
    }
    for (; _base < N; _base++)
        if (_fires(_base)) _out[_total++] = int32_t(_base);
    {{_events}}[N] = _total;
    {% if _uses_refractory %}
    for (int32_t _k = 0; _k < _total; _k++)
    {
        {{not_refractory}}[_out[_k]] = false;
        {{lastspike}}[_out[_k]] = {{t}};
    }
    {% endif %}
{% endblock %}
