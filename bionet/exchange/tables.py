"""A recording as pandas tables and as an xarray Dataset."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from bionet.errors import InputError
from bionet.exchange.optional import required
from bionet.exchange.units_table import spiking_populations, unit_places
from bionet.results.recording import Recording

__all__ = ["to_pandas", "to_xarray"]

# Too small a step to be told from rounding: times are whole steps.
TIME = {"units": "ms", "long_name": "time since the image's onset"}


def to_pandas(
    run: Recording,
    what: Literal["spikes", "counts", "images"] = "spikes",
    populations: Sequence[str] | None = None,
) -> Any:
    """A recording as a pandas table.

    Parameters
    ----------
    run : Recording
    what : {"spikes", "counts", "images"}
        A row a recorded spike (population, image, unit, channel, row, column, step, time in ms,
        amplitude), a row a unit and image with its count, or a row an image with its prediction
        by every readout and its spikes in every population.
    populations : sequence of str, optional
        All that were recorded, or that fire, by default.

    Returns
    -------
    pandas.DataFrame

    Raises
    ------
    InputError
        If ``what`` or a population is unknown.
    """
    import pandas as pd

    if what == "spikes":
        names = spiking_populations(run, populations)
        parts = [_spikes(pd, run, name) for name in names]
    elif what == "counts":
        names = _counted(run, populations)
        parts = [_counts(pd, run, name) for name in names]
    elif what == "images":
        return _images(pd, run, _counted(run, populations))
    else:
        raise InputError(f"to_pandas gives 'spikes', 'counts' or 'images', but not {what!r}")
    if not parts:
        raise InputError('no spikes were recorded; simulate with record={"conv1": ["spikes"]}')
    table = pd.concat(parts, ignore_index=True)
    table["population"] = pd.Categorical(table["population"], categories=list(names))
    return table


def _counted(run: Recording, populations: Sequence[str] | None) -> tuple[str, ...]:
    names = tuple(run.counts) if populations is None else tuple(populations)
    for name in names:
        if name not in run.counts:
            raise InputError(
                f"population {name!r} does not fire; those that do: {', '.join(run.counts)}"
            )
    return names


def _spikes(pd: Any, run: Recording, name: str) -> Any:
    image, step, unit = np.asarray(run.recorded_spikes[name]).T
    places = {k: v[unit] for k, v in unit_places(run.shapes[name]).items()}
    sizes = run.recorded_amplitudes.get(name)
    return pd.DataFrame(
        {"population": name, "image": image}
        | places
        | {
            "step": step,
            "time_ms": step * run.parameters["dt_ms"],
            "amplitude": np.ones(len(step), np.float32) if sizes is None else sizes,
        }
    )


def _counts(pd: Any, run: Recording, name: str) -> Any:
    counts = run.counts[name].reshape(run.n_images, -1)
    places = {k: np.tile(v, run.n_images) for k, v in unit_places(run.shapes[name]).items()}
    images = np.repeat(np.arange(run.n_images), counts.shape[1])
    return pd.DataFrame(
        {"population": name, "image": images} | places | {"count": counts.ravel().astype(np.int64)}
    )


def _images(pd: Any, run: Recording, names: tuple[str, ...]) -> Any:
    columns: dict[str, Any] = {"image": np.arange(run.n_images)}
    columns |= {f"prediction_{r}": run.predictions(r) for r in run.readouts}
    for name in names:
        counts = run.counts[name].reshape(run.n_images, -1)
        columns[f"spikes_{name}"] = counts.sum(axis=1, dtype=np.int64)
    return pd.DataFrame(columns)


def to_xarray(run: Recording) -> Any:
    """A recording as an xarray Dataset with named dimensions, units and provenance.

    Parameters
    ----------
    run : Recording

    Returns
    -------
    xarray.Dataset
        ``counts_NAME`` (image, channel, row, column), ``output_potential`` and ``output_spikes``
        (image, time, output), ``potential_NAME`` (recorded_image, time, unit of NAME), and the
        recorded spikes as ``spikes_NAME_image``, ``..._time``, ``..._unit``, ``..._amplitude``.

    Raises
    ------
    InputError
        If xarray is not installed.
    """
    xr = required("xarray", "xarray")
    time = np.arange(1, run.n_steps + 1) * run.parameters["dt_ms"]
    data: dict[str, Any] = {
        "output_potential": (("image", "time", "output"), run.output_potential),
        "output_spikes": (("image", "time", "output_unit"), run.output_spikes),
    }
    coordinates: dict[str, Any] = {
        "image": np.arange(run.n_images),
        "time": ("time", time, TIME | {"comment": "values stand at the end of a step"}),
        "recorded_image": ("recorded_image", run.recorded_images),
    }
    for name, counts in run.counts.items():
        axes = ("channel", "row", "column") if counts.ndim == 4 else ("unit",)
        dims = ("image", *(f"{name}_{axis}" for axis in axes))
        data[f"counts_{name}"] = (dims, counts, {"long_name": "spikes in the presentation"})
    for name, values in run.recorded_potentials.items():
        data[f"potential_{name}"] = (("recorded_image", "time", f"{name}_recorded_unit"), values)
        coordinates[f"{name}_recorded_unit"] = run.recorded_units[name]
    for name in run.recorded_spikes:
        spikes, dim = _spikes(required("pandas", "xarray"), run, name), f"{name}_spike"
        for column, attributes in (
            ("image", {}),
            ("time_ms", TIME),
            ("unit", {}),
            ("amplitude", {}),
        ):
            variable = f"spikes_{name}_{column.removesuffix('_ms')}"
            data[variable] = (dim, spikes[column].to_numpy(), attributes)
    plain = {
        k: v
        for k, v in run.parameters.items()
        if isinstance(v, str | int | float) and v is not None
    }
    return xr.Dataset(data, coordinates, {**plain, "title": "BioNet recording"})
