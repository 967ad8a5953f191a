{% extends 'common_group.cpp' %}
{# End of a step: keep the readout; at the end of a presentation write everything out. #}
{% block extra_headers %}
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <vector>
{{ finite }}
namespace {
template <typename Narrow, typename Value> void _write_as(std::ofstream& file, const Value* values, int64_t n) {
    std::vector<Narrow> narrow(values, values + n);
    file.write(reinterpret_cast<const char*>(narrow.data()), n * sizeof(Narrow));
}
}
{% endblock %}
{% block maincode %}
    {% set _step = get_array_name(variables['step']) %}
    {% set _v = get_array_name(potential_variable) %}
    {% set _fired = get_array_name(fired_variable) %}
    const int32_t _steps = {{get_array_name(variables['steps'])}}[0];
    int32_t* _presented = {{get_array_name(variables['presented'])}};
    static std::vector<{{scalar}}> _potential(int64_t({{lanes * n_classes}}) * _steps);
    static std::vector<{{spike_type}}> _spikes(int64_t({{lanes * n_outputs}}) * _steps);
    const int64_t _now = {{_step}}[0];
    for (int64_t _lane = 0; _lane < {{lanes}}; _lane++)
        std::memcpy(&_potential[(_lane * _steps + _now) * {{n_classes}}], {{_v}} + _lane * {{n_classes}}, {{n_classes}} * sizeof({{scalar}}));
    for (int _k = 0; _k < {{_fired}}[{{lanes * n_outputs}}]; _k++)
    {
        const int64_t _lane = {{_fired}}[_k] / {{n_outputs}};
        _spikes[(_lane * _steps + _now) * {{n_outputs}} + {{_fired}}[_k] % {{n_outputs}}] = {% if amplitude_variable %}{{spike_type}}({{get_array_name(amplitude_variable)}}[{{_fired}}[_k]]){% else %}1{% endif %};
    }
    static std::vector<int32_t> _events(int64_t({{lanes}}) * _steps);
    {% for spikes, size in fired %}
    {
        {# The list is sorted by lane: a search instead of a look at every spike. #}
        const int32_t* _begin = {{get_array_name(spikes)}};
        const int32_t* _stop = _begin + _begin[{{lanes}} * {{size}}];
        for (int64_t _lane = 0; _lane < {{lanes}}; _lane++)
        {
            const int32_t* _next = std::lower_bound(_begin, _stop, int32_t((_lane + 1) * {{size}}));
            _events[_lane * _steps + _now] += int32_t(_next - _begin);
            _begin = _next;
        }
    }
    {% endfor %}
    {{_step}}[0] += 1;
    const int64_t _left = int64_t({{get_array_name(variables['n_images'])}}[0]) - _presented[0];
    const int64_t _valid = _left < {{lanes}} ? _left : {{lanes}};
    const int32_t _every = {{get_array_name(variables['check_every'])}}[0];
    if ({{_step}}[0] == _steps || (_every && {{_step}}[0] % _every == 0))
    {
        int64_t _where;
        {% for variable, size, population in watched %}
        if ((_where = bionet::first_not_finite({{get_array_name(variable)}}, _valid * {{size}})) >= 0)
        {
            std::cout << "not finite {{loop.index0}} " << _presented[0] + _where / {{size}} << " " << _where % {{size}} << " " << _now << std::endl;
            std::_Exit(0);
        }
        {% endfor %}
    }
    if ({{_step}}[0] == _steps)
    {
        {{_step}}[0] = 0;
        static std::ofstream _potential_file((brian::results_dir + "output_potential.bin").c_str(), std::ios::binary);
        static std::ofstream _spikes_file((brian::results_dir + "output_spikes.bin").c_str(), std::ios::binary);
        _potential_file.write(reinterpret_cast<const char*>(_potential.data()), _valid * _steps * {{n_classes}} * sizeof({{scalar}}));
        _spikes_file.write(reinterpret_cast<const char*>(_spikes.data()), _valid * _steps * {{n_outputs}} * sizeof({{spike_type}}));
        static std::ofstream _events_file((brian::results_dir + "events.bin").c_str(), std::ios::binary);
        _events_file.write(reinterpret_cast<const char*>(_events.data()), _valid * _steps * sizeof(int32_t));
        std::fill(_events.begin(), _events.end(), 0);
        std::fill(_spikes.begin(), _spikes.end(), 0);
        {% for name, count, total, size in counted %}
        {
            static std::ofstream _file((brian::results_dir + "counts_{{name}}.bin").c_str(), std::ios::binary);
            int32_t* _counts = {{get_array_name(count)}};
            if (_steps < 256) _write_as<uint8_t>(_file, _counts, _valid * {{size}});
            else if (_steps < 65536) _write_as<uint16_t>(_file, _counts, _valid * {{size}});
            else _write_as<int32_t>(_file, _counts, _valid * {{size}});
            std::fill_n(_counts, {{lanes}} * {{size}}, 0);
            {% if total %}
            {{get_array_name(total)}}[0] = 0;
            {% endif %}
        }
        {% endfor %}
        {% for key, variable, size in kept %}
        {% set values = get_array_name(variable) %}
        {
            static std::ofstream _file((brian::results_dir + "kept_{{key.population}}.{{key.variable}}.bin").c_str(), std::ios::binary);
            {% if key.is_step %}
            if (_steps < 32768) _write_as<int16_t>(_file, {{values}}, _valid * {{size}});
            else _write_as<int32_t>(_file, {{values}}, _valid * {{size}});
            {% else %}
            _file.write(reinterpret_cast<const char*>({{values}}), _valid * {{size}} * sizeof({{values}}[0]));
            {% endif %}
        }
        {% endfor %}
        _presented[0] += _valid;
        std::cout << "presented " << _presented[0] << std::endl;
        if (_presented[0] >= {{get_array_name(variables['n_images'])}}[0])
            Network::_globally_stopped = true;
    }
{% endblock %}
