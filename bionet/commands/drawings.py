"""Every kind of figure that ``bionet figure`` draws, and what it needs of a run's folder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bionet.commands.outputs import load_audit, load_labels
from bionet.errors import InputError
from bionet.registry import Registry
from bionet.results.run_json import read_run

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from bionet.commands.run_sources import RunSources
    from bionet.equations.model import NeuronModel
    from bionet.results.recording import Recording

__all__ = ["KINDS", "Request", "read_table"]


@dataclass(frozen=True)
class Request:
    """What a figure is asked to show.

    Parameters
    ----------
    path : Path
        Folder of a run, an ``.snn`` file or a table.
    image : int
    populations : list of str, optional
    units : list of int, optional
    others : tuple of Path
        Further runs for the same axis.
    readout : str, optional
    """

    path: Path
    image: int = 0
    populations: list[str] | None = None
    units: list[int] | None = None
    others: tuple[Path, ...] = field(default=())
    readout: str | None = None

    @property
    def run(self) -> Recording:
        """The recording in the folder."""
        from bionet.results.recording import Recording

        return Recording.load(self.path)

    def sources(self, run: Recording) -> RunSources:
        """The network and the images of the run."""
        from bionet.commands.run_sources import run_sources

        return run_sources(self.path, run)

    def each(self) -> dict[str, Request]:
        """Requests for this run and the others, by name in the legend."""
        from dataclasses import replace

        paths = (self.path, *self.others)
        names = [path.resolve().name for path in paths]
        distinct = names if len(set(names)) == len(names) else [str(path) for path in paths]
        return {n: replace(self, path=p, others=()) for n, p in zip(distinct, paths, strict=True)}


def _raster(asked: Request) -> Any:
    from bionet import figures

    return figures.raster(asked.run, asked.image, populations=asked.populations)


def _potentials(asked: Request) -> Any:
    from bionet import figures

    run = asked.run
    populations = asked.populations
    if populations is None:
        populations = list(run.recorded_potentials)[:1]
    if len(populations) != 1:
        raise InputError(
            "--population: a figure of potentials shows one population whose v was recorded,"
            f" got {', '.join(populations) or 'none: simulate with --record conv1:spikes,v'}"
        )
    return figures.potentials(run, populations[0], asked.image, units=asked.units)


def _accuracy(asked: Request) -> Any:
    from bionet import figures

    ann = read_run(asked.path).get("accuracy_ann")
    labels = load_labels(asked.path)
    readouts = None if asked.readout is None else [asked.readout]
    return figures.accuracy_over_time(asked.run, labels, readouts, ann_accuracy=ann)


def _rates(asked: Request) -> Any:
    from bionet import figures

    return figures.rate_against_activation(load_audit(asked.path), asked.populations)


def _histograms(asked: Request) -> Any:
    from bionet import figures

    return figures.activation_histograms(load_audit(asked.path), asked.populations)


def _feature_maps(asked: Request) -> Any:
    from bionet import figures

    run = asked.run
    activations = asked.sources(run).activations(run)
    return figures.feature_maps(run, activations, asked.image, asked.populations)


def _latency(asked: Request) -> Any:
    from bionet import figures

    runs = {name: (one.run, load_labels(one.path)) for name, one in asked.each().items()}
    return figures.accuracy_latency(runs, asked.readout)


def _events(asked: Request) -> Any:
    from bionet import figures

    runs = {}
    for name, one in asked.each().items():
        run = one.run
        runs[name] = run, load_labels(one.path), one.sources(run).snn
    return figures.accuracy_events(runs, asked.readout)


def _confusion(asked: Request) -> Any:
    from bionet import figures

    return figures.confusion_matrix(asked.run, load_labels(asked.path), asked.readout)


def _spike_times(asked: Request) -> Any:
    from bionet import figures

    return figures.spike_time_histogram(asked.run, populations=asked.populations)


def _codings(asked: Request) -> Any:
    from bionet import figures

    run = asked.run
    images: np.ndarray = asked.sources(run).images.images
    if not 0 <= asked.image < len(images):
        raise InputError(f"--image must lie between 0 and {len(images) - 1}, but is {asked.image}")
    pixels = images[asked.image]
    runs = figures.input_recordings(pixels, duration=run.n_steps * run.dt, dt=run.dt)
    return figures.coding_schemes(runs, pixels)


def _f_i(asked: Request) -> Any:
    from bionet import figures
    from bionet.network import SpikingNetwork

    snn = SpikingNetwork.load(asked.path) if asked.path.is_file() else asked.sources(asked.run).snn
    models: dict[str, NeuronModel] = {}
    for population in snn.populations:
        wanted = asked.populations is None or population.name in asked.populations
        if wanted and population.model.threshold is not None:
            models[population.model.name] = population.model
    return figures.f_i_curve(models)


def _thresholds(asked: Request) -> Any:
    from bionet import figures
    from bionet.network import SpikingNetwork

    if asked.path.suffix in (".csv", ".parquet"):
        return figures.threshold_sweep(read_table(asked.path))
    snn = SpikingNetwork.load(asked.path) if asked.path.is_file() else asked.sources(asked.run).snn
    return figures.threshold_sweep(figures.search_table(snn))


def _robustness(asked: Request) -> Any:
    from bionet import figures

    return figures.accuracy_against_perturbation(read_table(asked.path), asked.populations)


def read_table(path: Path) -> pd.DataFrame:
    """A table by its suffix; of a study's folder the one that it holds, or its finished cells."""
    import pandas as pd

    if path.is_dir():
        folder = path
        path = next(
            (f for name in ("csv", "parquet") for f in sorted(path.glob(f"*.{name}"))), path
        )
        if path == folder and (folder / "study.json").is_file():
            from bionet.study import table

            found = table(folder)
            if not len(found):
                raise InputError(f"the study in {folder} has no finished cell yet; run it first")
            return found
    if path.suffix not in (".csv", ".parquet") or not path.is_file():
        raise InputError(f"{path} is no table: give a .csv or .parquet file, or a study's folder")
    try:
        return pd.read_csv(path) if path.suffix == ".csv" else pd.read_parquet(path)
    except (ValueError, OSError, ImportError) as error:
        raise InputError(f"{path} is damaged or no table ({error})") from error


KINDS: Registry[Callable[[Request], Any]] = Registry("figure", "bionet.figures")
"""Kinds of figures: functions from what was asked for, a :class:`Request`, to Axes."""
for _name, _draw in {
    "raster": _raster,
    "potentials": _potentials,
    "accuracy": _accuracy,
    "rates": _rates,
    "feature-maps": _feature_maps,
    "latency": _latency,
    "events": _events,
    "confusion": _confusion,
    "histograms": _histograms,
    "spike-times": _spike_times,
    "codings": _codings,
    "f-i": _f_i,
    "thresholds": _thresholds,
    "robustness": _robustness,
}.items():
    KINDS.add(_name, _draw)
