{% extends 'common_group.cpp' %}
{# Spikes of the source, or of an earlier step of it, through weights that are stored once. #}
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
    {% if delay_steps %}
    {# The slot of this step holds what was emitted delay steps ago; it is then overwritten. #}
    const int _slot = {{ get_array_name(variables['_timestep']) }}[0] % {{delay_steps}};
    const int64_t _n_source = {{n_source}};
    int32_t* _queue = {{ get_array_name(variables['_queue']) }} + _slot * _n_source;
    int32_t* _queued = {{ get_array_name(variables['_queued']) }} + _slot;
    {% if amplitude_variable %}
    {{scalar}}* _sizes = {{ get_array_name(variables['_sizes']) }} + _slot * _n_source;
    {% else %}
    const {{scalar}}* _sizes = NULL;
    {% endif %}
    bionet::propagate<{{kernel}}>(_queue, _queued[0], {{lanes}}, _weights, _sizes, _target{{ ", " + get_array_name(extra_variable) if extra_variable else "" }});
    std::copy(_spikes, _spikes + _n_spikes, _queue);
    _queued[0] = _n_spikes;
    {% if amplitude_variable %}
    std::copy(_amplitude, _amplitude + _n_source, _sizes);
    {% endif %}
    {% else %}
    bionet::propagate<{{kernel}}>(_spikes, _n_spikes, {{lanes}}, _weights, _amplitude, _target{{ ", " + get_array_name(extra_variable) if extra_variable else "" }});
    {% endif %}
{% endblock %}
