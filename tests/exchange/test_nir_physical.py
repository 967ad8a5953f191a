"""Neurons in volts and amperes in NIR, and LIF and CubaLIF of a file as such neurons."""

from dataclasses import replace

import numpy as np
import pytest
from brian2 import Hz, Mohm, ms, mV, nA, nS, pA

import bionet
from bionet.cli import main
from bionet.conversion.physical.populations import dendritic_sum, readout_model, relay
from bionet.equations import lif
from bionet.exchange.nir_reading import from_nir
from bionet.exchange.nir_writing import nir_graph
from bionet.network import Simulation

nir = pytest.importorskip("nir")
pytestmark = pytest.mark.filterwarnings("ignore:to_nir")
SYNAPSES = {"synaptic": bionet.synapse.exponential(5 * ms), "delta": bionet.synapse.delta()}
UNITS = {"potential_unit": 10 * mV, "resistance_unit": 100 * Mohm}


def _counts(snn, images, duration=60 * ms):
    return bionet.simulate(snn, images, duration=duration, device="numpy").counts


def _dale_s_network():
    """Pixels, a convolution, a pooling of its spikes, an interneuron for each cell, a readout."""
    rng = np.random.default_rng(0)
    population, projection = bionet.Population, bionet.Projection
    cell = SYNAPSES["synaptic"].on(lif(t_ref=2 * ms, I=40 * pA))
    weights, delay = bionet.Dense(rng.normal(size=(3, 8))), 1.5 * ms
    rate, since = rng.normal(size=3) * Hz, 10 * ms
    return bionet.SpikingNetwork(
        (
            population("conv", (2, 4, 4), cell),
            population("pool", (2, 2, 2), dendritic_sum()),
            population("fc", (8,), cell),
            population("fc_inhibitory", (8,), relay()),
            population("answer", (3,), cell),
            population("scores", (3,), readout_model(), {"I": rate, "readout_from": since}),
        ),
        (
            projection("input", "conv", bionet.Conv2d(rng.random((2, 1, 3, 3))), gain=150 * pA),
            projection("conv", "pool", bionet.AveragePool2d((2, 2))),
            projection("pool", "fc", bionet.Dense(rng.normal(size=(8, 8))), gain=2 * nA),
            projection("fc", "fc_inhibitory", bionet.OneToOne()),
            projection("fc", "answer", weights, delay, sign=1, gain=3 * nA),
            projection("fc_inhibitory", "answer", weights, delay, sign=-1, gain=3 * nA),
            projection("fc", "scores", weights, delay, sign=1),
            projection("fc_inhibitory", "scores", weights, delay, sign=-1),
        ),
        (1, 6, 6), bionet.Readout("answer", "scores"), simulation=Simulation(dt=0.0005),
    )  # fmt: skip


def test_a_round_trip_of_neurons_in_mv_gives_the_same_spikes(tmp_path):
    snn, x = _dale_s_network(), np.random.default_rng(1).random((2, 1, 6, 6))
    with pytest.warns(UserWarning, match="synaptic current that jumps.*a refractory period"):
        back = bionet.from_nir(snn.to_nir(tmp_path / "x.nir"))
    assert all(back.population(p.name) == p for p in snn.populations)
    one, two = (bionet.simulate(s, x, duration=60 * ms, device="numpy") for s in (snn, back))
    assert one.counts["answer"].sum() > 5
    for name, counts in one.counts.items():
        np.testing.assert_array_equal(counts, two.counts[name])
    # The two signs arrive in another order, which their sum tells in its last bit.
    np.testing.assert_allclose(one.output_potential, two.output_potential, rtol=1e-6, atol=1e-6)


def _pair(synapse, gain, coding="poisson", **parameters):
    """Five inputs onto three neurons with units."""
    model = SYNAPSES[synapse].on(lif(**parameters))
    weights = np.linspace(0.4, 1.6, 15).reshape(3, 5)
    return bionet.SpikingNetwork(
        (bionet.Population("cells", (3,), model),),
        (bionet.Projection("input", "cells", bionet.Dense(weights), gain=gain),),
        (5,), bionet.Readout("cells", "cells", "MS"), coding=coding,
    )  # fmt: skip


def test_the_fields_are_ohms_volts_and_seconds():
    """tau = C/g_L, r = 1/g_L, v_leak = E_L + I/g_L; a step of w_in is a charge of g tau_syn."""
    snn = _pair("synaptic", 300 * pA, I=50 * pA)
    node = nir_graph(snn).nodes["cells"]
    assert type(node).__name__ == "CubaLIF"
    for field, value in {"tau_mem": 0.02, "tau_syn": 0.005, "r": 1e8, "v_leak": -0.055}.items():
        np.testing.assert_allclose(getattr(node, field), value)
    np.testing.assert_allclose(node.w_in * float(snn.times(None, None)[1]), 300e-12 * 0.005)
    np.testing.assert_array_equal(
        nir_graph(snn).nodes["cells_weights"].weight, snn.projections[0].kernel.weights
    )


@pytest.mark.parametrize("synapse", SYNAPSES)
def test_other_tools_run_the_nodes_to_the_same_counts(synapse):
    """Without BioNet's notes the equations are NIR's own, from rest and without refractoriness."""
    gain = 20 * pA if synapse == "synaptic" else 0.5 * mV
    snn = replace(
        _pair(synapse, gain, t_ref=0 * ms, E_L=0 * mV, v_reset=0 * mV, theta=10 * mV),
        simulation=Simulation(dt=0.0005),
    )
    graph = nir_graph(snn)
    for node in (graph, *graph.nodes.values()):
        node.metadata = {}
    bare = replace(from_nir(graph, dt=snn.times(None, None)[1]), coding="poisson")
    x = np.random.default_rng(0).random((4, 5))
    one, two = (_counts(s, x, 200 * ms)["cells"].astype(int) for s in (snn, bare))
    assert one.sum() > 100
    # A current that starts a step earlier may carry a spike over the end of the presentation.
    assert np.abs(one - two).max() <= (1 if synapse == "synaptic" else 0)


def test_pixels_alone_need_no_synaptic_current():
    """A LIF from rest: first spike where the closed form crosses the threshold, as in BioNet."""
    snn = _pair("synaptic", 100 * pA, "analog", t_ref=0 * ms)
    node = nir_graph(snn).nodes["cells"]
    assert type(node).__name__ == "LIF"
    np.testing.assert_allclose(node.r, 100e-12 * 1e8)


@pytest.mark.parametrize(
    "field", ["tau_mem", "w_in", pytest.param("v_threshold", marks=pytest.mark.slow)]
)
def test_a_changed_node_is_run_as_the_file_says(field):
    graph = nir_graph(_pair("synaptic", 300 * pA))
    node = graph.nodes["cells"]
    setattr(node, field, getattr(node, field) * 1.01)
    with pytest.warns(UserWarning, match="node 'cells' was changed"):
        assert from_nir(graph).population("cells").model.name == "NIR CubaLIF"


def _file_graph(kind, **fields):
    plain = {"r": 2.0, "v_leak": 0.1, "v_threshold": 1.0, "v_reset": -0.2} | fields
    node = getattr(nir, kind)(**{n: np.full(3, v) for n, v in plain.items()})
    weights = nir.Linear(np.linspace(0.4, 1.6, 15).reshape(3, 5))
    return nir.NIRGraph.from_list(
        nir.Input(np.array([5])), weights, node, nir.Output(np.array([3])), type_check=False
    )


@pytest.mark.parametrize(
    ("kind", "coding"),
    [
        ("LIF", "analog"),
        ("CubaLIF", "poisson"),
        pytest.param("LIF", "poisson", marks=pytest.mark.slow),
        pytest.param("CubaLIF", "analog", marks=pytest.mark.slow),
    ],
)
def test_a_file_s_neurons_in_mv_fire_as_without_units(kind, coding):
    times = {"tau": 0.02} if kind == "LIF" else {"tau_mem": 0.02, "tau_syn": 0.002, "w_in": 1.5}
    graph = _file_graph(kind, **times)
    plain = from_nir(graph, dt=0.5 * ms, coding=coding)
    cells = from_nir(graph, dt=0.5 * ms, coding=coding, **UNITS)
    values = cells.population("lif" if kind == "LIF" else "cubalif").parameters
    assert float(values["g_L"]) == pytest.approx(5e-9)
    assert float(values["theta"]) == pytest.approx(0.010)
    x = np.random.default_rng(1).random((2, 5)) / 2 + 0.5
    one, two = (
        next(iter(_counts(s, x, 200 * ms).values())).ravel().astype(int) for s in (plain, cells)
    )
    assert one.min() > 3
    assert np.abs(one - two).max() <= 1 + one.max() * 0.02  # a synapse's onset, a step's delay


def test_units_on_the_command_line_and_refusals(tmp_path, capsys):
    nir.write(tmp_path / "x.nir", _file_graph("LIF", tau=0.02))
    words = ["-O", "potential_unit=10mV", "-O", "resistance_unit=100Mohm"]
    out = ["--out", str(tmp_path / "x.snn")]
    assert main(["convert", str(tmp_path / "x.nir"), *words, *out]) == 0
    snn = bionet.SpikingNetwork.load(tmp_path / "x.snn")
    assert snn.population("lif").model.name.startswith("leaky integrate-and-fire, in mV")
    assert "mV" in capsys.readouterr().out
    graph = _file_graph("LIF", tau=0.02)
    with pytest.raises(bionet.InputError, match="give both potential_unit and resistance_unit"):
        from_nir(graph, potential_unit=10 * mV)
    with pytest.raises(
        bionet.InputError, match="resistance_unit must be.*100.Mohm, but is 1. . namp"
    ):
        from_nir(graph, potential_unit=10 * mV, resistance_unit=1 * nA)
    with pytest.raises(bionet.InputError, match="node 'lif'.*a lif resets to a potential"):
        from_nir(graph, reset="subtract", **UNITS)
    loop = bionet.Projection("cells", "cells", bionet.Dense(np.eye(3)), 1, gain=10 * pA)
    values = {"g_L": np.array([5.0, 6, 7]) * nS}
    for synapse, gain in (("synaptic", 10 * pA), ("delta", 1 * mV)):
        snn = _pair(synapse, 300 * pA, "analog")
        cells = bionet.Population("cells", (3,), snn.population("cells").model, values)
        both = (snn.projections[0], replace(loop, gain=gain))
        snn = replace(snn, populations=(cells,), projections=both)
        if synapse == "synaptic":
            assert type(nir_graph(snn).nodes["cells"]).__name__ == "CubaLIF"
            continue
        with pytest.raises(bionet.InputError, match="'cells': pixels and spikes reach units of"):
            nir_graph(snn)
