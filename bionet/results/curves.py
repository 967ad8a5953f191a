r"""How fast and at what cost an answer is reached: per-image curves over the steps of a run.

Every quantity is kept for each image and step, so that all that follows, and any figure, can be
made afterwards. With the prediction :math:`\hat c_n(t)` after step t of image n, its events
:math:`e_n(t)`, the label :math:`c_n` and the ANN's accuracy A on the same N images:

.. math::

    a(t) = \frac{1}{N} \sum_n [\hat c_n(t) = c_n], \qquad
    E(t) = \frac{1}{N} \sum_n \sum_{s \le t} e_n(s), \qquad
    S_n(t) = \frac{r_n(t) \cdot z_n}{\lVert r_n(t) \rVert \lVert z_n \rVert}

The latency (:mod:`bionet.results.latency`) at a loss of :math:`\delta` is the first step from
which the accuracy stays at :math:`a(t) \ge A - \delta` to the end of the run (``rule="stays"``),
or the first step with such an accuracy (``rule="reached"``). A strict bound, "less than 1 %", is
one of :math:`\delta` itself left out (``strict=True``). Early decision is the table of latencies
and events at several losses.

=========  ======  ====================================================================
symbol     unit    meaning
=========  ======  ====================================================================
``t``      steps   steps presented so far, from 1
``e``      1       spikes of all populations in a step; one of any size is one event
``r``      1       rates of the output units so far: signed sums of their spikes over t
``z``      1       the ANN's outputs, before a softmax
``S``      1       cosine similarity; 0 where no output unit has fired
=========  ======  ====================================================================

A spike of an augmented neuron carries an integer; :func:`spike_bits` tells what that takes: a
fixed-length code for -M .. M needs :math:`\lceil \log_2(2 M + 1) \rceil` bits, and no code needs
fewer bits a spike, on average, than the entropy of the sizes.

References
----------
Q. Yu et al.: Constructing accurate and efficient deep spiking neural networks with
double-threshold and augmented schemes. IEEE TNNLS (2020), Eq. 14 and Sections III-B, C, F.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import NamedTuple

import numpy as np

from bionet.errors import InputError
from bionet.files import read_tensors, write_tensors
from bionet.results.equality import same_fields
from bionet.results.latency import Rule, latency
from bionet.results.readout import answers
from bionet.results.recording import Recording

__all__ = ["LOSSES", "Curves", "EarlyDecision", "SpikeBits", "curves", "join", "spike_bits"]

BATCH = 64  # images whose outputs are held as floats at a time
LOSSES = {"0 %": (0.0, False), "<0.1 %": (0.001, True), "<1 %": (0.01, True)}
"""Name of an allowed loss of accuracy: the loss, and whether the bound itself is left out."""


class EarlyDecision(NamedTuple):
    """Cost of an accuracy: ``steps`` and mean ``events`` per image; None where never reached."""

    loss: str
    steps: int | None
    events: float | None
    accuracy: float | None


class SpikeBits(NamedTuple):
    """Bits of a spike: the largest size, a fixed-length code's bits, the entropy of the sizes."""

    largest: int
    fixed: int
    entropy: float


@dataclass(frozen=True, eq=False)
class Curves:
    """Predictions, events and similarity of every image after every step.

    Attributes
    ----------
    predictions : int16 array (n_images, n_steps)
    events : int32 array (n_images, n_steps)
        Spikes of all populations but the input, in each step.
    similarity : float32 array (n_images, n_steps)
        Cosine similarity of output rates so far and ANN outputs.
    labels : int array (n_images,)
    ann_predictions : int array (n_images,)
    """

    predictions: np.ndarray
    events: np.ndarray
    similarity: np.ndarray
    labels: np.ndarray
    ann_predictions: np.ndarray

    def __eq__(self, other: object) -> bool:
        return same_fields(self, other)

    def __hash__(self) -> int:
        return hash(self.predictions.shape)

    @property
    def n_images(self) -> int:
        """Number of images."""
        return int(self.predictions.shape[0])

    @property
    def n_steps(self) -> int:
        """Number of steps."""
        return int(self.predictions.shape[1])

    @property
    def ann_accuracy(self) -> float:
        """Accuracy of the ANN on the same images."""
        return float((self.ann_predictions == self.labels).mean())

    def accuracy(self) -> np.ndarray:
        """Accuracy after every step, float array (n_steps,)."""
        return np.asarray((self.predictions == self.labels[:, None]).mean(axis=0))

    def events_so_far(self) -> np.ndarray:
        """Mean events per image up to every step, float array (n_steps,)."""
        return np.asarray(np.cumsum(self.events.mean(axis=0, dtype=np.float64)))

    def latency(
        self,
        loss: float = 0.0,
        *,
        strict: bool = False,
        rule: Rule = "stays",
    ) -> int | None:
        """Steps to an accuracy within ``loss`` of the ANN's; None if it is never reached.

        Parameters
        ----------
        loss : float
            Allowed loss of accuracy, a share: 0.01 for one point.
        strict : bool
            Whether a loss of exactly ``loss`` is too much.
        rule : {"stays", "reached"}
            Within the loss from there to the end of the run, or for the first time.

        Raises
        ------
        InputError
            If the rule is unknown.
        """
        return latency(self.accuracy(), self.ann_accuracy, loss, strict=strict, rule=rule)

    def early_decisions(
        self, losses: Sequence[str] = tuple(LOSSES), rule: Rule = "stays"
    ) -> list[EarlyDecision]:
        """Steps and events at several losses.

        Parameters
        ----------
        losses : sequence of str
            Keys of ``LOSSES``: "0 %", "<0.1 %", "<1 %".
        rule : {"stays", "reached"}
        """
        accuracy, events = self.accuracy(), self.events_so_far()
        decisions = []
        for name in losses:
            if name not in LOSSES:
                raise InputError(f"a loss is one of {', '.join(LOSSES)}, but got {name!r}")
            loss, strict = LOSSES[name]
            steps = self.latency(loss, strict=strict, rule=rule)
            if steps is None:
                decisions.append(EarlyDecision(name, None, None, None))
            else:
                at = steps - 1
                decisions.append(EarlyDecision(name, steps, float(events[at]), float(accuracy[at])))
        return decisions

    def save(self, path: str | Path) -> Path:
        """Write the curves to one safetensors file."""
        arrays = {f.name: getattr(self, f.name) for f in fields(self)}
        return write_tensors(path, arrays, {"bionet": "curves"})

    @classmethod
    def load(cls, path: str | Path) -> Curves:
        """Read a file written by :meth:`save`.

        Raises
        ------
        InputError
            If the file is missing, damaged or holds no curves.
        """
        arrays, _ = read_tensors(path)
        if missing := [f.name for f in fields(cls) if f.name not in arrays]:
            raise InputError(f"{path} holds no curves: it has no {missing[0]}")
        return cls(**{f.name: arrays[f.name] for f in fields(cls)})


def curves(
    run: Recording, labels: np.ndarray, ann_outputs: np.ndarray, readout: str | None = None
) -> Curves:
    """The curves of a run, by any method.

    Parameters
    ----------
    run : Recording
    labels : int array (n_images,)
    ann_outputs : array (n_images, n_classes)
        Class scores of the ANN, before a softmax.
    readout : {"MP", "MS", "FS"}, optional
        The run's own where it is not given.

    Raises
    ------
    InputError
        If labels or outputs do not fit, or the recording is too old to hold events.
    """
    labels, ann_outputs = np.asarray(labels), np.asarray(ann_outputs)
    shape = (run.n_images, run.output_spikes.shape[2])
    if labels.shape != shape[:1] or ann_outputs.shape != shape:
        raise InputError(
            f"expected {shape[0]} labels and ANN outputs of shape {shape}, but got shapes"
            f" {labels.shape} and {ann_outputs.shape}"
        )
    if run.events.shape != (run.n_images, run.n_steps):
        raise InputError("the recording holds no events of every step; simulate again")
    readout = readout or run.parameters["readout"]
    predictions, similarity = [], []
    for start in range(0, run.n_images, BATCH):
        part = slice(start, start + BATCH)
        spikes = run.output_spikes[part]
        predictions.append(answers(readout, run.output_potential[part], spikes)[0])
        sums = np.cumsum(spikes, axis=1, dtype=np.float64)
        similarity.append(_cosine(sums, ann_outputs[part, None].astype(np.float64)))
    return Curves(
        np.concatenate(predictions).astype(np.int16),
        run.events,
        np.concatenate(similarity).astype(np.float32),
        labels,
        ann_outputs.argmax(axis=1),
    )


def join(parts: Sequence[Curves]) -> Curves:
    """The curves of several runs of one network as those of one.

    Raises
    ------
    InputError
        If there are none, or they have different numbers of steps.
    """
    if not parts or len({part.n_steps for part in parts}) != 1:
        steps = ", ".join(str(part.n_steps) for part in parts) or "none"
        raise InputError(f"curves to join need one number of steps, but have {steps}")
    return Curves(
        **{f.name: np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(Curves)}
    )


def spike_bits(run: Recording) -> SpikeBits:
    """Bits that the recorded spikes take, over all populations whose spikes have a size.

    Raises
    ------
    InputError
        If no such spikes were recorded.
    """
    sizes = [a for a in run.recorded_amplitudes.values() if a.size]
    if not sizes:
        raise InputError(
            "no spikes with sizes were recorded; simulate an augmented network with"
            ' record={"conv1": ["spikes"]}'
        )
    every = np.concatenate(sizes)
    _, counts = np.unique(every, return_counts=True)
    share = counts / counts.sum()
    largest = int(np.abs(every).max())
    fixed = int(np.ceil(np.log2(2 * largest + 1)))
    return SpikeBits(largest, fixed, float(abs((share * np.log2(share)).sum())))


def _cosine(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Cosine similarity over the last axis; 0 where one side is all zero."""
    dot = (x * y).sum(axis=-1)
    norm = np.sqrt((x * x).sum(axis=-1) * (y * y).sum(axis=-1))
    return np.asarray(np.divide(dot, norm, out=np.zeros_like(dot), where=norm > 0))
