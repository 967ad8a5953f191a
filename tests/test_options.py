"""Options: checked and read by the annotations of what takes them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pytest
from brian2 import Hz, Quantity, ms, pF

from bionet.equations import NeuronModel
from bionet.equations.synapses import Synapse
from bionet.errors import InputError
from bionet.options import check_options, options_of, read_options
from bionet.quantities import assignment


def method(
    net,
    *,
    share: float = 0.5,
    steps: int | None = None,
    exact: bool = False,
    rule: Literal["up", "down"] = "up",
    tau: Quantity = 10 * ms,
    rate: Quantity | None = None,
    sigma: "float | Mapping[str, float] | Literal['window'] | None" = None,
    factors: Sequence[float] = (1.0, 2.0),
    window: tuple[float, float] = (0.0, 1.0),
    neuron: NeuronModel | None = None,
    synapse: Synapse | None = None,
    labels: Any = None,
    late: "NotThere" = 1,  # noqa: F821
):
    """A method.

    Parameters
    ----------
    net : object
    share : float
        Of all units;
        the second line.
    steps, exact : int, bool
        Both. And more.
    """


OPTIONS = options_of(method)


def read(**texts):
    return read_options(texts, OPTIONS, "method 'm'")


def test_texts_are_read_as_the_annotations_say():
    assert read(share="1", steps="3", exact="true", rule="down") == {
        "share": 1.0, "steps": 3, "exact": True, "rule": "down",
    }  # fmt: skip
    assert read(steps="none", rate="None", sigma="window") == {
        "steps": None, "rate": None, "sigma": "window",
    }  # fmt: skip
    assert read(tau="20ms")["tau"] == 20 * ms and read(rate="0.1kHz")["rate"] == 100 * Hz
    assert read(sigma="0.3") == {"sigma": 0.3}
    assert read(sigma='{"conv1": 0.3}') == {"sigma": {"conv1": 0.3}}
    assert list(read(factors="[1, 0.5]")["factors"]) == [1.0, 0.5]
    assert read(window="[0, 2]")["window"] == (0.0, 2.0)
    assert read(neuron="lif:C=7pF")["neuron"].parameters["C"] == 7 * pF
    assert isinstance(read(synapse="exponential:5ms")["synapse"], Synapse)
    assert read(labels="true") == {"labels": True} and read(labels="5mV")["labels"].ndim == 0
    assert read(late="x") == {"late": "x"}


def test_values_are_given_on_as_they_are():
    factors = np.array([0.5, 1.0])
    given = {"share": np.float32(0.1), "steps": np.int64(3), "factors": factors, "window": [0, 1]}
    values = read_options(given, OPTIONS, "method 'm'")
    assert all(values[name] is given[name] for name in given)


@pytest.mark.parametrize(
    "given, message",
    [
        ({"share": "much"}, "share of method 'm' must be a number, but is 'much'"),
        ({"share": True}, "share of method 'm' must be a number, but is True"),
        ({"steps": 1.5}, "steps of .* must be a whole number or None, but is 1.5"),
        ({"steps": "1.5"}, "steps of .* must be a whole number or None, but is '1.5'"),
        ({"exact": 1}, "exact of .* must be True or False, but is 1"),
        ({"rule": "sideways"}, "rule of .* must be 'up' or 'down', but is 'sideways'"),
        ({"tau": "20"}, r"tau of method 'm' must be a quantity such as 20\*ms, but is 20"),
        ({"tau": "20furlong"}, "method 'm': tau: '20furlong' has no unit that Brian2 knows"),
        ({"rate": 5}, "rate of .* must be a quantity such as .* or None, but is 5"),
        ({"factors": "[1, x]"}, "factors of .* must be a list, of which each is a number, but is"),
        ({"factors": [1, "x"]}, "factors of .* must be a list"),
        (
            {"sigma": {"a": "b"}},
            "sigma of .* must be .*a mapping from a text to a number, 'window' or None",
        ),
        ({"neuron": 3}, "neuron of .* must be a NeuronModel or None, but is 3"),
        ({"neuron": "lif:taum=7ms"}, "method 'm': neuron: lif has no parameter 'taum'"),
        ({"neuron": "lof"}, "method 'm': neuron: expected one of .*lif.* got 'lof'"),
        ({"synapse": "lof"}, "method 'm': synapse: expected one of exponential.* got 'lof'"),
        ({"colour": 3}, "method 'm' has no option 'colour'; its options are share, steps"),
    ],
)
def test_what_an_option_cannot_be_is_refused_in_words(given, message):
    with pytest.raises(InputError, match=message) as refused:
        read_options(given, OPTIONS, "method 'm'")
    assert "pydantic" not in str(refused.value) and "\n" not in str(refused.value)
    if not isinstance(next(iter(given.values())), str):
        with pytest.raises(InputError, match=message):
            check_options(given, OPTIONS, "method 'm'")


def test_options_tell_what_they_are():
    assert OPTIONS["share"].meaning == "Of all units"
    assert OPTIONS["steps"].meaning == OPTIONS["exact"].meaning == "Both"
    assert OPTIONS["share"].kind == "float" and OPTIONS["rule"].kind == "Literal['up', 'down']"
    assert OPTIONS["sigma"].kind == "float | Mapping[str, float] | Literal['window'] | None"
    assert "net" not in OPTIONS


def test_fields_of_a_class_are_options_but_its_level():
    @dataclass
    class Disturbance:
        level: float
        share: float = 0.5

    assert list(options_of(Disturbance)) == ["share"]


@pytest.mark.parametrize("text", ["sigma", "=3", "sigma=", "a b=3"])
def test_an_assignment_has_a_name_and_a_value(text):
    with pytest.raises(InputError, match="--option: expected NAME=VALUE such as sigma=0.3"):
        assignment(text)
    assert assignment(" sigma = 0.3 ") == ("sigma", "0.3")
