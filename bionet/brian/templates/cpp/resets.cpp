{# Parts of the start of a presentation. #}
{% macro set_back(values, size, value) -%}
for (int64_t _k = 0; _k < {{size}}; _k++) {{values}}[_k] = {{value}};
{%- endmacro %}
{% macro set_back_to(values, initial, size, lanes) -%}
for (int _lane = 0; _lane < {{lanes}}; _lane++)
            std::memcpy({{values}} + int64_t(_lane) * {{size}}, {{initial}}, {{size}} * sizeof({{initial}}[0]));
{%- endmacro %}
{% macro next_events(pixels, size, scalar) -%}
static FILE* _numbers = bionet::opened(brian::results_dir.c_str(), "n_events.bin", "rb");
            static FILE* _places = bionet::opened(brian::results_dir.c_str(), "events_at.bin", "rb");
            static FILE* _values = bionet::opened(brian::results_dir.c_str(), "events_x.bin", "rb");
            static int32_t* _at = new int32_t[{{size}}];
            static {{scalar}}* _x = new {{scalar}}[{{size}}];
            static int32_t _n = 0;
            for (int32_t _k = 0; _k < _n; _k++) {{pixels}}[_at[_k]] = 0;
            bionet::read(_numbers, &_n, 1);
            bionet::read(_places, _at, _n);
            bionet::read(_values, _x, _n);
            for (int32_t _k = 0; _k < _n; _k++) {{pixels}}[_at[_k]] = _x[_k];
{%- endmacro %}
{% macro next_images(pixels, size, scalar) -%}
static FILE* _images = bionet::opened(brian::results_dir.c_str(), "images.bin", "rb");
        const int64_t _read = std::fread({{pixels}}, sizeof({{scalar}}), {{size}}, _images);
        std::memset({{pixels}} + _read, 0, ({{size}} - _read) * sizeof({{scalar}}));
{%- endmacro %}
{% macro next_streams(lanes) -%}
static FILE* _streams = bionet::opened(brian::results_dir.c_str(), "streams.bin", "rb");
        int32_t _stream[{{lanes}}] = {0};
        if (std::fread(_stream, sizeof(int32_t), {{lanes}}, _streams) == 0) _stream[0] = 0;
{%- endmacro %}
