{% extends 'common_group.pyx' %}
{# The same loop as in C++ standalone, included word for word. #}
{% block template_support_code %}
cdef extern from *:
    """
{{ header }}
    static inline int _inhibit(int32_t* spikes, int n_spikes, {{scalar}}* v, int64_t* until,
                               int64_t now, int64_t period, char* not_refractory,
                               double* last_spike) {
        return bionet::inhibit<{{scalar}}, {{lanes}}, {{channels}}, {{pixels}}>(
            spikes, n_spikes, v, until, now, period, {{rest}}, (bool*)not_refractory, last_spike);
    }
    """
    int _inhibit(int32_t* spikes, int n_spikes, {{scalar}}* v, int64_t* until, int64_t now,
                 int64_t period, char* not_refractory, double* last_spike)
{% endblock %}
{% block maincode %}
    {% set _events = get_array_name(eventspace_variable) %}
    {% set _v = get_array_name(variables['_v']) %}
    {% set _until = get_array_name(variables['until']) %}
    cdef int64_t _here_period = <int64_t>ceil({{get_array_name(variables['_t_inh'])}}[0] / {{dt}} - 1e-3)
    cdef int64_t _here_now = {{get_array_name(variables['_timestep'])}}[0]
    cdef char* _here_ready = NULL
    cdef double* _here_last = NULL
    {% if refractory %}
    {% set _ready = get_array_name(variables['_not_refractory']) %}
    {% set _last = get_array_name(variables['_lastspike']) %}
    _here_ready = <char*>&{{_ready}}[0]
    _here_last = &{{_last}}[0]
    {% endif %}
    cdef int _here_kept = _inhibit(&{{_events}}[0], {{_events}}[{{n_units}}], &{{_v}}[0], <int64_t*>&{{_until}}[0], _here_now, _here_period, _here_ready, _here_last)
    {% if refractory %}
    cdef int _here_k
    for _here_k in range(_here_kept):
        {{_ready}}[{{_events}}[_here_k]] = False
        {{_last}}[{{_events}}[_here_k]] = {{get_array_name(variables['_t'])}}[0]
    {% endif %}
    {{_events}}[{{n_units}}] = _here_kept
{% endblock %}
