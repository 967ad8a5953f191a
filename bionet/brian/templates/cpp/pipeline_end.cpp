{% extends 'common_group.cpp' %}
{# End of a step: keep the readout; write out what a population has done with its image. #}
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
// Where a population is: its batch of images, and its step; batch -1 where it has none.
struct _Place {
    int64_t batch, step, phase;
    _Place(int64_t now, int64_t period, int32_t step, int32_t first, int32_t last)
        : batch(now < first || step > last ? -1 : (now - first) / period), step(step), phase(step - first) {}
};
}
{% endblock %}
{% block maincode %}
    {% macro place(three) %}_Place(_now, _period, {{get_array_name(three[0])}}[0], {{get_array_name(three[1])}}[0], {{get_array_name(three[2])}}[0]){% endmacro %}
    {% set _fired = get_array_name(fired_variable) %}
    const int64_t _now = {{get_array_name(variables['now'])}}[0];
    const int64_t _period = {{get_array_name(variables['period'])}}[0];
    const int32_t _steps = {{get_array_name(variables['steps'])}}[0];
    const int64_t _flight = (_steps + _period - 1) / _period + 1;
    const int64_t _n_images = {{get_array_name(variables['n_images'])}}[0];
    auto _valid = [&](int64_t batch) {
        return std::min<int64_t>(std::max<int64_t>(_n_images - batch * {{lanes}}, 0), {{lanes}});
    };
    static std::vector<{{scalar}}> _potential(int64_t({{lanes * n_classes}}) * _steps);
    static std::vector<{{spike_type}}> _spikes(int64_t({{lanes * n_outputs}}) * _steps);
    static std::vector<int32_t> _events(_flight * {{lanes}} * _steps);
    {
        const auto _at = {{place(potential_steps)}};
        if (_at.batch >= 0)
            for (int64_t _lane = 0; _lane < {{lanes}}; _lane++)
                std::memcpy(&_potential[(_lane * _steps + _at.step) * {{n_classes}}], {{get_array_name(potential_variable)}} + _lane * {{n_classes}}, {{n_classes}} * sizeof({{scalar}}));
    }
    {
        const auto _at = {{place(output_steps)}};
        if (_at.batch >= 0)
            for (int _k = 0; _k < {{_fired}}[{{lanes * n_outputs}}]; _k++)
            {
                const int64_t _lane = {{_fired}}[_k] / {{n_outputs}};
                _spikes[(_lane * _steps + _at.step) * {{n_outputs}} + {{_fired}}[_k] % {{n_outputs}}] = 1;
            }
    }
    {% for spikes, size in fired %}
    {
        const auto _at = {{place(fired_steps[loop.index0])}};
        const int32_t* _begin = {{get_array_name(spikes)}};
        const int32_t* _stop = _begin + _begin[{{lanes}} * {{size}}];
        if (_at.batch >= 0)
            for (int64_t _lane = 0; _lane < {{lanes}}; _lane++)
            {
                const int32_t* _next = std::lower_bound(_begin, _stop, int32_t((_lane + 1) * {{size}}));
                _events[(_at.batch % _flight * {{lanes}} + _lane) * _steps + _at.step] += int32_t(_next - _begin);
                _begin = _next;
            }
    }
    {% endfor %}
    const int32_t _every = {{get_array_name(variables['check_every'])}}[0];
    {% for variable, size, population in watched %}
    {
        const auto _at = {{place(steps_of[population])}};
        const bool _last = _at.step == {{get_array_name(steps_of[population][2])}}[0];
        if (_at.batch >= 0 && (_last || (_every && (_at.step + 1) % _every == 0)))
        {
            const int64_t _where = bionet::first_not_finite({{get_array_name(variable)}}, _valid(_at.batch) * {{size}});
            if (_where >= 0)
            {
                std::cout << "not finite {{loop.index0}} " << _at.batch * {{lanes}} + _where / {{size}} << " " << _where % {{size}} << " " << _at.step << std::endl;
                std::_Exit(0);
            }
        }
    }
    {% endfor %}
    {% for name, count, total, size in counted %}
    {
        static std::ofstream _file((brian::results_dir + "counts_{{name}}.bin").c_str(), std::ios::binary);
        const auto _at = {{place(steps_of[name])}};
        int32_t* _counts = {{get_array_name(count)}};
        if (_at.batch >= 0 && _at.step == {{get_array_name(steps_of[name][2])}}[0])
        {
            const int64_t _n = _valid(_at.batch) * {{size}};
            if (_steps < 256) _write_as<uint8_t>(_file, _counts, _n);
            else if (_steps < 65536) _write_as<uint16_t>(_file, _counts, _n);
            else _write_as<int32_t>(_file, _counts, _n);
        }
        if (_at.phase == _period - 1)
        {
            std::fill_n(_counts, {{lanes}} * {{size}}, 0);
            {% if total %}
            {{get_array_name(total)}}[0] = 0;
            {% endif %}
        }
    }
    {% endfor %}
    {% for key, variable, size in kept %}
    {% set values = get_array_name(variable) %}
    {
        static std::ofstream _file((brian::results_dir + "kept_{{key.population}}.{{key.variable}}.bin").c_str(), std::ios::binary);
        const auto _at = {{place(steps_of[key.population])}};
        if (_at.batch >= 0 && _at.step == {{get_array_name(steps_of[key.population][2])}}[0])
        {
            const int64_t _n = _valid(_at.batch) * {{size}};
            {% if key.is_step %}
            if (_steps < 32768) _write_as<int16_t>(_file, {{values}}, _n);
            else _write_as<int32_t>(_file, {{values}}, _n);
            {% else %}
            _file.write(reinterpret_cast<const char*>({{values}}), _n * sizeof({{values}}[0]));
            {% endif %}
        }
    }
    {% endfor %}
    const int64_t _out = _now - _steps + 1;
    if (_out >= 0 && _out % _period == 0 && _valid(_out / _period) > 0)
    {
        const int64_t _done = _valid(_out / _period);
        int32_t* const _slot = &_events[_out / _period % _flight * {{lanes}} * _steps];
        static std::ofstream _potential_file((brian::results_dir + "output_potential.bin").c_str(), std::ios::binary);
        static std::ofstream _spikes_file((brian::results_dir + "output_spikes.bin").c_str(), std::ios::binary);
        static std::ofstream _events_file((brian::results_dir + "events.bin").c_str(), std::ios::binary);
        _potential_file.write(reinterpret_cast<const char*>(_potential.data()), _done * _steps * {{n_classes}} * sizeof({{scalar}}));
        _spikes_file.write(reinterpret_cast<const char*>(_spikes.data()), _done * _steps * {{n_outputs}} * sizeof({{spike_type}}));
        _events_file.write(reinterpret_cast<const char*>(_slot), _done * _steps * sizeof(int32_t));
        std::fill(_spikes.begin(), _spikes.end(), 0);
        std::fill_n(_slot, {{lanes}} * _steps, 0);
        int32_t* _presented = {{get_array_name(variables['presented'])}};
        _presented[0] += _done;
        std::cout << "presented " << _presented[0] << std::endl;
        if (_presented[0] >= _n_images)
            Network::_globally_stopped = true;
    }
    {{get_array_name(variables['now'])}}[0] += 1;
{% endblock %}
