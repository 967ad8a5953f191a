"""NeuronModel: checked when it is made, stored as plain JSON, shown as LaTeX."""

import json

import numpy as np
import pytest
from brian2 import Hz, Quantity, ms, mV, second

from bionet.equations import (
    NeuronModel,
    analog,
    input_model,
    integrate_and_fire,
    integrator,
    leaky_integrate_and_fire,
    leaky_integrator,
    poisson,
    uniform,
)
from bionet.equations.model import loops
from bionet.errors import InputError

BUILT_IN = [
    analog(),
    poisson(300 * Hz, gain=2.0),
    uniform(50 * Hz, gain=0.5),
    integrator(),
    leaky_integrator(12 * ms),
    *(
        make(reset=reset, threshold=0.7, floor=floor, refractory=refractory)
        for make in (
            integrate_and_fire,
            lambda **options: leaky_integrate_and_fire(30 * ms, **options),
        )
        for reset in ("subtract", "zero")
        for floor in (None, -0.5)
        for refractory in (None, 3 * ms)
    ),
]


EQUATIONS = """
dv/dt = (g*E - v)/tau : 1
dg/dt = -g/tau : 1
tau : second (constant)
E : 1
"""


def own_model(**changes):
    """A user's model with a unit in every role."""
    fields = {
        "name": "own",
        "equations": EQUATIONS,
        "threshold": "v > 1",
        "reset": "v = 0",
        "parameters": {"tau": 5 * ms, "E": 2.0},
        "input": "g",
    }
    return NeuronModel(**fields | changes)


@pytest.mark.parametrize("model", BUILT_IN, ids=lambda model: model.name)
def test_a_model_survives_json(model):
    plain = json.loads(json.dumps(model.to_dict()))
    again = NeuronModel.from_dict(plain)
    assert again == model and hash(again) == hash(model)
    for name, value in model.parameters.items():
        assert Quantity(again.parameters[name]).has_same_dimensions(value)
        assert float(again.parameters[name]) == float(value)


def test_models_differ_in_every_field():
    models = [
        own_model(),
        own_model(name="other"),
        own_model(parameters={"tau": 6 * ms, "E": 2.0}),
        own_model(threshold="v > 2"),
        own_model(reset="v -= 1"),
        own_model(refractory="tau"),
        own_model(update="v = clip(v, 0, 1)"),
        own_model(method="rk4"),
        own_model(initial={"v": 0.5}),
        own_model(events={"low": "v < -1"}),
        own_model(input="v"),
        own_model(amplitude="E"),
        own_model(source="Hodgkin and Huxley 1952"),
    ]
    assert len(set(models)) == len(models)
    assert own_model() == own_model() != "own"


def test_state_and_constants_are_told_apart():
    model = own_model()
    assert set(model.state) == {"v", "g", "E"}
    assert model.constants == ("tau",)
    assert set(model.dimensions) == {"v", "g", "tau", "E"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"equations": "dv/dt = -v : 1"}, "'-v' does not have the expected unit hertz"),
        ({"equations": "dv/dt = (1*mV - v)/(5*ms) : 1"}, r"1 \* mV.* uses inconsistent units"),
        ({"equations": "dv/dt = -v/(5*ms) : 1\ndv/dt = 0/ms : 1"}, "Duplicate .* variable 'v'"),
        ({"equations": "dv/dt = -v/(5*ms)"}, r"dv/dt = -v/\(5\*ms\)"),
        ({"equations": "dv/dt = (oops - v)/(5*ms) : 1"}, r"\boops\b"),
        ({"threshold": "v > 1*mV"}, r"'v' has unit .* '1 \* mV'"),
        ({"threshold": "v +"}, r"v \+"),
        ({"reset": "u += 1"}, r"\bu\b"),
        ({"reset": "v = 1*mV"}, r"v = 1\*mV"),
        ({"update": "w += 1"}, r"\bw\b"),
        ({"refractory": "v"}, "Refractory expression is dimensionless"),
        ({"method": "magic"}, "unknown method .magic."),
        ({"events": {"low": "q < 1"}}, r"\bq\b"),
        ({"parameters": {"C": 1.0}}, "gives a value for 'C', which its equations do not"),
        ({"initial": {"u": 1.0}}, "gives a value for 'u'"),
        ({"input": "w"}, "input variable 'w' is not declared"),
        ({"amplitude": "w"}, "amplitude variable 'w' is not declared"),
        (
            {"equations": own_model().equations, "parameters": {"tau": 5, "E": 1.0}},
            "has the unit s, but got the bare number 5",
        ),
        (
            {"equations": own_model().equations, "parameters": {"tau": 5 * mV, "E": 1.0}},
            "has the unit s, but got 5. mV",
        ),
    ],
)
def test_a_wrong_model_is_refused_when_it_is_made(changes, message):
    fields = {"equations": "dv/dt = -v/(5*ms) : 1", "parameters": {}, "input": "v"}
    with pytest.raises(InputError, match=rf"(?s)model 'own'.*{message}|{message}.*'own'") as caught:
        own_model(**fields | changes)
    assert "\n" not in str(caught.value)


def test_values_are_checked_against_the_equations():
    model = own_model()
    assert model.value("tau", 2 * ms) == 0.002
    with pytest.raises(InputError, match="has no variable 'C'; its variables are"):
        model.value("C", 1.0)
    with pytest.raises(InputError, match="'tau' .* has the unit s, but got the bare number 2"):
        model.value("tau", 2)
    with pytest.raises(InputError, match="'E' .* has the unit 1, but got 2. mV"):
        model.value("E", 2 * mV)
    assert model.quantity("tau", 0.002) == 2 * ms
    assert model.quantity("E", 3.0) == 3.0


def test_an_unknown_field_is_refused():
    with pytest.raises(InputError, match="has no field 'colour'"):
        NeuronModel.from_dict({**own_model().to_dict(), "colour": "red"})


@pytest.mark.parametrize(
    "make", [integrate_and_fire, lambda **k: leaky_integrate_and_fire(ms, **k)]
)
def test_unknown_resets_and_negative_refractory_periods_are_refused(make):
    with pytest.raises(InputError, match="reset is 'subtract' or 'zero', but got 'half'"):
        make(reset="half")
    with pytest.raises(InputError, match="refractory period must not be negative, but got -1"):
        make(refractory=-1 * ms)


@pytest.mark.parametrize("make", [leaky_integrate_and_fire, leaky_integrator])
def test_a_time_constant_must_be_positive_and_a_time(make):
    with pytest.raises(InputError, match="time constant must be positive, but got 0"):
        make(0 * second)
    with pytest.raises(Exception, match="'tau'"):
        make(20)


def test_input_models_are_found_by_name():
    assert input_model("analog") == analog()
    assert input_model("poisson", 20 * Hz, 3.0) == poisson(20 * Hz, 3.0)
    assert input_model("uniform", 20 * Hz) == uniform(20 * Hz)
    with pytest.raises(InputError, match="unknown input coding 'burst'; known are analog, poisson"):
        input_model("burst")
    with pytest.raises(InputError, match=r"the poisson coding needs max_rate, such as 100\*Hz"):
        input_model("poisson")
    with pytest.raises(InputError, match="max_rate must be positive, but got 0"):
        uniform(0 * Hz)


def test_latex_is_made_from_the_strings():
    text = leaky_integrate_and_fire(20 * ms, floor=-1, refractory=2 * ms).latex()
    assert text.startswith(r"\begin{aligned}") and text.endswith(r"\end{aligned}")
    equation, *rest = text.splitlines()[1:-1]
    assert equation.startswith(r"\frac{dv}{dt} &= ") and r"\tau" in equation
    assert any(r"\text{spike if } & v \geq \theta" in line for line in rest)
    assert any(r"v \leftarrow v - \theta" in line for line in rest)
    assert any("v_{min}" in line for line in rest)
    changed = own_model(equations="dv/dt = (3 - v)/(5*ms) : 1", parameters={}, input="v").latex()
    assert "3" in changed and "v" in changed


def test_latex_shows_every_statement_of_a_reset():
    model = NeuronModel(
        "adapting", "dv/dt = -v/(10*ms) : 1\nw : 1", threshold="v > 1", reset="v = 0; w += 1"
    )
    assert r"v \leftarrow 0 \\" in model.latex()
    assert r"w \leftarrow w + 1" in model.latex()


@pytest.mark.parametrize(
    ("operator", "shown"), [("-=", "w - 2"), ("+=", "w + 2"), ("*=", r"w \cdot 2"), ("/=", "w / 2")]
)
def test_latex_shows_assignments_with_an_operator(operator, shown):
    reset = f"w {operator} 2"
    model = NeuronModel("m", "dv/dt = -v/(10*ms) : 1\nw : 1", threshold="v > 1", reset=reset)
    assert rf"w \leftarrow {shown}" in model.latex()


def test_a_model_is_left_alone_by_what_it_was_made_from():
    parameters = {"tau": 5 * ms, "E": 2.0}
    model = own_model(parameters=parameters)
    parameters["E"] = np.nan
    assert model.parameters["E"] == 2.0
    with pytest.raises(TypeError):
        model.parameters["E"] = 3.0


def test_blank_lines_divide_an_update_into_loops():
    model = NeuronModel("two", "v : 1\nw : 1", update="\n w = v + 1 \n  \n\n v = 2*w\n\n")
    assert [loop.strip() for loop in loops(model.update)] == ["w = v + 1", "v = 2*w"]
    assert loops(None) == [] == loops(" \n")
    with pytest.raises(InputError, match="'two'"):  # what one loop computes must be declared
        NeuronModel("two", "v : 1", update="w = v + 1\n\nv = 2*w")
