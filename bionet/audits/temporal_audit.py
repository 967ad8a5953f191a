r"""The audit of a temporal code: every spike step against its closed form.

Layer by layer, from the spike steps t of its inputs *as they were measured* and the source
network's own weights, a unit must spike in step

.. math::

    T = \lceil L \ln((A + 1)/(1 + \eta)) \rceil, \qquad A = \sum_j w_j e^{t_j/L} + c

(0 for A <= 0), or, where values are rounded to the nearest step, with :math:`1 + \eta = e^{1/2L}`.
A wrong weight thus shows in its own layer and not in those after it. A sum of n terms in a
precision epsilon is uncertain by

.. math:: \delta A = 4 \sqrt n\, \epsilon \Big(\sum_j |w_j| e^{t_j/L} + |c|\Big)

four times the size of a random walk: a unit that is one step off, with
:math:`L \ln((A+1)/(1+\eta))` within :math:`L\,\delta A/(A + 1)` of a whole number, is an exception
*within rounding*; any other is *wrong*, and its layer bad. The readout must hold A to within
:math:`\delta A`.

Beside that stand the decoded values :math:`e^{T/L} - 1` and the network's activations: their
correlation and difference are what rounding to steps costs.

========  =====  ================================================================
symbol    unit   meaning
========  =====  ================================================================
L         steps  leak
t, T      steps  spike steps of inputs and unit, from the release of their layer
w, c      1      weights, and what the bias neuron contributes
A         1      activation before the ReLU
eta       1      tolerance of the thresholds
========  =====  ================================================================

References
----------
Zhang et al. 2019 (TDSNN), Eqs. 10-11.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np

from bionet.audits.spike_times import TimesAudit, TimesRow, random_pairs
from bionet.audits.table import MIN_CORRELATION
from bionet.errors import InputError
from bionet.network import SpikingNetwork, TemporalCode
from bionet.results.recording import Recording
from bionet.results.temporal_values import output_values

if TYPE_CHECKING:
    from bionet.conversion.tracing.records import Records

__all__ = ["TemporalAudit", "TemporalRow", "source_records", "temporal_audit"]

CAUSES = {
    "weights": "its spikes do not follow from its inputs: the weights, the bias neuron or the"
    " threshold are not those of the network given; convert it again",
    "rounding": "its values are rounded too coarsely: use a larger leak, and the default rounding",
}


@dataclass(frozen=True)
class TemporalRow(TimesRow):
    """One row: a population, its spike steps and the closed form.

    Attributes
    ----------
    rounded : int
        Those that are a step off, within the rounding of the sum.
    wrong : int
        Those that are off otherwise.
    unlike : int
        Those that are not the closed form of the whole network, computed from the pixels on.
    """

    rounded: int = 0
    wrong: int = 0
    unlike: int = 0

    def columns(self) -> tuple[str, ...]:
        """See :class:`TimesRow`."""
        return tuple(f"{n:,}" for n in (self.checked, self.rounded, self.wrong, self.unlike))


@dataclass(frozen=True, eq=False)
class TemporalAudit(TimesAudit):
    """The result of :func:`bionet.audit` for a network with a temporal code."""

    code: ClassVar[str] = "time"
    columns: ClassVar[tuple[str, ...]] = (
        "spike steps",
        "within rounding",
        "wrong",
        "unlike the whole",
    )
    causes: ClassVar[Mapping[str, str]] = CAUSES

    def praise(self) -> str:
        """See :class:`TimesAudit`."""
        rows = [row for row in self.rows if isinstance(row, TemporalRow)]
        rounded, checked = (sum(getattr(r, k) for r in rows) for k in ("rounded", "checked"))
        return f"{rounded:,} of {checked:,} spike steps within rounding of the next"


class Checked(NamedTuple):
    """One population's share of a batch, arrays (n_images, *shape)."""

    name: str
    shown: np.ndarray  # spike steps, or class scores
    expected: np.ndarray
    whole: np.ndarray
    near: np.ndarray  # where rounding may decide, bool
    decoded: np.ndarray
    ideal: np.ndarray


def temporal_audit(
    net: Any,
    snn: SpikingNetwork,
    run: Recording,
    images: np.ndarray,
    *,
    batch: int = 100,
    max_samples: int = 3000,
) -> TemporalAudit:
    """Compare every spike step with the closed form, and decoded values with activations.

    A layer is bad if any of its spike steps is wrong (see :class:`TemporalRow`), or its decoded
    values correlate with the network's activations by less than 0.9.

    Parameters
    ----------
    net : torch.nn.Module
        The network that was converted.
    snn : SpikingNetwork
        Its TDSNN.
    run : Recording
        Of ``snn`` on ``images``.
    images : array (n_images, *input_shape)
    batch : int
        Images held in memory at a time.
    max_samples : int
        Pairs of activation and decoded value that are kept of each population.

    Raises
    ------
    InputError
        If network, recording and images do not fit together.
    """
    _check(snn, run)
    records = source_records(net, snn)
    parts: dict[str, list[Checked]] = {}
    for start in range(0, run.n_images, batch):
        part = slice(start, min(start + batch, run.n_images))
        for layer in _layers(net, snn, run, records, images[part], part):
            parts.setdefault(layer.name, []).append(layer)
    rows, samples = [], {}
    for name, batches in parts.items():
        columns = zip(*(checked[1:] for checked in batches), strict=True)
        whole = Checked(name, *(np.concatenate(column) for column in columns))
        rows.append(_row(snn, whole))
        samples[name] = _samples(whole, max_samples)
    return TemporalAudit(tuple(rows), run.n_images, run.n_steps, samples)


def _check(snn: SpikingNetwork, run: Recording) -> None:
    for name in _code(snn).clocks:
        shape = (run.n_images, *snn.shape(name))
        if name not in run.spike_steps or run.spike_steps[name].shape != shape:
            raise InputError(
                f"the recording holds no spike steps of {name!r} with the shape {shape}; give the"
                " network that was simulated"
            )


def _code(snn: SpikingNetwork) -> TemporalCode:
    assert isinstance(snn.code, TemporalCode)
    return snn.code


def source_records(net: Any, snn: SpikingNetwork, corrected: bool = True) -> Records:
    """The records that the network was made of; with ``corrected``, with its shifts of biases."""
    # The conversion needs torch, which takes seconds to import.
    from bionet.conversion.tdsnn import _ticking, temporal_records
    from bionet.conversion.temporal.closed_form import shifted
    from bionet.conversion.tracing.records import MaxPool
    from bionet.conversion.tracing.several_inputs import OneInput
    from bionet.conversion.tracing.trace import trace

    code = _code(snn)
    if snn.origin.inputs and not isinstance(net, OneInput):
        net = OneInput(net, snn.origin.inputs)
    traced = trace(net, snn.input_shape)
    records = temporal_records(
        traced.records, code.input_gain, snn.input_shape, code.low, code.high
    )
    records = shifted(records, code.shifts) if corrected else records
    weighted = {layer.name for layer in code.layers}
    names = {*code.clocks, *(p.name for p in snn.populations)}
    for record in records:
        if record.name not in names or record.shape != snn.shape(record.name):
            raise InputError(
                f"{record.place} has no population {record.name!r} of the shape {record.shape};"
                " pass the network that was converted"
            )
    return tuple(
        _ticking(r, dict(code.largest), code.margin, code.leak, code.mode, code.input_gain)
        if isinstance(r, MaxPool) and r.name in weighted
        else r
        for r in records
    )


def _layers(
    net: Any,
    snn: SpikingNetwork,
    run: Recording,
    records: Records,
    images: np.ndarray,
    part: slice,
) -> Iterator[Checked]:
    """Input, layers and readout of a batch, in order."""
    import torch
    from torch.nn import functional as F

    from bionet.conversion import activations
    from bionet.conversion.temporal.closed_form import (
        bias_contribution,
        closed_form,
        linear,
        spike_times,
    )
    from bionet.conversion.tracing.records import MaxPool

    code = _code(snn)
    leak, mode, rounding, gain = code.leak, code.mode, code.rounding, code.input_gain
    eta, dtype = code.tolerance, run.parameters["dtype"]
    epsilon = float(np.finfo(dtype).eps)
    share = gain / (code.high - code.low)
    shown = (torch.as_tensor(images).double() - code.low) * share
    values, whole = closed_form(records, shown, leak, mode, eta, rounding)
    ann = activations(net, images, snn)
    ideal = {name: np.maximum(a, 0).astype(np.float64) for name, a in ann.items()}
    if mode == "finetune":  # the network was trained with the code in place
        ideal |= {name: a.clamp(min=0).numpy() for name, a in values.items()}
    measured = {name: run.spike_steps[name][part] for name in run.spike_steps}
    pixels = (torch.as_tensor(np.asarray(images, dtype=dtype)).double() - code.low) * share
    half_step = eta if rounding == "nearest" else 0.0
    steps = spike_times(pixels, leak, half_step).numpy()
    exact = leak * (np.log1p(pixels.numpy()) - np.log1p(half_step))
    yield Checked(
        "input", measured["input"], steps, whole["input"].numpy(),
        _distance(exact) <= 8 * epsilon * (leak + steps),
        np.expm1(measured["input"] / leak) / share + code.low,
        np.asarray(images, dtype=np.float64),
    )  # fmt: skip
    lengths = {layer.name: layer.window for layer in code.layers}
    for record in records:
        name = record.name
        before = torch.from_numpy(measured[record.source].astype(np.float64))
        decoded = np.expm1(measured[name] / leak)
        if isinstance(record, MaxPool):
            options_ = (record.pool, record.stride, record.padding)
            most = F.max_pool2d(before, *options_, ceil_mode=record.ceil_mode).numpy()
            never = np.zeros(most.shape, dtype=bool)
            yield Checked(name, measured[name], most, whole[name].numpy(), never, decoded,
                          ideal[name])  # fmt: skip
            continue
        constant = bias_contribution(record, tuple(before.shape[1:]), leak, mode)
        grown = torch.exp(before / leak)
        total = linear(record, grown).numpy() + constant
        size = linear(_absolute(record), grown).numpy() + np.abs(constant)
        n_terms = int(np.prod(before.shape[1:])) + lengths[name]
        uncertain = 4 * np.sqrt(n_terms) * epsilon * size
        expected = spike_times(torch.from_numpy(total), leak, eta).numpy()
        bounded = np.maximum(total, -0.999)
        exact = leak * (np.log1p(bounded) - np.log1p(eta))
        near = _distance(exact) <= leak * uncertain / (1 + bounded)
        last = record is records[-1]
        steps, all_steps = expected, whole[name].numpy()
        if last:  # what comes after the presentation, or after the last tick, is not seen
            room = _room(snn, run, name, part).reshape(-1, *[1] * (expected.ndim - 1))
            steps, all_steps = (np.where(s > room, -1, s) for s in (steps, all_steps))
            decoded, ideal[name] = (np.where(steps < 0, 0, a) for a in (decoded, ideal[name]))
        yield Checked(name, measured[name], steps, all_steps, near, decoded, ideal[name])
        if last:
            scores = output_values(_images(run, part), snn).reshape(total.shape)
            off = np.abs(scores - total) > uncertain
            # A score that is off counts as wrong: it is not that of the sum.
            read = np.where(off, scores, total)
            signed = ann[snn.readout.potential] if mode != "finetune" else values[name].numpy()
            yield Checked(
                snn.readout.potential, read, total, read,
                np.zeros(total.shape, dtype=bool), scores, signed.reshape(total.shape),
            )  # fmt: skip


def _absolute(record: Any) -> Any:
    """A record with the absolute values of its weights."""
    if hasattr(record, "weights"):
        return replace(record, weights=np.abs(record.weights))
    return replace(record, scale=np.abs(record.scale))


def _distance(exact: np.ndarray) -> np.ndarray:
    """From a step at which the ceiling changes: from a whole number >= 0."""
    return np.where(exact < 0, -exact, np.abs(exact - np.rint(exact)))


def _room(snn: SpikingNetwork, run: Recording, name: str, part: slice) -> np.ndarray:
    """Steps after the release in which a layer can still spike, int array (n_images,)."""
    left = run.n_steps - 1 - run.releases[name][part].astype(np.int64)
    ticks = snn.population(f"{name}_tick").parameters.get("ticks")
    return left if ticks is None else np.minimum(left, int(ticks))


def _images(run: Recording, part: slice) -> Recording:
    """A recording of some of its images, as far as scores need it."""
    releases = {name: steps[part] for name, steps in run.releases.items()}
    return replace(run, output_potential=run.output_potential[part], releases=releases)


def _row(snn: SpikingNetwork, checked: Checked) -> TemporalRow:
    off = checked.shown != checked.expected
    allowed = checked.near & (np.abs(checked.shown - checked.expected) <= 1)
    wrong, rounded = int((off & ~allowed).sum()), int((off & allowed).sum())
    error = np.abs(checked.decoded - checked.ideal)
    x, y = checked.ideal.reshape(-1), checked.decoded.reshape(-1).astype(np.float64)
    flat = x.std() == 0 or y.std() == 0
    alike = np.isclose(x, y, atol=1e-6).all()
    # A constant has no correlation; where both sides are it they agree, or differ by rounding.
    correlation = float("nan") if flat else float(np.corrcoef(x, y)[0, 1])
    poor = not flat and correlation < MIN_CORRELATION
    cause = "weights" if wrong else "rounding" if poor or not alike else "none"
    counts = checked.shown.reshape(len(checked.shown), -1)
    return TemporalRow(
        population=checked.name,
        n_units=int(np.prod(snn.shape(checked.name))),
        decoded="potential" if checked.name == snn.readout.potential else "time",
        correlation=correlation,
        mean_error=float(error.mean()),
        max_error=float(error.max()),
        saturated=0.0,
        silent=float((counts < 0).mean()) if checked.name != snn.readout.potential else 0.0,
        dead=float((checked.decoded.reshape(len(counts), -1) <= 0).all(axis=0).mean()),
        residual=None,
        mismatch=None,
        errors={"rounding": float(error.mean())},
        cause=cause,
        bad=bool(wrong or poor),
        checked=off.size,
        rounded=rounded,
        wrong=wrong,
        unlike=int((checked.shown != checked.whole).sum()),
    )


def _samples(checked: Checked, most: int) -> np.ndarray:
    """Random pairs of activation and decoded value, those at rest on both sides left out."""
    pairs = np.stack([checked.ideal.reshape(-1), checked.decoded.reshape(-1)]).astype(np.float32)
    return random_pairs(pairs[:, (pairs != 0).any(axis=0)], most)
