"""A conversion says what its code costs on the calibration images, and what mends it."""

import re
import warnings

import numpy as np
import pytest
import torch
from brian2 import ms
from torch import nn

import bionet
from bionet.conversion.tdsnn import temporal_records
from bionet.conversion.temporal.rounding_loss import changed_answers
from bionet.conversion.tracing.trace import trace

PAPER = {"rounding": "up", "bias_correction": False}


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(3).random((150, 20), dtype=np.float32)


@pytest.fixture(scope="module")
def net():
    """Two layers of random weights: rounding up, with L = 4, changes many answers."""
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(20, 30), nn.ReLU(), nn.Linear(30, 4)).eval()


def changed(net, images, leak, rounding, corrected):
    records = temporal_records(trace(net, (20,)).records)
    pixels = torch.from_numpy(images)
    with torch.no_grad():
        answers = net(pixels).argmax(1)
    return changed_answers(records, pixels, answers, leak, "compensate", 1e-9, rounding, corrected)


def test_the_share_and_the_remedy_are_named(net, images):
    lost = changed(net, images, 4.0, "up", False)
    assert lost > 0.05
    with pytest.warns(UserWarning, match="steps of the temporal code") as found:
        snn = bionet.convert(net, "tdsnn", images, leak=4 * ms, **PAPER)
    text = str(found[0].message)
    assert f"change the answers of {100 * lost:.1f} % of 150 calibration images; with " in text
    best = float(re.search(r"of ([0-9.]+) %$", text)[1])
    assert best < 100 * lost / 2
    run = bionet.simulate(snn, images[:40], device="numpy")
    with torch.no_grad():
        answers = net(torch.from_numpy(images[:40])).argmax(1).numpy()
    few = changed(net, images[:40], 4.0, "up", False)
    assert (run.predictions() != answers).mean() == pytest.approx(few)


def test_a_code_fine_enough_says_nothing(net, images):
    for some, options in ((images, {"leak": 400 * ms}), (images[:50], {"leak": 4 * ms})):
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)
            bionet.convert(net, "tdsnn", some, **options)
