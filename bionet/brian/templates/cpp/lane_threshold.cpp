{# USES_VARIABLES { N } #}
{% extends 'common_group.cpp' %}
{# Brian2's threshold with one change: the condition of 32 units makes one word of bits, in a loop
   that the compiler vectorises, and the set ones are then picked out. A branch for every unit
   costs several times as much. #}
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
    for (; _base + 32 <= N; _base += 32)
    {
        uint32_t _word = 0;
#if defined(__SSE2__) && !defined(__AVX2__)
        {# Shifts by different numbers came with AVX2: bytes, and eight of them by one product. #}
        unsigned char _flags[32];
        for (int _k = 0; _k < 32; _k++)
            _flags[_k] = _fires(_base + _k) ? 1 : 0;
        for (int _k = 0; _k < 4; _k++)
        {
            uint64_t _eight;
            std::memcpy(&_eight, _flags + 8 * _k, 8);
            _word |= uint32_t((_eight * 0x0102040810204080ULL) >> 56) << (8 * _k);
        }
#else
        for (int _k = 0; _k < 32; _k++)
            _word |= uint32_t(_fires(_base + _k) ? 1 : 0) << _k;
#endif
        for (; _word; _word &= _word - 1)
            _out[_total++] = int32_t(_base + __builtin_ctz(_word));
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
