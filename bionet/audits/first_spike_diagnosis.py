r"""The doctor for ``ttfs``: what a network of first spikes loses to what, layer by layer.

A layer whose sources show x has :math:`A = b + W x`, in units of its scale, and answers:

=============  ==========================================================================
cause          what it makes of a layer
=============  ==========================================================================
``weights``    :math:`\max(0, A)` in place of the source network's own activation
``dead``       the same, of units that never spike for any image though they should
``clipping``   :math:`\min(A, \theta)`: its window has no room for larger values
``rounding``   :math:`q \lfloor A/q + 1/2 \rfloor`, where spikes do not carry their exact time
``noise``      what its spikes show in place of that: perturbations
``readout``    the network's own readout in place of the largest potential
=============  ==========================================================================

They are switched on one after another as in :mod:`bionet.audits.diagnosis`, so that what they cost
adds up to the loss. A bound that the source network has itself, such as 6 of a ReLU6, is none.

===============  ====  ==========================================================
symbol           unit  meaning
===============  ====  ==========================================================
q                1     value that a step of the clock stands for
:math:`\theta`   1     the largest value that a layer's window has room for
===============  ====  ==========================================================
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from bionet.audits.diagnosis import Diagnosis, Ladder
from bionet.errors import InputError
from bionet.network import FirstSpikeCode, Population, Projection, SpikingNetwork
from bionet.network.kernels import AveragePool2d, MaxPool2d
from bionet.results.recording import Recording
from bionet.results.temporal_values import decoded

__all__ = ["FIRST_SPIKE_OPTIONS", "FirstSpikeLadder"]

# What mends a cause: the option of method ttfs, and why.
FIRST_SPIKE_OPTIONS: Mapping[str, str] = {
    "weights": "convert again from the network: look at the order of units at a flatten",
    "dead": "convert again from the network: weights or thresholds of these units are wrong",
    "clipping": "a larger margin, or calibration images more like these",
    "rounding": "interpolate=True, or a longer tau",
    "noise": "fewer or weaker perturbations: undisturbed spikes show the values exactly",
    "readout": "readout='MP'",
}
SAME = 1e-6  # of the largest value; activations come in float32


class FirstSpikeLadder(Ladder):
    """The network between its source and its first spikes: values in units of their scales.

    Parameters
    ----------
    snn : SpikingNetwork
        Of method ``ttfs``.
    run : Recording
        Of ``snn``; of exact spikes with their amplitudes (``final_potentials=True``).
    images : array (n_images, *input_shape)
    ideal : mapping of str to array (n_images, *shape)
        Activation of the source network for every population.
    truth : int array (n_images,)
        Classes that count as right.

    Raises
    ------
    InputError
        If the amplitudes were not kept.
    """

    def __init__(
        self,
        snn: SpikingNetwork,
        run: Recording,
        images: np.ndarray,
        ideal: Mapping[str, np.ndarray],
        truth: np.ndarray,
    ) -> None:
        if not isinstance(snn.code, FirstSpikeCode):
            raise TypeError(f"the network has the code {snn.code}, not that of first spikes")
        self.code = snn.code
        self.windows = {window.name: window for window in self.code.windows}
        scales = {name: window.scale for name, window in self.windows.items()}
        scales[snn.readout.potential] = scales[snn.readout.spikes]
        pixels = np.asarray(images, dtype=np.float64)
        values = {"input": self._share(pixels)}
        for population in snn.populations:
            name = population.name
            if name in ideal and name in scales:
                value = np.asarray(ideal[name], dtype=np.float64) / scales[name]
                shows = name != snn.readout.potential
                values[name] = torch.tensor(np.maximum(value, 0) if shows else value)
        shown = {"input": values["input"]}
        ends = max(window.start + window.ramp for window in self.windows.values())
        for name, window in self.windows.items():
            if name == snn.readout.spikes and run.n_steps < ends:
                continue  # the presentation ends before the output layer's window
            if self.code.exact and (name, self.code.carried) not in run.final_values:
                raise InputError(
                    f"the diagnosis needs the amplitudes of the spikes of {name!r}; simulate with"
                    " final_potentials=True"
                )
            value = decoded(run, snn, name)
            shown[name] = (
                self._share(value) if name == "input" else torch.tensor(value / window.scale)
            )
        self.steps = run.n_steps
        self._begin(snn, run, values, shown, truth)

    def _share(self, pixels: np.ndarray) -> torch.Tensor:
        """Pixels as shares of their range; those that drive by a current as they are."""
        if "input" not in self.windows:
            return torch.tensor(pixels)
        return torch.tensor((pixels - self.code.low) / (self.code.high - self.code.low))

    def _input(self, values: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        if "input" not in self.windows:
            return values
        if not self.code.exact:
            now = self._rounded(values["input"])
            values = self._charge("input", "rounding", {"input": now}, 0)
        if not self._alike(self.shown["input"], values["input"]):
            values = self._charge("input", "noise", {"input": self.shown["input"]}, 0)
        return values

    def _dead(self, population: Population, now: torch.Tensor, ideal: torch.Tensor) -> torch.Tensor:
        least = SAME if self.code.exact else self.code.step
        return (now <= self.code.epsilon).all(0) & (ideal > least).any(0)

    def _counts(
        self, population: Population, number: int, values: dict[str, torch.Tensor]
    ) -> dict[str, torch.Tensor]:
        name = population.name
        if name not in self.shown or self._alike(self.shown[name], values[name]):
            return values
        return self._charge(name, "noise", {**values, name: self.shown[name]}, number + 1)

    def _answer(self, population: Population, values: Mapping[str, torch.Tensor]) -> torch.Tensor:
        name = population.name
        window = self.windows.get(name)
        total: Any = torch.tensor(np.asarray(population.parameters.get("b", 0.0)))
        for projection in self.snn.projections:
            if projection.target == name and projection.event == "spike":
                source = self.origins.get(projection.source, projection.source)
                passed = _kernel(projection).mapped(values[source].double())
                total = total + self._time(projection) * passed.reshape(-1, *population.shape)
        if window is None or window.pool:
            return total
        x = total.clamp(min=0)
        level = self.levels[name]
        if level or window.clips:
            x = x.clamp(max=window.bound)
        return self._rounded(x) if level == 2 and not self.code.exact else x

    def _time(self, projection: Projection) -> float:
        """How long a current flows, over tau; 1 where spikes say how much they deliver."""
        if projection.source != "input" or "input" in self.windows:
            return 1.0
        window = self.windows.get(projection.target)
        steps = self.code.end if window is None else window.start
        return float(projection.gain) * steps * self.code.step

    def _rounded(self, x: torch.Tensor) -> torch.Tensor:
        return torch.floor(x / self.code.step + 0.5) * self.code.step

    def _alike(self, a: torch.Tensor, b: torch.Tensor) -> bool:
        return bool((a - b).abs().max() <= SAME)

    def climb(self, source: float) -> Diagnosis:
        """See :meth:`Ladder.climb`; with the options of method ``ttfs``."""
        return replace(super().climb(source), options=FIRST_SPIKE_OPTIONS)


def _kernel(projection: Projection) -> Any:
    """A projection's kernel; of a pool that counts its first spikes the largest value's."""
    kernel = projection.kernel
    if isinstance(kernel, AveragePool2d) and kernel.divisor_override == 1:
        return MaxPool2d(kernel.kernel, kernel.stride, kernel.padding, kernel.ceil_mode)
    return kernel
