{% extends 'common_group.pyx' %}
{# The same loops as in C++ standalone, included word for word. #}
{% block template_support_code %}
cdef extern from *:
    """
{{ header }}
    static inline void _propagate(const int32_t* spikes, int n_spikes, const {{scalar}}* weights,
                                  const {{scalar}}* amplitude, {{scalar}}* target,
                                  const {{extra_type}}* extra) {
        bionet::propagate<{{kernel}}>(spikes, n_spikes, {{lanes}}, weights, amplitude, target{{ ", extra" if extra_variable else "" }});
    }
    """
    void _propagate(int32_t* spikes, int n_spikes, {{scalar}}* weights, {{scalar}}* amplitude,
                    {{scalar}}* target, {{extra_type}}* extra)
{% endblock %}
{% block maincode %}
    {% set _events = get_array_name(eventspace_variable) %}
    {% set _target = get_array_name(target_variable) %}
    {% set _weights = get_array_name(variables['weights']) %}
    cdef int32_t* _here_spikes = &{{_events}}[0]
    cdef int _here_n_spikes = {{_events}}[_num{{_events}}-1]
    cdef {{scalar}}* _here_amplitude = {{ "&" + get_array_name(amplitude_variable) + "[0]" if amplitude_variable else "NULL" }}
    cdef {{extra_type}}* _here_extra = {{ "&" + get_array_name(extra_variable) + "[0]" if extra_variable else "NULL" }}
    {% if delay_steps %}
    cdef int _here_slot = {{ get_array_name(variables['_timestep']) }}[0] % {{delay_steps}}
    cdef size_t _here_first = <size_t>_here_slot * {{n_source}}
    cdef int32_t* _here_queue = &{{ get_array_name(variables['_queue']) }}[_here_first]
    cdef int32_t* _here_queued = &{{ get_array_name(variables['_queued']) }}[_here_slot]
    cdef {{scalar}}* _here_sizes = {{ "&" + get_array_name(variables['_sizes']) + "[_here_first]" if amplitude_variable else "NULL" }}
    cdef size_t _k
    _propagate(_here_queue, _here_queued[0], &{{_weights}}[0], _here_sizes, &{{_target}}[0], _here_extra)
    for _k in range(<size_t>_here_n_spikes):
        _here_queue[_k] = _here_spikes[_k]
    _here_queued[0] = _here_n_spikes
    {% if amplitude_variable %}
    for _k in range({{n_source}}):
        _here_sizes[_k] = _here_amplitude[_k]
    {% endif %}
    {% else %}
    _propagate(_here_spikes, _here_n_spikes, &{{_weights}}[0], _here_amplitude, &{{_target}}[0], _here_extra)
    {% endif %}
{% endblock %}
