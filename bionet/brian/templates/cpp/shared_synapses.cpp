{% extends 'common_group.cpp' %}
{# Spikes of the source, or those that were on their way and are due, through weights that are stored once. #}
{% block extra_headers %}
{{ header }}
{% endblock %}
{% block maincode %}
    {% set _events = get_array_name(eventspace_variable) %}
    const int32_t* _spikes = {{_events}};
    const int32_t _n_spikes = {{_events}}[_num{{eventspace_variable.name}}-1];
    const {{scalar}}* _amplitude = {{ get_array_name(amplitude_variable) if amplitude_variable else "NULL" }};
    {{scalar}}* _target = {{ get_array_name(target_variable) }};
    const {{scalar}}* _weights = {{ get_array_name(variables['weights']) }};
    {% if slots %}
    {% set _now = get_array_name(variables['_timestep']) %}
    int32_t* _due = {{ get_array_name(variables['_due']) }};
    {{scalar}}* _sizes = {{ get_array_name(variables['_sizes']) if graded else "NULL" }};
    bionet::Queue<{{scalar}}, {{slots}}, {{planes}}, {{ "true" if graded else "false" }}> _queue = {
        {{n_source}}, (uint64_t*){{ get_array_name(variables['_waiting']) }}, {{ get_array_name(variables['_queued']) }}, _sizes};
    const int32_t* _delays = {{ get_array_name(variables['_delays']) }};
    {% if site is not none %}
    const bionet::Jitter<{{n_source // lanes}}> _jitter = {
        {{ get_array_name(variables['stream']) }}, {{ get_array_name(variables['_bounds']) }},
        uint32_t({{ get_array_name(variables['seed_low']) }}[0]), uint32_t({{ get_array_name(variables['seed_high']) }}[0]), uint32_t({{ get_array_name(variables['step']) }}[0]), {{site}}u};
    _jitter.enter(_queue, {{slots}}, _spikes, _n_spikes, _amplitude, _delays, {{_now}}[0]);
    {% else %}
    _queue.enter(_spikes, _n_spikes, _amplitude, _delays, {{_now}}[0]);
    {% endif %}
    while (const int32_t _n_due = _queue.leave({{_now}}[0], _due))
        bionet::propagate<{{kernel}}>(_due, _n_due, {{lanes}}, _weights, _queue.sizes_at({{_now}}[0]), _target{{ ", " + get_array_name(extra_variable) if extra_variable else "" }});
    {% else %}
    bionet::propagate<{{kernel}}>(_spikes, _n_spikes, {{lanes}}, _weights, _amplitude, _target{{ ", " + get_array_name(extra_variable) if extra_variable else "" }});
    {% endif %}
{% endblock %}
