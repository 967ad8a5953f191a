"""TDSNN: every spike step against the closed form, made from the source network's own layers."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from brian2 import Hz, ms
from torch import nn
from torch.nn import functional as F

import bionet
from bionet.conversion import TemporalActivation, add_bias_neurons, temporal_network
from bionet.results.early_exit import early_exit
from bionet.results.temporal_values import decoded, output_values
from bionet.train.checkpoint import save_weights

SHAPE = (2, 9, 8)
TOLERANCE = 1e-9
PAPER = {"rounding": "up", "bias_correction": False}  # the closed form below is the paper's


def deep_network():
    """Padded, strided and pooled, non-square, with biases; the last pool reaches over the edge."""
    torch.manual_seed(3)
    net = nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1),
        nn.ReLU(),
        nn.AvgPool2d(2, padding=1, count_include_pad=False),
        nn.Conv2d(4, 5, 3, stride=2, padding=(1, 0)),
        nn.MaxPool2d(2, ceil_mode=True),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(10, 7),
        nn.ReLU(),
        nn.Linear(7, 3),
    ).double()
    with torch.no_grad():  # PyTorch's initial weights let activations die out
        for parameter in net.parameters():
            parameter.mul_(2.5)
        net[-1].bias.add_(torch.tensor([1.0, 1.5, 1.2]))
    return net


@pytest.fixture(scope="module")
def net():
    return deep_network()


@pytest.fixture(scope="module")
def small():
    torch.manual_seed(2)
    return nn.Sequential(nn.Conv2d(2, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(126, 3)).double()


@pytest.fixture(scope="module")
def images():
    """Four images, one of them black, one half black: there weights cancel exactly."""
    pixels = np.random.default_rng(7).uniform(size=(4, *SHAPE))
    pixels[0] = 0
    pixels[1, :, 3:] = 0
    return pixels


@pytest.fixture(scope="module")
def simulated(net, images):
    """Network and recording by leak and kind of window, simulated once."""
    made = {}

    def simulate(leak, window="static", **options):
        key = leak, window, *options.items()
        if key not in made:
            snn = bionet.convert(
                net, "tdsnn", images, leak=leak * ms, window=window, **PAPER, **options
            )
            run = bionet.simulate(snn, images, device="numpy", record={"conv0_tick": ["spikes"]})
            made[key] = snn, run
        return made[key]

    return simulate


def closed_form(net, images, leak, shift=None):
    """Spike steps by layer number, from decoded values that run through the layers themselves.

    A layer W x + b is given what the spikes before it stand for, exp(T/L) - 1.
    """
    own = np.log1p(TOLERANCE) if shift is None else shift / leak
    values = leak * torch.log1p(torch.as_tensor(images).double()) - (shift or 0.0)
    steps = {"input": torch.ceil(values).relu()}
    last = steps["input"]
    with torch.no_grad():
        for number, layer in enumerate(net):
            if isinstance(layer, nn.MaxPool2d):
                last = layer(last)
            elif isinstance(layer, nn.Flatten):
                last = last.flatten(1)
            elif not isinstance(layer, nn.ReLU):
                value = layer(torch.expm1(last / leak))
                last = torch.ceil(leak * (torch.log1p(value.relu()) - own)).relu()
            steps[number] = last
    return {key: value.numpy() for key, value in steps.items()}, value.numpy()


NAMES = {"input": "input", 0: "conv0", 2: "pool2", 3: "conv3", 4: "maxpool4", 7: "linear7"}


@pytest.mark.parametrize(
    "leak", [2, 20, *(pytest.param(leak, marks=pytest.mark.slow) for leak in (5, 10, 50))]
)
def test_every_spike_step_is_that_of_the_closed_form(simulated, net, images, leak):
    _, run = simulated(leak)
    expected, _ = closed_form(net, images, leak)
    for number, name in NAMES.items():
        np.testing.assert_array_equal(run.spike_steps[name], expected[number], err_msg=name)
    assert len(np.unique(expected[7])) > 4  # there was something to compare


@pytest.mark.parametrize("leak", [20, pytest.param(5, marks=pytest.mark.slow)])
def test_a_dynamic_window_gives_the_same_spike_steps(simulated, leak):
    _, static = simulated(leak)
    _, dynamic = simulated(leak, "dynamic")
    for name in NAMES.values():
        np.testing.assert_array_equal(dynamic.spike_steps[name], static.spike_steps[name])
    assert (dynamic.predictions() == static.predictions()).all()


def test_a_dynamic_window_ends_with_the_last_presynaptic_spike(simulated):
    _, run = simulated(20, "dynamic")
    start = 0
    for name, source in (("conv0", "input"), ("pool2", "conv0"), ("conv3", "pool2")):
        lengths = run.releases[name] - start
        last = run.spike_steps[source].reshape(run.n_images, -1).max(axis=1)
        np.testing.assert_array_equal(lengths, last)
        start = run.releases[name]
    assert len(set(run.releases["conv3"])) > 1


def test_static_windows_follow_one_another(simulated):
    snn, run = simulated(20)
    windows = [layer.window for layer in snn.code.layers]
    names = [layer.name for layer in snn.code.layers]
    for name, end in zip(names, np.cumsum(windows), strict=True):
        np.testing.assert_array_equal(run.releases[name], end)


def test_every_hidden_unit_spikes_exactly_once(simulated):
    _, run = simulated(20)
    for name in NAMES.values():
        assert (run.counts[name] == 1).all(), name


def test_the_ticking_neuron_ticks_from_step_one_until_the_next_window_ends(simulated):
    snn, run = simulated(20)
    window = snn.code.layers[1].window
    for image in range(run.n_images):
        ticks = run.spikes("conv0_tick", image).step - run.releases["conv0"][image]
        np.testing.assert_array_equal(ticks, np.arange(1, window + 1))


def test_ticks_of_a_dynamic_layer_stop_after_the_next_release(simulated):
    _, run = simulated(20, "dynamic")
    for image in range(run.n_images):
        ticks = run.spikes("conv0_tick", image).step
        last = run.releases["pool2"][image]
        np.testing.assert_array_equal(ticks, np.arange(run.releases["conv0"][image] + 1, last + 1))


def test_max_pooling_is_the_maximum_of_the_decoded_values(simulated):
    snn, run = simulated(20)
    values = torch.from_numpy(decoded(run, snn, "conv3"))
    expected = F.max_pool2d(values, 2, ceil_mode=True).numpy()
    np.testing.assert_array_equal(decoded(run, snn, "maxpool4"), expected)


@pytest.mark.parametrize("window", ["static", "dynamic"])
def test_the_readout_holds_the_class_scores(simulated, net, images, window):
    snn, run = simulated(20, window)
    _, scores = closed_form(net, images, 20)
    np.testing.assert_allclose(output_values(run, snn), scores, rtol=0, atol=1e-12)
    np.testing.assert_array_equal(run.predictions(), scores.argmax(axis=1))


def test_decoded_values_are_rounded_up_on_a_logarithmic_grid(simulated, images):
    snn, run = simulated(20)
    found = decoded(run, snn, "input")
    assert (found >= images - 1e-12).all()
    assert (found < (images + 1) * np.exp(1 / 20) - 1 + 1e-12).all()


@pytest.mark.slow
def test_the_answer_approaches_that_of_the_source_network(simulated, net, images):
    with torch.no_grad():
        scores = net(torch.from_numpy(images)).numpy()
    errors = [np.abs(output_values(r, s) - scores).max() for s, r in map(simulated, (2, 10, 50))]
    assert errors[0] > 3 * errors[1] > 9 * errors[2] > 0


def test_values_can_be_rounded_to_the_nearest_step(small, images):
    snn = bionet.convert(small, "tdsnn", images, leak=5 * ms, bias_correction=False)
    run = bionet.simulate(snn, images, device="numpy")
    expected, _ = closed_form(small, images, 5, shift=0.5)
    np.testing.assert_array_equal(run.spike_steps["input"], expected["input"])
    np.testing.assert_array_equal(run.spike_steps["conv0"], expected[0])
    ratio = (decoded(run, snn, "input") + 1) / (images + 1)
    assert ratio.min() > np.exp(-0.5 / 5) - 1e-9
    assert ratio.max() < np.exp(0.5 / 5) + 1e-9


def test_the_latest_spike_is_the_largest_score(net, images):
    snn = bionet.convert(net, "tdsnn", images, leak=50 * ms, readout="LS", **PAPER)
    run = bionet.simulate(snn, images, device="numpy")
    assert run.parameters["readout"] == "LS"
    _, scores = closed_form(net, images, 50)
    steps = np.ceil(50 * np.log1p(np.maximum(scores, 0)))
    np.testing.assert_array_equal(run.spike_steps["linear9"], steps)
    clear = np.sort(steps, axis=1)[:, -1] > np.sort(steps, axis=1)[:, -2]
    assert clear.any()
    np.testing.assert_array_equal(run.predictions()[clear], steps.argmax(axis=1)[clear])
    np.testing.assert_array_equal(run.predictions(), scores.argmax(axis=1))
    exits = early_exit(run)
    np.testing.assert_array_equal(exits.classes, run.predictions())
    second = np.sort(steps, axis=1)[:, -2]
    np.testing.assert_array_equal(exits.steps, run.releases["linear9"] + second + 1)
    answered = exits.accuracy_over_time(exits.classes, run.n_steps)
    assert answered[0] == 0 and answered[-1] == 1
    assert answered[exits.steps.min() - 1] > 0


def test_an_exit_needs_the_spikes_of_the_output_layer(simulated):
    _, run = simulated(20)
    with pytest.raises(bionet.InputError, match="convert with readout='LS'"):
        early_exit(run)


def test_the_raster_shows_windows_and_ticks(simulated):
    snn, run = simulated(20)
    first = snn.code.layers[0].window
    run = replace(run, recorded_spikes={**run.recorded_spikes, "conv0": np.array([[0, 40, 3]])})
    ax = bionet.figures.raster(run, image=0, populations=["conv0_tick", "conv0"])
    windows = [patch for patch in ax.patches if patch.get_label() == "window of conv0"]
    (x, _, width, height) = windows[0].get_bbox().bounds
    assert (len(windows), x, width, height) == (1, 0, first, 1)
    ticks = next(c for c in ax.collections if c.get_label() == "conv0_tick").get_segments()
    assert ticks[0][0][0] == first + 1


def test_the_order_of_units_does_not_matter(images):
    torch.manual_seed(5)
    one = nn.Sequential(nn.Flatten(), nn.Linear(144, 12), nn.ReLU(), nn.Linear(12, 3)).double()
    pixels, hidden = torch.randperm(144), torch.randperm(12)
    other = nn.Sequential(nn.Flatten(), nn.Linear(144, 12), nn.ReLU(), nn.Linear(12, 3)).double()
    with torch.no_grad():
        other[1].weight.copy_(one[1].weight[hidden][:, pixels])
        other[1].bias.copy_(one[1].bias[hidden])
        other[3].weight.copy_(one[3].weight[:, hidden])
        other[3].bias.copy_(one[3].bias)
    mixed = images.reshape(4, -1)[:, pixels.numpy()].reshape(4, *SHAPE)
    runs = [
        bionet.simulate(bionet.convert(n, "tdsnn", x, leak=10 * ms), x, device="numpy")
        for n, x in ((one, images), (other, mixed))
    ]
    first, second = (run.spike_steps["linear1"] for run in runs)
    np.testing.assert_array_equal(first[:, hidden.numpy()], second)


def test_g_and_its_gradient():
    x = torch.tensor([-1.0, 0.0, 0.3, 1.0, 4.0], dtype=torch.float64, requires_grad=True)
    value = TemporalActivation(5)(x)
    expected = np.exp(np.ceil(5 * np.log1p([0, 0, 0.3, 1, 4])) / 5)
    np.testing.assert_allclose(value.detach().numpy(), expected, rtol=1e-15)
    value.sum().backward()
    inside = x.detach().numpy()[2:]
    np.testing.assert_allclose(x.grad.numpy()[2:], expected[2:] / (inside + 1), rtol=1e-14)
    assert x.grad[0] == 0


def test_a_finetuned_network_is_converted_without_loss(net, images):
    coded = temporal_network(net, 10)
    with torch.no_grad():
        scores = coded(torch.from_numpy(images)).numpy()
    snn = bionet.convert(net, "tdsnn", images, leak=10 * ms, mode="finetune")
    run = bionet.simulate(snn, images, device="numpy")
    np.testing.assert_allclose(output_values(run, snn), scores, rtol=1e-12)
    assert np.abs(scores - net(torch.from_numpy(images)).detach().numpy()).max() > 0.1


def test_training_with_the_code_trains_the_network_itself(net):
    copy = deep_network()
    coded = temporal_network(copy, 10)
    coded(torch.rand(2, *SHAPE).double()).square().sum().backward()
    assert copy[0].weight.grad.abs().sum() > 0
    assert copy[0].bias.grad.abs().sum() > 0


def test_a_network_trained_with_rounded_values_is_converted_without_loss():
    """Batch normalisation, padding and max pooling included."""
    torch.manual_seed(6)
    net = nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(4, 5, 2), nn.ReLU(), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(5, 3),
    ).double()  # fmt: skip
    coded = temporal_network(net, 6, "compensate", "nearest")
    images = torch.rand(6, 2, 6, 7, dtype=torch.float64)
    before = coded(images)  # in training: statistics and gradients of the network itself
    before.square().sum().backward()
    assert net[0].weight.grad.abs().sum() > 0 and net[1].running_mean.abs().sum() > 0
    net.eval(), coded.eval()
    with torch.no_grad():
        scores, plain = coded(images).numpy(), net(images).numpy()
    snn = bionet.convert(net, "tdsnn", images.numpy(), leak=6 * ms, bias_correction=False)
    run = bionet.simulate(snn, images.numpy(), device="numpy")
    np.testing.assert_allclose(output_values(run, snn), scores, rtol=0, atol=1e-9)
    assert np.abs(scores - plain).max() > 1e-3
    with pytest.raises(bionet.InputError, match="'finetune', with rounding='up'"):
        temporal_network(net, 6, "finetune", "nearest")


@pytest.mark.parametrize(
    ("layer", "message"), [(nn.BatchNorm2d(2), "BatchNorm2d"), (nn.Sigmoid(), "Sigmoid")]
)
def test_what_has_no_temporal_code_is_refused_in_training(layer, message):
    with pytest.raises(bionet.InputError, match=message):
        temporal_network(nn.Sequential(layer, nn.Conv2d(2, 2, 1)), 10)


def test_a_pooling_function_is_refused_in_training():
    class Functional(nn.Module):
        def forward(self, x):
            return F.avg_pool2d(x, 2)

    with pytest.raises(bionet.InputError, match=r"use nn\.AvgPool2d"):
        temporal_network(Functional(), 10)


def test_arithmetic_is_refused_in_training():
    class Shifted(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(3, 2)

        def forward(self, x):
            return self.fc(x - 0.5)

    with pytest.raises(bionet.InputError, match="computes 'sub' between the layers"):
        temporal_network(Shifted(), 10)


def test_a_leak_below_one_step_is_refused_in_training():
    with pytest.raises(bionet.InputError, match="steps >= 1"):
        TemporalActivation(0.5)


def test_the_network_survives_a_file(simulated, tmp_path):
    snn, run = simulated(20)
    loaded = bionet.SpikingNetwork.load(snn.save(tmp_path / "one.snn"))
    assert loaded == snn
    assert loaded.hash() == snn.hash()
    again = bionet.Recording.load(run.save(tmp_path / "run"))
    for name, steps in run.spike_steps.items():
        np.testing.assert_array_equal(again.spike_steps[name], steps)
    np.testing.assert_array_equal(again.releases["conv3"], run.releases["conv3"])


def test_a_finer_step_is_a_finer_code(small, images):
    fine = bionet.convert(small, "tdsnn", images, leak=5 * ms, dt=0.5 * ms, **PAPER)
    run = bionet.simulate(fine, images, device="numpy")
    expected, _ = closed_form(small, images, 10)
    np.testing.assert_array_equal(run.spike_steps["conv0"], expected[0])
    assert run.dt == 0.5 * ms


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"leak": 0 * ms}, "leak must be positive"),
        ({"leak": -3 * ms}, "leak must be positive"),
        ({"leak": 20}, "leak of .* must be a quantity such as"),
        ({"leak": 20 * Hz}, "leak must be a quantity such as"),
        ({"dt": 0 * ms}, "dt must be positive"),
        ({"leak": 1 * ms, "dt": 2 * ms}, "must last at least one step"),
        ({"margin": 0.5}, "margin must be a number >= 1"),
        ({"mode": "none"}, "mode of method 'tdsnn'"),
        ({"window": "long"}, "window of method 'tdsnn'"),
        ({"rounding": "down"}, "rounding of method 'tdsnn'"),
        ({"readout": "FS"}, "readout of method 'tdsnn'"),
        ({"dtype": "float16"}, "dtype of method 'tdsnn'"),
    ],
)
def test_options_are_checked(net, images, options, message):
    with pytest.raises(bionet.InputError, match=message):
        bionet.convert(net, "tdsnn", images, **options)


def test_the_calibration_must_hold_pixels_that_can_be_coded(net, images):
    with pytest.raises(bionet.InputError, match="below 0 or above 1"):
        bionet.convert(net, "tdsnn", images - 0.5, input_range=(0, 1))
    with pytest.raises(bionet.InputError, match="input_range is"):
        bionet.convert(net, "tdsnn", images, input_range=(1, 0))
    with pytest.raises(bionet.InputError, match="input_range needs the bias neurons"):
        bionet.convert(net, "tdsnn", images, input_range=(0, 2), mode="finetune")
    with pytest.raises(bionet.InputError, match="calibration=images"):
        bionet.convert(net, "tdsnn", input_shape=SHAPE)


def test_a_network_must_end_with_a_layer_of_weights():
    net = nn.Sequential(nn.Conv2d(2, 3, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten())
    with pytest.raises(bionet.InputError, match="end it with a Linear"):
        bionet.convert(net, "tdsnn", np.zeros((1, *SHAPE)))


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.fc = nn.Conv2d(2, 2, 3, padding=1), nn.Linear(72, 4)

    def forward(self, x):
        return self.fc(torch.flatten(torch.relu(self.conv(x) + x), 1))


def test_sums_of_branches_and_values_below_zero_have_no_spike_time():
    images = np.zeros((1, 2, 6, 6))
    with pytest.raises(bionet.InputError, match="the sum at node 'add'"):
        bionet.convert(Residual(), "tdsnn", images)
    leaky = nn.Sequential(nn.Conv2d(2, 3, 3), nn.LeakyReLU(), nn.Flatten(), nn.Linear(48, 4))
    with pytest.raises(bionet.InputError, match="the LeakyReLU at layer '1'"):
        bionet.convert(leaky, "tdsnn", images)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"coding": "poisson"}, "input coding is 'reverse', not 'poisson'"),
        ({"dt": 2 * ms, "duration": 200 * ms}, "convert the network again with that dt"),
        ({"dtype": "float32"}, "convert the network with dtype='float32'"),
        ({"duration": 12 * ms}, "but the presentation only 12"),
    ],
)
def test_a_simulation_must_fit_the_windows(simulated, images, options, message):
    snn, _ = simulated(20)
    with pytest.raises(bionet.InputError, match=message):
        bionet.simulate(snn, images, device="numpy", **options)


def test_negative_pixels_are_refused_with_their_image(simulated, images):
    snn, _ = simulated(20)
    pixels = images.copy()
    pixels[2, 0, 0, 0] = -0.1
    with pytest.raises(bionet.InputError, match="image 2 holds pixels below 0"):
        bionet.simulate(snn, pixels, device="numpy")
    with pytest.raises(bionet.InputError, match="between 0 and 1"):
        bionet.simulate(snn, 2 * images, device="numpy")


def test_a_spike_after_its_window_names_layer_and_image(small, images):
    snn = bionet.convert(small, "tdsnn", 0.02 * images, leak=20 * ms, margin=1)
    bright = np.concatenate([0.02 * images, images[2:3]])
    with pytest.raises(bionet.InputError, match=r"image 4: \d+ units of conv0 .* of linear3"):
        bionet.simulate(snn, bright, device="numpy")


def test_a_dynamic_window_that_never_ends_is_refused(small, images):
    snn = bionet.convert(small, "tdsnn", images, leak=20 * ms, window="dynamic")
    with pytest.raises(bionet.InputError, match="ends before the window of"):
        bionet.simulate(snn, images, 10 * ms, device="numpy")


def test_the_reverse_coding_belongs_to_a_temporal_network(tiny, tiny_images):
    with pytest.raises(bionet.InputError, match="network of method 'tdsnn'"):
        bionet.simulate(tiny, tiny_images, 10 * ms, coding="reverse", device="numpy")


def test_only_populations_with_a_code_can_be_decoded(simulated):
    snn, run = simulated(20)
    with pytest.raises(bionet.InputError, match="has no spike steps"):
        decoded(run, snn, "readout")


@pytest.mark.devices
@pytest.mark.parametrize("device", ["cpp_standalone", "cython"])
@pytest.mark.parametrize("window", ["static", "dynamic"])
def test_devices_agree_to_the_last_bit(small, images, assert_same, device, window):
    snn = bionet.convert(small, "tdsnn", images, leak=10 * ms, window=window)
    reference = bionet.simulate(snn, images, device="numpy", lanes=3)
    run = bionet.simulate(snn, images, device=device, lanes=3)
    assert_same(run, reference)
    for name, steps in reference.spike_steps.items():
        np.testing.assert_array_equal(run.spike_steps[name], steps)
    for name, steps in reference.releases.items():
        np.testing.assert_array_equal(run.releases[name], steps)


def test_training_with_the_code_starts_from_the_relu_network():
    torch.manual_seed(4)
    net = nn.Sequential(
        nn.Conv2d(2, 4, 3, bias=False), nn.ReLU(), nn.AvgPool2d(2), nn.Conv2d(4, 5, 2), nn.ReLU(),
        nn.Flatten(), nn.Linear(20, 3, bias=False),
    ).double()  # fmt: skip
    images = torch.rand(6, 2, 9, 8, dtype=torch.float64)
    with torch.no_grad():
        scores = net(images)
        offset = (temporal_network(net, 200)(images) - scores).abs().max()
        add_bias_neurons(net, 200)
        assert net[0].bias.shape == (4,)
        error = (temporal_network(net, 200)(images) - scores).abs().max()
    # What is left is the rounding to steps of 1/200.

    assert error < 0.05 < offset
    snn = bionet.convert(net, "tdsnn", images.numpy(), leak=20 * ms, mode="finetune")
    run = bionet.simulate(snn, images[:2].numpy(), device="numpy")
    with torch.no_grad():
        expected = temporal_network(net, 20)(images[:2]).numpy()
    np.testing.assert_allclose(output_values(run, snn), expected, rtol=0, atol=1e-12)


def test_added_biases_are_loaded_with_the_weights(tmp_path):
    net = bionet.zoo.load("lenet5", "digits")
    add_bias_neurons(net, 5)
    save_weights(net, tmp_path / "other.safetensors", {})
    with pytest.raises(bionet.InputError, match=r"with unknown .*fc1\.bias"):
        bionet.zoo.load("lenet5", tmp_path / "other.safetensors")
    told = {"command": "bionet train lenet5 --activation tdsnn --leak 5ms"}
    save_weights(net, tmp_path / "tuned.safetensors", told)
    again = bionet.zoo.load("lenet5", tmp_path / "tuned.safetensors")
    torch.testing.assert_close(again.fc1.bias, net.fc1.bias, rtol=0, atol=0)
    assert again.fc1.bias.requires_grad
