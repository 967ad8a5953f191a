{% extends 'common_group.cpp' %}
{# After the threshold: one spike of a lane stays, and the lane is silent for a while. #}
{% block extra_headers %}
#include <cmath>
{{ header }}
{% endblock %}
{% block maincode %}
    {% set _events = get_array_name(eventspace_variable) %}
    const int64_t _period = std::ceil({{get_array_name(variables['_t_inh'])}}[0] / {{dt}} - 1e-3);
    const int64_t _now = {{get_array_name(variables['_timestep'])}}[0];
    const int32_t _kept = bionet::inhibit<{{scalar}}, {{lanes}}, {{channels}}, {{pixels}}>(
        {{_events}}, {{_events}}[{{n_units}}], {{get_array_name(variables['_v'])}},
        {{get_array_name(variables['until'])}}, _now, _period, {{rest}},
        {% if refractory %}
        (bool*){{get_array_name(variables['_not_refractory'])}}, {{get_array_name(variables['_lastspike'])}});
        {% else %}
        NULL, NULL);
        {% endif %}
    {% if refractory %}
    if (_kept)
        for (int _k = 0; _k < _kept; _k++)
        {
            {{get_array_name(variables['_not_refractory'])}}[{{_events}}[_k]] = false;
            {{get_array_name(variables['_lastspike'])}}[{{_events}}[_k]] = {{get_array_name(variables['_t'])}}[0];
        }
    {% endif %}
    {{_events}}[{{n_units}}] = _kept;
{% endblock %}
