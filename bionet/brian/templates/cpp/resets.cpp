{# Parts of the start of a presentation. #}
{% macro set_back(values, size, value) -%}
for (int64_t _k = 0; _k < {{size}}; _k++) {{values}}[_k] = {{value}};
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
