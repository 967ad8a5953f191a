r"""Codes: how the spikes of a network are to be read where they are not a rate.

A network of rates has no code (None). In a *temporal code* a unit spikes once, in step T after the
release of its layer, for the value x; in a *fold* the layers run in windows one after another. A
code of one's own is a subclass of :class:`Code` with a ``kind`` of its own: it is saved under that
name, and another package names it in the entry points ``bionet.codes``.

========  =====  ==============================================================
symbol    unit   meaning
========  =====  ==============================================================
L         steps  ``leak``, the time constant of the network over its step
T_il      steps  ``window`` of a layer: how long it integrates
k         1      ``input_gain``: factor on the pixels
========  =====  ==============================================================

References
----------
Zhang et al. 2019 (TDSNN), Eqs. 3-11; Zhang et al. 2019 (DSNN), Section 3 (fold).
"""

from __future__ import annotations

import dataclasses
import importlib.metadata
import math
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from bionet.errors import InputError

if TYPE_CHECKING:
    from bionet.network.spiking_network import SpikingNetwork

__all__ = ["CODES", "Code", "CodedLayer", "Fold", "TemporalCode", "same_step"]

CODES: dict[str, type[Code]] = {}
"""Classes of codes by their ``kind`` in files; a subclass of :class:`Code` enters itself."""


@dataclass(frozen=True)
class Code:
    """How spikes are to be read. ``kind`` names the code in files.

    Subclasses are frozen dataclasses of plain values; a sequence of other dataclasses is declared
    as ``tuple[Kind, ...]``.
    """

    kind: ClassVar[str] = ""
    coding: ClassVar[str | None] = None
    """Input coding that the code needs, or None where it takes any."""
    once: ClassVar[bool] = False
    """Whether a unit's one spike carries its value by its time."""

    rates: ClassVar[bool] = False
    """Whether sums of spikes, or of their sizes, over the steps are rates all the same."""

    @property
    def amplitudes(self) -> bool:
        """Whether values are exact only with the amplitudes of the spikes."""
        return False

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if cls.kind:
            CODES[cls.kind] = cls

    def check(self, snn: SpikingNetwork) -> None:
        """Refuse a network that the code does not fit; called when the network is made."""

    def check_simulation(
        self, snn: SpikingNetwork, steps: int, dt: float, coding: str, dtype: str | None
    ) -> None:
        """Refuse a simulation that the network was not made for.

        Parameters
        ----------
        snn : SpikingNetwork
        steps : int
            Of a presentation.
        dt : float
            In seconds.
        coding : str
            Name of the input's model.
        dtype : str
        """

    def input_arguments(self) -> dict[str, Any]:
        """Arguments of the input's coding that the network shares with it; see ``CODINGS``."""
        return {}

    def circuit(self, snn: SpikingNetwork) -> frozenset[str]:
        """Populations that only make the code work and stand for no unit of the source network."""
        return frozenset()

    def reference(self, population: str, output: str) -> float | None:
        """What stands for an activation of 1 in a population; None: its threshold."""
        return None

    def shared_parameters(self, snn: SpikingNetwork) -> dict[str, Any]:
        """What a recording keeps of the code in its parameters, as plain JSON.

        ``readouts`` among it names the readouts that say something.
        """
        return {}

    def decoded(
        self, steps: np.ndarray, population: str, overshoot: np.ndarray | float = 0.0
    ) -> np.ndarray:
        """The values that spike steps, counted from the layer's release, stand for.

        ``overshoot`` holds the amplitudes of the spikes, in a code that has them.
        """
        raise InputError(f"the code {self.kind!r} has no spike steps to decode")

    def to_dict(self) -> dict[str, Any]:
        """The code as plain JSON, its kind included."""
        return {"kind": self.kind, **dataclasses.asdict(self)}

    @staticmethod
    def from_dict(plain: Mapping[str, Any]) -> Code:
        """The inverse of :meth:`to_dict`.

        Raises
        ------
        InputError
            If no installed package has a code of that kind, or it has other fields.
        """
        values = dict(plain)
        kind = code_type(values.pop("kind"))
        names = {f.name for f in fields(kind)}
        if unknown := sorted(set(values) - names):
            raise InputError(f"the code {kind.kind!r} has no field {unknown[0]!r}")
        hints = typing.get_type_hints(kind)
        for name, value in values.items():
            members = [m for m in typing.get_args(hints[name]) if dataclasses.is_dataclass(m)]
            if members and isinstance(value, list | tuple):
                member = typing.cast(type, members[0])
                values[name] = tuple(member(**each) for each in value)
        return kind(**values)


def same_step(code_dt: float, dt: float) -> None:
    """Refuse another simulation step, in seconds, than the one that windows are for."""
    if not math.isclose(dt, code_dt, rel_tol=1e-9):
        raise InputError(
            f"the windows and weights of this network are for dt = {code_dt * 1000:g} ms, but dt is"
            f" {dt * 1000:g} ms; convert the network again with that dt"
        )


def code_type(kind: str) -> type[Code]:
    """The code of a kind, built in or from another package."""
    if kind not in CODES:
        for point in importlib.metadata.entry_points(group="bionet.codes", name=kind):
            point.load()  # its definition enters it
    if kind not in CODES:
        raise InputError(
            f"unknown code {kind!r}; known are {', '.join(CODES)}: install the package that made"
            " the network"
        )
    return CODES[kind]


@dataclass(frozen=True)
class CodedLayer:
    """A layer of a temporal code.

    Parameters
    ----------
    name, clock, source : str
        Its population, the one that releases it, and the one whose spikes it integrates.
    window : int
        Steps of its integration window; of a dynamic window the most that are needed.
    """

    name: str
    clock: str
    source: str
    window: int


@dataclass(frozen=True)
class TemporalCode(Code):
    """One spike for each unit, the later the larger its value: T = ceil(L ln(x + 1)).

    Parameters
    ----------
    leak : float
        L, in steps.
    tau : float
        The same in seconds, as the input's units have it.
    layers : tuple of CodedLayer
        From the input on.
    clocks : mapping of str to str
        Population -> the population that releases it.
    tolerance : float
        eta of the thresholds; half a step where values are rounded to the nearest.
    least_steps : int
        Steps that a presentation must have.
    input_gain : float
        Pixels are coded this many times as large.
    low, high : float
        Range of the pixels; a pixel is coded by its share of it.
    mode : {"compensate", "finetune"}
    window : {"static", "dynamic"}
    rounding : {"up", "nearest"}
    margin : float
    largest : mapping of str to float
        Largest value of every population over the calibration images.
    shifts : mapping of str to list
        What was added to the biases for rounding.

    Raises
    ------
    InputError
        If a value is out of range.
    """

    leak: float
    tau: float
    layers: tuple[CodedLayer, ...]
    clocks: Mapping[str, str]
    tolerance: float = 0.0
    least_steps: int = 1
    input_gain: float = 1.0
    low: float = 0.0
    high: float = 1.0
    mode: Literal["compensate", "finetune"] = "compensate"
    window: str = "static"
    rounding: Literal["up", "nearest"] = "up"
    margin: float = 1.0
    largest: Mapping[str, float] = field(default_factory=dict)
    shifts: Mapping[str, Any] = field(default_factory=dict)
    kind: ClassVar[str] = "temporal"
    coding: ClassVar[str | None] = "reverse"
    once: ClassVar[bool] = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "layers", tuple(self.layers))
        if not self.layers:
            raise InputError("TemporalCode.layers is empty; a temporal code has one or more layers")
        for name, least in (("leak", 0), ("tau", 0), ("input_gain", 0), ("least_steps", 0)):
            if not getattr(self, name) > least:
                raise InputError(
                    f"TemporalCode.{name} must be more than {least}, but is {getattr(self, name)}"
                )
        if not self.high > self.low:
            raise InputError(
                f"TemporalCode.high must be above low, but they are {self.high} and {self.low}"
            )
        choices = {
            "mode": ("compensate", "finetune"),
            "window": ("static", "dynamic"),
            "rounding": ("up", "nearest"),
        }
        for name, allowed in choices.items():
            if getattr(self, name) not in allowed:
                raise InputError(
                    f"TemporalCode.{name} is one of {allowed}, but is {getattr(self, name)!r}"
                )

    def check(self, snn: SpikingNetwork) -> None:
        """Every population that the code names is there; see :meth:`Code.check`."""
        for layer in self.layers:
            for name in (layer.name, layer.clock, layer.source):
                snn.shape(name)

    def check_simulation(
        self, snn: SpikingNetwork, steps: int, dt: float, coding: str, dtype: str | None
    ) -> None:
        """See :meth:`Code.check_simulation`: step, precision, coding and length must fit."""
        own_dt = snn.simulation.dt or dt
        if coding != self.coding:
            raise InputError(
                f"this network reads the time of one spike, so its input coding is 'reverse', not"
                f" {coding!r}; leave coding out"
            )
        same_step(own_dt, dt)
        if dtype == "float32" and snn.simulation.dtype == "float64":
            raise InputError(
                "the thresholds of this network are for dtype 'float64': in float32 a unit whose"
                " input cancels would fire a step late; convert the network with dtype='float32'"
            )
        if steps < self.least_steps:
            raise InputError(
                f"the windows of this network last {self.least_steps} steps in all, but the"
                f" presentation only {steps}; leave duration out, or make it"
                f" {self.least_steps * own_dt * 1000:g} ms or longer"
            )

    def input_arguments(self) -> dict[str, Any]:
        """The leak, and the factor on the pixels; see :meth:`Code.input_arguments`."""
        from brian2 import second

        arguments = {"tau": self.tau * second, "scale": self.input_gain}
        return arguments | {"low": self.low, "high": self.high}

    def circuit(self, snn: SpikingNetwork) -> frozenset[str]:
        """Clocks and bias neurons; see :meth:`Code.circuit`."""
        units = {*snn.origin.layers, *snn.relays}
        return frozenset(p.name for p in snn.populations if p.name not in units)

    def reference(self, population: str, output: str) -> float:
        """What the ticks drive a layer's units to, exp(-T_il/L); see :meth:`Code.reference`."""
        scales = {layer.name: math.exp(-layer.window / self.leak) for layer in self.layers}
        return scales.get(population, scales.get(output, 1.0))

    def decoded(
        self, steps: np.ndarray, population: str, overshoot: np.ndarray | float = 0.0
    ) -> np.ndarray:
        """exp(T/L) - 1; see :meth:`Code.decoded`."""
        values = np.asarray(np.expm1(steps / self.leak))
        if population != "input":
            return values
        return self.low + values / self.input_gain * (self.high - self.low)


@dataclass(frozen=True)
class Fold(Code):
    """Layers in windows one after another; negative input first, so that order does not matter.

    Parameters
    ----------
    window : int
        Steps in which a layer emits.
    drain : int
        Steps of a window after the input has fallen silent.
    rounding : {"down", "nearest"}
        Of totals to whole spikes.
    fragments : mapping of str to list of str
        Layer -> the populations that it was cut into.
    """

    window: int
    drain: int = 0
    rounding: str = "down"
    fragments: Mapping[str, Any] = field(default_factory=dict)
    kind: ClassVar[str] = "fold"

    def __post_init__(self) -> None:
        if not self.window > self.drain >= 0:
            raise InputError(
                f"Fold.window must be longer than its drain, but they are {self.window} and"
                f" {self.drain} steps"
            )
        if self.rounding not in ("down", "nearest"):
            raise InputError(f"Fold.rounding is 'down' or 'nearest', but is {self.rounding!r}")
