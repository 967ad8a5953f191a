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
    {% if slots %}
    typedef bionet::Queue<{{scalar}}, {{slots}}, {{planes}}, {{ "true" if graded else "false" }}> _Queue;
    static inline void _enter(const int32_t* spikes, int n_spikes, const {{scalar}}* amplitude,
                              const int32_t* delays, int64_t now, int64_t* waiting, int32_t* queued,
                              {{scalar}}* sizes{% if site is not none %}, const int32_t* streams,
                              const int32_t* bounds, int32_t seed_low, int32_t seed_high, int32_t step{% endif %}) {
        _Queue queue = {{ "{" }}{{n_source}}, (uint64_t*)waiting, queued, sizes};
        {% if site is not none %}
        const bionet::Jitter<{{n_source // lanes}}> jitter = {streams, bounds, uint32_t(seed_low),
                                       uint32_t(seed_high), uint32_t(step), {{site}}u};
        jitter.enter(queue, {{slots}}, spikes, n_spikes, amplitude, delays, now);
        {% else %}
        queue.enter(spikes, n_spikes, amplitude, delays, now);
        {% endif %}
    }
    static inline int _leave(int64_t now, int64_t* waiting, int32_t* queued, {{scalar}}* sizes,
                             int32_t* due) {
        _Queue queue = {{ "{" }}{{n_source}}, (uint64_t*)waiting, queued, sizes};
        return queue.leave(now, due);
    }
    {% endif %}
    """
    {% if slots %}
    void _enter(int32_t* spikes, int n_spikes, {{scalar}}* amplitude, int32_t* delays, int64_t now,
                int64_t* waiting, int32_t* queued, {{scalar}}* sizes{% if site is not none %}, int32_t* streams,
                int32_t* bounds, int seed_low, int seed_high, int step{% endif %})
    int _leave(int64_t now, int64_t* waiting, int32_t* queued, {{scalar}}* sizes, int32_t* due)
    {% endif %}
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
    {% if slots %}
    cdef int64_t _here_now = {{ get_array_name(variables['_timestep']) }}[0]
    cdef size_t _here_first = <size_t>(_here_now % {{slots}}) * {{n_source}}
    cdef int32_t* _here_due = &{{ get_array_name(variables['_due']) }}[0]
    cdef {{scalar}}* _here_sizes = {{ "&" + get_array_name(variables['_sizes']) + "[0]" if graded else "NULL" }}
    cdef int64_t* _here_waiting = &{{ get_array_name(variables['_waiting']) }}[0]
    cdef int32_t* _here_queued = &{{ get_array_name(variables['_queued']) }}[0]
    _enter(_here_spikes, _here_n_spikes, _here_amplitude, &{{ get_array_name(variables['_delays']) }}[0],
           _here_now, _here_waiting, _here_queued, _here_sizes{% if site is not none %},
           &{{ get_array_name(variables['stream']) }}[0],
           &{{ get_array_name(variables['_bounds']) }}[0], {{ get_array_name(variables['seed_low']) }}[0],
           {{ get_array_name(variables['seed_high']) }}[0], {{ get_array_name(variables['step']) }}[0]{% endif %})
    cdef int _here_n_due = _leave(_here_now, _here_waiting, _here_queued, _here_sizes, _here_due)
    while _here_n_due > 0:
        _propagate(_here_due, _here_n_due, &{{_weights}}[0], {{ "_here_sizes + _here_first" if graded else "NULL" }}, &{{_target}}[0], _here_extra)
        _here_n_due = _leave(_here_now, _here_waiting, _here_queued, _here_sizes, _here_due)
    {% else %}
    _propagate(_here_spikes, _here_n_spikes, &{{_weights}}[0], _here_amplitude, &{{_target}}[0], _here_extra)
    {% endif %}
{% endblock %}
