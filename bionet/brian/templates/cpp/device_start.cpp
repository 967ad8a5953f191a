{% extends 'presentation_start.cpp' %}
{# The images are arrays of the program, not files beside it; they stand side by side, all at once. #}
{% block streams %}
        {{get_array_name(variables['presented'])}}[0] = 0;  // all were shown: begin again
        {% if stream_variables %}
        const int32_t* _stream = {{get_array_name(variables['_numbers'])}};
        {% endif %}
{% endblock %}
{% block frame %}
        std::memcpy({{get_array_name(image_variable)}}, {{get_array_name(variables['_frames'])}} + int64_t(_step / _frame_steps) * {{lanes * n_pixels}}, {{lanes * n_pixels}} * sizeof({{scalar}}));
{% endblock %}
