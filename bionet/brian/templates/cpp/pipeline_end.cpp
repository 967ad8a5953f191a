{% extends 'common_group.cpp' %}
{# End of a step: keep the readout; write out what a population has done with its image. #}
{% import 'records.cpp' as record %}
{% block extra_headers %}
{{ header }}
{{ finite }}
namespace {
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
    auto _valid = [&](int64_t batch) -> int64_t {
        const int64_t left = _n_images - batch * {{lanes}};
        return left < 0 ? 0 : left < {{lanes}} ? left : {{lanes}};
    };
    static {{scalar}}* _potential = new {{scalar}}[int64_t({{lanes * n_classes}}) * _steps]();
    static {{spike_type}}* _spikes = new {{spike_type}}[int64_t({{lanes * n_outputs}}) * _steps]();
    static int32_t* _events = new int32_t[_flight * {{lanes}} * _steps]();
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
    const int32_t _every = {{get_array_name(variables['check_every'])}}[0];
    {% for variable, size, population in watched %}
    {
        const auto _at = {{place(steps_of[population])}};
        const bool _last = _at.step == {{get_array_name(steps_of[population][2])}}[0];
        if (_at.batch >= 0 && (_last || (_every && (_at.step + 1) % _every == 0)))
        {
            const int64_t _where = bionet::first_not_finite({{get_array_name(variable)}}, _valid(_at.batch) * {{size}});
            if (_where >= 0)
                bionet::not_finite({{loop.index0}}, _at.batch * {{lanes}} + _where / {{size}}, _where % {{size}}, _at.step);
        }
    }
    {% endfor %}
    {% for p in spiking %}
    {
        static FILE* _file = bionet::opened(brian::results_dir.c_str(), "counts_{{p.name}}.bin", "wb");
        const auto _at = {{place(steps_of[p.name])}};
        const int32_t* _list = {{get_array_name(p.fired)}};
        int32_t* _counts = {{get_array_name(p.count)}};
        bionet::count(_list, _list[{{lanes * p.size}}], _counts);
        {% if p.name != "input" %}
        if (_at.batch >= 0)
            bionet::count_by_lane(_list, _list[{{lanes * p.size}}], {{p.size}}, {{lanes}},
                                  _events + _at.batch % _flight * {{lanes}} * _steps + _at.step, _steps);
        {% endif %}
        if (_at.batch >= 0 && _at.step == {{get_array_name(steps_of[p.name][2])}}[0])
            bionet::write_counts(_file, _counts, _valid(_at.batch) * {{p.size}}, _steps);
        if (_at.phase == _period - 1)
            std::memset(_counts, 0, {{lanes * p.size}} * sizeof(int32_t));
        {{ record.spikes(p.name, get_array_name(p.fired), lanes * p.size, "_now", get_array_name(p.switch), get_array_name(p.amplitude) if p.amplitude else "", scalar) }}
    }
    {% endfor %}
    {% for r in recordable %}
    {
        {{ record.values(r.name, r.variable, get_array_name(r.array), r.size, lanes, get_array_name(r.units), get_array_name(r.n_units)) }}
    }
    {% endfor %}
    {% for key, variable, size, switch in kept %}
    {% set values = get_array_name(variable) %}
    {% if switch %}
    if ({{get_array_name(switch)}}[0])
    {% endif %}
    {
        static FILE* _file = bionet::opened(brian::results_dir.c_str(), "kept_{{key.population}}.{{key.variable}}.bin", "wb");
        const auto _at = {{place(steps_of[key.population])}};
        if (_at.batch >= 0 && _at.step == {{get_array_name(steps_of[key.population][2])}}[0])
        {
            const int64_t _n = _valid(_at.batch) * {{size}};
            {% if key.is_step %}
            bionet::write_steps(_file, {{values}}, _n, _steps);
            {% else %}
            bionet::write(_file, {{values}}, _n);
            {% endif %}
        }
    }
    {% endfor %}
    const int64_t _out = _now - _steps + 1;
    if (_out >= 0 && _out % _period == 0 && _valid(_out / _period) > 0)
    {
        const int64_t _done = _valid(_out / _period);
        int32_t* const _slot = &_events[_out / _period % _flight * {{lanes}} * _steps];
        static FILE* _potential_file = bionet::opened(brian::results_dir.c_str(), "output_potential.bin", "wb");
        static FILE* _spikes_file = bionet::opened(brian::results_dir.c_str(), "output_spikes.bin", "wb");
        static FILE* _events_file = bionet::opened(brian::results_dir.c_str(), "events.bin", "wb");
        bionet::write(_potential_file, _potential, _done * _steps * {{n_classes}});
        bionet::write(_spikes_file, _spikes, _done * _steps * {{n_outputs}});
        bionet::write(_events_file, _slot, _done * _steps);
        std::memset(_spikes, 0, int64_t({{lanes * n_outputs}}) * _steps * sizeof({{spike_type}}));
        std::memset(_slot, 0, int64_t({{lanes}}) * _steps * sizeof(int32_t));
        int32_t* _presented = {{get_array_name(variables['presented'])}};
        _presented[0] += _done;
        std::printf("presented %d\n", int(_presented[0]));
        std::fflush(stdout);
        if (_presented[0] >= _n_images)
            Network::_globally_stopped = true;
    }
    {{get_array_name(variables['now'])}}[0] += 1;
{% endblock %}
