{% extends 'common_group.cpp' %}
{# Standard normal numbers of a population for this step. #}
{% block extra_headers %}
{{ header }}
{% endblock %}
{% block maincode %}
    {% for number, site in numbers %}
    bionet::normal_numbers<{{scalar}}, {{n_units}}, {{lanes}}, {{n_units}}>(
        {{ get_array_name(number) }}, {{ get_array_name(variables['stream']) }},
        {{ get_array_name(variables['seed_low']) }}[0], {{ get_array_name(variables['seed_high']) }}[0], {{ get_array_name(variables['step']) }}[0], {{site}}u);
    {% endfor %}
{% endblock %}
