"""The input gain and the bias correction of a temporal code, in conversion and in training."""

import numpy as np
import pytest
import torch
from brian2 import ms
from torch import nn

import bionet
from bionet.conversion import temporal_network
from bionet.results.temporal_values import output_values


def normed_network(first):
    """A deep network behind something that pixels go through before any weights."""
    torch.manual_seed(7)
    net = nn.Sequential(
        first, nn.Conv2d(2, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(),
        nn.Conv2d(4, 5, 2), nn.ReLU(), nn.AvgPool2d(2), nn.Flatten(), nn.LazyLinear(3),
    ).double()  # fmt: skip
    net(torch.rand(20, 2, 6, 7, dtype=torch.float64))  # statistics of the norms
    return net.eval()


@pytest.mark.parametrize("first", [nn.Identity(), nn.MaxPool2d(2), nn.AvgPool2d(2)])
def test_an_input_gain_rounds_pixels_more_finely_and_changes_nothing_else(first):
    net, images = normed_network(first), np.random.default_rng(2).random((5, 2, 6, 7))
    with torch.no_grad():
        scores = net(torch.from_numpy(images)).numpy()
    errors = []
    for gain in (1, 20):
        snn = bionet.convert(
            net, "tdsnn", images, leak=20 * ms, bias_correction=False, input_gain=gain
        )
        run = bionet.simulate(snn, images, device="numpy")
        assert np.all(
            run.spike_steps["input"] == np.ceil(20 * np.log1p(gain * images) - 0.5).clip(0)
        )
        values = bionet.results.temporal_values.decoded(run, snn, "input")
        errors.append((abs(values - images).max(), abs(output_values(run, snn) - scores).max()))
        audit = bionet.audit(net, snn, run, images)
        assert audit.first_bad is None and sum(row.wrong for row in audit.rows) == 0
    assert errors[1][0] < 0.6 * errors[0][0] and errors[1][1] < errors[0][1]


@pytest.mark.parametrize("window", ["static", "dynamic"])
def test_training_rounds_as_the_converted_network_does(window):
    """With a gain, and with a batch normalisation before the first weights."""
    norm = nn.BatchNorm2d(2, momentum=1.0)
    net = normed_network(norm)
    images = torch.rand(4, 2, 6, 7, dtype=torch.float64)
    coded = temporal_network(net, 6, "compensate", "nearest", input_gain=12).eval()
    with torch.no_grad():
        scores = coded(images).numpy()
    snn = bionet.convert(
        net,
        "tdsnn",
        images.numpy(),
        leak=6 * ms,
        bias_correction=False,
        input_gain=12,
        window=window,
    )
    run = bionet.simulate(snn, images.numpy(), device="numpy")
    audit = bionet.audit(net, snn, run, images.numpy())
    assert sum(row.wrong for row in audit.rows) == 0
    np.testing.assert_allclose(output_values(run, snn), scores, rtol=0, atol=1e-9)


@pytest.mark.parametrize("gain", [0, -2, float("nan"), float("inf")])
def test_an_input_gain_is_a_number_above_zero(tiny_images, gain):
    tiny = normed_network(nn.Identity())
    message = (
        "input_gain of method 'tdsnn' must be a number"
        if np.isnan(gain)
        else "input_gain must be a number > 0"
    )
    with pytest.raises(bionet.InputError, match=message):
        bionet.convert(tiny, "tdsnn", tiny_images, input_gain=gain)
    with pytest.raises(bionet.InputError, match="input_gain must be a number"):
        temporal_network(tiny, 6, "compensate", input_gain=gain)


def test_an_input_gain_needs_bias_neurons(tiny_images):
    tiny = normed_network(nn.Identity())
    with pytest.raises(bionet.InputError, match="input_gain needs the bias neurons"):
        bionet.convert(tiny, "tdsnn", tiny_images, mode="finetune", input_gain=4)
    with pytest.raises(bionet.InputError, match="input_gain needs mode='compensate'"):
        temporal_network(tiny, 6, input_gain=4)


@pytest.mark.parametrize("rounding", ["up", "nearest"])
def test_a_bias_correction_takes_back_what_rounding_changes_on_the_average(rounding, tmp_path):
    net, images = normed_network(nn.MaxPool2d(2)), np.random.default_rng(3).random((40, 2, 6, 7))
    with torch.no_grad():
        scores = net(torch.from_numpy(images)).numpy()
    offsets = []
    for corrected in (False, True):
        snn = bionet.convert(
            net, "tdsnn", images, leak=4 * ms, rounding=rounding, bias_correction=corrected
        )
        run = bionet.simulate(snn, images, device="numpy")
        offsets.append(abs((output_values(run, snn) - scores).mean(axis=0)).max())
        audit = bionet.audit(net, snn, run, images)
        assert sum(row.wrong + row.unlike for row in audit.rows) == 0
    # These are the images of the calibration, so nothing is left but the last bits.
    assert offsets[0] > 1e-3 and offsets[1] < 1e-12
    snn.save(tmp_path / "net.snn")
    again = bionet.SpikingNetwork.load(tmp_path / "net.snn")
    assert again.code.shifts == snn.code.shifts


def test_a_bias_correction_needs_bias_neurons(tiny_images):
    tiny = normed_network(nn.Identity())
    with pytest.raises(bionet.InputError, match="bias_correction needs the bias neurons"):
        bionet.convert(tiny, "tdsnn", tiny_images, mode="finetune", bias_correction=True)
