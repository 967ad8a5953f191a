"""How a network is to be simulated: the arguments of a simulation, checked and gathered."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from brian2 import Quantity, second

from bionet.brian.kept import Kept
from bionet.brian.plan import Plan
from bionet.equations.inputs import InputModel
from bionet.equations.model import NeuronModel
from bionet.errors import InputError
from bionet.network import SpikingNetwork
from bionet.network.delivery import check_deliveries
from bionet.network.input_population import input_of, input_population
from bionet.network.signal import Signal
from bionet.network.simulation import DTYPES
from bionet.running.pipeline_schedule import activities, check_pipeline, period
from bionet.running.temporal_code import step_variables

__all__ = [
    "available_cores",
    "check_pixels",
    "default_lanes",
    "fit_to_images",
    "make_plan",
    "recorded_images",
]


def check_pixels(snn: SpikingNetwork, signal: Signal, model: InputModel) -> None:
    """Refuse pixels that an input cannot code.

    Raises
    ------
    InputError
        Naming the first image, or the range, and what to do.
    """
    least, most = model.pixels
    if model.signed and snn.simulation.largest_input is not None:
        most = snn.simulation.largest_input
    low, high = signal.bounds()
    if low < least and not model.signed:
        raise InputError(
            f"image {signal.first_outside(least)} holds pixels below {least:g} (the least is"
            f" {low:g}), for which the {model.name} coding has no spike; scale the images"
            f" to lie between {least:g} and {most:g}, or convert the network with calibration"
            " images that hold such pixels"
        )
    if model.signed and snn.simulation.signed_input:
        least = min(least, -most)
    if low < least or high > most:
        bound = snn.code is not None and snn.code.coding is not None
        raise InputError(
            f"the {model.name} coding needs pixels between {least:g} and {most:g}, but they lie"
            f" between {low:g} and {high:g}, first in image {signal.first_outside(least, most)};"
            " scale the images" + ("" if bound else " or use coding='analog'")
        )


def make_plan(
    snn: SpikingNetwork,
    *,
    duration: Quantity,
    dt: Quantity,
    coding: str | NeuronModel | None,
    max_rate: Quantity | None,
    lanes: int | None,
    dtype: str | None,
    record: Mapping[str, Any] | None,
    final_potentials: tuple[str, ...] = (),
    pipelined: bool | None = False,
) -> Plan:
    """Check the arguments of a simulation and gather them in a Plan."""
    steps = _steps(duration, dt)
    defaults = snn.simulation
    dtype = dtype or defaults.dtype or "float32"
    if dtype not in DTYPES:
        raise InputError(f"dtype is 'float32' or 'float64', but got {dtype!r}")
    if lanes is not None and (int(lanes) != lanes or lanes < 1):
        raise InputError(f"lanes must be a whole number >= 1, but is {lanes}")
    pixels = input_population(snn, coding, max_rate, dt)
    model = input_of(pixels)
    if snn.code is not None:
        snn.code.check_simulation(snn, steps, float(dt), model.name, dtype)
    check_deliveries(snn, drives=model.drives == "current")
    if defaults.gain is not None:
        _check_drives(snn, float(pixels.parameters.get("max_rate", 0.0)), float(dt))
    spikes, potentials = _record_request(snn, record or {})
    active = activities(snn, steps)
    if pipelined is None:
        pipelined = defaults.pipelined
    if pipelined:
        check_pipeline(snn, active, bool(final_potentials))
    if "input" in spikes and model.drives == "current":
        raise InputError(f"record['input']: an {model.name} input emits no spikes; leave it out")
    return Plan(
        steps=steps,
        dt=float(dt),
        lanes=int(lanes) if lanes is not None else default_lanes(snn),
        dtype=dtype,
        input=pixels,
        spikes=spikes,
        potentials=potentials,
        kept=(
            *(Kept(n, str(snn.population(n).model.potential)) for n in final_potentials),
            *(
                Kept(p.name, variable)
                for p in (pixels, *snn.populations)
                for variable in p.model.final
            ),
            *(
                Kept(p.name, str(p.model.amplitude))
                for p in (pixels, *snn.populations)
                if final_potentials and p.model.spike == "once" and p.model.amplitude
            ),
            *(Kept(*key, is_step=True) for key in step_variables((pixels, *snn.populations))),
        ),
        active={name: (a.first, a.last, a.emits) for name, a in active.items()},
        period=period(active) if pipelined else 0,
    )


# Bytes that the potentials of all lanes may take, by device; another device is as Cython.
LANES_BYTES = {"cpp_standalone": 2**18, "cython": 2**22}


def default_lanes(snn: SpikingNetwork, device: str = "cpp_standalone") -> int:
    """Lanes whose potentials take a quarter of a megabyte, or four on other devices; at most 32.

    In a compiled program they then stay in the second-level cache from one Brian2 object to the
    next; on LeNet-5 three lanes were half as fast again as six or twelve. Where Python calls every
    object, more lanes share the calls: 32 of LeNet-5 took a quarter less on NumPy than three.
    """
    most = LANES_BYTES.get(device, LANES_BYTES["cython"])
    return int(min(32, max(1, most // (4 * max(snn.n_units, 1)))))


def fit_to_images(plan: Plan, n_images: int, device: str, processes: int | None) -> Plan:
    """The plan with the processes, and on NumPy the lanes, that a number of images can use.

    Compiled programs keep their lanes even where there are fewer images: a lane without an image
    costs little, another compilation much.
    """
    if plan.carries_over:  # one stream
        return replace(plan, lanes=1, processes=1)
    if device == "numpy":
        return replace(plan, lanes=min(plan.lanes, n_images))
    if device != "cpp_standalone":
        return plan
    if processes is None:
        # Every process should have at least two batches of lanes to do.
        useful = max(1, n_images // (2 * plan.lanes))
        processes = min(available_cores(), useful)
    elif int(processes) != processes or processes < 1:
        raise InputError(f"processes must be a whole number >= 1, but is {processes}")
    return replace(plan, processes=min(int(processes), n_images))


def available_cores() -> int:
    """Cores that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on Linux
        return os.cpu_count() or 1


def _steps(duration: Quantity, dt: Quantity) -> int:
    if not dt > 0 * second:
        raise InputError(f"dt must be positive, but is {dt}")
    if not duration > 0 * second:
        raise InputError(f"duration must be positive, but is {duration}")
    if dt > duration:
        raise InputError(f"dt ({dt}) must not be larger than the duration ({duration})")
    ratio = float(duration / dt)
    if not math.isfinite(ratio):
        raise InputError(f"duration and dt must be finite, but are {duration} and {dt}")
    steps = round(ratio)
    if not math.isclose(ratio, steps, rel_tol=1e-6):
        raise InputError(f"the duration ({duration}) must be a multiple of dt ({dt})")
    return steps


def _check_drives(snn: SpikingNetwork, rate: float, dt: float) -> None:
    """Refuse rates and steps that a network's biases, made for its own, do not fit to."""
    own_rate, own_dt = snn.simulation.max_rate, snn.simulation.dt or dt
    if own_rate is None:
        return
    rate = rate or own_rate  # an analog input has none
    driven = (p for p in snn.populations if np.any(p.parameters.get("I", 0.0)))
    if not np.isclose(rate * dt, own_rate * own_dt) and (first := next(driven, None)):
        raise InputError(
            f"the biases (I of {first.name}) are for inputs of {own_rate:g} Hz and steps of"
            f" {own_dt * 1000:g} ms, but max_rate is {rate:g} Hz and dt {dt * 1000:g} ms; convert"
            " the network again with these (-O max_rate=..., -O dt=...)"
        )


def _record_request(
    snn: SpikingNetwork, record: Mapping[str, Any]
) -> tuple[tuple[str, ...], dict[str, tuple[int, ...] | None]]:
    """Populations with recorded spikes, and units with recorded potentials."""
    spikes: list[str] = []
    potentials: dict[str, tuple[int, ...] | None] = {}
    for name, wanted in _whole_request(snn, record).items():
        if name != "input":
            snn.population(name)
        wanted = {wanted: True} if isinstance(wanted, str) else wanted
        wanted = wanted if isinstance(wanted, Mapping) else dict.fromkeys(wanted, True)
        for what, units in wanted.items():
            if what == "spikes":
                if units and _fires(snn, name):
                    spikes.append(name)
                continue
            key = _recorded_key(snn, name, what)
            if units is True:
                potentials[key] = None
            elif units is not False:
                if not np.size(units):
                    raise InputError(f"record[{name!r}]: give at least one unit, or True for all")
                potentials[key] = _checked_units(snn, name, units)
    return tuple(spikes), potentials


def _recorded_key(snn: SpikingNetwork, name: str, variable: str) -> str:
    """What a recorded variable is called: its population, and its name if it is no potential."""
    model = None if name == "input" else snn.population(name).model
    if model is not None and variable in ("v", model.potential) and model.potential is not None:
        return name
    changing = () if model is None else (*model.state, *model.computed)
    if variable not in changing:
        state = [v for v in changing if v != model.potential] if model else []
        words = ", ".join(repr(word) for word in ("spikes", *(["v"] if model else []), *state))
        raise InputError(f"record[{name!r}] takes {words}, but got {variable!r}")
    return f"{name}.{variable}"


def _whole_request(snn: SpikingNetwork, record: Any) -> Mapping[str, Any]:
    """A request for recording as a mapping; ``"all:spikes"`` names every population that fires."""
    if not isinstance(record, str):
        return record
    name, _, what = record.partition(":")
    if not what:
        raise InputError(
            f"record: expected a mapping such as {{'conv1': ['spikes', 'v']}}, or 'all:spikes',"
            f" but got {record!r}"
        )
    if name != "all":
        return {name: what.split(",")}
    fires = [p.name for p in snn.populations if p.model.threshold is not None]
    names = fires if what == "spikes" else [p.name for p in snn.populations if p.model.potential]
    return {name: what.split(",") for name in names}


def _fires(snn: SpikingNetwork, name: str) -> bool:
    if name == "input" or snn.population(name).model.threshold is not None:
        return True
    raise InputError(f"population {name!r} never fires; only its potential 'v' can be recorded")


def _numbers(values: Any, size: int, what: str) -> np.ndarray:
    """Numbers as integers: those given, or where a mask of ``size`` is True.

    Raises
    ------
    InputError
        If they are neither whole numbers nor a mask of that size.
    """
    array = np.asarray(values)
    if array.dtype.kind == "b":
        if array.shape != (size,):
            raise InputError(f"{what}: a mask must have {size} elements, but has {array.shape}")
        return np.flatnonzero(array)
    whole = array.dtype.kind in "iu" or (array.dtype.kind == "f" and (array % 1 == 0).all())
    if array.ndim != 1 or not whole:
        raise InputError(f"{what} takes whole numbers or a mask, but got {values!r}")
    return array.astype(np.int64)


def _checked_units(snn: SpikingNetwork, name: str, units: Any) -> tuple[int, ...]:
    size = snn.population(name).size
    numbers = tuple(int(u) for u in _numbers(units, size, f"record[{name!r}]"))
    if not numbers:
        raise InputError(f"record[{name!r}]: the mask names no unit; give True for all")
    if wrong := [u for u in numbers if not 0 <= u < size]:
        raise InputError(
            f"record[{name!r}]: there is no unit {wrong[0]}; units are 0 to {size - 1}"
        )
    return numbers


def recorded_images(asked: Sequence[int] | None, n_images: int) -> np.ndarray:
    """Numbers of the images to record, checked; all of them where none are chosen."""
    if asked is None:
        return np.arange(n_images)
    images = np.unique(_numbers(asked, n_images, "record_images"))
    if images.size == 0 or images[0] < 0 or images[-1] >= n_images:
        raise InputError(f"record_images must name images from 0 to {n_images - 1}, got {asked}")
    return images
