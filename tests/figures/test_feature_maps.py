"""Feature maps: what is drawn are the activations and counts of the channels asked for."""

import numpy as np
import pytest

from bionet.errors import InputError
from bionet.figures import feature_maps
from bionet.recording import Recording


@pytest.fixture
def run_and_activations():
    rng = np.random.default_rng(0)
    shapes = {"input": (1, 6, 6), "conv1": (3, 4, 4), "fc": (2,)}
    counts = {name: rng.integers(0, 9, (2, *shape)) for name, shape in shapes.items()}
    silent = np.zeros((2, 5, 2))
    run = Recording(shapes, counts, silent, silent, {"dt_ms": 1.0, "readout": "MS"})
    return run, {"conv1": rng.uniform(0, 1, (2, 3, 4, 4)), "fc": rng.uniform(0, 1, (2, 2))}


def test_the_strongest_channels_of_both_networks(run_and_activations):
    run, activations = run_and_activations
    axes = feature_maps(run, activations, image=1, channels=2)
    assert axes.shape == (2, 2)  # one layer with maps, network above spikes
    order = np.argsort(-activations["conv1"][1].max(axis=(1, 2)))
    for column in range(2):
        for row, values in enumerate((activations["conv1"], run.counts["conv1"])):
            image = axes[row, column].images[0]
            np.testing.assert_array_equal(image.get_array(), values[1, order[column]])
            assert image.get_clim() == (0, values[1, order[column]].max())
    labels = [axes[row, 0].texts[0].get_text() for row in range(2)]
    assert labels == ["conv1  ANN", "SNN"]


def test_unused_panels_are_none(run_and_activations):
    axes = feature_maps(*run_and_activations, channels=5)
    assert all(ax is None for ax in axes[:, 3:].ravel()) and axes[0, 2] is not None


def test_bad_input_is_refused(run_and_activations):
    run, activations = run_and_activations
    with pytest.raises(InputError, match="no feature maps"):
        feature_maps(run, {"fc": activations["fc"]})
    with pytest.raises(InputError, match="between 0 and 1, but is 2"):
        feature_maps(run, activations, image=2)
    with pytest.raises(InputError, match="no activations and spike counts of 'conv9'"):
        feature_maps(run, activations, populations=["conv9"])
    with pytest.raises(InputError, match="must be maps of the shape"):
        feature_maps(run, {"conv1": activations["conv1"][..., :2]})
