r"""The ladder of realism: one biological constraint after another on one trained network.

The lower rungs are a rate code of integrate-and-fire units, each with one constraint more than the
rung before it. From the physical neuron on the network is one of firing rates, trained on through
the neuron's f-I curve (:func:`bionet.fine_tune`), with membranes in volts and synapses in ampere or
siemens; it has the constraints of the lower rungs as parameters of its own. Every rung says the
accuracy with Wilson's 95 % interval, the mean firing rate of its hidden units and the latency (the
time from which the accuracy stays within a point of its final value).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from brian2 import Hz, ms, mV
from torch import nn

import bionet
from bionet.files import temporary_folder
from bionet.firing.twin import twin
from bionet.network import SpikingNetwork
from bionet.perturbations import (
    MembraneLeak,
    MembraneNoise,
    NetworkPerturbation,
    ParameterSpread,
    RefractoryPeriod,
    SynapticFailure,
    SynapticFilter,
    TransmissionDelay,
    perturb,
)
from bionet.progress import tracked
from bionet.reproduce.item import Item, Result, Settings, count
from bionet.reproduce.parts import Parts, digest
from bionet.results.latency import latency
from bionet.results.metrics import wilson_interval
from bionet.train.fine_tuning import fine_tune_zoo

__all__ = ["ITEMS", "RUNGS", "Rung"]

FULL, QUICK = 500, 50
CALIBRATION = 100
REFERENCE = 100 * Hz
DURATION = 100 * ms
EPOCHS = 3
DRAWN_UNITS = 60  # whose spikes are kept for the figure
CV = 0.1
# How the command line writes the neurons, and how their curves are measured. A spike of adex is
# cut off at -40 mV: at 0 mV a step of 0.25 ms overshoots.
NEURONS: Mapping[str, Mapping[str, Any]] = {
    "lif": {"neuron": "lif", "reference_hz": 100.0, "presentation_ms": 0.0},
    "adex": {"neuron": "adex:v_peak=-40mV", "reference_hz": 100.0, "presentation_ms": 100.0},
}


@dataclass(frozen=True)
class Rung:
    """A rung: what it adds to those below it.

    Parameters
    ----------
    name, adds : str
        As in the table.
    neuron : str, optional
        A neuron of ``NEURONS`` in place of what was there; with it ``begins`` is usual.
    begins : bool
        Whether conversion and perturbations of the rungs below are dropped, as the new neuron has
        them as parameters.
    conversion : mapping
        More options of the conversion.
    perturbations : tuple of NetworkPerturbation
    simulation : mapping
        More options of :func:`bionet.simulate`.
    """

    name: str
    adds: str
    neuron: str | None = None
    begins: bool = False
    conversion: Mapping[str, Any] = field(default_factory=dict)
    perturbations: tuple[NetworkPerturbation, ...] = ()
    simulation: Mapping[str, Any] = field(default_factory=dict)


def _spread(*parameters: str) -> tuple[NetworkPerturbation, ...]:
    return tuple(ParameterSpread(parameter, CV) for parameter in parameters)


RUNGS: tuple[Rung, ...] = (
    Rung("integrate-and-fire", "rate code, constant currents as input", begins=True),
    Rung("leak", "membranes decay at 10 Hz", perturbations=(MembraneLeak(10 * Hz),)),
    Rung("refractory period", "2 ms", perturbations=(RefractoryPeriod(2 * ms),)),
    Rung(
        "spike trains as input", "Poisson, 200 Hz for a white pixel",
        simulation={"coding": "poisson", "max_rate": 200 * Hz},
    ),
    Rung(
        "synaptic time constants", "5 ms, exponential",
        perturbations=(SynapticFilter(5 * ms),),
    ),
    Rung(
        "axonal delays", "2 ms, standard deviation 0.6 ms",
        perturbations=(TransmissionDelay(2 * ms, spread=0.3),),
    ),
    Rung(
        "physical neuron", "lif in mV, trained through its f-I curve", neuron="lif", begins=True,
    ),
    Rung("Dale's principle", "inhibitory partners repeat spikes", conversion={"dale": "relay"}),
    Rung(
        "conductances", "reversal at 0 and -80 mV",
        conversion={"synapse": bionet.synapse.conductance(0 * mV, -80 * mV, 5 * ms, 5 * ms)},
    ),
    Rung(
        "heterogeneous parameters", f"C, g_L, tau_e, tau_i with a CV of {CV:g}",
        perturbations=_spread("C", "g_L", "tau_e", "tau_i"),
    ),
    Rung(
        "membrane noise", "0.02 of the distance to threshold per square root of a ms",
        perturbations=(MembraneNoise(0.02),),
    ),
    Rung("synaptic failure", "a tenth of all spikes", perturbations=(SynapticFailure(0.1),)),
    Rung("adaptation", "adex, trained through its own curve", neuron="adex"),
    Rung(
        "axons of different lengths", "delays of 1.5 ms, standard deviation 0.5 ms",
        conversion={"delay_spread": 0.5 * ms},
    ),
)  # fmt: skip


@dataclass(frozen=True)
class Built:
    """All that a rung has: its own and what it keeps of those below it."""

    neuron: str | None
    conversion: Mapping[str, Any]
    perturbations: tuple[NetworkPerturbation, ...]
    simulation: Mapping[str, Any]


def built() -> tuple[Built, ...]:
    """The rungs of the ladder with all that they keep from below."""
    ladder: list[Built] = []
    for rung in RUNGS:
        below = Built(None, {}, (), {}) if rung.begins else ladder[-1]
        ladder.append(
            Built(
                rung.neuron or below.neuron,
                {**below.conversion, **rung.conversion},
                (*below.perturbations, *rung.perturbations),
                {**below.simulation, **rung.simulation},
            )
        )
    return tuple(ladder)


def ladder(network: str, data: str) -> Any:
    """An item that climbs the ladder with a network on a data set."""

    def run(settings: Settings) -> Result:
        """Simulate every rung."""
        if settings.folder is None:
            with temporary_folder() as folder:
                return _climbed(network, data, settings, folder)
        return _climbed(network, data, settings, settings.folder)

    return run


def _climbed(network: str, data: str, settings: Settings, folder: Path) -> Result:
    n = settings.number(FULL, QUICK)
    whole = bionet.datasets.load(data, "test", settings.data_dir)
    # Drawn, as the first test images of MNIST are easier than the others.
    some = np.sort(np.random.default_rng(settings.seed).permutation(len(whole.labels))[:n])
    images, labels = whole.images[some], whole.labels[some]
    calibration, _ = settings.calibration(data, CALIBRATION)
    net = settings.network(network, data)
    weights = digest(*(value.detach().numpy() for value in net.state_dict().values()))
    common = {
        "network": weights, "images": digest(images, labels, calibration), "seed": settings.seed,
    }  # fmt: skip
    parts = Parts(folder, common)
    rungs = list(zip(RUNGS, built(), strict=True))
    shown = tracked(rungs, "rungs", settings.progress)
    rows = []
    for rung, whole_rung in shown:
        content = {"rung": rung.name, "built": _plain(whole_rung), "epochs": EPOCHS}
        compute = partial(
            row, whole_rung, net, network, data, calibration, images, labels, settings, folder
        )
        rows.append({"rung": rung.name, "adds": rung.adds, **parts.get(content, compute)})
    table = pd.DataFrame(rows)
    spikes = table.pop("spikes")
    right = count(net, images, labels)
    notes = (
        f"network ({network}): {100 * right / len(labels):.2f} % of {len(labels):,} test images of"
        f" {data}, drawn with seed {settings.seed}; presentations of {float(DURATION / ms):g} ms",
        f"from the physical neuron on: fine-tuned for {EPOCHS} epochs, rates matched on"
        f" {CALIBRATION} calibration images, pixels as constant currents, delays of 1.5 ms (alike"
        " but on the last rung); dt 0.25 ms, 1 ms below",
    )
    figures = {
        "ladder": lambda: _draw(table),
        "spikes": lambda: _draw_spikes(table, spikes),
    }
    return Result((), notes, figures, {"ladder": table}, _markdown(table))


def row(
    rung: Built,
    net: nn.Module,
    network: str,
    data: str,
    calibration: np.ndarray,
    images: np.ndarray,
    labels: np.ndarray,
    settings: Settings,
    folder: Path,
) -> dict[str, Any]:
    """What one rung achieves, as plain JSON."""
    if rung.neuron is None:
        snn = bionet.convert(net, "rate", calibration, **rung.conversion)
        times: tuple[Any, ...] = (DURATION, 1 * ms)
    else:
        rates = rates_network(rung.neuron, network, data, settings, folder)
        snn = bionet.convert(
            rates, "biophysical", calibration, neuron=_neuron(rung.neuron), reference=REFERENCE,
            duration=DURATION, **rung.conversion,
        )  # fmt: skip
        times = ()
    coding = rung.simulation.get("coding")
    snn = perturb(snn, _concerned(rung.perturbations, snn), settings.seed, coding)
    last = _hidden(snn)[-1]
    run = settings.simulate(
        snn, images, *times, record={last: ["spikes"]}, record_images=[0], progress=False,
        **rung.simulation,
    )  # fmt: skip
    right = run.predictions() == labels
    low, high = wilson_interval(right.mean(), len(labels))
    length, step = run.n_steps * run.dt, float(run.dt / ms)
    settled = latency(run.accuracy_over_time(labels)) or run.n_steps
    fired = run.spikes(last, image=0)
    # Every k-th unit: they stand for the whole layer.
    drawn = np.unique(np.linspace(0, snn.population(last).size - 1, DRAWN_UNITS).astype(int))
    place = {int(unit): k for k, unit in enumerate(drawn)}
    rates_hz = {name: float(run.counts[name].mean() / length / Hz) for name in _hidden(snn)}
    return {
        "images": len(labels),
        "correct": int(right.sum()),
        "accuracy": float(right.mean()),
        "low": float(low),
        "high": float(high),
        "rate_hz": float(np.mean(list(rates_hz.values()))),
        "latency_ms": settled * step,
        "dt_ms": step,
        "duration_ms": float(length / ms),
        "is_dale": snn.is_dale(),
        "spikes": [
            [place[int(unit)], float(at) * step]
            for unit, at in zip(fired.unit, fired.step, strict=True)
            if int(unit) in place
        ],
    }


def rates_network(
    neuron: str, network: str, data: str, settings: Settings, folder: Path
) -> nn.Module:
    """The network trained on through a neuron's curve; its weights are kept in the folder."""
    made_of = NEURONS[neuron]
    presentation = made_of["presentation_ms"] * ms
    measured: dict[str, Any] = {}
    if presentation > 0 * ms:
        measured = {"kind": "presented", "settle": 0.2 * presentation, "duration": presentation}
    activation = bionet.f_i(_neuron(neuron), **measured).activation(REFERENCE)
    path = folder / f"{network}-{data}-{neuron}.safetensors"
    if not path.is_file():
        fine_tune_zoo(
            network,
            data,
            activation,
            made_of=made_of,
            epochs=EPOCHS,
            start=settings.weights.get(network),
            seed=settings.seed,
            out=path,
            data_dir=settings.data_dir,
            progress=settings.progress,
            checkpoint=path.with_suffix(".checkpoint"),
        )
    return twin(bionet.zoo.load(network, path), activation)


def _neuron(name: str) -> Any:
    made: dict[str, Any] = {
        "lif": bionet.equations.lif,
        "adex": partial(bionet.equations.adex, v_peak=-40 * mV),
    }
    return made[name]()


def _hidden(snn: SpikingNetwork) -> list[str]:
    """The hidden populations that stand for layers and fire, in the network's order."""
    output = (snn.readout.spikes, snn.readout.potential)
    return [
        p.name for p in snn.populations
        if p.name in snn.origin.layers and p.name not in output and p.model.threshold is not None
    ]  # fmt: skip


def _concerned(
    perturbations: tuple[NetworkPerturbation, ...], snn: SpikingNetwork
) -> list[NetworkPerturbation]:
    """Those whose parameter some population has: synapses without conductances have no tau_e."""
    parameters = {name for p in snn.populations for name in p.parameters}
    return [
        p for p in perturbations if not isinstance(p, ParameterSpread) or p.parameter in parameters
    ]


def _plain(rung: Built) -> dict[str, Any]:
    """A rung as JSON can say it."""
    return {
        "neuron": None if rung.neuron is None else dict(NEURONS[rung.neuron]),
        "conversion": {name: repr(value) for name, value in rung.conversion.items()},
        "perturbations": [repr(p) for p in rung.perturbations],
        "simulation": {name: repr(value) for name, value in rung.simulation.items()},
    }


def _markdown(table: pd.DataFrame) -> str:
    lines = [
        "| rung | what it adds | accuracy | 95 % interval | mean rate | latency | Dale |",
        "|---|---|---|---|---|---|---|",
    ]
    for number, r in enumerate(table.itertuples(), 1):
        dale = "yes" if r.is_dale else "no"
        lines.append(
            f"| {number}. {r.rung} | {r.adds} | {100 * r.accuracy:.1f} % |"
            f" {100 * r.low:.1f} to {100 * r.high:.1f} | {r.rate_hz:.1f} Hz |"
            f" {r.latency_ms:g} ms | {dale} |"
        )
    return "\n".join(lines) + "\n"


def _draw(table: pd.DataFrame) -> Any:
    from bionet.figures import realism_ladder

    return realism_ladder(table.rename(columns={"images": "n_images"}))


def _draw_spikes(table: pd.DataFrame, spikes: pd.Series) -> Any:
    from bionet.figures import realism_spikes

    return realism_spikes(dict(zip(table["rung"], spikes, strict=True)), table["duration_ms"].max())


ITEMS = (
    Item("realism", "lenet5-mnist", "one biological constraint after another", "ours",
         ladder("lenet5", "mnist")),
    Item("realism", "lenet5-digits", "one biological constraint after another", "ours",
         ladder("lenet5", "digits")),
)  # fmt: skip
