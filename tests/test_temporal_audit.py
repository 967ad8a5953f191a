"""The audit of a temporal code finds what was corrupted, and counts what rounding decides."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from brian2 import ms
from torch import nn

import bionet
from bionet.audits.temporal_audit import TemporalAudit
from bionet.commands.outputs import load_audit, save_audit
from bionet.network.kernels import Dense

SHAPE = (2, 6, 5)
PAPER = {"rounding": "up", "bias_correction": False}


@pytest.fixture(scope="module")
def net(temporal_source):
    return temporal_source


@pytest.fixture(scope="module")
def images():
    pixels = np.random.default_rng(4).uniform(size=(5, *SHAPE))
    pixels[0] = 0
    return pixels


@pytest.fixture(scope="module")
def audited(net, images):
    """Network, recording and audit by conversion options, simulated once."""
    made = {}

    def simulated(corrupt=None, **options):
        key = (corrupt and corrupt.__name__, *options.items())
        if key not in made:
            snn = bionet.convert(net, "tdsnn", images, leak=10 * ms, **{**PAPER, **options})
            snn = corrupt(snn) if corrupt else snn
            run = bionet.simulate(snn, images, device="numpy")
            made[key] = snn, run, bionet.audit(net, snn, run, images, batch=2)
        return made[key]

    return simulated


def one_weight(snn):
    """One weight of linear4 changed by a tenth."""
    return with_weights(snn, "maxpool2", "linear4", lambda w: w[4, 7] * 1.1, (4, 7))


def readout_weight(snn):
    """One weight into the readout changed, but not that into the output layer."""
    return with_weights(snn, "linear4", "readout", lambda w: w[1, 2] + 0.5, (1, 2))


def with_weights(snn, source, target, change, where):
    projections = []
    for q in snn.projections:
        if (q.source, q.target) == (source, target):
            weights = q.kernel.weights.copy()
            weights[where] = change(weights)
            q = replace(q, kernel=Dense(weights))
        projections.append(q)
    return replace(snn, projections=tuple(projections))


ROWS = ["input", "conv0", "maxpool2", "linear4", "linear6", "readout"]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"window": "dynamic"},
        {"rounding": "nearest", "bias_correction": True},
        {"mode": "finetune"},
        {"readout": "LS"},
    ],
    ids=str,
)
def test_a_sound_network_has_no_wrong_step(audited, options):
    _, run, found = audited(**options)
    assert [row.population for row in found.rows] == ROWS
    assert found.first_bad is None, str(found)
    assert [row.wrong + row.rounded + row.unlike for row in found.rows] == [0] * 6
    checked = {row.population: row.checked for row in found.rows}
    assert checked == {n: run.n_images * np.prod(run.shapes[n]) for n in ROWS}
    assert "no bad layer; 0 of" in found.verdict()
    assert found.row("conv0").correlation > 0.99
    assert "within rounding" in str(found)


def test_a_corrupted_weight_is_found_in_its_own_layer(audited):
    _, _, found = audited(one_weight)
    assert found.first_bad == "linear4"
    assert found.row("linear4").cause == "weights"
    assert found.row("linear4").wrong > 0
    assert [row.wrong for row in found.rows if row.population != "linear4"] == [0] * 5
    assert found.row("linear4").unlike == found.row("linear4").wrong
    assert "the weights, the bias neuron or the threshold" in found.verdict()


def test_only_the_corrupted_unit_is_wrong(audited, images):
    _, run, found = audited(one_weight)
    _, sound, _ = audited()
    changed = (run.spike_steps["linear4"] != sound.spike_steps["linear4"]).any(axis=0)
    np.testing.assert_array_equal(np.flatnonzero(changed), [4])
    assert found.row("linear4").wrong == int(
        (run.spike_steps["linear4"] != sound.spike_steps["linear4"]).sum()
    )


def test_a_corrupted_readout_is_found(audited):
    _, _, found = audited(readout_weight)
    assert found.first_bad == "readout"


def test_a_bias_neuron_of_another_weight_is_found(net, images):
    snn = bionet.convert(net, "tdsnn", images, leak=10 * ms)
    changed = with_weights(snn, "conv0_bias", "conv0", lambda w: w[3, 0] - 2.0, (3, 0))
    run = bionet.simulate(changed, images, device="numpy")
    assert bionet.audit(net, changed, run, images).first_bad == "conv0"


def test_steps_on_the_edge_count_as_rounding(audited, net, images):
    """A spike moved to a step that the sum does not give is wrong, on its edge it is not."""
    snn, run, _ = audited()
    moved = {name: steps.copy() for name, steps in run.spike_steps.items()}
    moved["linear4"][2, 3] += 1
    found = bionet.audit(net, snn, replace(run, spike_steps=moved), images)
    assert (found.first_bad, found.row("linear4").wrong) == ("linear4", 1)


def test_rounding_is_counted_where_a_sum_lies_on_an_edge():
    """One input, weight 1: every value lies on a step; float32 decides some of them."""
    net = nn.Sequential(nn.Flatten(), nn.Linear(40, 40), nn.ReLU(), nn.Linear(40, 2)).double()
    with torch.no_grad():
        net[1].weight.copy_(torch.eye(40))
        net[1].bias.zero_()
    images = np.linspace(0, 1, 40).reshape(1, 1, 1, 40)
    snn = bionet.convert(net, "tdsnn", images, leak=20 * ms, **PAPER)
    # Without the tolerance that keeps sums off the edges:
    snn = snn.with_population("linear1", parameters={"theta": 0.0})
    snn = replace(snn, code=replace(snn.code, tolerance=0))
    run = bionet.simulate(snn, images, device="numpy")
    found = bionet.audit(net, snn, run, images).row("linear1")
    assert found.rounded > 0
    assert found.wrong == 0


def test_an_audit_survives_a_file(audited, tmp_path):
    _, _, found = audited(one_weight)
    save_audit(tmp_path, found)
    again = load_audit(tmp_path)
    assert isinstance(again, TemporalAudit)
    assert again.to_dict() == found.to_dict()
    assert again.verdict() == found.verdict()


def test_another_network_is_refused(audited, images):
    snn, run, _ = audited()
    other = nn.Sequential(nn.Flatten(), nn.Linear(60, 4), nn.ReLU(), nn.Linear(4, 3)).double()
    with pytest.raises(bionet.InputError, match="pass the network that was converted"):
        bionet.audit(other, snn, run, images)


def test_a_recording_without_spike_steps_is_refused(audited, net, images):
    snn, run, _ = audited()
    with pytest.raises(bionet.InputError, match="no spike steps of 'conv0'"):
        bionet.audit(net, snn, replace(run, spike_steps={}), images)
