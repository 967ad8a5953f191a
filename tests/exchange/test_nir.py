"""NIR in and out: closed forms of its equations, round trips, refusals by name."""

import json
import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch
from brian2 import Hz, ms
from torch import nn

import bionet
from bionet import equations
from bionet.cli import main
from bionet.equations.nir_nodes import nir_neuron
from bionet.errors import ExchangeWarning, InputError
from bionet.exchange.nir_conventions import NirConvention
from bionet.exchange.nir_reading import from_nir
from bionet.exchange.nir_writing import nir_graph, to_nir

nir = pytest.importorskip("nir")
pytestmark = pytest.mark.filterwarnings("ignore:to_nir")
STEPS = 60


def _graph(*nodes, n=1):
    return nir.NIRGraph.from_list(
        nir.Input(np.array([n])), *nodes, nir.Output(np.array([n])), type_check=False
    )


def _full(value, n=1):
    return np.full(n, value, dtype=float)


def _lif(theta=1e9, n=1, **values):
    fields = {"tau": 0.01, "r": 2.0, "v_leak": 0.1} | values
    return nir.LIF(**{k: _full(v, n) for k, v in fields.items()}, v_threshold=_full(theta, n))


def _simulate(snn, images, steps=STEPS, **options):
    dt = snn.times(None, None)[1]
    return bionet.simulate(snn, images, duration=steps * dt, device="numpy", **options)


@pytest.mark.parametrize("dt", [0.1, 5.0])
def test_lif_under_a_constant_current_is_the_closed_form(dt):
    """v(t) = (v_leak + R I) (1 - exp(-t/tau)) from v(0) = 0, whatever the step."""
    snn = from_nir(_graph(nir.Linear(_full(1.0)[None]), _lif()), dt=dt * ms)
    run = _simulate(snn, [[0.7]], record={"lif": ["v"]})
    t = np.arange(1, STEPS + 1) * dt / 1000
    expected = (0.1 + 2.0 * 0.7) * (1 - np.exp(-t / 0.01))
    np.testing.assert_allclose(run.potential("lif")[:, 0], expected, rtol=1e-12)


def test_lif_spikes_when_its_closed_form_crosses_the_threshold():
    """T = tau ln((R I + v_leak - v_reset) / (R I + v_leak - theta)), to the step."""
    lif = _lif(theta=1.0, v_reset=-0.3)
    run = _simulate(from_nir(_graph(lif), dt=0.1 * ms), [[0.7]], 4000, record={"lif": ["spikes"]})
    period = 0.01 * np.log((1.5 + 0.3) / (1.5 - 1.0))
    steps = np.diff(run.spikes("lif").step)
    assert set(steps) == {int(np.ceil(period / 1e-4))}


@pytest.mark.parametrize("tau_syn", [pytest.param(0.004, marks=pytest.mark.slow), 0.01])
def test_cuba_lif_answers_a_box_of_one_step_as_the_closed_form(tau_syn):
    """A spike drives i for one step; then i and v relax: two exponentials, or t exp(-t/tau)."""
    shape = {"tau_mem": 0.01, "tau_syn": tau_syn, "r": 3.0, "v_leak": 0.0, "w_in": 2.0}
    node = nir.CubaLI(**{k: _full(v) for k, v in shape.items()})
    snn = from_nir(_graph(nir.Linear(_full(0.5)[None]), node), dt=1 * ms)
    # One spike in the first step, then silence.
    snn = replace(snn, simulation=replace(snn.simulation, stop=1))
    run = _simulate(snn, [[1.0]], coding="poisson", record={"cubali": ["v"]})
    fine = 1e-6
    i, v, reference = 0.0, 0.0, []
    for step in range(STEPS):  # Euler, a thousand steps of a microsecond in each
        for _ in range(1000):
            i, v = (
                i + fine / tau_syn * (2.0 * 0.5 * (step == 0) - i),
                v + fine / 0.01 * (3.0 * i - v),
            )
        reference.append(v)
    np.testing.assert_allclose(run.potential("cubali")[:, 0], reference, rtol=2e-3)


def test_if_counts_by_the_floor_of_its_input():
    node = nir.IF(r=_full(1000.0), v_threshold=_full(1.0))
    run = _simulate(from_nir(_graph(node), dt=1 * ms), [[0.3]])
    assert run.counts["if"].item() == STEPS // 4  # 0.3, 0.6, 0.9, 1.2 > 1, then from 0 again


def test_threshold_and_scale_have_no_memory():
    graph = _graph(nir.Scale(_full(2.0)), nir.Threshold(_full(1.0)))
    run = _simulate(from_nir(graph, dt=1 * ms), [[0.4], [0.5], [0.6]])
    assert run.counts["threshold"].ravel().tolist() == [0, 0, STEPS]


def test_weights_in_a_row_equal_their_product():
    """Conv1d, Scale, Affine without neurons between them: one linear map, in the same step."""
    rng = np.random.default_rng(0)
    conv = nir.Conv1d(8, rng.normal(size=(3, 2, 3)), 1, "same", 1, 1, rng.normal(size=3))
    scale, weights = rng.normal(size=(3, 8)), rng.normal(size=(4, 24))
    flatten = nir.Flatten({"input": np.array([3, 8])}, 0, -1)
    node = nir.LI(**{k: _full(v, 4) for k, v in {"tau": 0.01, "r": 1.0, "v_leak": 0.0}.items()})
    graph = nir.NIRGraph.from_list(
        nir.Input(np.array([2, 8])), conv, nir.Scale(scale), flatten,
        nir.Affine(weights, rng.normal(size=4)), node, nir.Output(np.array([4])),
        type_check=False,
    )  # fmt: skip
    snn = from_nir(graph)
    assert snn.input_shape == (2, 1, 8) and snn.readout.default == "MP"
    x = rng.normal(size=(1, 2, 1, 8))
    with torch.no_grad():
        y = nn.functional.conv1d(
            torch.tensor(x[:, :, 0]), torch.tensor(conv.weight), torch.tensor(conv.bias), padding=1
        )
    drive = weights @ (scale * y.numpy()[0]).ravel() + graph.nodes["affine"].bias
    t = np.arange(1, STEPS + 1) * 1e-4
    run = _simulate(snn, x)
    expected = drive * (1 - np.exp(-t / 0.01))[:, None]
    np.testing.assert_allclose(run.output_potential[0], expected, rtol=1e-9)


@pytest.mark.parametrize("delay", [None, 0.003])
def test_a_loop_arrives_a_step_later_or_after_its_delay(delay):
    """A unit that is kicked once and kicks itself again: its period is the delay of the loop."""
    loop = [nir.Linear(_full(2.0)[None])] + ([] if delay is None else [nir.Delay(_full(delay))])
    names = ["w", "d"][: len(loop)]
    inner = nir.NIRGraph(
        {"input": nir.Input(np.array([1])), "if": nir.IF(_full(1000.0), _full(1.0))}
        | dict(zip(names, loop, strict=True))
        | {"output": nir.Output(np.array([1]))},
        [("input", "if"), ("if", "w"), *zip(names, [*names[1:], "if"], strict=True)]
        + [("if", "output")],
        type_check=False,
    )
    graph = nir.NIRGraph(
        {"input": nir.Input(np.array([1])), "cell": inner, "output": nir.Output(np.array([1]))},
        [("input", "cell"), ("cell", "output")],
        type_check=False,
    )
    snn = from_nir(graph, dt=1 * ms)
    snn = replace(snn, simulation=replace(snn.simulation, stop=1))
    scale = replace(snn.projections[0], kernel=bionet.OneToOne(2.0))
    snn = replace(snn, projections=(scale, *snn.projections[1:]))
    run = _simulate(snn, [[1.0]], 12, coding="poisson", record={"cell_if": ["spikes"]})
    every = 1 if delay is None else 3
    assert run.spikes("cell_if").step.tolist() == list(range(0, 12, every))


CONVERSIONS = {
    "rate": {"method": "rate"},
    "rate, zero": {"method": "rate", "reset": "zero"},
    "leaky": {"method": "dsnn", "sigma": 0.3, "tau": 20 * ms},
    "augmented": {"method": "augmapping"},
}


def _converted(**options):
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(2, 3, 3, padding=1), nn.ReLU(), nn.AvgPool2d(2), nn.Flatten(),
        nn.Linear(18, 7), nn.ReLU(), nn.Linear(7, 4),
    )  # fmt: skip
    x = torch.rand(20, 2, 6, 5).numpy()
    return bionet.convert(net, calibration=x, input_shape=(2, 6, 5), **options), x[:4]


@pytest.mark.parametrize(
    "name",
    ["leaky", *(pytest.param(n, marks=pytest.mark.slow) for n in CONVERSIONS if n != "leaky")],
)
def test_a_round_trip_gives_the_same_spikes(tmp_path, name):
    snn, x = _converted(**CONVERSIONS[name])
    back = bionet.from_nir(snn.to_nir(tmp_path / "x.nir"))
    one, two = (_simulate(s, x, record={"linear4": ["spikes"]}) for s in (snn, back))
    assert one.n_spikes["linear4"] > 5
    for population, counts in one.counts.items():
        np.testing.assert_array_equal(counts, two.counts[population])
    np.testing.assert_array_equal(one.recorded_spikes["linear4"], two.recorded_spikes["linear4"])
    np.testing.assert_array_equal(one.output_potential, two.output_potential)


def _bare(graph):
    """The graph as a tool that knows nothing of BioNet's notes sees it."""
    for node in (graph, *graph.nodes.values()):
        node.metadata = {}
    return graph


@pytest.mark.parametrize(
    "tau", [pytest.param(tau, marks=pytest.mark.slow) for tau in (None, 20 * ms)]
)
def test_without_the_notes_the_nodes_equations_give_the_same_spikes(tau):
    """R, the currents and the weights mean what BioNet's own neurons do."""
    snn, x = _converted(method="rate", reset="zero")
    if tau is not None:
        for p in snn.populations:
            leaky = equations.leaky_integrate_and_fire(tau, reset="zero")
            model = leaky if p.model.threshold else equations.leaky_integrator(tau)
            snn = snn.with_population(p.name, model=model)
    run = _simulate(snn, x)
    bare = _simulate(from_nir(_bare(nir_graph(snn)), dt=1 * ms), x)
    assert run.n_spikes["linear4"] > 20
    for name in ("conv0", "pool2", "linear4"):
        np.testing.assert_array_equal(run.counts[name], bare.counts[name])


def test_a_changed_node_loses_its_note_aloud():
    snn, _ = _converted(method="rate")
    graph = nir_graph(snn)
    assert from_nir(graph).population("conv0").model == snn.population("conv0").model
    graph.nodes["conv0"].r = graph.nodes["conv0"].r * 2
    with pytest.warns(UserWarning, match="node 'conv0' was changed"):
        changed = from_nir(graph)
    assert changed.population("conv0").model == nir_neuron("IF")
    graph = nir_graph(snn)
    graph.nodes["conv0"].v_threshold = graph.nodes["conv0"].v_threshold + 0.5
    assert from_nir(graph).population("conv0").parameters["theta"] == pytest.approx(1.5)


@pytest.mark.filterwarnings("default:to_nir")
def test_what_nir_cannot_say_is_said_aloud(tmp_path):
    snn, _ = _converted(method="rate")
    model = bionet.equations.integrate_and_fire(refractory=3 * ms, floor=-0.5)
    snn = snn.with_population("conv0", model=model)
    message = "a reset by subtraction .conv0, pool2.*a refractory period .conv0.; a floor"
    with pytest.warns(UserWarning, match=message):
        to_nir(snn, tmp_path / "x.nir")
    assert from_nir(tmp_path / "x.nir").population("conv0") == snn.population("conv0")


def test_refusals_name_the_node(tmp_path):
    def refused(match, graph, **options):
        with pytest.raises(bionet.InputError, match=match):
            from_nir(graph, **options)

    class Foreign(nir.Scale):
        pass

    refused(
        "no equation for node 'foreign' of the NIR graph, a Foreign", _graph(Foreign(_full(1.0)))
    )
    refused("node 'linear' .Linear.*3 columns", _graph(nir.Linear(np.ones((1, 3))), _lif()))
    refused(
        "node 'delay' .Delay.*delays from", _graph(nir.Delay(np.array([0.1, 0.2])), _lif(n=2), n=2)
    )
    refused("Output of the NIR graph must hear one layer", _graph())
    refused("node 'lif' .LIF.*v_threshold: values of shape", _graph(_lif(np.arange(3.0), n=3), n=2))
    two = _graph(_lif())
    two.nodes["second"] = nir.Input(np.array([1]))
    refused("2 Input nodes", two)
    lost = _graph(_lif())
    lost.nodes["lost"] = _lif()
    refused("node 'lost' of the NIR graph gets no input", lost)
    lost.edges.append(("lif", "nowhere"))
    refused("edge to 'nowhere'", lost)
    refused("unknown writer 'lava'", _graph(_lif()), writer="lava")
    refused("there is no file", tmp_path / "none.nir")
    (tmp_path / "bad.nir").write_bytes(b"no HDF5")
    refused("damaged or no NIR file", tmp_path / "bad.nir")
    noted = nir_graph(_converted(method="rate")[0])
    noted.nodes["conv0"].metadata["bionet_model"] = json.dumps({"name": 1})
    refused("'bionet_model' of node 'conv0'.*damaged", noted)
    noted.metadata["bionet"] = "{"
    refused("metadata 'bionet'.*damaged", noted)
    with pytest.raises(bionet.InputError, match="integration is one of exact, euler"):
        NirConvention(integration="rk4")
    with pytest.raises(bionet.InputError, match="dt must be a positive time"):
        NirConvention(dt=0.0)
    with pytest.raises(bionet.InputError, match="kind of a NIR neuron is one of"):
        nir_neuron("Izhikevich")
    with pytest.raises(bionet.InputError, match="Euler's method only"):
        nir_neuron("CubaLIF", synapse="jump")


def test_the_command_line_takes_and_gives_nir(tmp_path, capsys):
    snn, _ = _converted(method="rate")
    snn.save(tmp_path / "x.snn")
    assert main(["convert", str(tmp_path / "x.snn"), "--out", str(tmp_path / "x.nir")]) == 0
    assert "bionet: to_nir: NIR cannot say: a reset by subtraction" in capsys.readouterr().err
    options = ["-O", "writer=nir", "--out", str(tmp_path / "y.snn")]
    assert main(["convert", str(tmp_path / "x.nir"), *options]) == 0
    assert bionet.SpikingNetwork.load(tmp_path / "y.snn").simulation == snn.simulation
    assert main(["convert", str(tmp_path / "x.nir")]) == 2
    assert "x.snn is there already; give --force" in capsys.readouterr().err
    assert main(["convert", str(tmp_path / "x.nir"), "--force", "-O", "sigma=3"]) == 2
    assert "takes writer, dt, integration, reset" in capsys.readouterr().err


@pytest.mark.parametrize(("readout", "gone"), [("MS", "readout"), ("MP", "linear6")])
def test_one_readout_has_one_last_layer(readout, gone):
    snn, x = _converted(method="rate")
    back = from_nir(nir_graph(snn, readout=readout))
    assert set(snn.names) - set(back.names) == {gone} and back.readout.default == readout
    with pytest.raises(bionet.InputError, match="unknown readout 'XX'"):
        nir_graph(snn, readout="XX")


def test_a_gain_is_part_of_the_weights():
    snn, x = _converted(method="rate")
    first, *others = snn.projections
    doubled = replace(
        first, kernel=replace(first.kernel, weights=first.kernel.weights / 2), gain=2.0
    )
    twice = nir_graph(replace(snn, projections=(doubled, *others)))
    for name, node in nir_graph(snn).nodes.items():
        if hasattr(node, "weight"):
            np.testing.assert_allclose(node.weight, twice.nodes[name].weight, rtol=1e-7)


def test_what_nir_has_no_node_for_is_refused_by_name():
    snn, _ = _converted(method="rate")
    strange = bionet.NeuronModel(
        "adaptive", "dv/dt = -v/(5*ms) : 1\nI : 1 (constant)", "v > 1", "v = 0"
    )
    with pytest.raises(bionet.InputError, match="population 'conv0': NIR has no node.*'adaptive'"):
        nir_graph(replace(snn, populations=tuple(
            replace(p, model=strange, parameters={"I": 0.0}) if p.name == "conv0" else p
            for p in snn.populations
        )))  # fmt: skip
    for change, match in (
        ({"sign": 1}, "only what raises"),
        ({"variable": "v"}, "goes to the variable 'v'"),
    ):
        first = replace(snn.projections[0], **change)
        with pytest.raises(bionet.InputError, match=match):
            nir_graph(replace(snn, projections=(first, *snn.projections[1:])))
    driven = snn.with_population("conv0", parameters={"I": np.arange(90.0).reshape(3, 6, 5)})
    with pytest.raises(bionet.InputError, match="'conv0' has a drive I that no bias"):
        nir_graph(driven)


def test_a_missing_package_is_one_line(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "nir", None)
    with pytest.raises(
        bionet.InputError, match=r'needs the package nir.*pip install "bionet\[nir\]"'
    ):
        from_nir("x.nir")


def test_units_are_checked():
    with pytest.raises(Exception, match="unit second for argument 'dt'"):
        from_nir(_graph(_lif()), dt=3 * Hz)


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("conv0_weights/groups", np.zeros((2, 2))),
        ("input/shape", np.array([np.nan, 1.0])),
        ("readout/r", np.zeros(0)),
        ("linear6/metadata", np.zeros(3)),
        ("conv0_weights/bias", "text"),
    ],
)
def test_what_no_writer_writes_is_one_line(tmp_path, place, value):
    h5py = pytest.importorskip("h5py")
    snn, _ = _converted(method="rate")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        snn.to_nir(tmp_path / "x.nir")
    with h5py.File(tmp_path / "x.nir", "r+") as file:
        del file[f"node/nodes/{place}"]
        file[f"node/nodes/{place}"] = value
    with pytest.raises(bionet.InputError) as refused:
        from_nir(tmp_path / "x.nir")
    assert "\n" not in str(refused.value)


def test_a_file_that_changed_since_it_was_written_is_warned_of(tmp_path):
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3)).eval()
    snn = bionet.convert(net, "rate", np.random.default_rng(0).random((4, 6), dtype=np.float32))
    path = snn.to_nir(tmp_path / "whole.nir")
    with warnings.catch_warnings():
        warnings.simplefilter("error", ExchangeWarning)
        whole = from_nir(path)
    edited = nir.read(path, type_check=False)
    node = next(node for node in edited.nodes.values() if hasattr(node, "weight"))
    node.weight = node.weight * 2
    nir.write(tmp_path / "edited.nir", edited)
    with pytest.warns(ExchangeWarning, match="changed since BioNet wrote it"):
        assert from_nir(tmp_path / "edited.nir") != whole
    raw, draw = path.read_bytes(), np.random.default_rng(1)
    seen = set()
    for _ in range(60):
        damaged = bytearray(raw)
        damaged[draw.integers(len(raw))] ^= 1 << draw.integers(8)
        (tmp_path / "damaged.nir").write_bytes(damaged)
        with warnings.catch_warnings():
            warnings.simplefilter("error", ExchangeWarning)
            try:
                assert from_nir(tmp_path / "damaged.nir") == whole
                seen.add("unused byte")
            except (InputError, ExchangeWarning) as error:
                seen.add(type(error).__name__)
    assert seen >= {"unused byte", "InputError"}
