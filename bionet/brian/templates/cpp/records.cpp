{# Parts of the end of a step: what was asked to be recorded of a population. #}
{% macro spikes(name, fired, size, now, switch, amplitude, scalar) -%}
if ({{switch}}[0])
        {
            static FILE* _pairs = bionet::opened(brian::results_dir.c_str(), "spikes_{{name}}.bin", "wb");
            {% if amplitude %}
            static FILE* _sizes = bionet::opened(brian::results_dir.c_str(), "sizes_{{name}}.bin", "wb");
            bionet::record_spikes(_pairs, _sizes, {{fired}}, {{fired}}[{{size}}], int32_t({{now}}), {{amplitude}});
            {% else %}
            bionet::record_spikes<{{scalar}}>(_pairs, NULL, {{fired}}, {{fired}}[{{size}}], int32_t({{now}}), NULL);
            {% endif %}
        }
{%- endmacro %}
{% macro values(name, variable, array, size, lanes, units, n_units) -%}
if ({{n_units}}[0] > 0)
        {
            static FILE* _file = bionet::opened(brian::results_dir.c_str(), "values_{{name}}.{{variable}}.bin", "wb");
            bionet::record_values(_file, {{array}}, {{size}}, {{lanes}}, {{units}}, {{n_units}}[0]);
        }
{%- endmacro %}
