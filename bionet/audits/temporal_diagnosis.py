r"""The doctor for ``tdsnn``: what a network of late spikes loses to what, layer by layer.

A layer whose sources hand on g (what x + 1 stands for) has :math:`A = \sum_j w_j g_j + c`, and
hands on:

=============  ==========================================================================
cause          what it makes of a layer
=============  ==========================================================================
(none)         :math:`\max(0, A) + 1`: the source network
``rounding``   :math:`e^{T/L}` with :math:`T = \lceil L \ln((A + 1)/(1 + \eta)) \rceil`: whole steps
``weights``    what its measured spikes stand for, where its synapses are not the source's
``noise``      what its measured spikes stand for, where they are: perturbations
``readout``    the network's own readout in place of the largest A
=============  ==========================================================================

They are switched on one after another as in :mod:`bionet.audits.diagnosis`, from the input to the
output, so that what they cost adds up to the loss. A unit that never spikes hands on nothing, which
is less than the 1 that a value of 0 stands for. A correction of biases belongs to the rounding that
it is for. A network that was trained with the code in place (``mode="finetune"``) is compared with
itself in the code: rounding costs it nothing.

========  =====  ================================================================
symbol    unit   meaning
========  =====  ================================================================
L         steps  leak
T         steps  spike step of a unit, from the release of its layer
w, c      1      weights, and what the bias neuron contributes
eta       1      tolerance of the thresholds
========  =====  ================================================================
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from bionet.audits.diagnosis import Diagnosis
from bionet.audits.temporal_audit import source_records
from bionet.conversion.temporal.closed_form import bias_contribution, linear, shifted, spike_times
from bionet.conversion.temporal.rounding_loss import answers_of
from bionet.conversion.tracing.records import MaxPool, Record
from bionet.network import SpikingNetwork, TemporalCode
from bionet.network.relays import passing_relays
from bionet.results.recording import Recording
from bionet.results.temporal_values import output_values

__all__ = ["TEMPORAL_OPTIONS", "TemporalLadder"]

# What mends a cause: the option of method tdsnn, and why.
TEMPORAL_OPTIONS: Mapping[str, str] = {
    "weights": "convert again from the network: look at the order of units at a flatten",
    "rounding": "rounding='nearest' with bias_correction=True, or a longer leak",
    "noise": "fewer or weaker perturbations: a unit that is silent says nothing of its value",
    "readout": "readout='MP'",
}
SAME = 1e-4  # of the largest sum: float32 against float64


class TemporalLadder:
    """The network between its source and its spike steps.

    Parameters
    ----------
    net : torch.nn.Module
        The network that was converted.
    snn : SpikingNetwork
        Of method ``tdsnn``.
    run : Recording
        Of ``snn`` on ``images``.
    images : array (n_images, *input_shape)
    truth : int array (n_images,)
        Classes that count as right.
    """

    def __init__(
        self,
        net: nn.Module,
        snn: SpikingNetwork,
        run: Recording,
        images: np.ndarray,
        truth: np.ndarray,
    ) -> None:
        if not isinstance(snn.code, TemporalCode):
            raise TypeError(f"the network has the code {snn.code}, not that of late spikes")
        self.snn, self.run, self.truth, self.code = snn, run, truth, snn.code
        records = source_records(net, snn, corrected=False)
        self.plain = {record.name: record for record in records}
        self.corrected = {r.name: r for r in shifted(records, self.code.shifts)}
        self.last = records[-1].name
        share = self.code.input_gain / (self.code.high - self.code.low)
        self.pixels = (torch.as_tensor(np.asarray(images)).double() - self.code.low) * share
        self.costs: dict[tuple[str, str], float] = {}
        self.accuracy = 0.0
        self.rounded: set[str] = set()
        self.measured: dict[str, torch.Tensor] = {}
        self.values: dict[str, torch.Tensor] = {}

    def climb(self, source: float) -> Diagnosis:
        """Switch everything on, from the source network to the simulated one."""
        names = ["input", *self.plain]
        if self.code.mode == "finetune":
            self.rounded.update(names)
        self.values = self._computed()
        coded = self._right(self.values[self.last])
        # Sums in float64 may tell a tie that the network's own float32 does not.
        self.accuracy = coded if self.code.mode == "finetune" else source
        start = self.accuracy
        self._charge(self.last, "weights", self.values)
        if self.code.mode != "finetune":
            for name in names[:-1]:
                if not isinstance(self.plain.get(name), MaxPool):
                    self.rounded.add(name)
                    self._charge(name, "rounding", self._computed())
        for name in names[:-1]:
            shown = self._shown(name)
            if not torch.equal(shown, self._passed(name, self.values)):
                self.measured[name] = shown
                self._charge(name, self._cause(name), self._computed())
        scores = self.snn.readout.potential
        read = torch.as_tensor(output_values(self.run, self.snn))
        total = self.values[self.last].reshape(read.shape)
        if not torch.allclose(read, total, rtol=SAME, atol=SAME * float(total.abs().max())):
            self._charge(scores, self._cause(self.last), {**self.values, self.last: read})
        network = float((self.run.predictions() == self.truth).mean())
        self.costs[scores, "readout"] = self.accuracy - network
        return Diagnosis(
            self.costs, start, network, len(self.truth), self.run.n_steps, TEMPORAL_OPTIONS
        )

    def _computed(self) -> dict[str, torch.Tensor]:
        """A of the input and of every layer, with what is switched on so far."""
        values = {"input": self.pixels}
        for name, record in self.plain.items():
            before = self._passed(record.source, values)
            if isinstance(record, MaxPool):
                pooled = F.max_pool2d(
                    before, record.pool, record.stride, record.padding, ceil_mode=record.ceil_mode
                )
                values[name] = pooled  # g is passed on as it is
                continue
            record = self.corrected[name] if record.source in self.rounded else record
            values[name] = self._total(record, before)
        return values

    def _total(self, record: Record, before: torch.Tensor) -> torch.Tensor:
        """A of a layer from what its source hands on."""
        shape = tuple(before.shape[1:])
        constant = bias_contribution(record, shape, self.code.leak, self.code.mode)
        return linear(record, before) + torch.tensor(constant)

    def _passed(self, name: str, values: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """G: what a population hands on of its values."""
        if name in self.measured:
            return self.measured[name]
        if isinstance(self.plain.get(name), MaxPool):
            return values[name]
        if name not in self.rounded:
            return values[name].clamp(min=0) + 1
        eta = self.code.tolerance
        if name == "input" and self.code.rounding == "up":
            eta = 0.0
        return torch.exp(spike_times(values[name], self.code.leak, eta) / self.code.leak)

    def _shown(self, name: str) -> torch.Tensor:
        """What the spikes of a population stand for; nothing of those that did not come."""
        steps = torch.as_tensor(self.run.spike_steps[name].astype(np.float64))
        return torch.where(steps < 0, 0.0, torch.exp(steps / self.code.leak))

    def _cause(self, name: str) -> str:
        """Whether the synapses onto a population are those of the source network."""
        record: Any = self.corrected.get(name)
        if record is None or isinstance(record, MaxPool):
            return "noise"
        before = self._passed(record.source, self.values)[:1]
        origins, targets = passing_relays(self.snn), {name}
        if name == self.last:
            targets.add(self.snn.readout.potential)
        wanted = linear(record, before).flatten()
        for q in self.snn.projections:
            source = origins.get(q.source, q.source)
            if source == record.source and q.target in targets and q.event == "spike":
                passed = q.kernel.mapped(before.float()).double().flatten() * float(q.gain)
                if len(passed) == len(wanted) and not torch.allclose(
                    passed.abs(), wanted.abs(), rtol=SAME, atol=SAME * float(wanted.abs().max())
                ):
                    return "weights"
        return "noise"

    def _charge(self, name: str, cause: str, values: dict[str, torch.Tensor]) -> None:
        """Charge a cause with the accuracy that it costs."""
        self.values = values
        accuracy = self._right(values[self.last])
        self.costs[name, cause] = self.costs.get((name, cause), 0.0) + self.accuracy - accuracy
        self.accuracy = accuracy

    def _right(self, scores: torch.Tensor) -> float:
        return float((answers_of(scores).numpy() == self.truth).mean())
