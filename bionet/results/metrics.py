r"""What a run achieved and what it cost: intervals of shares, synaptic events, spikes.

A synaptic event is one spike arriving at one synapse, the unit in which the cost of a spiking
network is counted. Over a presentation of T steps an image causes

.. math:: E = \sum_{p} \sum_j n_j \, k_{pj}

events, where p runs over the projections, j over the units of p's source.

=========  ======  ==============================================================
symbol     unit    meaning
=========  ======  ==============================================================
n_j        1       spikes of unit j in the presentation
k_pj       1       fan-out: synapses of projection p that leave unit j
=========  ======  ==============================================================

Input spikes count where the coding has them; an analog input is a constant current, causes no
events and counts 0. Share p of n trials lies with 95 % (z = 1.96) in Wilson's interval

.. math::

    \frac{\hat p + z^2/2n \pm z \sqrt{\hat p (1 - \hat p)/n + z^2/4n^2}}{1 + z^2/n}

References
----------
E. B. Wilson: Probable inference, the law of succession, and statistical inference.
J. Am. Stat. Assoc. 22 (1927) 209-212.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from bionet.errors import InputError
from bionet.kinds import typed
from bionet.network import SpikingNetwork
from bionet.results.recording import Recording

__all__ = [
    "per_class",
    "spikes_per_image",
    "spikes_per_neuron",
    "synaptic_events",
    "wilson_interval",
]


@typed
def wilson_interval(
    share: float | np.ndarray, n: int, z: float = 1.96
) -> tuple[np.ndarray, np.ndarray]:
    """Wilson's interval of a share.

    Parameters
    ----------
    share : float or array
        Observed share of successes, in [0, 1].
    n : int
        Number of trials.
    z : float
        Quantile of the normal distribution; 1.96 gives 95 %.

    Returns
    -------
    lower, upper : float arrays of the share's shape

    Raises
    ------
    InputError
        If there are no trials, or a share lies outside [0, 1].
    """
    if n < 1:
        raise InputError(f"an interval needs at least 1 trial, but n is {n}")
    share = np.asarray(share, dtype=np.float64)
    if not ((share >= 0) & (share <= 1)).all():
        raise InputError(f"a share must lie in [0, 1], but is {share}")
    middle = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)
    return np.clip(middle - half, 0, 1), np.clip(middle + half, 0, 1)


def synaptic_events(snn: SpikingNetwork, run: Recording) -> dict[str, np.ndarray]:
    """Synaptic events of every image, by projection.

    Every synapse that a spike reaches counts, whatever its weight: one of weight zero too.

    Parameters
    ----------
    snn : SpikingNetwork
    run : Recording
        Of ``snn``.

    Returns
    -------
    dict of str to int64 array (n_images,)
        ``source->target`` -> events; all zero where the source is an analog input or never fires.

    Raises
    ------
    InputError
        If the recording belongs to another network.
    """
    events: dict[str, np.ndarray] = {}
    for projection in snn.projections:
        total = events.setdefault(projection.name, np.zeros(run.n_images, dtype=np.int64))
        counts = _counts(snn, run, projection.source)
        if counts is None:
            continue
        fan = projection.kernel.fan_out(snn.shape(projection.source)).ravel().astype(np.float64)
        # In floating point: exact up to 2**53 events, and quick.
        flat = counts.reshape(-1, fan.size)
        sums = np.einsum("ij,j->i", flat, fan, dtype=np.float64, casting="safe")
        total += np.rint(sums).astype(np.int64)
    return events


def _counts(snn: SpikingNetwork, run: Recording, source: str) -> np.ndarray | None:
    """Spike counts of a projection's source, or None where it emits no spikes."""
    if source == "input":
        silent = "input" not in run.counts and run.parameters.get("input") != "spikes"
    else:
        silent = snn.population(source).model.threshold is None
    if silent:
        return None
    expected = (run.n_images, *snn.shape(source))
    if source not in run.counts or run.counts[source].shape != expected:
        shape = run.counts[source].shape if source in run.counts else "none"
        raise InputError(
            f"the recording's counts of {source!r} must have the shape {expected}, but it has"
            f" {shape}; give the network that was simulated"
        )
    return run.counts[source]


def spikes_per_image(run: Recording) -> float:
    """Mean number of spikes per image of all populations, the input left out."""
    return sum(mean for name, mean in run.n_spikes.items() if name != "input")


def spikes_per_neuron(run: Recording) -> float:
    """Mean number of spikes per image and unit, over all units that can fire but the input's."""
    n_units = sum(counts[0].size for name, counts in run.counts.items() if name != "input")
    return spikes_per_image(run) / n_units if n_units else 0.0


def per_class(
    run: Recording,
    labels: np.ndarray,
    readout: str | None = None,
    reference: np.ndarray | None = None,
    names: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Accuracy of a run for every class, and over all images.

    Parameters
    ----------
    run : Recording
    labels : int array (n_images,)
        The true classes.
    readout : {"MP", "MS", "FS"}, optional
        The run's own where it is not given.
    reference : int array (n_images,), optional
        Another network's answers to the same images, such as the source network's.
    names : sequence of str, optional
        What classes 0, 1, ... are called.

    Returns
    -------
    pandas.DataFrame
        One row for each class that has images, then ``all``. Columns: ``images``; ``accuracy`` in
        [0, 1] with ``lower`` and ``upper`` end of Wilson's 95 % interval; with a reference also
        ``reference``, its accuracy, and ``ratio``, accuracy over it (NaN where it is 0).

    Raises
    ------
    InputError
        If labels, reference or names do not fit.
    """
    labels = np.asarray(labels)
    answers = {"accuracy": run.predictions(readout)}
    if reference is not None:
        answers["reference"] = np.asarray(reference)
    for what, given in (("labels", labels), ("reference", answers.get("reference", labels))):
        if given.shape != (run.n_images,):
            raise InputError(
                f"{what} must be {run.n_images} classes, one for each image, but have the shape"
                f" {given.shape}"
            )
    classes = np.unique(labels)
    if names is not None and len(names) <= classes[-1]:
        raise InputError(f"there are {len(names)} names, but class {classes[-1]} needs one too")
    rows = {str(c) if names is None else names[c]: labels == c for c in classes}
    rows["all"] = np.ones(len(labels), dtype=bool)
    table = pd.DataFrame({"images": {name: int(of_class.sum()) for name, of_class in rows.items()}})
    for column, given in answers.items():
        shares = {name: (given == labels)[of_class].mean() for name, of_class in rows.items()}
        table[column] = pd.Series(shares)
    intervals = [
        wilson_interval(share, int(n))
        for share, n in zip(table["accuracy"], table["images"], strict=True)
    ]
    table.insert(2, "lower", [float(low) for low, _ in intervals])
    table.insert(3, "upper", [float(high) for _, high in intervals])
    if reference is not None:
        table["ratio"] = table["accuracy"] / table["reference"].replace(0.0, np.nan)
    return table
