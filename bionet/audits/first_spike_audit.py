r"""The audit of method ``ttfs``: the value of every unit's spike against its activation.

The code is exact, so that every value must be the source network's activation a up to the rounding
of sums, :math:`|x - a| \le 10^{-4}\,\theta\lambda`; a silent unit's is 0. A layer with a larger
error is *bad*, and the first one from the input on is the one to repair: where its values were
clipped, its window is too short, elsewhere its weights are not those of the network given. Where
spikes are rounded to steps (``interpolate=False``), a layer is bad if its values correlate with the
activations by less than 0.9.

=======================  =====  ==============================================================
symbol                   unit   meaning
=======================  =====  ==============================================================
x                        1      value of a spike, :class:`bionet.network.FirstSpikeCode`
a                        1      activation of the source network, after its ReLU
:math:`\theta\lambda`    1      the largest value that the layer's window has room for
=======================  =====  ==============================================================

References
----------
Stanojevic et al. 2023.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np

from bionet.audits.spike_times import TimesAudit, TimesRow, random_pairs
from bionet.audits.table import MIN_CORRELATION
from bionet.errors import InputError
from bionet.network import FirstSpikeCode, SpikingNetwork
from bionet.results.recording import Recording

__all__ = ["FirstSpikeAudit", "FirstSpikeRow", "first_spike_audit"]

PAIRS = 3000  # of a batch
TOLERANCE = 1e-4  # of the largest value; activations come in float32
CAUSES = {
    "weights": "its values do not follow from its inputs: the weights are not those of the network"
    " given; convert it again",
    "clipping": "its values are larger than its window has room for: convert with a larger margin,"
    " or with calibration images more like these",
    "rounding": "its values are rounded too coarsely: use a smaller dt, or interpolate=True",
}


@dataclass(frozen=True)
class FirstSpikeRow(TimesRow):
    """One row: a population, its values and the activations.

    Attributes
    ----------
    off : int
        Those that differ by more than the tolerance.
    clipped : int
        Those too large for their window.
    zero : float
        Share of activations that are 0; ``silent`` is the share of units that did not spike.
    """

    off: int = 0
    clipped: int = 0
    zero: float = 0.0

    def columns(self) -> tuple[str, ...]:
        """See :class:`TimesRow`."""
        shares = [f"{100 * share:.2f} %" for share in (self.silent, self.zero)]
        if self.decoded == "potential":
            shares = ["", ""]
        return (f"{self.checked:,}", f"{self.off:,}", f"{self.clipped:,}", *shares)


@dataclass(frozen=True, eq=False)
class FirstSpikeAudit(TimesAudit):
    """The result of :func:`bionet.audit` for a network of method ``ttfs``."""

    code: ClassVar[str] = "first spike"
    columns: ClassVar[tuple[str, ...]] = ("values", "off", "clipped", "silent", "zero")
    causes: ClassVar[Mapping[str, str]] = CAUSES

    def praise(self) -> str:
        """See :class:`TimesAudit`."""
        return f"the largest error of a value is {max(row.max_error for row in self.rows):.2g}"


class Compared(NamedTuple):
    """One population's share of a batch, arrays (n_images, *shape)."""

    name: str
    shown: np.ndarray
    ideal: np.ndarray
    spiked: np.ndarray
    largest: float
    least: float = 0.0


def first_spike_audit(
    net: Any,
    snn: SpikingNetwork,
    run: Recording,
    images: np.ndarray,
    *,
    batch: int = 100,
    max_samples: int = 3000,
) -> FirstSpikeAudit:
    """Compare every unit's value with its activation.

    Parameters
    ----------
    net : torch.nn.Module
        The network that was converted.
    snn : SpikingNetwork
    run : Recording
        Of ``snn`` on ``images``; of exact spikes with their amplitudes
        (``final_potentials=True``).
    images : array (n_images, *input_shape)
    batch : int
        Images held in memory at a time.
    max_samples : int
        Pairs of activation and value that are kept of each population.

    Returns
    -------
    FirstSpikeAudit

    Raises
    ------
    InputError
        If the amplitudes were not kept.
    """
    code = _code(snn)
    for window in code.windows:
        last = window.name == snn.readout.spikes
        if code.exact and not last and (window.name, code.carried) not in run.final_values:
            raise InputError(
                f"the audit needs the amplitudes of the spikes of {window.name!r}; simulate with"
                " final_potentials=True"
            )
    parts: dict[str, list[Thin]] = {}
    for start in range(0, run.n_images, batch):
        share = slice(start, min(start + batch, run.n_images))
        for compared in _layers(net, snn, run, images[share], share):
            parts.setdefault(compared.name, []).append(_thinned(compared, code.exact))
    rows: list[FirstSpikeRow] = []
    samples = {}
    for name, batches in parts.items():
        rows.append(_row(snn, run, name, batches, bool(rows) and any(r.bad for r in rows)))
        samples[name] = random_pairs(
            np.concatenate([p.pairs for p in batches], axis=1), max_samples
        )
    return FirstSpikeAudit(tuple(rows), run.n_images, run.n_steps, samples)


def _code(snn: SpikingNetwork) -> FirstSpikeCode:
    assert isinstance(snn.code, FirstSpikeCode)
    return snn.code


def _layers(
    net: Any, snn: SpikingNetwork, run: Recording, images: np.ndarray, part: slice
) -> Iterator[Compared]:
    """Every population of a batch that can be compared, in order."""
    from bionet.conversion import activations

    code = _code(snn)
    ann = activations(net, images, snn)
    whole = run.n_steps >= max(w.start + w.ramp for w in code.windows)
    for window in code.windows:
        name = window.name
        if name == snn.readout.spikes and not whole:
            continue  # the presentation ends before the output layer's window
        steps = run.spike_steps[name][part]
        carried = run.final_values.get((name, code.carried))
        late = code.overshoot(steps, name, None if carried is None else carried[part])
        shown = code.decoded(steps, name, late)
        if name == "input":
            ideal, largest = np.asarray(images, dtype=np.float64), code.high - code.low
        else:
            largest = window.bound * window.scale
            ideal = np.maximum(ann[name].astype(np.float64), 0)
            ideal = np.minimum(ideal, largest) if window.clips else ideal
        least = code.low if name == "input" else 0.0
        yield Compared(name, shown, ideal, steps >= 0, largest, least)
    name = snn.readout.potential
    scores = run.values()[part]
    ideal = ann[name].astype(np.float64)
    scale = code.window(snn.readout.spikes)
    yield Compared(name, scores, ideal, np.ones(scores.shape, bool), scale.bound * scale.scale)


class Thin(NamedTuple):
    """Sums over a batch that a row is made of, and some pairs."""

    n: int
    off: int
    silent: int
    zero: int
    error: float
    most: float
    moments: np.ndarray
    alive: np.ndarray
    pairs: np.ndarray


def _thinned(compared: Compared, exact: bool) -> Thin:
    error = np.abs(compared.shown - compared.ideal)
    x, y = compared.ideal.reshape(-1), compared.shown.reshape(-1)
    pairs = np.stack([x, y]).astype(np.float32)
    pairs = pairs[:, (pairs != 0).any(axis=0)]
    return Thin(
        error.size,
        int((error > TOLERANCE * compared.largest).sum()) if exact else 0,
        int((~compared.spiked).sum()),
        int((compared.ideal <= compared.least).sum()),
        float(error.sum()),
        float(error.max()),
        np.array([x.sum(), y.sum(), (x * x).sum(), (y * y).sum(), (x * y).sum()]),
        np.asarray(compared.spiked.reshape(len(compared.spiked), -1).any(axis=0)),
        random_pairs(pairs, PAIRS),
    )


def _row(
    snn: SpikingNetwork, run: Recording, name: str, parts: list[Thin], later: bool
) -> FirstSpikeRow:
    """A population's row; ``later`` where a layer before it is bad."""
    code = _code(snn)
    n, off = sum(p.n for p in parts), sum(p.off for p in parts)
    sx, sy, sxx, syy, sxy = np.sum([p.moments for p in parts], axis=0)
    spread = (n * sxx - sx * sx) * (n * syy - sy * sy)
    correlation = float((n * sxy - sx * sy) / np.sqrt(spread)) if spread > 0 else float("nan")
    clipped = int(run.clipped[name].sum()) if name in run.clipped else 0
    bad = off > 0 or correlation < MIN_CORRELATION
    error = sum(p.error for p in parts) / n
    if not bad:
        cause = "none" if code.exact else "rounding"
    elif later:
        cause = "propagated"
    elif clipped:
        cause = "clipping"
    else:
        cause = "weights" if code.exact else "rounding"
    return FirstSpikeRow(
        population=name,
        n_units=int(np.prod(snn.shape(name))),
        decoded="potential" if name == snn.readout.potential else "time",
        correlation=correlation,
        mean_error=error,
        max_error=max(p.most for p in parts),
        saturated=clipped / n,
        silent=sum(p.silent for p in parts) / n,
        dead=float((~np.any([p.alive for p in parts], axis=0)).mean()),
        residual=None,
        mismatch=None,
        errors={"off" if code.exact else "rounding": error},
        cause=cause,
        bad=bool(bad),
        checked=n,
        off=off,
        clipped=clipped,
        zero=sum(p.zero for p in parts) / n,
    )
