"""Networks of linear and piecewise linear operations: exact as descriptions, 1/T as spikes.

``evaluate`` reads a spiking network as what its units approach: limited, rectified or signed values
of W x + I. It must equal the source network to rounding. A simulation of T steps must then lie
within E / T of it, where E follows the layers,

    E_l = 1 + sum over sources of max_i sum_j |W_ij| E_j,    E_input = 0,

since a unit's count is its summed input, rectified at its largest value so far (a map that
lengthens no distance), rounded by less than one spike.
"""

import numpy as np
import pytest
import torch
from brian2 import ms
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from bionet.conversion import activations, convert, trace
from bionet.conversion.tracing.unit_maps import unit_maps
from bionet.errors import InputError
from bionet.network.kernels import Sparse
from bionet.running.simulate import simulate

SHAPE = (2, 6, 6)
METHODS = [
    ("rate", {"normalisation": "max"}),
    ("rate", {"normalisation": "max", "channelwise": True}),
    ("augmapping", {"gain": 2.0}),
    ("termapping", {}),
]


def evaluate(snn, images):
    """What every population's rate approaches, {name: array (n, *shape)}."""
    values = {"input": np.asarray(images, dtype=np.float64)}
    for p in snn.populations:
        incoming = [q for q in snn.projections if q.target == p.name]
        total = np.asarray(p.parameters["I"]) + sum(
            q.kernel.apply(values[q.source]).reshape(len(images), *p.shape) for q in incoming
        )
        if p.model.threshold is None:
            values[p.name] = total
            continue
        theta = p.parameters.get("theta_p", p.parameters.get("theta"))
        result = np.maximum(total, 0) / theta
        if "theta_n" in p.parameters:
            result = np.where(total > 0, result, total / np.abs(p.parameters["theta_n"]))
        if snn.method != "augmapping":  # one spike a step is the most
            result = np.clip(result, -1 - 1e-7, 1 + 1e-7)
        elif "bound" in p.parameters:
            result = np.minimum(result, p.parameters["bound"])
        values[p.name] = result
    return values


class Net(nn.Module):
    def __init__(self, forward, **layers):
        super().__init__()
        self.call = forward
        for name, layer in layers.items():
            setattr(self, name, layer)

    def forward(self, x):
        return self.call(self, x)


def conv(n_in, n_out, size=3, **options):
    return nn.Conv2d(n_in, n_out, size, padding=size // 2, **options)


def shuffle(x, groups):
    n, c, h, w = x.shape
    return x.view(n, groups, c // groups, h, w).transpose(1, 2).reshape(n, c, h, w)


def grown(s, x):
    first = s.a(x)
    both = torch.cat([first, s.b(F.relu(s.n(first)))], 1)
    return s.c(F.relu(both).flatten(1))


def shortcut(s, x):
    y = F.relu(s.a(x))
    return s.c((s.b(y) + F.pad(y[:, :, ::2, ::2], (0, 0, 0, 0, 1, 1))).relu().flatten(1))


def split(s, x):
    left, right = F.relu(s.a(x)).chunk(2, 1)
    return s.c(shuffle(torch.cat([left, F.relu(s.b(right))], 1), 2).flatten(1))


BLOCKS = {
    "densenet": Net(grown, a=conv(2, 4), b=conv(4, 3), n=nn.BatchNorm2d(4), c=nn.Linear(252, 3)),
    "resnet option A": Net(shortcut, a=conv(2, 4), b=conv(4, 6, stride=2), c=nn.Linear(54, 3)),
    "shufflenet": Net(split, a=conv(2, 4), b=conv(2, 2, groups=2), c=nn.Linear(144, 3)),
    "mobilenet": nn.Sequential(
        *(conv(2, 6, 1), nn.BatchNorm2d(6), nn.ReLU6(), conv(6, 6, groups=6), nn.ReLU6()),
        *(conv(6, 3, 1), conv(3, 8, 1), nn.ReLU6(), nn.AdaptiveAvgPool2d(1), nn.Flatten()),
        nn.Linear(8, 3),
    ),
    "autoencoder": nn.Sequential(
        *(conv(2, 4, stride=2), nn.ReLU(), nn.ConvTranspose2d(4, 3, 2, 2), nn.PReLU(3)),
        *(nn.Upsample(scale_factor=2, mode="bilinear"), conv(3, 1)),
    ),
    "squeezenet": Net(
        lambda s, x: s.c(F.max_pool2d(torch.cat([F.relu(s.a(x)), F.relu(s.b(x))], 1), 2)),
        a=conv(2, 2, 1), b=conv(2, 3), c=nn.Conv2d(5, 3, 1),
    ),
    "maxout": Net(
        lambda s, x: s.c(torch.maximum(s.a(x), s.b(x)).amax(1).flatten(1)),
        a=conv(2, 4), b=conv(2, 4), c=nn.Linear(36, 3),
    ),
    "pixel shuffle": Net(
        lambda s, x: s.c(F.pixel_shuffle(s.a(x), 2).relu().flatten(1)),
        a=conv(2, 4), c=nn.Linear(144, 3),
    ),
    "limits": nn.Sequential(
        *(conv(2, 3), nn.Hardtanh(), conv(3, 3), nn.Hardsigmoid(), conv(3, 3), nn.LeakyReLU(0.2)),
        *(nn.AdaptiveMaxPool2d(4), nn.Flatten(), nn.Linear(48, 3)),
    ),
    "padding of every kind": nn.Sequential(
        *(nn.ZeroPad2d((1, 0, 2, 0)), nn.Conv2d(2, 3, 3, padding_mode="reflect", padding=1)),
        *(nn.ReLU(), nn.ConstantPad2d(1, 0.3), nn.Conv2d(3, 2, 2, 2), nn.ReLU(), nn.Flatten()),
        nn.Linear(40, 3),
    ),
    "stack, difference and weighted sum": Net(
        lambda s, x: s.c((torch.stack([s.a(x), s.b(x)]).sum(0) - 0.5 * s.a(x)).abs().flatten(1)),
        a=conv(2, 3), b=conv(2, 3), c=nn.Linear(108, 3),
    ),
}  # fmt: skip
OTHER_SHAPES = {
    "sequence": (
        nn.Sequential(
            *(nn.Conv1d(2, 4, 3, padding=1, stride=2), nn.BatchNorm1d(4), nn.ReLU()),
            *(nn.MaxPool1d(2), nn.Conv1d(4, 4, 2), nn.ReLU(), nn.AvgPool1d(2), nn.Flatten()),
            nn.Linear(4, 3),
        ),
        (2, 16),
    ),
    "volume": (
        nn.Sequential(
            *(nn.Conv3d(2, 3, 3, padding=1), nn.BatchNorm3d(3), nn.ReLU(), nn.MaxPool3d(2)),
            *(nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(3, 3)),
        ),
        (2, 4, 4, 2),
    ),
    "features of a sequence": (
        nn.Sequential(nn.Linear(6, 4), nn.ReLU(), nn.Flatten(), nn.Linear(8, 3)),
        (2, 6),
    ),
}
CASES = {name: (net, SHAPE) for name, net in BLOCKS.items()} | OTHER_SHAPES


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("lowest", [0.0, -0.5])
def test_a_network_is_its_spiking_network(name, lowest, randomised):
    net, shape = CASES[name]
    net = randomised(net, seed=1)
    images = np.random.default_rng(0).random((3, *shape)) + lowest
    with torch.no_grad():
        expected = net(torch.from_numpy(images)).numpy()
    for method, options in METHODS:
        snn = convert(net, method, calibration=images, **options)
        scale = np.asarray(snn.origin.scales["readout"])
        found = evaluate(snn, images)["readout"] * scale.reshape(-1, *[1] * (expected.ndim - 2))
        limit = 1e-6 * np.abs(expected).max()
        np.testing.assert_allclose(found, expected, rtol=0, atol=limit, err_msg=f"{method}")
        known = activations(net, images, snn)
        assert set(known) == {p.name for p in snn.populations}


def largest_errors(snn):
    """E of every population in spikes: the bound of this module's text."""
    errors = {"input": 0.0}
    for p in snn.populations:
        total = 0.0
        for q in snn.projections:
            if q.target == p.name:
                ones = np.ones((1, *snn.shape(q.source)))
                arrays = {n: abs(a) for n, a in q.kernel.arrays().items()}
                kernel = type(q.kernel)(**{**q.kernel.options(), **arrays})
                if "weight" in q.kernel.options():
                    kernel = type(q.kernel)(abs(q.kernel.weight))
                total += kernel.apply(ones).max() * errors[q.source]
        errors[p.name] = total + (1.0 if p.model.threshold else 0.0)
    return errors


LAYERS = st.lists(
    st.sampled_from(
        [
            "conv",
            "depthwise",
            "linear bottleneck",
            "cat",
            "sum",
            "slice",
            "shuffle",
            "pad",
            "up",
            "leaky",
            "relu6",
            "average",
            "maximum",
            "transposed",
        ]  # fmt: skip
    ),
    min_size=1,
    max_size=8,
)


class Random(nn.Module):
    """A chain of operations that were drawn, each on 4 channels."""

    def __init__(self, kinds, seed):
        super().__init__()
        torch.manual_seed(seed)
        self.kinds = kinds
        self.first = conv(2, 4)
        made = {"depthwise": lambda: conv(4, 4, groups=4), "cat": lambda: conv(8, 4, 1)}
        made["transposed"] = lambda: nn.ConvTranspose2d(4, 4, 3, padding=1)
        self.layers = nn.ModuleList(made.get(kind, lambda: conv(4, 4))() for kind in kinds)
        self.head = nn.Conv2d(4, 3, 1)

    def forward(self, x):
        x = F.relu(self.first(x))
        for kind, layer in zip(self.kinds, self.layers, strict=True):
            before, signed = x, kind == "linear bottleneck"
            if kind == "cat":
                x = layer(torch.cat([x, x.flip(1)], 1))
            elif kind == "maximum":
                x = torch.maximum(layer(x), x)
            elif kind == "up" and x.shape[-1] < 9:
                x = layer(F.interpolate(x, scale_factor=2))
            elif kind == "average" and x.shape[-1] > 2:
                x = F.avg_pool2d(layer(x), 2)
            elif kind == "slice" and x.shape[-1] > 4:
                x = layer(x[:, :, 1:, :-1])
            else:
                x = layer(F.pad(x, (1, 0, 0, 1)) if kind == "pad" else x)
            if kind == "sum":
                x = x - 0.5 * before
            if kind == "shuffle":
                x = shuffle(x, 2)
            if kind == "leaky":
                x = F.leaky_relu(x, 0.3)
            elif not signed:
                x = F.relu6(x) if kind == "relu6" else F.relu(x)
        return self.head(x).mean((2, 3))


@pytest.mark.slow
@settings(
    max_examples=12, deadline=None, derandomize=True,
    suppress_health_check=list(HealthCheck),
)  # fmt: skip
@given(kinds=LAYERS, seed=st.integers(0, 99), method=st.sampled_from(["rate", "augmapping"]))
def test_random_networks_approach_their_outputs_as_1_over_t(kinds, seed, method):
    if method == "augmapping":  # two thresholds at different distances do not bound the error
        kinds = ["relu6" if kind == "leaky" else kind for kind in kinds]
    net = Random(kinds, seed).double().eval()
    images = np.random.default_rng(seed).random((2, *SHAPE)) - 0.3
    with torch.no_grad():
        expected = net(torch.from_numpy(images)).numpy()
    options = {"normalisation": "max", "calibration": images} if method == "rate" else {}
    try:
        snn = convert(net, method, input_shape=SHAPE, **options)
    except InputError as error:
        assume("is silent over the whole" not in str(error))  # a dead layer, which is refused
        raise
    scale = float(snn.origin.scales["readout"])
    ideal = evaluate(snn, images)["readout"].reshape(2, -1)
    np.testing.assert_allclose(ideal * scale, expected, rtol=0, atol=1e-6)
    bound = largest_errors(snn)["readout"]
    for steps in (10, 40):
        run = simulate(snn, images, steps * ms, device="numpy", dtype="float64")
        shown = run.output_potential[:, -1].reshape(2, -1) / steps
        # The clip of the description is wider than a spike a step by 1e-7.
        assert np.abs(shown - ideal).max() <= bound / steps + 1e-5, (kinds, steps)


UNIT_MAPS = {
    "nearest": nn.Upsample(scale_factor=2),
    "bilinear": nn.Upsample(size=(7, 9), mode="bilinear"),
    "adaptive": nn.AdaptiveAvgPool2d((5, 4)),
    "reflected": nn.ReflectionPad2d((1, 2, 0, 1)),
    "constant": nn.ConstantPad2d((0, 2, 1, 0), 0.7),
    "unshuffled": nn.PixelUnshuffle(2),
    "rolled": lambda x: x.roll(2, 3).flip(2).transpose(2, 3),
    "unfolded": nn.Unfold(3, padding=1),
    "scaled": lambda x: x * torch.linspace(-1, 1, 6),
    "multiplied": lambda x: x @ torch.arange(12.0).reshape(6, 2).double(),
    "transposed": nn.ConvTranspose2d(2, 3, 3, 2, 1, 1).double(),
}


@pytest.mark.parametrize("name", UNIT_MAPS)
def test_the_map_of_units_gives_what_the_operation_gives_for_a_graded_step(name):
    operation = UNIT_MAPS[name]
    values = torch.randn(2, *SHAPE, dtype=torch.float64)
    with torch.no_grad():
        expected = operation(values).numpy()
    maps, constant = unit_maps(lambda v: operation(v[0]), [SHAPE], expected.shape[1:])
    kernel = Sparse.of_matrix(maps[0], expected.shape[1:])
    found = kernel.apply(values.numpy()) + constant.reshape(expected.shape[1:])
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("operation", [torch.sin, lambda x: x * x.mean(), lambda x: x.clamp(-3, 3)])
def test_what_is_not_affine_has_no_map(operation):
    assert unit_maps(lambda v: operation(v[0]), [SHAPE], SHAPE) is None


def test_questions_of_shape_are_answered_by_torch_export(randomised):
    def forward(s, x):
        assert x.shape[1] == 2, "two channels"
        y = F.relu(s.a(x))
        if y.size(2) > 100:
            y = y * 2
        return s.c(torch.cat([y[:, i] for i in range(y.shape[1])], 1).flatten(1))

    net = randomised(Net(forward, a=conv(2, 4), c=nn.Linear(144, 3)))
    images = np.random.default_rng(0).random((2, *SHAPE))
    snn = convert(net, "augmapping", input_shape=SHAPE)
    assert snn.names == ("input", "a", "c", "readout")
    with torch.no_grad():
        expected = net(torch.from_numpy(images)).numpy()
    np.testing.assert_allclose(evaluate(snn, images)["readout"], expected, rtol=1e-9)


def test_one_of_several_outputs_is_chosen():
    net = Net(
        lambda s, x: {"scores": s.c(x.flatten(1)), "aux": s.a(x.flatten(1))},
        a=nn.Linear(72, 2), c=nn.Linear(72, 3),
    )  # fmt: skip
    snn = convert(net, "augmapping", input_shape=SHAPE, output="aux")
    assert snn.shape("readout") == (2,)
    with pytest.raises(InputError, match="more than one tensor: it returns 'scores', 'aux'; choos"):
        convert(net, "augmapping", input_shape=SHAPE)
    with pytest.raises(InputError, match="no output 'other'; it returns 'scores', 'aux'"):
        convert(net, "augmapping", input_shape=SHAPE, output="other")
    with pytest.raises(InputError, match="no output 3; it returns one tensor"):
        convert(nn.Linear(2, 2), "augmapping", input_shape=(2,), output=3)


def test_a_last_sigmoid_is_dropped_with_a_word():
    net = nn.Sequential(nn.Flatten(), nn.Linear(72, 3), nn.Sigmoid())
    snn = convert(net, "augmapping", input_shape=SHAPE)
    assert list(snn.origin.notes) == [
        "Sigmoid at layer '2' (node '_2') is left out: it rises with its input;"
        " read values through it"
    ]
    assert "note: Sigmoid at layer '2'" in str(snn)


def test_a_maximum_of_which_one_side_always_wins_has_a_scale():
    net = Net(
        lambda s, x: s.c(torch.maximum(s.a(x), F.relu(x)).flatten(1)),
        a=conv(2, 2), c=nn.Linear(72, 3),
    )  # fmt: skip
    with torch.no_grad():
        net.a.bias.fill_(-9)
    images = np.random.default_rng(0).random((3, *SHAPE)).astype(np.float32)
    snn = convert(net, "rate", images, normalisation="max")
    with torch.no_grad():
        expected = net(torch.from_numpy(images)).numpy()
    shown = evaluate(snn, images)["readout"] * snn.origin.scales["readout"]
    np.testing.assert_allclose(shown, expected, atol=1e-5)


OUTPUTS = {
    "squeeze(1)": lambda y: y.squeeze(1),
    "squeeze()": lambda y: y.squeeze(),
    "view(-1)": lambda y: y.view(-1),
    "sigmoid, squeeze": lambda y: torch.sigmoid(y).squeeze(-1),
}


@pytest.mark.parametrize("name", OUTPUTS)
def test_one_score_may_lose_its_axis_at_the_end(name):
    torch.manual_seed(1)
    net = Net(lambda s, x: OUTPUTS[name](s.c(F.relu(x - 0.5).flatten(1))), c=nn.Linear(72, 1))
    images = np.random.default_rng(0).random((3, *SHAPE))
    snn = convert(net.double(), "augmapping", input_shape=SHAPE)
    assert snn.shape("readout") == (1,)
    value = torch.from_numpy(evaluate(snn, images)["readout"])
    with torch.no_grad():
        expected = net(torch.from_numpy(images)).numpy()
    shown = torch.sigmoid(value) if "sigmoid" in name else value
    np.testing.assert_allclose(shown[:, 0], expected, rtol=1e-9)
    assert len(snn.origin.notes) == name.startswith("sigmoid")


def test_a_last_softmax_may_get_another_shape():
    net = Net(lambda s, x: s.c(x.flatten(1)).softmax(1).view(-1, 3), c=nn.Linear(72, 3))
    assert convert(net, "augmapping", input_shape=SHAPE).shape("readout") == (3,)


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_few_steps_serve_layers_along_any_number_of_axes(axes):
    """Biases of padded units behind a normalisation are corrected channel by channel."""
    torch.manual_seed(0)
    conv = getattr(nn, f"Conv{axes}d")
    norm, pool = getattr(nn, f"BatchNorm{axes}d"), getattr(nn, f"AvgPool{axes}d")
    net = nn.Sequential(
        norm(2), conv(2, 4, 3, padding=1), nn.ReLU(), pool(2), conv(4, 3, 3, padding=1), nn.ReLU(),
        nn.Flatten(), nn.Linear(3 * 2**axes, 3),
    ).eval()  # fmt: skip
    with torch.no_grad():
        net[0].running_mean.fill_(0.4)
    images = np.random.default_rng(0).random((30, 2, *[4] * axes)).astype(np.float32)
    snn = convert(net, "rate", images, preset="fast", steps=32)
    run = simulate(snn, images[:5], device="numpy")
    with torch.no_grad():
        outputs = net(torch.from_numpy(images[:5])).numpy()
    np.testing.assert_allclose(run.values(), outputs, atol=0.05)


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (nn.GRU(6, 6, batch_first=True), "GRU at layer '0'.*a Conv1d over the sequence converts"),
        (nn.GELU(), "GELU at layer '0'.*to_relu.*train that on"),
        (nn.LayerNorm(6), "LayerNorm at layer '0'.*train with BatchNorm2d"),
    ],
)
def test_what_no_unit_computes_is_refused_with_what_to_do(layer, message):
    with pytest.raises(InputError, match=message):
        trace(nn.Sequential(layer, nn.Flatten(), nn.Linear(12, 3)), (2, 6))


def test_the_remedy_of_a_linear_bottleneck_works():
    net = nn.Sequential(conv(2, 3), conv(3, 2), nn.ReLU(), nn.Flatten(), nn.Linear(72, 3))
    with pytest.raises(InputError, match="convert by rate, ttfs, augmapping or termapping"):
        convert(net, "dsnn", input_shape=SHAPE, sigma=1.0)
    images = np.random.default_rng(0).random((2, *SHAPE))
    for method in ("rate", "augmapping", "termapping"):
        convert(net, method, calibration=images)
