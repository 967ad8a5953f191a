"""Random networks through every method: a clear refusal, or spikes that mean what the network says.

The right result is known twice: the audit recomputes each layer from the spikes below it, and
with augmented spikes the sums of a layer without rounding are those of the network.

BIONET_EXAMPLES says how many networks each method gets (12), BIONET_DEVICE where they run (numpy).
"""

import os
import warnings

import numpy as np
import pytest
import torch
from brian2 import ms
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn

import bionet
from bionet.errors import InputError

N_IMAGES = 5
N_NETWORKS = int(os.environ.get("BIONET_EXAMPLES", "12"))
DEVICE = os.environ.get("BIONET_DEVICE", "numpy")
METHODS = ("rate", "dsnn", "augmapping", "termapping", "tdsnn", "threshold_search", "ttfs",
           "phase", "burst")  # fmt: skip
ACTIVATIONS = (
    nn.ReLU, nn.ReLU, nn.ReLU, nn.ReLU6, nn.Identity, nn.Sigmoid, nn.Tanh, nn.GELU,
    lambda: nn.LeakyReLU(0.1), lambda: nn.Hardtanh(0, 1), lambda: nn.PReLU(),
)  # fmt: skip


@st.composite
def networks(draw):
    """A feed-forward network of one to four layers and the shape of its images."""
    torch.manual_seed(draw(st.integers(0, 2**31)))
    channels, height, width = draw(
        st.tuples(st.integers(1, 3), st.integers(1, 7), st.integers(1, 6))
    )
    shape, layers, flat = (channels, height, width), [], False
    if draw(st.booleans()):
        shape, flat = (draw(st.integers(1, 12)),), True
    first = shape
    for _ in range(draw(st.integers(1, 3))):
        before = len(layers)
        kind = "linear" if flat else draw(st.sampled_from(("conv", "conv", "pool", "flatten")))
        bias = draw(st.booleans())
        if kind == "linear":
            out = draw(st.integers(1, 6))
            layers.append(nn.Linear(shape[0], out, bias=bias))
            shape = (out,)
        elif kind == "flatten":
            layers.append(nn.Flatten())
            shape, flat = (int(np.prod(shape)),), True
            continue
        elif kind == "pool":
            size = draw(st.integers(1, 3))
            pool = draw(st.sampled_from((nn.AvgPool2d, nn.MaxPool2d)))
            layers.append(
                pool(size, draw(st.sampled_from((None, 1, 2))), ceil_mode=draw(st.booleans()))
            )
        else:
            groups = draw(st.sampled_from([g for g in (1, 2, 3) if shape[0] % g == 0]))
            layers.append(
                nn.Conv2d(
                    shape[0], groups * draw(st.integers(1, 2)), draw(st.integers(1, 3)),
                    stride=draw(st.integers(1, 2)), padding=draw(st.integers(0, 1)), groups=groups,
                    bias=bias,
                )
            )  # fmt: skip
            if draw(st.integers(0, 3)) == 0:
                norm = nn.BatchNorm2d(layers[-1].out_channels)
                norm.running_mean.uniform_(-0.2, 0.2)
                norm.running_var.uniform_(0.5, 2)
                layers.append(norm)
        net = nn.Sequential(*layers).eval()
        try:
            with torch.no_grad():
                shape = tuple(net(torch.zeros(1, *first)).shape[1:])
        except RuntimeError:  # a kernel larger than its image
            del layers[before:]
            continue
        if kind != "pool":
            layers.append(draw(st.sampled_from(ACTIVATIONS))())
        if draw(st.integers(0, 7)) == 0:
            layers.append(nn.Dropout(0.3))
    if not flat:
        layers.append(nn.Flatten())
    layers.append(nn.Linear(int(np.prod(shape)), draw(st.integers(1, 4)), bias=draw(st.booleans())))
    net = nn.Sequential(*layers).eval()
    scale = draw(st.sampled_from((1.0, 1.0, 1.0, 0.0, 30.0, 1e-3)))
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.mul_(scale)
    return net, first


def options_of(method, labels):
    if method in ("dsnn", "threshold_search"):
        searched = {"device": DEVICE} if method == "threshold_search" else {}
        return {"labels": labels, "duration": 12 * ms, **searched}
    return {"leak": 5 * ms} if method == "tdsnn" else {}


@pytest.mark.slow
@pytest.mark.timeout(0)  # hours where BIONET_EXAMPLES is large
@pytest.mark.parametrize("method", METHODS)
@settings(max_examples=N_NETWORKS, deadline=None, suppress_health_check=list(HealthCheck))
@given(drawn=networks(), seed=st.integers(0, 99), black=st.booleans())
def test_a_random_network_is_converted_or_refused(method, drawn, seed, black):
    net, shape = drawn
    images = np.random.default_rng(seed).random((N_IMAGES, *shape), dtype=np.float32)
    images[0] *= 0 if black else 1
    with torch.no_grad():
        outputs = net(torch.from_numpy(images)).numpy()
    labels = outputs.argmax(axis=1) if outputs.shape[1] > 1 else (outputs[:, 0] > 0).astype(int)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            snn = bionet.convert(net, method, calibration=images, **options_of(method, labels))
        except InputError as error:
            assert "\n" not in str(error)
            return
        options = {"device": DEVICE, "final_potentials": True}
        try:
            run = bionet.simulate(snn, images, **options)
        except InputError as error:  # of augmented spikes, whose sizes are whole numbers
            assert "simulate with dtype='float64', or raise the thresholds" in str(error)
            try:
                run = bionet.simulate(snn, images, dtype="float64", **options)
            except InputError as again:
                assert "lower the weights" in str(again)
                return
        audit = bionet.audit(net, snn, run, images)
    assert run.n_images == N_IMAGES and np.isfinite(run.output_potential).all()
    assert run.predictions().shape == (N_IMAGES,)
    causes = {getattr(row, "cause", "none") for row in audit.rows}
    assert not causes & {"simulation", "conversion"}, f"{net}\n{audit}"
    str(run), str(snn), str(audit), repr(audit._repr_html_())
