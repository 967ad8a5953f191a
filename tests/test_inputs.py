"""An input is a population whose model declares what it does; any model of one's own is one."""

import json
import sys
from dataclasses import replace

import numpy as np
import pytest
from brian2 import Hz, ms

import bionet
from bionet.brian.plan import Plan
from bionet.equations import CODINGS, InputModel, NeuronModel, analog, poisson, uniform
from bionet.equations.inputs import as_input, input_model, sends_spikes
from bionet.errors import InputError
from bionet.network import Population, Simulation
from bionet.network.input_population import input_of, input_population, input_spikes
from bionet.running.arguments import make_plan

HERE = {"device": "numpy", "duration": 20 * ms}
EARLY = '''
from bionet.equations import NeuronModel

def early(gain=1.0):
    """A pixel of value x spikes once in step (1 - x) 10."""
    return NeuronModel(
        name="early", equations="x : 1 (constant)", threshold="step == int(10*(1 - x))", input="x",
    )

def wrong(speed):
    return 3

def number():
    return 3
'''


@pytest.fixture
def own(tmp_path, monkeypatch):
    (tmp_path / "own_codings.py").write_text(EARLY)
    monkeypatch.chdir(tmp_path)
    yield "own_codings"
    sys.modules.pop("own_codings", None)


def test_a_name_a_model_and_a_function_are_one_coding(tiny, tiny_images, own, assert_same):
    named = bionet.simulate(tiny, tiny_images, coding="uniform", max_rate=200 * Hz, **HERE)
    model = uniform(200 * Hz, gain=5.0)
    assert_same(named, bionet.simulate(tiny, tiny_images, coding=model, **HERE))
    record = {"input": "spikes"}
    run = bionet.simulate(tiny, tiny_images, coding=f"{own}:early", record=record, **HERE)
    assert run.parameters["coding"] == "early"
    assert (run.counts["input"] == 1).all()
    image, step, unit = run.recorded_spikes["input"].T
    pixels = tiny_images.astype(np.float32).reshape(-1, 24)[image, unit]
    np.testing.assert_array_equal(step, (10 * (1 - pixels)).astype(int))


def test_an_analog_model_of_ones_own_is_a_current(tiny, tiny_images, assert_same):
    named = bionet.simulate(tiny, tiny_images, **HERE)
    whole = bionet.simulate(tiny, tiny_images / 2, coding=replace(analog(), factor=2.0), **HERE)
    assert_same(named, whole)
    with pytest.raises(InputError, match="an analog input emits no spikes"):
        bionet.simulate(tiny, tiny_images, coding=analog(), record={"input": "spikes"}, **HERE)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        (
            {"equations": "y : 1 (constant)", "threshold": "y > 0", "input": "y"},
            "has no variable 'x' for its pixel",
        ),
        ({"drives": "light"}, "drives by 'spikes' or 'current', but got 'light'"),
        ({"threshold": None}, "drives by spikes, but has no threshold"),
        ({"drives": "current"}, "drives by current, but has no event 'onset'"),
    ],
)
def test_an_input_model_is_checked_when_it_is_made(fields, words):
    good = {"name": "in", "equations": "x : 1 (constant)", "threshold": "x > 0", "input": "x"}
    with pytest.raises(InputError, match=words):
        InputModel(**(good | fields))


def test_refusals_of_codings(tiny, own):
    with pytest.raises(InputError, match="unknown input coding 'burst'; known are analog, pois"):
        input_population(tiny, "burst")
    with pytest.raises(InputError, match="own_codings:wrong coding needs speed"):
        input_population(tiny, f"{own}:wrong")
    with pytest.raises(InputError, match="'own_codings:number' must return a NeuronModel"):
        input_population(tiny, f"{own}:number")
    with pytest.raises(InputError, match="'own_codings:gone' could not be imported .AttributeE"):
        input_population(tiny, f"{own}:gone")
    with pytest.raises(InputError, match="must be a function that returns a NeuronModel"):
        input_model(f"{own}:__name__")
    with pytest.raises(InputError, match="two entries are called input coding 'analog'"):
        CODINGS.add("analog", poisson)
    with pytest.raises(InputError, match="population 'conv' is no input"):
        input_of(tiny.population("conv"))


def test_what_a_coding_drives_by():
    assert [sends_spikes(name) for name in ("analog", "poisson", "uniform", "reverse")] == [
        False, True, True, True,
    ]  # fmt: skip
    model = NeuronModel(name="in", equations="x : 1 (constant)", threshold="x > 0", input="x")
    assert as_input(model).drives == "spikes" and sends_spikes(model)
    assert as_input(as_input(model)) == as_input(model)


def test_rate_and_amplitude_of_an_input(tiny):
    assert not input_spikes(tiny)
    own = replace(tiny, coding="poisson", simulation=Simulation(max_rate=100.0, gain=2.0))
    assert input_population(own).model == poisson(100 * Hz, gain=2.0)
    assert input_population(own, dt=0.5 * ms, max_rate=50 * Hz).model == poisson(50 * Hz, gain=2.0)
    assert input_population(tiny, "poisson", 100 * Hz).model == poisson(100 * Hz, gain=10.0)
    assert input_of(input_population(own, "analog")).factor == pytest.approx(0.2)


def test_a_plan_survives_json(tiny):
    arguments = {"duration": 20 * ms, "dt": 1 * ms, "lanes": 2, "dtype": None}
    plan = make_plan(
        tiny, coding="poisson", max_rate=300 * Hz, record={"conv": ["spikes", "v"]}, **arguments,
        final_potentials=("conv",),
    )  # fmt: skip
    again = Plan.from_dict(json.loads(json.dumps(plan.to_dict())))
    assert again == plan
    assert isinstance(again.input, Population)
