{% extends 'common_group.cpp' %}
{# First step of a presentation: read the next images, set everything back. #}
{% from 'resets.cpp' import set_back, next_images, next_streams %}
{% block extra_headers %}
{{ header }}
{% endblock %}
{% block maincode %}
    if ({{get_array_name(variables['step'])}}[0] == 0)
    {
        {{ next_images(get_array_name(image_variable), lanes * n_pixels, scalar) }}
        {% if stream_variables %}
        {{ next_streams(lanes) }}
        {% endif %}
        {% for stream, size in stream_variables %}
        for (int _lane = 0; _lane < {{lanes}}; _lane++)
            for (int64_t _k = 0; _k < {{size}}; _k++)
                {{get_array_name(stream)}}[int64_t(_lane) * {{size}} + _k] = _stream[_lane];
        {% endfor %}
        {% for variable, value in constant_resets %}
        {{ set_back(get_array_name(variable), variable.size, value) }}
        {% endfor %}
        {% for variable, initial in array_resets %}
        for (int _lane = 0; _lane < {{lanes}}; _lane++)
            std::memcpy({{get_array_name(variable)}} + int64_t(_lane) * {{initial.size}}, {{get_array_name(initial)}}, {{initial.size}} * sizeof({{get_array_name(initial)}}[0]));
        {% endfor %}
    }
{% endblock %}
