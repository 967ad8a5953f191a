"""What a model declares of itself, and that nothing guesses it from its text."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from brian2 import TimedArray, ms, mV, nA, nS, pF

import bionet
from bionet import InputError, NeuronModel
from bionet.equations import adex, hodgkin_huxley, integrate_and_fire, lif
from bionet.network import Population
from bionet.network.initial_values import initial_values

ROOT = Path(__file__).parents[2]
LEAKY = "dV/dt = (E - V + R*(J + I_x))/(20*ms) : volt\nJ : amp (constant)\nI_x : amp\n"
LEAKY += "E : volt (constant)\nR : ohm (constant)"


def own(**changes):
    from brian2 import Mohm

    fields = dict(
        equations=LEAKY, threshold="V > -50*mV", reset="V = E", potential="V", current="J",
        inputs={"exc": "I_x", "inh": "I_x"}, input="I_x", resets="to", leaks=True,
        parameters={"E": -70 * mV, "R": 100 * Mohm, "J": 0 * nA}, initial={"V": "E"},
    )  # fmt: skip
    return NeuronModel("own", **{**fields, **changes})


def test_importing_the_description_loads_neither_brian2_nor_torch():
    code = "import sys, bionet.network; print({'brian2', 'torch'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_nothing_guesses_a_model_from_its_text():
    guess = re.compile(
        r"\bin \w*\.?model\.(name|equations)\b|model\.name [!=]="
        r"|\.equations\.(splitlines|replace)\("
        r"|\.reset\b[^\n]*splitlines|\.reset [!=]=|\.reset (not )?in "
    )
    wrong = [
        f"{path.relative_to(ROOT)}: {found[0]}"
        for folder in ("bionet", "conversion", "figures")
        for path in (ROOT / folder).rglob("*.py")
        for found in guess.finditer(path.read_text())
    ]
    # The one left takes out a factor that the input model had been given.
    assert [w for w in wrong if "eject_parts" not in w] == []


def test_facts_are_saved_with_the_model():
    model = own(namespace={"k": 3.0, "stim": TimedArray([0, 1] * nA, dt=5 * ms)})
    again = NeuronModel.from_dict(model.to_dict(saving=True))
    assert again == model
    assert (again.potential, again.current, again.resets, again.leaks) == ("V", "J", "to", True)
    np.testing.assert_array_equal(again.namespace["stim"].values, [0, 1e-9])


def test_a_function_in_a_namespace_is_not_saved():
    from brian2 import check_units

    @check_units(x=1, result=1)
    def twice(x):
        return 2 * x

    model = own(namespace={"twice": twice})
    with pytest.raises(InputError, match="'twice' of its namespace is a function"):
        model.to_dict(saving=True)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"potential": "u"}, "potential variable 'u' is not declared"),
        ({"current": "u"}, "current variable 'u' is not declared"),
        ({"inputs": {"exc": "u"}}, "inputs\\['exc'\\] variable 'u'"),
        ({"inputs": {"excitatory": "I_x"}}, "'exc' and 'inh', but got 'excitatory'"),
        ({"resets": "soft"}, "resets is one of subtract, zero, to"),
        ({"spike": "big"}, "spike is one of unit, signed"),
        ({"equations": LEAKY.replace("J +", "J + 1*nA*ms**0.5*xi +"), "method": "exact"},
         "give method='euler'"),
    ],
)  # fmt: skip
def test_a_fact_that_does_not_fit_is_refused(changes, message):
    with pytest.raises(InputError, match=message):
        own(**changes)


def test_pathways_of_both_signs_need_two_projections():
    model = bionet.synapse.conductance(0 * mV, -80 * mV, 5 * ms, 10 * ms).on(lif())
    assert model.receiver(1) == ("g_e", 1.0)
    assert model.receiver(-1) == ("g_i", -1.0)
    with pytest.raises(InputError, match="two projections"):
        model.receiver(0)
    with pytest.raises(InputError, match="no variable that receives inhibitory"):
        own(inputs={"exc": "I_x"}).receiver(-1)


def test_initial_values_are_numbers_quantities_or_expressions():
    cells = Population("cells", (2,), own(), {"E": [-70, -65] * mV})
    np.testing.assert_allclose(initial_values(cells)["V"], [-0.07, -0.065])
    assert own(initial={"V": -70 * mV}).initial["V"] == -0.07
    gates = initial_values(Population("cells", (1,), hodgkin_huxley()))
    assert 0 < gates["m"] < 0.1 < 0.9 < gates["h"] < 1


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("3*nA", "has the unit A, but 'V' has V"),
        ("E + nowhere", "'nowhere', which is neither a variable nor a unit"),
        ("V + 1*mV", "depends on itself"),
        ("E if 1 else E", "cannot stand in an initial value"),
        ("E + 3*nA", "cannot be evaluated"),
    ],
)
def test_an_initial_value_that_has_none_is_refused(expression, message):
    with pytest.raises(InputError, match=message):
        initial_values(Population("cells", (1,), own(initial={"V": expression})))


def test_a_model_integrates_where_its_potential_only_adds_up():
    assert integrate_and_fire().integrates
    assert not any(model.integrates for model in (lif(), adex(), own()))


def test_parameters_of_neurons_have_units():
    assert lif(C=100 * pF).parameters["C"] == 100 * pF
    with pytest.raises(InputError, match="lif: C has the unit pF"):
        lif(C=100 * nS)
    with pytest.raises(InputError, match="lif has no parameter 'tau'"):
        lif(tau=20 * ms)
    with pytest.raises(InputError, match="pattern is one of tonic"):
        adex("chaotic")
    with pytest.raises(InputError, match="cell is one of regular spiking"):
        bionet.equations.izhikevich("purkinje")
    with pytest.raises(InputError, match="E_e must be a reversal potential"):
        bionet.synapse.conductance(0, -80 * mV, 5 * ms, 5 * ms)
    with pytest.raises(InputError, match="tau must be a time above 0"):
        bionet.synapse.exponential(0 * ms)
    with pytest.raises(InputError, match="U must lie in"):
        bionet.synapse.tsodyks_markram(0, 100 * ms, 100 * ms)
    with pytest.raises(InputError, match="needs a current in ampere"):
        bionet.synapse.exponential(5 * ms).on(integrate_and_fire())
    with pytest.raises(InputError, match="has a variable 'I_syn' already"):
        bionet.synapse.exponential(5 * ms).on(bionet.synapse.alpha(5 * ms).on(lif()))
