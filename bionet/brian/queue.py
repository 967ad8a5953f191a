r"""The queue of spikes that are on their way, and jitter: the NumPy device and what all share.

A queue is a ring of slots, one for each step. In its slot a unit has one bit. Where jitter lets
several spikes of a unit meet, its bits in further *planes* make their number: plane p counts
:math:`2^p`. The compiled loops of the same are in ``templates/shared_synapses.hpp``.

Jitter takes a word of 32 bits for every spike: SplitMix64 of the unit, which begins at two words of
Philox of the seed, the image, the step and the projection's source. Philox for every spike takes
three times as long.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bionet.equations.randomness import philox

__all__ = ["Jittered", "due_units", "enter", "n_planes", "n_words", "split_mix"]

WORD = 64


@dataclass(frozen=True, eq=False)
class Jittered:
    """Steps that single spikes travel besides their unit's delay.

    Parameters
    ----------
    bounds : uint32 array (2 * reach,)
        See :func:`bionet.network.delays.jitter_bounds`.
    site : int
        Number of the call of the random generator.
    """

    bounds: np.ndarray
    site: int

    @property
    def reach(self) -> int:
        """Most steps, forwards or backwards."""
        return len(self.bounds) // 2

    def packed(self, slots: int) -> np.ndarray:
        """Reach and bounds as a program takes them, int32 array (slots + 1,)."""
        values = np.zeros(slots + 1, dtype=np.int32)
        values[0] = self.reach
        values[1 : len(self.bounds) + 1] = self.bounds.view(np.int32)
        return values

    def moved(
        self, seed_low: int, seed_high: int, step: int, streams: np.ndarray, units: np.ndarray
    ) -> np.ndarray:
        """Steps of spikes, int array, of the images ``streams`` and the ``units`` of a lane."""
        counter = tuple(np.asarray(word) for word in (0, step, streams, self.site))
        begin = philox(counter, (seed_low, seed_high))
        words = split_mix(begin[0] | begin[1] << np.uint64(32), units) >> np.uint64(32)
        return np.searchsorted(self.bounds, words) - self.reach


def split_mix(begin: np.ndarray, number: np.ndarray) -> np.ndarray:
    """SplitMix64: the random word of 64 bits with a number in the sequence of a beginning.

    Parameters
    ----------
    begin : uint64 array
    number : int array
        From 0 on.

    References
    ----------
    G. L. Steele, D. Lea, C. H. Flood: Fast splittable pseudorandom number generators. OOPSLA 2014.
    """
    z = begin + np.asarray(number).astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        z = (z ^ (z >> np.uint64(shift))) * np.uint64(factor)
    return z ^ (z >> np.uint64(31))


def n_words(n: int) -> int:
    """Words of 64 bits of a plane of n units."""
    return -(-n // WORD)


def n_planes(slots: int, counted: bool) -> int:
    """Planes that hold the spikes of a unit in a slot: one, or as many as their number needs."""
    return slots.bit_length() if counted else 1


def enter(planes: np.ndarray, units: np.ndarray, counted: bool) -> None:
    """Add a spike of each unit to a slot, in place.

    Parameters
    ----------
    planes : int64 array (n_planes, n_words)
    units : int array
        Each once.
    counted : bool
        Whether spikes that meet are counted; otherwise they leave one mark.
    """
    bits = np.zeros(planes.shape[1] * WORD, dtype=bool)
    bits[units] = True
    carry = np.packbits(bits, bitorder="little").view(planes.dtype)
    if not counted:
        planes[0] |= carry
        return
    for plane in planes:
        both = plane & carry
        plane ^= carry
        carry = both


def due_units(planes: np.ndarray, n: int, keep: bool = False) -> np.ndarray:
    """The units of a slot, ascending, each as often as it has spikes; they leave it.

    Parameters
    ----------
    planes : int64 array (n_planes, n_words)
    n : int
        Units of all lanes.
    keep : bool
        Look only.

    Returns
    -------
    int array
    """
    counts = np.zeros(n, dtype=np.int64)
    for number, plane in enumerate(planes):
        bits = np.unpackbits(plane.view(np.uint8), count=n, bitorder="little")
        counts += bits.astype(np.int64) << number
    if not keep:
        planes[:] = 0
    return np.repeat(np.arange(n), counts)
