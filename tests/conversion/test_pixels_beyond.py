"""Images with a mean and a standard deviation in the methods whose input spikes."""

import re

import numpy as np
import pytest
import torch
from brian2 import ms
from torch import nn

import bionet
from bionet.conversion import convert
from bionet.errors import InputError

OPTIONS = {
    "tdsnn": {"leak": 40 * ms},
    "ttfs": {},
    "dsnn": {"sigma": 0.3, "duration": 400 * ms},
    "threshold_search": {"thresholds": 2.0, "duration": 400 * ms},
}
NOTES = {
    "tdsnn": r"pixels from -2 to 2 .* biases of the first layer",
    "ttfs": r"pixels from -3 to 3 .* biases of the first layer",
    "dsnn": r"max_rate is the rate of pixels of size 2.*negative pixels send negative spikes",
    "threshold_search": r"c is the rate of pixels of size 2.*negative pixels send",
}


@pytest.fixture(scope="module")
def images():
    rng = np.random.default_rng(0)
    pixels = rng.uniform(-2, 2, (12, 2, 6, 6)).astype(np.float32)
    pixels[0, 0, 0, :2] = -2, 2
    return pixels


def network(pooled):
    torch.manual_seed(2)
    layers = [nn.Conv2d(2, 4, 3, padding=1, bias=False), nn.ReLU(), nn.Flatten()]
    size = 36 if pooled else 144
    first = [nn.AvgPool2d(2)] if pooled else []
    return nn.Sequential(*first, *layers, nn.Linear(size, 3, bias=False)).eval()


@pytest.mark.parametrize("pooled", [False, True], ids=["conv", "pooled images"])
@pytest.mark.parametrize("method", OPTIONS)
def test_negative_pixels_are_coded_and_said_so(method, pooled, images):
    net = network(pooled)
    snn = convert(net, method, images, **OPTIONS[method])
    run = bionet.simulate(snn, images[:4], device="numpy", final_potentials=True)
    with torch.no_grad():
        outputs = net(torch.from_numpy(images[:4])).numpy()
    expected = 0.97 if method == "threshold_search" else 0.99  # its input is random
    assert np.corrcoef(run.values().ravel(), outputs.ravel())[0, 1] > expected
    audit = bionet.audit(net, snn, run, images[:4])
    assert audit.row("input").correlation > 0.99 and audit.first_bad is None
    assert audit.notes == snn.origin.notes and str(audit).count("note: ") == len(audit.notes)
    assert re.search(NOTES[method], " ".join(audit.notes))
    with pytest.raises(InputError, match="image 1"):
        bionet.simulate(snn, np.stack([images[0], 9 * images[1]]), device="numpy")


def test_pooled_images_that_no_layer_takes_in_are_refused(images):
    padded = nn.Sequential(
        nn.AvgPool2d(2, padding=1), nn.Conv2d(2, 2, 3, padding=1), nn.ReLU(), nn.Flatten(),
        nn.Linear(32, 3),
    )  # fmt: skip
    with pytest.raises(InputError, match="would rectify: pool the images before"):
        convert(padded, "dsnn", images, sigma=0.3)
    largest = nn.Sequential(
        nn.MaxPool2d(2), nn.Conv2d(2, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(2, 3)
    )
    with pytest.raises(InputError, match="maximum of images with negative pixels"):
        convert(largest, "tdsnn", images)
