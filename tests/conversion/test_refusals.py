"""Options and calibration images that cannot be used: each one clear line."""

import numpy as np
import pytest
import torch
from torch import nn

from bionet.conversion import convert
from bionet.errors import InputError


def images_of(shape, n=16, seed=1):
    return np.random.default_rng(seed).random((n, *shape))


def small_net(randomised, bias=True):
    net = nn.Sequential(
        nn.Conv2d(2, 5, 3, bias=bias),
        nn.ReLU(),
        nn.AvgPool2d(2),
        nn.Flatten(),
        nn.Linear(5 * 2 * 3, 8, bias=bias),
        nn.ReLU(),
        nn.Linear(8, 4, bias=bias),
    )
    return randomised(net, seed=5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"method": "rats"}, "unknown method 'rats'; known are rate"),
        ({"percentil": 99}, "method 'rate' has no option 'percentil'; its options are .*reset"),
        ({"percentile": 0}, "percentile must be above 0 and at most 100, but is 0"),
        ({"percentile": 101}, "percentile must be above 0 and at most 100, but is 101"),
        ({"percentile": "high"}, "percentile of method 'rate' must be a number, but is 'high'"),
        ({"calibration": [[1.0], [1.0, 2.0]]}, "calibration must be an array of images, but"),
        (
            {"normalisation": "mean"},
            "normalisation of .*'max', 'least_squares' or None, but is 'mean'",
        ),
        ({"reset": "soft"}, "reset of .* must be 'subtract' or 'zero', but is 'soft'"),
        ({"readout": "XX"}, "readout of .* must be 'MP', 'MS' or 'FS', but is 'XX'"),
        ({"calibration": None}, "pass calibration=images"),
        ({"calibration": np.zeros((0, 2, 6, 8))}, "calibration is empty"),
        ({"calibration": np.full((2, 2, 6, 8), np.nan)}, "calibration holds NaN"),
        ({"calibration": np.zeros((2, 1, 6, 8))}, r"calibration must have the shape \(n, \*\(2,"),
        ({"calibration": np.zeros((2, 2, 6, 8), np.uint8)}, "holds uint8 values.*divide"),
        ({"calibration": None, "input_shape": None}, "convert needs input_shape"),
        ({"input_shape": (1, 2, 3, 4, 5)}, r"input_shape is the shape of one image.*got \(1, 2, 3"),
        ({"input_shape": "wide"}, "convert: input_shape must be a list or None, but is 'wide'"),
        ({"input_shape": (2, 0, 8)}, "input_shape is the shape of one image"),
        ({"input_shape": (1, 6, 8)}, r"input_shape \(1, 6, 8\) does not fit at layer '0'"),
        ({"input_shape": (2, 7, 12)}, r"input_shape \(2, 7, 12\) does not fit at layer '4'"),
    ],
)
def test_bad_input_is_refused(change, message, randomised):
    arguments = {"calibration": images_of((2, 6, 8)), "input_shape": (2, 6, 8), **change}
    with pytest.raises(InputError, match=message):
        convert(small_net(randomised), **arguments)


def test_a_silent_layer_is_named(randomised):
    net = small_net(randomised)
    with torch.no_grad():
        net[4].bias.fill_(-100)
    with pytest.raises(InputError, match="layer '4'.*is silent over the whole calibration set"):
        convert(net, calibration=images_of((2, 6, 8)))


def test_a_percentile_of_zero_is_named(randomised):
    with pytest.raises(InputError, match="percentile 1 of the activations of layer '0'.* is 0"):
        convert(small_net(randomised), calibration=images_of((2, 6, 8)), percentile=1)


def test_images_that_pooling_units_cannot_represent_are_refused(randomised):
    net = randomised(nn.Sequential(nn.AvgPool2d(2), nn.Flatten(), nn.Linear(4, 9)))
    images = images_of((1, 4, 4))
    convert(net, calibration=images)
    with pytest.raises(InputError, match=r"layer '0'.*pools the images, which reach from"):
        convert(net, calibration=images * 255)
    assert "pool0_off" in convert(net, calibration=images - 0.5).names


@pytest.mark.parametrize(
    ("method", "option", "value", "message"),
    [
        ("tdsnn", "input_gain", "abc", "input_gain of method 'tdsnn' must be a number.*'abc'"),
        (
            "tdsnn",
            "bias_correction",
            3,
            "bias_correction of .* must be True, False or None, but is 3",
        ),
        ("threshold_search", "budget", 2.5, "budget of .* must be a whole number, but is 2.5"),
        ("rate", "percentile", True, "percentile of method 'rate' must be a number, but is True"),
    ],
)
def test_a_value_of_the_wrong_kind_is_refused(method, option, value, message):
    with pytest.raises(InputError, match=message):
        convert(nn.Linear(3, 2), method, input_shape=(3,), **{option: value})
