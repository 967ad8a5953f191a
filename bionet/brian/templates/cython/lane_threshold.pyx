{# USES_VARIABLES { N } #}
{% extends 'threshold.pyx' %}
