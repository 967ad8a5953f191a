{% extends 'common_group.cpp' %}
{# End of a step: keep the readout, count; at the end of a presentation write everything out. #}
{% import 'records.cpp' as record %}
{% block extra_headers %}
{{ header }}
{{ finite }}
{% endblock %}
{% block maincode %}
    {% set _step = get_array_name(variables['step']) %}
    {% set _v = get_array_name(potential_variable) %}
    {% set _fired = get_array_name(fired_variable) %}
    const int32_t _steps = {{get_array_name(variables['steps'])}}[0];
    int32_t* _presented = {{get_array_name(variables['presented'])}};
    static int64_t _total_steps = 0;
    static {{scalar}}* _potential = new {{scalar}}[int64_t({{lanes * n_classes}}) * _steps]();
    static {{spike_type}}* _spikes = new {{spike_type}}[int64_t({{lanes * n_outputs}}) * _steps]();
    static int32_t* _events = new int32_t[int64_t({{lanes}}) * _steps]();
    const int64_t _now = {{_step}}[0];
    for (int64_t _lane = 0; _lane < {{lanes}}; _lane++)
        std::memcpy(&_potential[(_lane * _steps + _now) * {{n_classes}}], {{_v}} + _lane * {{n_classes}}, {{n_classes}} * sizeof({{scalar}}));
    for (int _k = 0; _k < {{_fired}}[{{lanes * n_outputs}}]; _k++)
    {
        const int64_t _lane = {{_fired}}[_k] / {{n_outputs}};
        _spikes[(_lane * _steps + _now) * {{n_outputs}} + {{_fired}}[_k] % {{n_outputs}}] = {% if amplitude_variable %}{{spike_type}}({{get_array_name(amplitude_variable)}}[{{_fired}}[_k]]){% else %}1{% endif %};
    }
    {% for p in spiking %}
    {
        const int32_t* _list = {{get_array_name(p.fired)}};
        const int32_t _n = _list[{{lanes * p.size}}];
        bionet::count(_list, _n, {{get_array_name(p.count)}});
        {% if p.name != "input" %}
        bionet::count_by_lane(_list, _n, {{p.size}}, {{lanes}}, _events + _now, _steps);
        {% endif %}
        {{ record.spikes(p.name, get_array_name(p.fired), lanes * p.size, "_total_steps", get_array_name(p.switch), get_array_name(p.amplitude) if p.amplitude else "", scalar) }}
    }
    {% endfor %}
    {% for r in recordable %}
    {
        {{ record.values(r.name, r.variable, get_array_name(r.array), r.size, lanes, get_array_name(r.units), get_array_name(r.n_units)) }}
    }
    {% endfor %}
    _total_steps++;
    {{_step}}[0] += 1;
    const int64_t _left = int64_t({{get_array_name(variables['n_images'])}}[0]) - _presented[0];
    const int64_t _valid = _left < {{lanes}} ? _left : {{lanes}};
    const int32_t _every = {{get_array_name(variables['check_every'])}}[0];
    if ({{_step}}[0] == _steps || (_every && {{_step}}[0] % _every == 0))
    {
        int64_t _where;
        {% for variable, size, population in watched %}
        if ((_where = bionet::first_not_finite({{get_array_name(variable)}}, _valid * {{size}})) >= 0)
            bionet::not_finite({{loop.index0}}, _presented[0] + _where / {{size}}, _where % {{size}}, _now);
        {% endfor %}
    }
    if ({{_step}}[0] == _steps)
    {
        {{_step}}[0] = 0;
        static FILE* _potential_file = bionet::opened(brian::results_dir.c_str(), "output_potential.bin", "wb");
        static FILE* _spikes_file = bionet::opened(brian::results_dir.c_str(), "output_spikes.bin", "wb");
        static FILE* _events_file = bionet::opened(brian::results_dir.c_str(), "events.bin", "wb");
        bionet::write(_potential_file, _potential, _valid * _steps * {{n_classes}});
        bionet::write(_spikes_file, _spikes, _valid * _steps * {{n_outputs}});
        bionet::write(_events_file, _events, _valid * _steps);
        std::memset(_events, 0, int64_t({{lanes}}) * _steps * sizeof(int32_t));
        std::memset(_spikes, 0, int64_t({{lanes * n_outputs}}) * _steps * sizeof({{spike_type}}));
        {% for p in spiking %}
        {
            static FILE* _file = bionet::opened(brian::results_dir.c_str(), "counts_{{p.name}}.bin", "wb");
            bionet::write_counts(_file, {{get_array_name(p.count)}}, _valid * {{p.size}}, _steps);
            std::memset({{get_array_name(p.count)}}, 0, {{lanes * p.size}} * sizeof(int32_t));
        }
        {% endfor %}
        {% for key, variable, size, switch in kept %}
        {% set values = get_array_name(variable) %}
        {% if switch %}
        if ({{get_array_name(switch)}}[0])
        {% endif %}
        {
            static FILE* _file = bionet::opened(brian::results_dir.c_str(), "kept_{{key.population}}.{{key.variable}}.bin", "wb");
            {% if key.is_step %}
            bionet::write_steps(_file, {{values}}, _valid * {{size}}, _steps);
            {% else %}
            bionet::write(_file, {{values}}, _valid * {{size}});
            {% endif %}
        }
        {% endfor %}
        _presented[0] += _valid;
        std::printf("presented %d\n", int(_presented[0]));
        std::fflush(stdout);
        if (_presented[0] >= {{get_array_name(variables['n_images'])}}[0])
            Network::_globally_stopped = true;
    }
{% endblock %}
