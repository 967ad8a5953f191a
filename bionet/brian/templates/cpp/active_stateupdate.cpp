{# USES_VARIABLES { N, step, first_step, last_step } #}
{# ALLOWS_SCALAR_WRITE #}
{% extends 'stateupdate.cpp' %}
{# A population stays as it is outside the steps in which it has something to do. #}
{% block maincode %}
    const int32_t _own_step = {{get_array_name(variables['step'])}}[0];
    if (_own_step >= {{get_array_name(variables['first_step'])}}[0] && _own_step <= {{get_array_name(variables['last_step'])}}[0])
    {
        {{ super() }}
    }
{% endblock %}
