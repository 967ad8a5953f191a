{% extends 'common_group.cpp' %}
{# First step of a presentation: read the next images, set everything back. #}
{% block extra_headers %}
#include <cstring>
{% endblock %}
{% block maincode %}
    {% set _step = get_array_name(variables['step']) %}
    if ({{_step}}[0] == 0)
    {
        static std::ifstream _images((brian::results_dir + "images.bin").c_str(), std::ios::binary);
        static std::ifstream _streams((brian::results_dir + "streams.bin").c_str(), std::ios::binary);
        {% set _x = get_array_name(image_variable) %}
        std::memset({{_x}}, 0, {{lanes * n_pixels}} * sizeof({{scalar}}));
        _images.read(reinterpret_cast<char*>({{_x}}), {{lanes * n_pixels}} * sizeof({{scalar}}));
        int32_t _stream[{{lanes}}] = {0};
        _streams.read(reinterpret_cast<char*>(_stream), sizeof(_stream));
        {% for stream, size in stream_variables %}
        for (int _lane = 0; _lane < {{lanes}}; _lane++)
            std::fill_n({{get_array_name(stream)}} + int64_t(_lane) * {{size}}, {{size}}, _stream[_lane]);
        {% endfor %}
        {% for variable, value in constant_resets %}
        std::fill_n({{get_array_name(variable)}}, {{variable.size}}, {{value}});
        {% endfor %}
        {% for variable, initial in array_resets %}
        for (int _lane = 0; _lane < {{lanes}}; _lane++)
            std::memcpy({{get_array_name(variable)}} + int64_t(_lane) * {{initial.size}}, {{get_array_name(initial)}}, {{initial.size}} * sizeof({{get_array_name(initial)}}[0]));
        {% endfor %}
    }
{% endblock %}
