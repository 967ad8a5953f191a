"""What each walk through the code does once: images, plans, options, times, traces."""

import numpy as np
import pytest
from brian2 import ms
from torch import nn

import bionet
import bionet.running.simulate as simulating
from bionet.commands.convert import converted
from bionet.conversion.steps import layers
from bionet.options import Option
from bionet.sources import Images, Source
from bionet.study import specification, worker


def counted(monkeypatch, home, name):
    """Calls of a function, by their arguments, while it does its work."""
    calls, function = [], getattr(home, name)

    def noted(*values, **keywords):
        calls.append(values)
        return function(*values, **keywords)

    monkeypatch.setattr(home, name, noted)
    return calls


@pytest.mark.parametrize("recorded", [None, [1]])
def test_every_image_is_simulated_once(tiny, tiny_images, monkeypatch, recorded):
    runs = counted(monkeypatch, simulating, "run_here")
    run = bionet.simulate(
        tiny, tiny_images[:3], 5 * ms, device="numpy", record="all:spikes", record_images=recorded
    )
    shown = np.concatenate([numbers for _, _, _, numbers, *_ in runs])
    assert sorted(shown.tolist()) == [0, 1, 2]
    assert run.recorded_images.tolist() == (recorded or [0, 1, 2])


def test_the_plan_is_fitted_to_the_images_once(tiny, tiny_images, monkeypatch):
    fitted = counted(monkeypatch, simulating, "fit_to_images")
    bionet.simulate(tiny, tiny_images[:3], 5 * ms, device="numpy", record="all:spikes")
    assert len(fitted) == 1


def test_an_option_of_the_command_line_is_checked_once_and_the_network_traced_once(monkeypatch):
    net = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2)).eval()
    images = Images("any", np.random.default_rng(0).random((5, 4), dtype=np.float32), np.zeros(5))
    checks = counted(monkeypatch, Option, "check")
    traces = counted(monkeypatch, layers, "trace")
    converted(Source("any", net, (4,), {}), images, "rate", {"percentile": "99", "readout": "MS"})
    assert [option.name for option, *_ in checks] == ["percentile", "readout"]
    assert len(traces) == 1


def test_the_times_of_a_study_s_cell_are_read_once(tiny, monkeypatch):
    specification.quantity_of.cache_clear()
    times = counted(monkeypatch, specification, "time")
    rates = counted(monkeypatch, specification, "frequency")
    content = {
        "method": {"duration": "20ms", "dt": "1ms", "max_rate": "500Hz"},
        "coding": "poisson", "seed": 0, "settings": {"dtype": "float32"},
        "perturbation": {"name": "none", "with": []}, "level": 0.0,
    }  # fmt: skip
    for _ in range(2):  # checked, then simulated
        snn, _ = worker.prepared(tiny, content)
        assert worker.plan_of(snn, content).steps == 20
    assert [text for text, _ in times] == ["20ms", "1ms"] and [t for t, _ in rates] == ["500Hz"]
