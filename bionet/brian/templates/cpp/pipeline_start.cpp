{% extends 'common_group.cpp' %}
{# Start of a step: every population whose image changes is set back and given the next one. #}
{% from 'resets.cpp' import set_back, next_images, next_streams %}
{% block extra_headers %}
{{ header }}
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
            {{ set_back(get_array_name(variable), variable.size, value) }}
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
            {{ next_images(get_array_name(image_variable), lanes * n_pixels, scalar) }}
            {% endif %}
            {% if stream %}
            {{ next_streams(lanes) }}
            for (int _lane = 0; _lane < {{lanes}}; _lane++)
                for (int64_t _k = 0; _k < {{stream[1]}}; _k++)
                    {{get_array_name(stream[0])}}[int64_t(_lane) * {{stream[1]}} + _k] = _stream[_lane];
            {% endif %}
        }
        {% endif %}
    }
    {% endfor %}
{% endblock %}
