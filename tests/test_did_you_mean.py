"""Unknown names are answered with the known one that is most like them."""

import pytest
import torch

import bionet
from bionet.errors import InputError, did_you_mean


@pytest.mark.parametrize(
    ("name", "meant"),
    [("augmaping", "augmapping"), ("Rate", "rate"), ("termaping", "termapping"), ("zzz", None)],
)
def test_the_nearest_name_is_named(name, meant):
    expected = "" if meant is None else f"; did you mean {meant!r}?"
    assert did_you_mean(name, ["rate", "augmapping", "termapping"]) == expected


def test_dashes_and_capitals_are_no_difference():
    assert did_you_mean("Fashion_MNIST", ["mnist", "fashion-mnist"]).endswith("'fashion-mnist'?")


def test_methods_options_networks_data_layers_and_arguments(tiny, tiny_images):
    net = torch.nn.Linear(4, 2)
    with pytest.raises(InputError, match=r"unknown method 'tdnn'; .* did you mean 'tdsnn'\?"):
        bionet.convert(net, "tdnn", input_shape=(4,))
    with pytest.raises(InputError, match=r"no option 'percentil'; .* did you mean 'percentile'\?"):
        bionet.convert(net, "rate", input_shape=(4,), percentil=99)
    with pytest.raises(InputError, match=r"got 'lenet-5'; did you mean 'lenet5'\?"):
        bionet.zoo.load("lenet-5")
    with pytest.raises(InputError, match=r"got 'fashion_mnist'; did you mean 'fashion-mnist'\?"):
        bionet.datasets.load("fashion_mnist")
    with pytest.raises(InputError, match=r"unknown device 'nump'; .*did you mean 'numpy'\?"):
        bionet.simulate(tiny, tiny_images, device="nump")
    with pytest.raises(TypeError, match=r"argument 'lane'; did you mean 'lanes'\?"):
        bionet.simulate(tiny, tiny_images, lane=2)
    name = tiny.populations[0].name
    with pytest.raises(InputError, match=rf"did you mean '{name}'\?"):
        tiny.population(name + "x")
