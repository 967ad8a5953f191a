"""The audit of neurons with units names the first bad layer and why, for each cause by itself."""

from dataclasses import replace

import numpy as np
import pytest
from brian2 import Hz

import bionet
from bionet.audits.firing_audit import _row
from bionet.audits.table import REMEDIES, Audit
from bionet.errors import InputError
from bionet.firing.activation import FrequencyActivation
from bionet.firing.named import activation_of
from bionet.sources import source_network
from bionet.train.checkpoint import save_weights

# z -> rate/100 Hz: a line up to 2, then a rate limit.
CURVE = FrequencyActivation(np.linspace(-1, 4, 51), 100 * np.clip(np.linspace(-1, 4, 51), 0, 2),
                            100 * Hz, sigma=0.0, noise=0.0)  # fmt: skip
WANTED = np.linspace(0, 1.5, 300).reshape(10, 30)
ONE_SPIKE = 0.1  # of a presentation of 100 ms


def row_of(name, wanted, received, rates, earlier=()):
    return _row(name, wanted, received, rates, ONE_SPIKE, CURVE, list(earlier), 0.1)[0]


@pytest.mark.parametrize(
    ("cause", "wanted", "received", "rates"),
    [
        ("fluctuation", WANTED, WANTED, WANTED + 0.6),
        ("adaptation", WANTED, WANTED, 0.5 * WANTED),
        ("rate limit", 0 * WANTED + 2, 0 * WANTED + 2, 0 * WANTED + 1.2),
        ("too short", 0.13 * WANTED, 0.13 * WANTED, 0.1 * np.floor(1.3 * WANTED)),
        ("propagated from before", WANTED, 0.4 * WANTED, 0.4 * WANTED),
    ],
)
def test_the_cause_is_the_one_that_was_made(cause, wanted, received, rates):
    before = row_of("before", WANTED, WANTED, WANTED)
    assert not before.bad
    row = row_of("layer", wanted, received, rates, [before])
    assert row.bad and row.cause == cause
    audit = Audit((before, row, replace(row, population="later")), 10, 100)
    assert audit.first_bad == "layer"
    assert f"first bad layer: layer ({cause})" in audit.verdict()
    if cause in REMEDIES:
        assert REMEDIES[cause] in audit.verdict()


def test_weights_trained_through_a_curve_give_the_network_of_rates(tmp_path):
    net, path = bionet.zoo.load("lenet5", "digits"), tmp_path / "x.safetensors"
    made_of = {"neuron": "lif", "reference_hz": 80.0, "presentation_ms": 0.0}
    save_weights(net, path, {"activation": made_of})
    source = source_network("lenet5", str(path))
    curves = [m for m in source.net.modules() if isinstance(m, FrequencyActivation)]
    assert len(curves) == 3
    assert {c.reference_hz for c in curves} == {80.0}
    assert np.array_equal(curves[-1].table, activation_of(made_of).table)
    save_weights(net, path, {"activation": made_of | {"neuron": "os:getcwd"}})
    with pytest.raises(InputError, match="no file chooses what is imported: convert with -O neu"):
        source_network("lenet5", str(path))
    with pytest.raises(InputError, match="gives a str, not a NeuronModel"):
        source_network("lenet5", str(path), neuron="os:getcwd")
