{% extends 'common_group.cpp' %}
{# End of a step in a user's own program: monitors record, and nothing is written here. #}
{% block maincode %}
    int32_t* _step = {{get_array_name(variables['step'])}};
    if (++_step[0] == {{get_array_name(variables['steps'])}}[0])
    {
        _step[0] = 0;
        {{get_array_name(variables['presented'])}}[0] += {{lanes}};
    }
{% endblock %}
