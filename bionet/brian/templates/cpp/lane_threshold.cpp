{# USES_VARIABLES { N } #}
{% extends 'common_group.cpp' %}
{# Brian2's threshold with two changes. The condition fills flags for 256 units in a loop that
   the compiler vectorises, and the set ones are then picked out: a branch for every unit costs
   several times as much. Threads take whole lanes, and their lists are joined in order. #}
{% block maincode %}
    {% set _events = get_array_name(eventspace_variable) %}
    const int _vectorisation_idx = -1;
    {{scalar_code|autoindent}}

    const int _parts = {{ openmp_pragma('get_num_threads') }} < {{lanes}} ? {{ openmp_pragma('get_num_threads') }} : {{lanes}};
    const int64_t _lane_size = N / {{lanes}};
    int64_t _begin[{{lanes}} + 1];
    int32_t _found[{{lanes}}];
    for (int _part = 0; _part <= _parts; _part++)
        _begin[_part] = int64_t({{lanes}}) * _part / _parts * _lane_size;

    {{ openmp_pragma('parallel-static') }}
    for (int _part = 0; _part < _parts; _part++)
    {
        int32_t* _out = {{_events}} + _begin[_part];
        int32_t _count = 0;
        for (int64_t _base = _begin[_part]; _base < _begin[_part + 1]; _base += 256)
        {
            const int _width = _begin[_part + 1] - _base < 256 ? int(_begin[_part + 1] - _base) : 256;
            alignas(64) unsigned char _flags[256];
            for (int _k = _width & ~7; _k < ((_width + 7) & ~7); _k++) _flags[_k] = 0;
            for (int _k = 0; _k < _width; _k++)
            {
                const size_t _idx = _base + _k;
                const size_t _vectorisation_idx = _idx;
                {{vector_code|autoindent}}
                _flags[_k] = _cond ? 1 : 0;
            }
            for (int _k = 0; _k < _width; _k += 8)
            {
                uint64_t _word;
                std::memcpy(&_word, _flags + _k, 8);
                while (_word)
                {
                    const int64_t _idx = _base + _k + (__builtin_ctzll(_word) >> 3);
                    _out[_count++] = _idx;
                    {% if _uses_refractory %}
                    {{not_refractory}}[_idx] = false;
                    {{lastspike}}[_idx] = {{t}};
                    {% endif %}
                    _word &= _word - 1;
                }
            }
        }
        _found[_part] = _count;
    }
    int64_t _total = _found[0];
    for (int _part = 1; _part < _parts; _part++)
    {
        std::memmove({{_events}} + _total, {{_events}} + _begin[_part], _found[_part] * sizeof(int32_t));
        _total += _found[_part];
    }
    {{_events}}[N] = _total;
{% endblock %}
{% block extra_headers %}
#include <cstring>
{% endblock %}
