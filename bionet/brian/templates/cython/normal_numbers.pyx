{% extends 'common_group.pyx' %}
{# The same loops as in C++ standalone, included word for word. #}
{% block template_support_code %}
cdef extern from *:
    """
{{ header }}
    static inline void _fill({{scalar}}* numbers, const int32_t* streams, int32_t seed_low,
                             int32_t seed_high, int32_t step, uint32_t site) {
        bionet::normal_numbers<{{scalar}}, {{n_units}}, {{lanes}}, {{n_units}}>(
            numbers, streams, seed_low, seed_high, step, site);
    }
    """
    void _fill({{scalar}}* numbers, int32_t* streams, int seed_low, int seed_high, int step, unsigned int site)
{% endblock %}
{% block maincode %}
    {% for number, site in numbers %}
    _fill(&{{ get_array_name(number) }}[0], &{{ get_array_name(variables['stream']) }}[0],
          {{ get_array_name(variables['seed_low']) }}[0], {{ get_array_name(variables['seed_high']) }}[0],
          {{ get_array_name(variables['step']) }}[0], {{site}}u)
    {% endfor %}
{% endblock %}
