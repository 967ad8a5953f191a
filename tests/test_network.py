"""SpikingNetwork: checked, printed, compared, edited, on disk and back."""

import pickle
from dataclasses import replace

import numpy as np
import pytest
import torch
from brian2 import ms, mV
from safetensors.numpy import save_file

from bionet.equations import (
    NeuronModel,
    integrate_and_fire,
    integrator,
    leaky_integrate_and_fire,
)
from bionet.errors import InputError
from bionet.files import read_tensors, write_tensors
from bionet.network import (
    Fold,
    Origin,
    Perturbed,
    Population,
    Projection,
    Readout,
    Simulation,
    SpikingNetwork,
)
from bionet.network.kernels import AveragePool2d, Conv2d, Dense, OneToOne

IF = integrate_and_fire()


@pytest.fixture(scope="module")
def everything():
    """A network with every kernel and option, to be saved and compared."""
    rng = np.random.default_rng(0)
    leaky = leaky_integrate_and_fire(20 * ms, "zero", refractory=2 * ms, floor=-1)
    return SpikingNetwork(
        (
            Population("conv", (4, 5, 3), leaky, {"tau": 7 * ms, "I": rng.normal(size=(4, 1, 1))}),
            Population("pool", (4, 3, 2), IF, {"theta": 0.25}),
            Population("copy", (4, 3, 2), IF, {"theta": rng.uniform(size=(4, 3, 2))}),
            Population("readout", (3,), integrator()),
        ),
        (
            Projection("input", "conv", Conv2d(rng.normal(size=(4, 1, 2, 3)), groups=2, padding=1)),
            Projection("conv", "pool", AveragePool2d(2, ceil_mode=True, scale=0.5), delay=3),
            Projection("pool", "copy", OneToOne(0.5), sign=-1),
            Projection("copy", "readout", Dense(rng.normal(size=(3, 24)).astype(np.float32))),
            Projection("copy", "pool", OneToOne(rng.normal(size=(4, 3, 2))), delay=1, variable="v"),
        ),
        (2, 4, 3),
        Readout("copy", "readout", "MS"),
        method="own",
        coding="uniform",
        metadata={"note": [1.0, 2.5]},
        simulation=Simulation(duration=0.02, dt=5e-4, max_rate=200.0, signed_input=True),
        code=Fold(window=20, drain=4, fragments={"pool": ["copy"]}),
        origin=Origin({"conv": "conv_1"}, {"conv": [1.0, 2.5], "pool": 3.0}, network="own"),
        relays={"copy": "pool"},
        perturbations=(Perturbed("contrast", 0.5, seed=2),),
    )


def test_a_network_survives_the_disk(everything, tmp_path):
    again = SpikingNetwork.load(everything.save(tmp_path / "net.snn"))
    assert again == everything
    assert again.hash() == everything.hash()
    assert str(again) == str(everything)
    for mine, theirs in zip(again.projections, everything.projections, strict=True):
        for name, array in theirs.kernel.arrays().items():
            assert mine.kernel.arrays()[name].dtype == array.dtype


def changes(snn):
    """The network with one thing changed at a time."""
    first, second, *rest = snn.projections
    return {
        "theta": snn.with_population("pool", parameters={"theta": 0.26}),
        "tau": snn.with_population("conv", parameters={"tau": 8 * ms}),
        "weight": replace(
            snn,
            projections=(
                replace(first, kernel=replace(first.kernel, weights=first.kernel.weights * 1.001)),
                second,
                *rest,
            ),
        ),
        "kernel option": replace(
            snn,
            projections=(
                first,
                replace(second, kernel=replace(second.kernel, count_include_pad=False)),
                *rest,
            ),
        ),
        "delay": replace(snn, projections=(first, replace(second, delay=2), *rest)),
        "sign": replace(snn, projections=(replace(first, sign=1), second, *rest)),
        "order": replace(snn, projections=(second, first, *rest)),
        "readout": replace(snn, readout=Readout("copy", "readout", "FS")),
        "method": replace(snn, method="other"),
        "coding": replace(snn, coding="poisson"),
        "metadata": replace(snn, metadata={"note": [1.0]}),
        "simulation": replace(snn, simulation=replace(snn.simulation, max_rate=201.0)),
        "code": replace(snn, code=Fold(window=21, drain=4)),
        "no code": replace(snn, code=None),
        "scales": replace(snn, origin=replace(snn.origin, scales={"conv": 1.0})),
        "relays": replace(snn, relays={}),
        "perturbations": replace(snn, perturbations=()),
    }


def test_every_part_counts_for_equality_and_hash(everything):
    networks = {"itself": everything, **changes(everything)}
    assert len({snn.hash() for snn in networks.values()}) == len(networks)
    for name, snn in networks.items():
        assert (snn == everything) is (name == "itself"), name
    assert everything != "network"


def test_equal_networks_have_equal_hashes(everything):
    """Weights of the same values are equal whether they are float32 or float64."""
    first, *rest = everything.projections
    wide = [replace(q, kernel=type(q.kernel)(**widened(q.kernel))) for q in rest]
    other = replace(everything, projections=(first, *wide))
    assert other == everything
    assert other.hash() == everything.hash()


def widened(kernel):
    arrays = {name: a.astype(np.float64) for name, a in kernel.arrays().items()}
    return {**kernel.options(), **arrays}


def test_print_shows_what_a_reader_needs(everything):
    text = str(everything)
    first, *rows = text.splitlines()
    assert first == (
        "SpikingNetwork(method='own'): 111 units,"
        f" {everything.n_synapses:,} synapses, 120 weights stored"
    )
    for words in (
        ("input", "2x4x3", "24"),
        ("conv", "4x5x3", "60", "leaky integrate-and-fire, reset to zero", "input (conv2d 2x3)"),
        ("pool", "4x3x2", "conv (average_pool2d 2x2, delay 3)", "copy (one_to_one, delay 1)"),
        ("copy", "integrate-and-fire, reset by subtraction", "pool (one_to_one, lowering)"),
        ("readout: MS", "spikes of copy", "potential of readout", "input coding: uniform"),
    ):
        assert any(all(word in row for word in words) for row in rows), words
    assert repr(everything) == text
    assert all(row == row.rstrip() for row in rows)


def test_with_population_changes_a_copy(everything):
    changed = everything.with_population("pool", parameters={"theta": 2.0})
    assert changed.population("pool").parameters["theta"] == 2.0
    assert everything.population("pool").parameters["theta"] == 0.25
    conv = everything.with_population("conv", parameters={"I": 0.5}).population("conv")
    assert conv.parameters["I"] == 0.5 and conv.parameters["tau"] == 0.007


def test_with_population_can_change_the_model(everything):
    """Parameters that the new model does not have are left behind, the others keep their values."""
    changed = everything.with_population("conv", model=integrate_and_fire())
    conv = changed.population("conv")
    assert set(conv.parameters) == {"I", "theta"}
    np.testing.assert_array_equal(
        conv.parameters["I"], everything.population("conv").parameters["I"]
    )


def test_parameters_are_broadcast_and_read_only():
    theta = np.array([1.0, 2.0])[:, None, None]
    population = Population("conv", (2, 3, 4), IF, {"theta": theta})
    theta[:] = 9
    assert (population.parameters["theta"][0] == 1).all()
    assert population.parameters["theta"].shape == (2, 3, 4)
    with pytest.raises(ValueError, match="read-only"):
        population.parameters["theta"][0] = 5


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Population("conv-1", (3,), IF), "name 'conv-1' is not an identifier"),
        (lambda: Population("_v", (3,), IF), "name '_v' is not an identifier"),
        (lambda: Population("größe", (3,), IF), "name 'größe' is not an identifier"),
        (lambda: Population("a", (), IF), r"population 'a' has an empty shape \(\)"),
        (lambda: Population("a", (3, 0, 2), IF), "population 'a' has an empty shape"),
        (lambda: Population("a", (3,), IF, {"tau": 1 * ms}), "has no variable 'tau'"),
        (lambda: Population("a", (3,), IF, {"theta": 1 * mV}), "'theta' of model"),
        (
            lambda: Population("a", (3,), leaky_integrate_and_fire(1 * ms), {"tau": 5}),
            "'tau' .* unit s, but got the bare number 5",
        ),
        (
            lambda: Population("a", (3,), IF, {"I": np.ones(4)}),
            r"'I' of population 'a' has shape \(4,\), which does not fit the population's \(3,\)",
        ),
        (lambda: Population("a", (3,), IF, {"I": np.nan}), "'I' of population 'a' is not finite"),
        (
            lambda: Population("a", (3,), NeuronModel("m", "v = E : 1\nE : 1 (constant)")),
            "population 'a' gives no value for 'E', a parameter of model 'm'",
        ),
        (lambda: Projection("a", "b", OneToOne(), delay=-1), "a->b: the delay must be .* is -1"),
        (lambda: Projection("a", "b", OneToOne(), delay=0.5), "a->b: the delay must be a whole"),
        (lambda: Projection("a", "b", OneToOne(), sign=2), "a->b: sign is 0, 1 or -1, but got 2"),
    ],
)
def test_bad_populations_and_projections_are_refused(make, message):
    with pytest.raises(InputError, match=message):
        make()


A, B = Population("a", (2, 3, 3), IF), Population("b", (18,), integrator())


def network(*projections, populations=(A, B), readout=("a", "b")):
    return SpikingNetwork(populations, projections, (2, 4, 4), Readout(*readout))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: network(populations=(A, A)), "two populations are called 'a'"),
        (lambda: network(populations=(Population("input", (1,), IF), A, B)), "called 'input'"),
        (lambda: network(readout=("a", "c")), "no population is called 'c'; there are a, b"),
        (lambda: network(readout=("b", "b")), "readout.* 'b'.* never fires"),
        (lambda: network(Projection("a", "c", OneToOne())), "no population is called 'c'"),
        (lambda: network(Projection("c", "a", OneToOne())), "no population is called 'c'"),
        (lambda: network(Projection("a", "b", Dense(np.ones((3, 18))))), r"a->b: .* shape \(3,\)"),
        (
            lambda: network(Projection("input", "a", Conv2d(np.ones((2, 2, 3, 3))))),
            r"input->a: the kernel gives the shape \(2, 2, 2\), but the target has \(2, 3, 3\)",
        ),
        (
            lambda: network(Projection("a", "a", OneToOne())),
            "a->a runs against the order of the populations; give it a delay",
        ),
        (lambda: network(Projection("a", "b", OneToOne())), "a->b.*permute|a->b: the kernel gives"),
        (
            lambda: network(Projection("input", "b", Conv2d(np.ones((2, 2, 2, 2))))),
            r"input->b: the kernel gives the shape \(2, 3, 3\)",
        ),
        (lambda: network(Projection("a", "b", Dense(np.ones((18, 18))), variable="u")), "'u'"),
    ],
)
def test_networks_that_do_not_fit_are_refused(make, message):
    with pytest.raises(InputError, match=message):
        make()


def test_a_population_cannot_take_the_name_of_another_object():
    """``presentation`` and ``a_synapses`` are objects that bionet.build makes."""
    for name in ("presentation", "presentation_end", "a_synapses", "a_spikes"):
        taken = Population(name, (18,), integrator())
        with pytest.raises(InputError, match=f"{name}"):
            network(Projection("a", name, Dense(np.ones((18, 18)))), populations=(A, taken, B))


def test_numpy_numbers_can_be_saved(tmp_path):
    """Options that came out of NumPy are numbers like any other."""
    rng = np.random.default_rng(0)
    snn = SpikingNetwork(
        (Population("a", (np.int64(4), 2, 2), IF), Population("b", (4, 1, 1), IF)),
        (
            Projection("input", "a", Conv2d(rng.normal(size=(4, 1, 2, 2)), groups=np.int64(2))),
            Projection("a", "b", AveragePool2d(np.int64(2), scale=np.float32(0.5)), delay=2.0),
            Projection("b", "b", OneToOne(np.float32(0.25)), delay=np.int64(1)),
        ),
        (2, 3, 3),
        Readout("b", "b"),
    )
    assert SpikingNetwork.load(snn.save(tmp_path / "net.snn")) == snn


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(InputError, match="there is no file .*none.snn"):
        SpikingNetwork.load(tmp_path / "none.snn")


@pytest.mark.parametrize("keep", [0, 1, 7, 8, 50, -1, -200])
def test_a_truncated_file_is_refused(everything, tmp_path, keep):
    path = everything.save(tmp_path / "net.snn")
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(InputError, match="net.snn is damaged or not a safetensors file"):
        SpikingNetwork.load(path)


@pytest.mark.parametrize("write", [torch.save, lambda data, path: path.write_bytes(dumps(data))])
def test_a_pickle_is_refused_unread(tmp_path, write):
    write({"a": torch.ones(3)}, tmp_path / "net.snn")
    with pytest.raises(InputError, match="net.snn is a pickle or a torch archive, which bionet"):
        SpikingNetwork.load(tmp_path / "net.snn")


def dumps(data):
    return pickle.dumps({name: tensor.tolist() for name, tensor in data.items()})


@pytest.mark.parametrize(
    "metadata",
    [
        {},
        {"bionet": "recording"},
        {"bionet": "[]"},
        {"bionet": "{}"},
        {"bionet": '{"populations": [3]}'},
        {"bionet": '{"populations": [{"name": "a", "shape": [1], "model": {"equations": "x"}}]}'},
    ],
)
def test_another_safetensors_file_is_refused(tmp_path, metadata):
    save_file({"weights": np.ones(3)}, tmp_path / "net.snn", metadata=metadata)
    with pytest.raises(InputError, match="not a spiking network written by bionet|model"):
        SpikingNetwork.load(tmp_path / "net.snn")


def test_missing_weights_are_refused(everything, tmp_path):
    path = everything.save(tmp_path / "net.snn")
    arrays, metadata = read_tensors(path)
    del arrays["projection.3.weights"]
    write_tensors(path, arrays, metadata)
    with pytest.raises(InputError, match="not a spiking network written by bionet"):
        SpikingNetwork.load(path)


def test_saving_keeps_the_old_file_if_it_fails(everything, tmp_path, monkeypatch):
    path = everything.save(tmp_path / "net.snn")
    before = path.read_bytes()

    def fail(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("bionet.files.save_file", fail)
    with pytest.raises(KeyboardInterrupt):
        everything.with_population("pool", parameters={"theta": 3.0}).save(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_options_of_a_conversion_are_saved_and_change_no_hash(everything, tmp_path):
    options = {"leak": 20 * ms, "input_range": (0.0, 1.0), "sigma": {"conv": np.float64(0.5)}}
    made = replace(
        everything, origin=replace(everything.origin, options={**options, "x": np.ones(3)})
    )
    assert made.origin.options == options
    assert SpikingNetwork.load(made.save(tmp_path / "net.snn")).origin.options == options
    assert made == everything
    assert made.hash() == everything.hash()
