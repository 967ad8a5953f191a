"""Networks that other simulators wrote give the spikes that those simulators give.

The four writers are not among BioNet's test dependencies: `.ci/nir-writers` installs them beside
and runs this file; without them it is skipped.
"""

import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch
from brian2 import ms
from torch import nn

import bionet
from bionet.exchange.nir_conventions import WRITERS, NirConvention
from bionet.exchange.nir_reading import from_nir

nir = pytest.importorskip("nir")
STEPS, IMAGES = 80, 5


def _written(graph, path, **options):
    """A graph through a file, as a user gets it.

    nir 1.0.8 cannot write parameters without dimensions (HDF5 does not compress scalars).
    """
    nir.write(path, graph)
    return from_nir(path, **options)


def _run(snn, seed=0):
    """Counts of every population for Poisson input, and the input spikes (steps, images, ...)."""
    rng = np.random.default_rng(seed)
    images = rng.random((IMAGES, *snn.input_shape)) * 0.5
    dt = snn.times(None, None)[1]
    run = bionet.simulate(
        snn,
        images,
        duration=STEPS * dt,
        coding="poisson",
        device="numpy",
        record={"input": ["spikes"], snn.readout.potential: ["v"]},
    )
    spikes = np.zeros((STEPS, IMAGES, int(np.prod(snn.input_shape))))
    image, step, unit = run.recorded_spikes["input"].T
    spikes[step, image, unit] = 1
    return run, torch.from_numpy(spikes.reshape(STEPS, IMAGES, *snn.input_shape)).float()


def _total(step, x):
    """Sum of what a network gives over the steps."""
    with torch.no_grad():
        return sum(step(frame) for frame in x).numpy()


def _agree(run, name, counts):
    assert run.counts[name].sum() > 20  # a silent layer would agree with anything
    np.testing.assert_array_equal(run.counts[name], counts)


def _weights(*layers, scale=3.0):
    torch.manual_seed(1)
    for layer in layers:
        nn.init.normal_(layer.weight, 0.05, scale / layer.weight[0].numel() ** 0.5)
    return layers


def _vectors(n, beta):
    return {"beta": torch.full((n,), beta), "threshold": torch.ones(n), "init_hidden": True}


def _snntorch(hidden, output, path, change=None, **options):
    snntorch = pytest.importorskip("snntorch")
    export = pytest.importorskip("snntorch.export_nir").export_to_nir
    first, second_ = _weights(nn.Linear(36, 20), nn.Linear(20, 6))
    net = nn.Sequential(first, hidden(snntorch, 20), second_, output(snntorch, 6))
    graph = export(net, torch.zeros(36))
    snn = _written(graph, path, writer="snntorch", **options)
    snn = change(snn) if change else snn
    run, x = _run(snn)
    for module in net.modules():
        if isinstance(module, snntorch.SpikingNeuron):
            module.reset_mem()
    return run, snn, _total(lambda frame: net(frame)[0], x)


@pytest.mark.parametrize("alpha", [None, 0.7])
def test_snntorch_with_reset_to_zero(tmp_path, alpha):
    def neuron(snntorch, n, **more):
        # Its default for Synaptic holds the potential at 0 for the whole step after a spike.
        options = _vectors(n, 0.9) | {"reset_mechanism": "zero", "reset_delay": False} | more
        if alpha is None:
            return snntorch.Leaky(**options)
        return snntorch.Synaptic(alpha=torch.full((n,), alpha), **options)

    run, snn, counts = _snntorch(neuron, lambda s, n: neuron(s, n, output=True), tmp_path / "x.nir")
    _agree(run, snn.readout.spikes, counts)


def test_snntorch_with_reset_by_subtraction(tmp_path):
    """Its default subtracts a step later, after the decay: theta/beta at the spike is the same."""

    def neuron(snntorch, n, **more):
        return snntorch.Leaky(**_vectors(n, 0.9), **more)

    def late(snn):
        for p in snn.populations:
            model = replace(p.model, reset="v -= theta/(1 - dt/tau)")
            snn = snn.with_population(p.name, model=model)
        return snn

    run, snn, counts = _snntorch(
        neuron,
        lambda s, n: neuron(s, n, output=True),
        tmp_path / "x.nir",
        change=late,
        reset="subtract",
    )
    _agree(run, snn.readout.spikes, counts)


def test_snntorch_recurrent(tmp_path):
    def hidden(snntorch, n):
        layer = snntorch.RLeaky(
            beta=0.9,
            linear_features=n,
            init_hidden=True,
            reset_mechanism="zero",
            reset_delay=False,
        )
        _weights(layer.recurrent, scale=0.7)
        return layer

    run, snn, counts = _snntorch(
        hidden,
        lambda s, n: s.Leaky(reset_mechanism="zero", output=True, **_vectors(n, 0.8)),
        tmp_path / "x.nir",
    )
    assert any(q.source == q.target and q.delay == 1 for q in snn.projections)
    _agree(run, snn.readout.spikes, counts)


def _norse(hidden, output, path, **options):
    norse = pytest.importorskip("norse.torch")
    to_nir = pytest.importorskip("norse.torch.utils.export_nir").to_nir
    first, second_ = _weights(nn.Linear(36, 20), nn.Linear(20, 6))
    net = norse.SequentialState(first, hidden(norse, 20), second_, output(norse, 6))
    graph = to_nir(net, torch.zeros(36), dt=1000.0)
    snn = _written(graph, path, writer="norse", **options)
    run, x = _run(snn)
    state, outputs = None, []
    with torch.no_grad():
        for frame in x:
            out, state = net(frame, state)
            outputs.append(out.numpy())
    return run, snn, np.array(outputs)


def _norse_cell(kind):
    def cell(norse, n):
        parameters = getattr(norse, kind.replace("Cell", "Parameters"), None)
        if parameters is None:
            from norse.torch.functional import leaky_integrator_box

            parameters = leaky_integrator_box.LIBoxParameters
        fields = {k: v for k, v in FIELDS.items() if k in parameters._fields}
        return getattr(norse, kind)(
            p=parameters(**{k: torch.full((n,), v) for k, v in fields.items()})
        )

    return cell


FIELDS = {"tau_mem_inv": 100.0, "tau_syn_inv": 200.0, "v_leak": 0.1, "v_th": 1.0, "v_reset": 0.0}


@pytest.mark.parametrize("hidden", ["LIFBoxCell", "LIFCell", "IAFCell"])
def test_norse(tmp_path, hidden):
    run, snn, outputs = _norse(_norse_cell(hidden), _norse_cell("IAFCell"), tmp_path / "x.nir")
    _agree(run, snn.readout.spikes, outputs.sum(axis=0))


def test_norse_leaky_integrator_as_output(tmp_path):
    run, _, outputs = _norse(
        _norse_cell("LIFBoxCell"), _norse_cell("LIBoxCell"), tmp_path / "x.nir"
    )
    np.testing.assert_allclose(
        run.output_potential, outputs.transpose(1, 0, 2), rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize("neuron", ["LIFNode", "LIFNode(decay_input=False)", "CUBALIFNode"])
def test_spikingjelly_convolution_and_pooling(tmp_path, neuron):
    pytest.importorskip("spikingjelly")
    from spikingjelly.activation_based import functional, layer
    from spikingjelly.activation_based import neuron as neurons
    from spikingjelly.activation_based.nir_exchange.to_nir import export_to_nir

    kind, _, option = neuron.partition("(")
    options = {"LIFNode": {"tau": 5.0}, "CUBALIFNode": {"c_decay": 0.5, "v_decay": 0.8}}[kind]
    options |= {"decay_input": False} if option else {}
    conv, linear = _weights(layer.Conv2d(1, 3, 3, padding=1), layer.Linear(27, 6), scale=5.0)
    net = nn.Sequential(
        conv,
        getattr(neurons, kind)(**options),
        layer.AvgPool2d(2),
        layer.Flatten(),
        linear,
        neurons.IFNode(),
    )
    graph = export_to_nir(net, torch.zeros(1, 1, 6, 6))
    snn = _written(graph, tmp_path / "x.nir", writer="spikingjelly")
    run, x = _run(snn)
    functional.reset_net(net)
    _agree(run, snn.readout.spikes, _total(net, x))


@pytest.mark.parametrize("neuron", ["IAFSqueeze", "LIFSqueeze"])
def test_sinabs_sum_pooling(tmp_path, neuron):
    pytest.importorskip("sinabs")
    import sinabs.layers as sl
    import sinabs.nir
    from sinabs.activation import MembraneReset, SingleSpike

    options = dict(batch_size=1, spike_fn=SingleSpike, reset_fn=MembraneReset(), min_v_mem=None)
    lif = dict(tau_mem=8.0, norm_input=True, **options)
    conv, linear = _weights(nn.Conv2d(1, 3, 3), nn.Linear(12, 6), scale=5.0)
    net = nn.Sequential(
        conv,
        sl.IAFSqueeze(**options) if neuron == "IAFSqueeze" else sl.LIFSqueeze(**lif),
        sl.SumPool2d(2),
        nn.Flatten(),
        linear,
        sl.LIFSqueeze(**lif),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        graph = sinabs.nir.to_nir(net, torch.zeros(1, 1, 6, 6))
    snn = from_nir(graph, writer="sinabs")
    run, x = _run(snn)
    counts = []
    with torch.no_grad():
        for image in x.transpose(0, 1):
            for module in net.modules():
                if hasattr(module, "reset_states"):
                    module.reset_states()
            counts.append(net(image).sum(dim=0).numpy())
    _agree(run, snn.readout.spikes, np.array(counts))


def test_the_difference_of_another_convention_shows(tmp_path):
    """Euler's steps are not the equations: the test above could fail."""
    run, snn, counts = _snntorch(
        lambda s, n: s.Leaky(reset_mechanism="zero", **_vectors(n, 0.6)),
        lambda s, n: s.Leaky(reset_mechanism="zero", output=True, **_vectors(n, 0.6)),
        tmp_path / "x.nir",
        integration="exact",
    )
    assert (run.counts[snn.readout.spikes] != counts).any()
    assert WRITERS["snntorch"] == NirConvention(integration="euler")


def test_spikingjelly_runs_a_network_that_bionet_converted(tmp_path):
    """Convolution, average pooling, biases: the way out, too, means what it says."""
    pytest.importorskip("spikingjelly")
    from spikingjelly.activation_based.nir_exchange.from_nir import import_from_nir

    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(2, 3, 3, padding=1), nn.ReLU(), nn.AvgPool2d(2), nn.Flatten(),
        nn.Linear(18, 7), nn.ReLU(), nn.Linear(7, 4),
    )  # fmt: skip
    x = torch.rand(20, 2, 6, 5)
    snn = bionet.convert(
        net, calibration=x.numpy(), input_shape=(2, 6, 5), method="rate", reset="zero"
    )
    run = bionet.simulate(snn, x[:4].numpy(), duration=60 * ms, device="numpy")
    graph = nir.read(snn.to_nir(tmp_path / "x.nir", readout="MS"))
    theirs = import_from_nir(graph, dt=1e-3).float()
    state, counts = None, 0
    with torch.no_grad():
        for _ in range(60):
            spikes, state = theirs(x[:4], state)
            counts = counts + spikes.numpy()
    _agree(run, snn.readout.spikes, counts)
