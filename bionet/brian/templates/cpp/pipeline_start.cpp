{% extends 'common_group.cpp' %}
{# Start of a step: every population whose image changes is set back and given the next one. #}
{% block extra_headers %}
#include <cstring>
{% endblock %}
{% block maincode %}
    const int64_t _now = {{get_array_name(variables['now'])}}[0];
    const int64_t _period = {{get_array_name(variables['period'])}}[0];
    {% for name, step, first, constants, arrays, stream in members %}
    { // {{name}}
        const int64_t _since = _now - {{get_array_name(first)}}[0];
        const int64_t _phase = (_since % _period + _period) % _period;
        {{get_array_name(step)}}[0] = {{get_array_name(first)}}[0] + _phase;
        if (_now == 0 || (_since >= 0 && _phase == 0))
        {
            {% for variable, value in constants %}
            std::fill_n({{get_array_name(variable)}}, {{variable.size}}, {{value}});
            {% endfor %}
            {% for variable, initial in arrays %}
            for (int _lane = 0; _lane < {{lanes}}; _lane++)
                std::memcpy({{get_array_name(variable)}} + int64_t(_lane) * {{initial.size}}, {{get_array_name(initial)}}, {{initial.size}} * sizeof({{get_array_name(initial)}}[0]));
            {% endfor %}
        }
        {% if name == "input" or stream %}
        if (_since >= 0 && _phase == 0)
        {
            {% if name == "input" %}
            {% set _x = get_array_name(image_variable) %}
            static std::ifstream _images((brian::results_dir + "images.bin").c_str(), std::ios::binary);
            std::memset({{_x}}, 0, {{lanes * n_pixels}} * sizeof({{scalar}}));
            _images.read(reinterpret_cast<char*>({{_x}}), {{lanes * n_pixels}} * sizeof({{scalar}}));
            {% endif %}
            {% if stream %}
            static std::ifstream _streams((brian::results_dir + "streams.bin").c_str(), std::ios::binary);
            int32_t _stream[{{lanes}}] = {0};
            _streams.read(reinterpret_cast<char*>(_stream), sizeof(_stream));
            for (int _lane = 0; _lane < {{lanes}}; _lane++)
                std::fill_n({{get_array_name(stream[0])}} + int64_t(_lane) * {{stream[1]}}, {{stream[1]}}, _stream[_lane]);
            {% endif %}
        }
        {% endif %}
    }
    {% endfor %}
{% endblock %}
