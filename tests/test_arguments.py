"""Wrong kinds of every argument of every public function: one clear line, or the right result.

Each argument gets None, a text, a list, NaN, a mask and a DataLoader, all others stay right.
"""

import contextlib
import inspect
import io
import types
import warnings

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch
from brian2 import BrianLogger, DimensionMismatchError, Hz, ms, mV
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import bionet
from bionet.errors import BioNetError

matplotlib.use("Agg")

WRONG = {
    "None": None,
    "text": "text",
    "list": [1, 2],
    "NaN": float("nan"),
    "mask": np.array([True, False, True]),
    "loader": DataLoader(TensorDataset(torch.rand(4, 1, 4, 4), torch.zeros(4))),
}


class World:
    """Right values of arguments, by their names."""

    def __init__(self, folder):
        torch.manual_seed(0)
        self.folder = folder
        self.images = np.random.default_rng(0).random((6, 1, 4, 4), dtype=np.float32)
        self.labels = np.arange(6) % 3
        self.net = nn.Sequential(
            nn.Conv2d(1, 2, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(32, 3)
        ).eval()  # fmt: skip
        self.snn = bionet.convert(self.net, calibration=self.images)
        self.run = bionet.simulate(
            self.snn, self.images, 10 * ms, device="numpy", final_potentials=True,
            record={"conv0": ["spikes", "v"], "input": ["spikes"]}, coding="poisson",
        )  # fmt: skip
        self.audit = bionet.audit(self.net, self.snn, self.run, self.images)
        self.activations = bionet.conversion.activations(self.net, self.images, self.snn)
        self.traced = bionet.conversion.trace(self.net, (1, 4, 4))


def calls(w):
    """By name: the function, and right values of the arguments without a default or None."""
    b, e, c, f, i = bionet, bionet.equations, bionet.conversion, bionet.figures, bionet.inputs
    p, s, t, z = bionet.perturbations, bionet.synapse, bionet.train, bionet.zoo
    runs = {"one": w.run}
    table = pd.DataFrame({"accuracy": [1.0]})
    whole = {
        "AveragePool2d": (b.AveragePool2d, {"kernel": (2, 2)}),
        "Conv2d": (b.Conv2d, {"weights": np.ones((2, 1, 3, 3))}),
        "Dense": (b.Dense, {"weights": np.ones((3, 4))}),
        "Largest": (b.Largest, {}),
        "MaxPool2d": (b.MaxPool2d, {"kernel": (2, 2)}),
        "NeuronModel": (b.NeuronModel, {"name": "m", "equations": "dv/dt = I : 1\nI : Hz"}),
        "OneToOne": (b.OneToOne, {}),
        "Population": (b.Population, {"name": "p", "shape": (3,), "model": e.integrator()}),
        "Projection": (
            b.Projection, {"source": "input", "target": "conv0", "kernel": b.OneToOne()},
        ),
        "Readout": (b.Readout, {"spikes": "linear3", "potential": "readout"}),
        "Sparse": (b.Sparse, {
            "offsets": np.array([0, 1, 2]), "targets": np.array([0, 1]),
            "weights": np.ones(2), "shape": (2,),
        }),
        "SpikingNetwork": (b.SpikingNetwork, {
            "populations": w.snn.populations, "projections": w.snn.projections,
            "input_shape": (1, 4, 4), "readout": w.snn.readout,
        }),
        "audit": (b.audit, {"net": w.net, "snn": w.snn, "run": w.run, "images": w.images}),
        "build": (b.build, {"snn": w.snn, "images": w.images[:1]}),
        "convert": (b.convert, {
            "net": w.net, "calibration": w.images, "input_shape": (1, 4, 4), "method": "rate",
        }),
        "datasets.load": (b.datasets.load, {"name": "digits"}),
        "datasets.read_idx": (b.datasets.read_idx, {"path": "x.idx", "n_dimensions": 1}),
        "datasets.read_cifar10": (b.datasets.read_cifar10, {"path": "x.bin"}),
        "diagnose": (b.diagnose, {"net": w.net, "snn": w.snn, "images": w.images, "run": w.run}),
        "eject": (b.eject, {"snn": w.snn, "path": w.folder / "x.py", "force": True}),
        "f_i": (b.f_i, {"neuron": e.lif()}),
        "fine_tune": (b.fine_tune, {
            "net": w.net, "activation": None, "images": w.images, "labels": w.labels,
        }),
        "forecast": (b.forecast, {"snn": w.snn, "images": w.images, "duration": 5 * ms}),
        "from_nir": (b.from_nir, {"source": "x.nir"}),
        "perturb": (b.perturb, {"snn": w.snn, "perturbations": [p.DeadUnits(0.1)]}),
        "rate_surface": (b.rate_surface, {
            "neuron": e.lif(), "synapse": s.conductance(0 * mV, -80 * mV, 5 * ms, 10 * ms),
        }),
        "simulate": (b.simulate, {
            "snn": w.snn, "images": w.images, "duration": 5 * ms, "device": "numpy",
            "record": {"conv0": ["spikes"]},
        }),
        "conversion.QCFS": (c.QCFS, {}),
        "conversion.TemporalActivation": (c.TemporalActivation, {"leak": 10.0}),
        "conversion.activation_scales": (c.activation_scales, {
            "traced": w.traced, "records": c.population_records(w.traced.records),
            "calibration": torch.from_numpy(w.images),
        }),
        "conversion.activations": (c.activations, {
            "net": w.net, "images": w.images, "network": w.snn,
        }),
        "conversion.adjust": (c.adjust, {"net": w.net}),
        "conversion.fold": (c.fold, {"snn": w.snn, "presentation": 10}),
        "conversion.fragment": (c.fragment, {"snn": w.snn, "parts": {"conv0": 2}}),
        "conversion.options": (c.options, {"method": "rate"}),
        "conversion.quantised_network": (c.quantised_network, {
            "net": w.net, "levels": 4, "images": torch.from_numpy(w.images),
        }),
        "conversion.temporal_network": (c.temporal_network, {"net": w.net, "leak": 10.0}),
        "conversion.add_bias_neurons": (c.add_bias_neurons, {"net": w.net, "leak": 10.0}),
        "conversion.to_average_pooling": (c.to_average_pooling, {"net": w.net}),
        "conversion.to_relu": (c.to_relu, {"net": w.net}),
        "conversion.trace": (c.trace, {"net": w.net, "input_shape": (1, 4, 4)}),
        "conversion.winner_take_all": (c.winner_take_all, {
            "snn": w.snn, "population": "conv0", "inhibition": 5 * ms,
        }),
        "conversion.with_initial_potential": (c.with_initial_potential, {"snn": w.snn}),
        "conversion.with_signed_correction": (c.with_signed_correction, {"snn": w.snn}),
        "conversion.with_interneurons": (c.with_interneurons, {"snn": w.snn}),
        "conversion.with_softmax": (c.with_softmax, {"snn": w.snn}),
        "equations.adex": (e.adex, {}),
        "equations.augmented": (e.augmented, {}),
        "equations.bias_neuron": (e.bias_neuron, {}),
        "equations.constant_leak": (e.constant_leak, {}),
        "equations.first_input": (e.first_input, {}),
        "equations.first_spike": (e.first_spike, {"tau": 5 * ms}),
        "equations.latency": (e.latency, {"tau": 5 * ms}),
        "equations.slope_integrator": (e.slope_integrator, {"tau": 5 * ms}),
        "equations.input_model": (e.input_model, {"coding": "poisson", "max_rate": 100 * Hz}),
        "equations.integrate_and_fire": (e.integrate_and_fire, {}),
        "equations.izhikevich": (e.izhikevich, {}),
        "equations.leaky_integrate_and_fire": (e.leaky_integrate_and_fire, {"tau": 5 * ms}),
        "equations.leaky_integrator": (e.leaky_integrator, {"tau": 5 * ms}),
        "equations.neuron": (e.neuron, {"name": "lif"}),
        "equations.poisson": (e.poisson, {"max_rate": 100 * Hz}),
        "equations.ternary": (e.ternary, {}),
        "equations.trigger": (e.trigger, {"rate": 10 * Hz}),
        "equations.reverse": (e.reverse, {"tau": 5 * ms}),
        "equations.signed_integrate_and_fire": (e.signed_integrate_and_fire, {}),
        "equations.temporal_neuron": (e.temporal_neuron, {"tau": 5 * ms}),
        "equations.ticking_neuron": (e.ticking_neuron, {"tau": 5 * ms}),
        "equations.uniform": (e.uniform, {"max_rate": 100 * Hz}),
        "equations.with_rate_estimate": (e.with_rate_estimate, {"model": e.integrate_and_fire()}),
        "figures.accuracy_against": (f.accuracy_against, {
            "values": [1, 2], "accuracies": {"one": [0.1, 0.2]},
        }),
        "figures.accuracy_against_perturbation": (f.accuracy_against_perturbation, {
            "table": table,
        }),
        "figures.accuracy_events": (f.accuracy_events, {
            "runs": {"one": (w.run, w.labels, w.snn)},
        }),
        "figures.accuracy_latency": (f.accuracy_latency, {"runs": {"one": (w.run, w.labels)}}),
        "figures.accuracy_over_time": (f.accuracy_over_time, {"run": w.run, "labels": w.labels}),
        "figures.activation_histograms": (f.activation_histograms, {"data": w.audit}),
        "figures.animation": (f.animation, {"run": w.run, "max_frames": 2}),
        "figures.coding_schemes": (f.coding_schemes, {"runs": runs, "pixels": w.images[0]}),
        "figures.compared_codes": (f.compared_codes, {"table": table}),
        "figures.confusion_matrix": (f.confusion_matrix, {"run": w.run, "labels": w.labels}),
        "figures.early_decision": (f.early_decision, {"runs": {}}),
        "figures.energy_bars": (f.energy_bars, {"runs": {"one": (w.run, w.snn)}}),
        "figures.error_over_events": (f.error_over_events, {"runs": {}}),
        "figures.error_over_steps": (f.error_over_steps, {"runs": {}}),
        "figures.f_i_curve": (f.f_i_curve, {
            "models": {"lif": e.leaky_integrate_and_fire(5 * ms)}, "duration": 20 * ms,
        }),
        "figures.feature_maps": (f.feature_maps, {"run": w.run, "activations": w.activations}),
        "figures.input_recordings": (f.input_recordings, {
            "image": w.images[0], "duration": 5 * ms,
        }),
        "figures.interval_histogram": (f.interval_histogram, {"run": w.run}),
        "figures.kernels": (f.kernels, {"snn": w.snn}),
        "figures.loss_and_operations": (f.loss_and_operations, {"curves": {}}),
        "figures.network_diagram": (f.network_diagram, {"snn": w.snn}),
        "figures.phase_plane": (f.phase_plane, {"model": e.adex(), "duration": 5 * ms}),
        "figures.population_rate": (f.population_rate, {"run": w.run}),
        "figures.potentials": (f.potentials, {"run": w.run, "population": "conv0"}),
        "figures.raster": (f.raster, {"run": w.run}),
        "figures.rate_against_activation": (f.rate_against_activation, {"data": w.audit}),
        "figures.realism_ladder": (f.realism_ladder, {"table": table}),
        "figures.realism_spikes": (f.realism_spikes, {
            "spikes": {"a": [[1.0, 2.0]]}, "duration_ms": 5.0,
        }),
        "figures.receptive_fields": (f.receptive_fields, {
            "run": w.run, "images": w.images, "population": "conv0",
        }),
        "figures.save": (f.save, {"figure": None, "path": w.folder / "x.png"}),
        "figures.search_table": (f.search_table, {"snn": w.snn}),
        "figures.similarity": (f.similarity, {"runs": {}}),
        "figures.spike_distances": (f.spike_distances, {
            "run": w.run, "population": "conv0", "labels": w.labels,
        }),
        "figures.spike_time_histogram": (f.spike_time_histogram, {"run": w.run}),
        "figures.style": (f.style, {}),
        "figures.threshold_sweep": (f.threshold_sweep, {"table": table}),
        "figures.traces": (f.traces, {"run": w.run}),
        "figures.wilson_interval": (f.wilson_interval, {"share": 0.5, "n": 10}),
        "inputs.events": (i.events, {
            "t": np.arange(3) * ms, "x": [0, 1, 2], "y": [0, 0, 0], "p": [0, 1, 0],
            "image": [0, 0, 0],
        }),
        "inputs.frames": (i.frames, {"movies": np.zeros((1, 2, 1, 4, 4)), "frame": 5 * ms}),
        "inputs.replay": (i.replay, {"run": w.run, "population": "conv0"}),
        "inputs.saccades": (i.saccades, {
            "images": w.images, "duration": 5 * ms, "sample": 1 * ms,
        }),
        "inputs.spike_trains": (i.spike_trains, {
            "i": [0, 1, 2], "t": np.arange(3) * ms, "image": [0, 0, 0], "size": [1, 1, 1],
        }),
        "inputs.static": (i.static, {"images": w.images, "durations": np.ones(6) * 5 * ms}),
        "perturbations.find": (p.find, {"name": "blur"}),
        "perturbations.noted": (p.noted, {"snn": w.snn, "perturbations": [p.Blur(1)]}),
        "perturbations.relays": (p.relays, {"snn": w.snn}),
        "perturbations.ChannelBlock": (p.ChannelBlock, {"conductance": "g_na", "level": 0.5}),
        "perturbations.ParameterSpread": (p.ParameterSpread, {"parameter": "C", "cv": 0.1}),
        "study.load": (b.study.load, {"path": "precision"}),
        "study.run": (b.study.run, {"study": "precision", "out": w.folder / "out", "jobs": 1}),
        "study.summary": (b.study.summary, {"found": table}),
        "study.cancel": (b.study.cancel, {"folder": w.folder}),
        "study.status": (b.study.status, {"folder": w.folder}),
        "study.table": (b.study.table, {"folder": w.folder}),
        "synapse.alpha": (s.alpha, {"tau": 5 * ms}),
        "synapse.conductance": (s.conductance, {
            "E_e": 0 * mV, "E_i": -80 * mV, "tau_e": 5 * ms, "tau_i": 10 * ms,
        }),
        "synapse.exponential": (s.exponential, {"tau": 5 * ms}),
        "synapse.tsodyks_markram": (s.tsodyks_markram, {
            "U": 0.5, "tau_d": 100 * ms, "tau_f": 100 * ms,
        }),
        "train.Recipe": (t.Recipe, {"epochs": 1}),
        "train.evaluate": (t.evaluate, {"net": w.net, "images": w.images, "labels": w.labels}),
        "train.erase_randomly": (t.erase_randomly, {
            "images": torch.zeros(1, 1, 4, 4), "side": 2, "generator": torch.Generator(),
        }),
        "train.flip_randomly": (t.flip_randomly, {
            "images": torch.rand(2, 1, 4, 4), "generator": torch.Generator(),
        }),
        "train.one_cycle": (t.one_cycle, {"fraction": 0.5, "max_rate": 0.1}),
        "train.save_weights": (t.save_weights, {"net": w.net, "path": w.folder / "w.safetensors"}),
        "train.shift_randomly": (t.shift_randomly, {
            "images": torch.rand(2, 1, 4, 4), "max_shift": 1, "generator": torch.Generator(),
        }),
        "train.train": (t.train, {
            "net": w.net, "data_train": (w.images, w.labels), "data_test": (w.images, w.labels),
            "epochs": 1, "seed": 0, "progress": False,
        }),
        "train.train_zoo": (t.train_zoo, {"network": "lenet5", "data": "nothing"}),
        "zoo.added_weights": (z.added_weights, {"network": "lenet5", "name": "digits"}),
        "zoo.lenet5": (z.lenet5, {}),
        "zoo.entry": (z.entry, {"name": "lenet5"}),
        "zoo.load": (z.load, {"name": "lenet5"}),
        "zoo.load_weights": (z.load_weights, {"net": w.net, "path": w.folder / "w.safetensors"}),
        "zoo.provenance": (z.provenance, {"source": "x.safetensors"}),
        "zoo.read_weights": (z.read_weights, {"path": "x.safetensors"}),
        "zoo.shipped": (z.shipped, {"network": "lenet5", "data": "digits"}),
        "zoo.start_from": (z.start_from, {"net": w.net, "path": w.folder / "w.safetensors"}),
    }  # fmt: skip
    for name in p.__all__:
        made = getattr(p, name)
        if (
            inspect.isclass(made)
            and not inspect.isabstract(made)
            and f"perturbations.{name}" not in whole
        ):
            whole[f"perturbations.{name}"] = (made, {"level": 0.1})
    run, snn = w.run, w.snn
    for owner, names in (
        (run, "predictions accuracy accuracy_over_time ties spikes potential values save"),
        (snn, "save population shape with_population with_populations"),
    ):
        for name in names.split():
            if hasattr(owner, name):
                whole[f"{type(owner).__name__}.{name}"] = (getattr(owner, name), {
                    "labels": w.labels, "population": "conv0", "image": 0, "path": w.folder / "r",
                    "name": "conv0", "changes": {"conv0": {}},
                })  # fmt: skip
    return whole


# Results of others, not called by users; base classes; functions without arguments; functions of
# one's own kind of argument that another one stands for.
NOT_TRIED = {
    "Audit", "Diagnosis", "Recording", "conversion.OneInput", "inputs.joined",
    "SharedSynapses", "conversion.Trace", "conversion.convert",
    "conversion.fold_batchnorm", "conversion.fold_report", "conversion.joined",
    "conversion.normalise_weights", "conversion.population_records", "datasets.Dataset",
    "equations.InputModel", "equations.NeuronModel", "equations.exponential_if",
    "equations.hodgkin_huxley", "equations.lif", "equations.quadratic_if", "inputs.Events",
    "inputs.Frames", "inputs.SpikeTrains", "inputs.StaticImages", "inputs.Stimulus", "mended",
    "perturbations.ImagePerturbation", "perturbations.NetworkPerturbation",
    "perturbations.Perturbation", "perturbations.perturb", "study.Status", "study.Study",
    "synapse.Synapse",
    "train.Epoch", "train.TrainResult", "zoo.ZooEntry",
}  # fmt: skip
# Right, though the kind is another than the usual one.
RIGHT = {
    *((f"{kind}({name}=list)") for kind, name in (  # one or two whole numbers
        ("AveragePool2d", "kernel"), ("AveragePool2d", "stride"), ("MaxPool2d", "kernel"),
        ("MaxPool2d", "stride"), ("Conv2d", "stride"), ("Conv2d", "padding"),
        ("Conv2d", "dilation"),
    )),
    "OneToOne(weight=list)", "Sparse(weights=list)",
    "figures.accuracy_against(values=list)", "figures.wilson_interval(share=mask)",
    "figures.animation(pixels=list)", "figures.animation(pixels=mask)",
    "figures.input_recordings(image=list)", "figures.input_recordings(image=mask)",
    "figures.potentials(units=list)", "figures.receptive_fields(units=list)",
    "inputs.events(p=mask)", "inputs.events(p=None)", "inputs.events(image=None)",
    "inputs.spike_trains(image=None)", "inputs.spike_trains(size=None)",
    "inputs.static(durations=None)", "f_i(synapse=None)",
    "simulate(record_images=list)", "simulate(events=None)", "convert(output=None)",
}  # fmt: skip


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return World(tmp_path_factory.mktemp("arguments"))


def names():
    for name in sorted(bionet.__all__):
        value = getattr(bionet, name)
        if not isinstance(value, types.ModuleType):
            yield name, value
            continue
        for member in value.__all__:
            yield f"{name}.{member}", getattr(value, member)


def test_every_public_function_is_in_the_table(world):
    takes = {
        name
        for name, value in names()
        if inspect.isfunction(value) or inspect.isclass(value)
        if not (inspect.isclass(value) and issubclass(value, BioNetError))
        if inspect.signature(value).parameters
    }
    same = {"cifar10_quick", "cifar10_quick_original", "lenet5_original", "rueckauer", "shang"}
    assert takes - NOT_TRIED - set(calls(world)) <= {f"zoo.{name}" for name in same} | {
        "synapse.delta"
    }


def says_so(annotation, kind):
    """Whether the signature itself takes what is tried."""
    annotation = str(annotation)
    alternatives = annotation.replace(" ", "")
    return (
        (kind == "None" and ("None" in alternatives or "empty" in alternatives))
        or (kind == "text" and alternatives.startswith(("str", "Literal", "'str")))
        or (kind == "list" and alternatives.startswith(("Sequence[int]", "tuple[int", "tuple[Any")))
    )


def outcome(function, arguments):
    """None for a clear error, else what happened."""
    with (
        warnings.catch_warnings(),
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
    ):
        warnings.simplefilter("ignore")
        try:
            result = function(**arguments)
            if hasattr(result, "__enter__"):
                with result:
                    pass
        except (BioNetError, DimensionMismatchError) as error:
            assert "\n" not in str(error), error
            return None
        except Exception as error:
            return f"{type(error).__name__}: {error}"
        finally:
            plt.close("all")
    return "accepted"


@pytest.mark.parametrize("kind", WRONG)
def test_wrong_kinds_are_refused(world, kind, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    BrianLogger.suppress_hierarchy("brian2", filter_log_file=False)
    bad = []
    for name, (function, right) in calls(world).items():
        parameters = inspect.signature(function).parameters
        for argument, parameter in parameters.items():
            tried = f"{name}({argument}={kind})"
            if parameter.kind in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL):
                continue
            if tried in RIGHT or says_so(parameter.annotation, kind):
                continue
            given = {key: value for key, value in right.items() if key in parameters}
            what = outcome(function, given | {argument: WRONG[kind]})
            if what is not None:
                bad.append(f"{tried}: {what}"[:160])
    assert not bad, "\n".join(bad)
