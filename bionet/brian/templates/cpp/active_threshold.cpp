{# USES_VARIABLES { N, step, first_spike, last_step } #}
{% extends 'lane_threshold.cpp' %}
{# A population has no spikes outside the steps in which it can have any. #}
{% block maincode %}
    const int32_t _own_step = {{get_array_name(variables['step'])}}[0];
    if (_own_step < {{get_array_name(variables['first_spike'])}}[0] || _own_step > {{get_array_name(variables['last_step'])}}[0])
    {
        {{get_array_name(eventspace_variable)}}[N] = 0;
    }
    else
    {
        {{ super() }}
    }
{% endblock %}
