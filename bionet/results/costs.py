r"""Operations of a spiking network beside those of its source network, and an energy estimate.

A synapse that receives a spike adds its weight: one addition. A neuron that leaks multiplies its
potential once a step. A synapse of the source network multiplies and adds: two operations; an
average pooling adds its inputs and multiplies once. Comparisons (thresholds, ReLUs, max poolings)
are counted on neither side. With :math:`\sum` over all that was executed,

.. math:: E = (n_{add} + n_{tick} + n_{move})\, e_{add} + (n_{leak} + n_{mul})\, e_{mul}

A spike with an amplitude, of method ``ttfs``, multiplies each weight with it. Where it begins a
slope too it adds to two variables, and in every step a unit adds its slope to its potential; on its
ramp it adds the step. Its latency is the end of the output's integration, or, with the readout FS,
the mean step of the first output spike, which is the answer.

===========  ====  ================================================================
symbol       unit  meaning
===========  ====  ================================================================
``n_add``    1     spikes times synapses, ticks left out
``n_tick``   1     ticks times the neurons that they reach
``n_mul``    1     weights times amplitudes of spikes
``n_leak``   1     leak updates: of a neuron in its window, and until it has spiked
``n_move``   1     steps in which a unit's slope or ramp moves its potential
``e_add``    pJ    energy of a 32-bit floating-point addition, 0.9
``e_mul``    pJ    energy of a 32-bit floating-point multiplication, 3.7
===========  ====  ================================================================

References
----------
Zhang et al. 2019 (TDSNN), Section 1 (a multiply-accumulate counts as two operations).
M. Horowitz: Computing's energy problem. ISSCC (2014) 10-14, Fig. 1.1.9 (45 nm).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bionet.errors import InputError
from bionet.network import FirstSpikeCode, SpikingNetwork, TemporalCode
from bionet.network.delays import delay_steps
from bionet.network.relays import passing_relays
from bionet.results.early_exit import early_exit
from bionet.results.metrics import synaptic_events
from bionet.results.recording import Recording

__all__ = ["Operations", "network_operations", "operations"]

ADD, MULTIPLY = 0.9, 3.7  # pJ


@dataclass(frozen=True)
class Operations:
    """Mean operations of an image.

    Attributes
    ----------
    additions, ticks : float
        Synaptic additions, and among them those of ticking neurons (not in ``additions``).
    leaks : float
        Leak updates that a neuron needs: in its window, and until it has spiked.
    simulated_leaks : float
        Leak updates that the simulation did, of all neurons in all steps.
    network : float
        Operations of the source network, two for each multiply-accumulate.
    network_macs : float
        Its multiply-accumulates, those of its layers with weights.
    latency : float
        Steps until the class scores stand.
    multiplications : float
        Of weights with amplitudes of spikes.
    moves : float
        Additions of slopes and ramps to potentials, one for each step of a unit.
    """

    additions: float
    ticks: float
    leaks: float
    simulated_leaks: float
    network: float
    network_macs: float
    latency: float
    multiplications: float = 0.0
    moves: float = 0.0

    @property
    def total(self) -> float:
        """Additions, multiplications, ticks, leak updates and moves."""
        return self.additions + self.multiplications + self.ticks + self.leaks + self.moves

    @property
    def saved(self) -> float:
        """Share of the source network's operations that is saved."""
        return 1 - self.total / self.network

    @property
    def energy(self) -> float:
        """Estimate of an image's energy, in microjoule."""
        products = self.leaks + self.multiplications
        return ((self.additions + self.ticks + self.moves) * ADD + products * MULTIPLY) * 1e-6

    @property
    def network_energy(self) -> float:
        """The same estimate of the source network, in microjoule."""
        adds = self.network - self.network_macs
        return (adds * ADD + self.network_macs * MULTIPLY) * 1e-6


def operations(snn: SpikingNetwork, run: Recording) -> Operations:
    """Operations that a simulation executed for an image, and those of the source network.

    Parameters
    ----------
    snn : SpikingNetwork
        Of any method.
    run : Recording
        Of ``snn``.
    """
    events = synaptic_events(snn, run)
    clocks = set(snn.code.clocks.values()) if isinstance(snn.code, TemporalCode) else set()
    ticks = additions = 0.0
    for source in {projection.source for projection in snn.projections}:
        counts = [(k, v) for k, v in events.items() if k.partition("->")[0] == source]
        for name, counted in counts:
            part = float(counted.mean())
            if source not in clocks:
                additions += part
                continue
            # Of a clock's events the release reaches every target once.
            kinds = [q for q in snn.projections if q.name == name]
            spikes = float(run.counts[source].mean())
            for projection in kinds:
                size = projection.kernel.n_synapses((1,))
                if projection.event == "spike":
                    ticks += spikes * size
                else:
                    additions += size
    network, macs = network_operations(snn)
    leaky = [p for p in snn.populations if "tau" in p.parameters and "v" in p.model.dimensions]
    simulated = float(sum(p.size for p in leaky) * run.n_steps)
    if isinstance(snn.code, FirstSpikeCode):
        first = run.parameters.get("readout") == "FS"
        latency = float(early_exit(run).steps.mean()) if first else float(snn.code.end)
        # A pool compares; of the two populations that are the output one is read.
        idle = {window.name for window in snn.code.windows if window.pool}
        idle.add(snn.readout.potential if first else snn.readout.spikes)
        added = {k: float(v.mean()) for k, v in events.items() if k.split("->")[1] not in idle}
        additions = sum(added.values())
        # Of two pathways one carries amplitudes.
        products = additions / (1 if snn.code.falling else 2) if snn.code.exact else 0.0
        moves = _until_spikes(snn, snn.code, run, idle)
        return Operations(additions, 0.0, 0.0, 0.0, network, macs, latency, products, moves)
    leaks, latency = _in_windows(snn, run) if run.releases else (simulated, float(run.n_steps))
    return Operations(additions, ticks, leaks, simulated, network, macs, latency)


def _until_spikes(
    snn: SpikingNetwork, code: FirstSpikeCode, run: Recording, idle: set[str]
) -> float:
    """Steps in which potentials move: while slopes or currents drive them, and on their ramps."""
    windows = {window.name: window for window in code.windows}
    origins = passing_relays(snn)  # of a perturbation: they have no window, and no potential
    delays = {
        (origins.get(q.source, q.source), q.target): delay_steps(q, code.dt)
        for q in snn.projections
    }
    total = 0.0
    for population in snn.populations:
        name = population.name
        if name in idle or name in origins:
            continue
        start = code.end if name == snn.readout.potential else windows[name].start
        opened = [
            windows[source].start + delay if source in windows else 0
            for (source, target), delay in delays.items()
            if target == name and not (code.falling and source in windows)
        ]
        total += (start - min(opened, default=start)) * population.size
        if name == snn.readout.potential or run.n_steps <= start:
            continue
        steps = run.spike_steps[name]
        ramp = np.where(steps < 0, windows[name].ramp, steps + 1)
        total += float(ramp.sum(dtype=np.int64)) / run.n_images
    return total


def _in_windows(snn: SpikingNetwork, run: Recording) -> tuple[float, float]:
    """Leak updates within windows and until the spike; step at which the scores stand."""
    layers = snn.code.layers if isinstance(snn.code, TemporalCode) else ()
    start = np.zeros(run.n_images)
    total = 0.0
    for number, layer in enumerate(layers):
        end = run.releases[layer.name].astype(np.float64)
        size = snn.population(layer.name).size
        total += float(((end - start) * size).mean())
        if number + 1 < len(layers):
            spiked = run.spike_steps[layer.name]
            total += float(spiked.sum(dtype=np.int64)) / run.n_images
        else:  # the readout
            total += float(((end - start) * size).mean())
        start = end
    return total, float((start + 1).mean())


def network_operations(snn: SpikingNetwork) -> tuple[float, float]:
    """Operations of the source network for an image, and its multiply-accumulates.

    Raises
    ------
    InputError
        If the network does not say which populations stand for its layers.
    """
    if not (nodes := snn.origin.layers):
        raise InputError(
            "the network's origin names no layers, so its source network is not known;"
            " convert it with bionet.convert"
        )
    if snn.origin.operations is not None and snn.origin.macs is not None:
        return snn.origin.operations, snn.origin.macs
    total = macs = 0.0
    for projection in snn.projections:
        target = snn.population(projection.target)
        is_layer = projection.target in nodes and projection.target != snn.readout.potential
        if not is_layer or (projection.source != "input" and projection.source not in nodes):
            continue
        size = float(projection.kernel.n_synapses(snn.shape(projection.source)))
        if projection.kernel.multiplies:
            macs += size
            total += 2 * size
        elif not (target.model.spike == "once" and not target.model.leaks):
            total += size + target.size
    return total, macs
