"""Every node of NIR that BioNet reads: written, read back, and counted by hand.

Steps of 1 ms and R = 1000 make an IF neuron add its input to its potential in every step: one that
hears n/16 fires when k n > 16 for the first time, again and again from 0. All numbers are exact in
binary.
"""

import numpy as np
import pytest
from brian2 import ms

import bionet

nir = pytest.importorskip("nir")
pytestmark = pytest.mark.filterwarnings("ignore:to_nir")
STEPS = 24
PIXELS = np.array([1.0, 2.0, 3.0, 4.0]) / 16


def _full(value, n=1):
    return np.full(n, float(value))


def _if(n=1, **values):
    fields = {"r": 1000.0, "v_threshold": 1.0} | values
    return nir.IF(**{key: _full(value, n) for key, value in fields.items()})


def _periods(*sixteenths):
    """Spikes of IF neurons that hear n/16: one after every k steps, k the first with k n > 16."""
    return [STEPS // next(k for k in range(1, 99) if k * n > 16) for n in sixteenths]


def _graph(nodes, shape):
    """Nodes in a row between an Input and an Output."""
    row = {f"n{number}": node for number, node in enumerate(nodes)}
    names = ["input", *row, "output"]
    ends = {"input": nir.Input(np.array(shape)), "output": nir.Output(np.array([1]))}
    edges = list(zip(names[:-1], names[1:], strict=True))
    return nir.NIRGraph(ends | row, edges, type_check=False)


def _through_a_file(graph, images, tmp_path, **options):
    """The run of a network that was read, written and read again; both say the same network."""
    first = bionet.from_nir(graph, dt=1 * ms, **options)
    again = bionet.from_nir(first.to_nir(tmp_path / "again.nir"))
    runs = [
        bionet.simulate(snn, [images], duration=STEPS * ms, dt=1 * ms, device="numpy")
        for snn in ((first, again) if first != again else (again,))
    ]
    np.testing.assert_array_equal(runs[0].output_potential, runs[-1].output_potential)
    for name, counts in runs[0].counts.items():
        np.testing.assert_array_equal(counts, runs[-1].counts[name])
    return runs[-1]


def _fired(run):
    """Spikes of every unit of the last layer."""
    return run.output_spikes[0].sum(axis=0).tolist()


def _square(x):
    return x.reshape(1, 2, 2)


WEIGHTED = {
    "Linear": ([nir.Linear(np.array([[1.0, 1.0, 1.0, 0.0]]))], PIXELS, [6]),
    "Affine": ([nir.Affine(np.array([[1.0, 1.0, 1.0, 0.0]]), _full(3 / 16))], PIXELS, [9]),
    "Scale": ([nir.Scale(np.array([2.0, 3.0, 4.0, 1.0]))], PIXELS, [2, 6, 12, 4]),
    "Conv1d": (
        [nir.Conv1d(4, np.ones((1, 1, 2)), 1, 0, 1, 1, _full(0))],
        PIXELS.reshape(1, 1, 4),
        [3, 5, 7],
    ),
    "Conv2d": (
        [nir.Conv2d((2, 2), np.ones((2, 1, 2, 2)), 1, 0, 1, 1, np.array([0.0, -7 / 16]))],
        _square(PIXELS),
        [10, 3],
    ),
    "SumPool2d": ([nir.SumPool2d(*(np.array(v) for v in ((1, 2), (1, 2), (0, 0))))],
        _square(PIXELS), [3, 7]),
    "AvgPool2d": ([nir.AvgPool2d(*(np.array(v) for v in ((2, 1), (2, 1), (0, 0))))],
        _square(PIXELS), [2, 3]),
    "Flatten": (
        [
            nir.Flatten({"input": np.array([1, 2, 2])}, 0, -1),
            nir.Linear(np.diag([3.0, 1.0, 1.0, 2.0])),
        ],
        _square(PIXELS),
        [3, 2, 3, 8],
    ),
}  # fmt: skip


@pytest.mark.parametrize("node", WEIGHTED)
def test_a_weighted_node(node, tmp_path):
    nodes, image, sixteenths = WEIGHTED[node]
    run = _through_a_file(_graph([*nodes, _if(len(sixteenths))], image.shape), image, tmp_path)
    assert _fired(run) == _periods(*sixteenths)


def _steps_above(potential, theta=1.0):
    """Spikes of a potential that begins at 0 again after each, given its value after k steps."""
    return STEPS // next(k for k in range(1, STEPS) if potential(k) > theta)


def _rising(k):
    """The membrane of a LIF with R I = 2, v_leak = 0.5 and tau = 10 ms after k ms, from 0."""
    return 2.5 * (1 - np.exp(-k / 10))


LEAKY = {"tau": 0.01, "r": 2.0, "v_leak": 0.5}
CURRENT = {"tau_mem": 0.01, "tau_syn": 0.004, "r": 2.0, "v_leak": 0.0, "w_in": 3.0}


def _driven(steps, theta=np.inf):
    """Potentials and spikes of a CubaLIF under a current of 1: its two equations in Euler's steps.

    (Their exact solution has tests of its own, in test_nir.py; it takes SymPy seconds.)
    """
    i, v, potentials, n_spikes = 0.0, 0.0, [], 0
    for _ in range(steps):
        i += (3.0 * 1.0 - i) / 4
        v += (2.0 * i - v) / 10  # of the new i
        potentials.append(v)
        if v > theta:
            v, n_spikes = 0.0, n_spikes + 1
    return np.array(potentials), n_spikes


NEURONS = {
    # From 0 to 3 in two steps, later from -1 to 3.5 in three.
    "IF": (_if(r=500.0, v_threshold=2.0, v_reset=-1.0), 3.0, 1 + (STEPS - 2) // 3),
    "LIF": (
        nir.LIF(**{k: _full(v) for k, v in (LEAKY | {"v_threshold": 1.0}).items()}),
        1.0,
        _steps_above(_rising),
    ),
    "CubaLIF": (
        nir.CubaLIF(**{k: _full(v) for k, v in (CURRENT | {"v_threshold": 1.5}).items()}),
        1.0,
        _driven(STEPS, 1.5)[1],
    ),
    "Threshold": (nir.Threshold(_full(0.75)), 0.8, STEPS),
    "subgraph": (_graph([_if()], (1,)), 5 / 16, _periods(5)[0]),
}


@pytest.mark.parametrize("node", NEURONS)
def test_a_node_that_fires(node, tmp_path):
    neuron, current, n_spikes = NEURONS[node]
    euler = {"integration": "euler"} if node == "CubaLIF" else {}
    run = _through_a_file(_graph([neuron], (1,)), np.array([current]), tmp_path, **euler)
    assert 1 < n_spikes == _fired(run)[0]


@pytest.mark.parametrize("node", ["LI", "CubaLI"])
def test_a_node_that_integrates(node, tmp_path):
    values = {"LI": LEAKY, "CubaLI": CURRENT}[node]
    neuron = getattr(nir, node)(**{key: _full(value) for key, value in values.items()})
    euler = {"integration": "euler"} if node == "CubaLI" else {}
    run = _through_a_file(_graph([neuron], (1,)), np.array([1.0]), tmp_path, **euler)
    expected = {"LI": _rising(np.arange(1, STEPS + 1)), "CubaLI": _driven(STEPS)[0]}[node]
    np.testing.assert_allclose(run.output_potential[0, :, 0], expected, rtol=1e-12)


def test_a_delay(tmp_path):
    """Spikes after 2, 4, ... steps make the second neuron fire at once, five steps later."""
    nodes = [_if(), nir.Delay(_full(0.005)), nir.Linear(_full(2.0)[None]), _if()]
    run = _through_a_file(_graph(nodes, (1,)), np.array([9 / 16]), tmp_path)
    first, second = (run.counts[name][0, 0] for name in ("n0", "n3"))
    assert first == STEPS // 2 and second == (STEPS - 5) // 2


def test_a_recurrence_with_a_delay(tmp_path):
    loop = {"w": nir.Linear(_full(0.5)[None]), "d": nir.Delay(_full(0.003))}
    graph = _graph([_if()], (1,))
    graph.nodes |= loop
    graph.edges += [("n0", "w"), ("w", "d"), ("d", "n0")]
    run = _through_a_file(graph, np.array([3 / 16]), tmp_path)
    v, fired = 0.0, []
    for step in range(STEPS):
        v += 3 / 16 + 0.5 * (step - 3 in fired)
        if v > 1:
            fired.append(step)
            v = 0.0
    assert len(fired) > _periods(3)[0]  # the loop raises the rate
    assert _fired(run)[0] == len(fired)
