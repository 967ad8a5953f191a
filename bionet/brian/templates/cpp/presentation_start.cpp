{% extends 'common_group.cpp' %}
{# First step of a presentation: set everything back. First step of a frame: read its values. #}
{% from 'resets.cpp' import set_back, set_back_to, next_images, next_events, next_streams %}
{% block extra_headers %}
{{ header }}
{% endblock %}
{% block maincode %}
    const int32_t _step = {{get_array_name(variables['step'])}}[0];
    const int32_t _frame_steps = {{get_array_name(variables['frame_steps'])}}[0];
    {{get_array_name(variables['frame_step'])}}[0] = _step % _frame_steps;
    if (_step == 0)
    {
        {% block streams %}
        {% if stream_variables %}
        {{ next_streams(lanes) }}
        {% endif %}
        {% endblock %}
        {% for stream, size in stream_variables %}
        for (int _lane = 0; _lane < {{lanes}}; _lane++)
            for (int64_t _k = 0; _k < {{size}}; _k++)
                {{get_array_name(stream)}}[int64_t(_lane) * {{size}} + _k] = _stream[_lane];
        {% endfor %}
    }
    if (_step == 0 && !({{get_array_name(variables['carries_over'])}}[0] && {{get_array_name(variables['presented'])}}[0] > 0))
    {
        {% for variable, value in constant_resets %}
        {{ set_back(get_array_name(variable), variable.size, value) }}
        {% endfor %}
        {% for variable, initial in array_resets %}
        {{ set_back_to(get_array_name(variable), get_array_name(initial), initial.size, lanes) }}
        {% endfor %}
    }
    if (_step % _frame_steps == 0)
    {
        {% block frame %}
        if ({{get_array_name(variables['sparse'])}}[0])
        {
            {{ next_events(get_array_name(image_variable), lanes * n_pixels, scalar) }}
        }
        else
        {
            {{ next_images(get_array_name(image_variable), lanes * n_pixels, scalar) }}
        }
        {% endblock %}
        {% for variable, initial in drive_resets %}
        {{ set_back_to(get_array_name(variable), get_array_name(initial), initial.size, lanes) }}
        {% endfor %}
    }
{% endblock %}
