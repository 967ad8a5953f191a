r"""The standard normal numbers of a population, all units of a step at once.

``randn()`` in a model's ``update`` is an array of the population that is filled before each step.
Made one by one, as other ``rand()`` and ``randn()`` are, a number costs eight times as much. Here
the four words of one Philox call (:mod:`bionet.equations.randomness`) make four numbers, by the
transform of Box and Muller: of two words a and b, with the signed number x of the lower 30 bits of
b and their upper two bits q,

.. math:: u = \frac{\lfloor a / 2 \rfloor + 1/2}{2^{31}}, \quad r = \sqrt{-2 \ln u}, \quad
   \varphi = \frac{\pi}{2} q + \frac{\pi}{2^{33}} 4 x, \qquad
   z_0 = r \cos\varphi, \; z_1 = r \sin\varphi

Logarithm, sine and cosine are polynomials (Cephes), their relative errors below 1e-6, in float32
whatever the network's type: additions, products and square roots, which round the same everywhere.

===========  ===========================================================
counter      meaning
===========  ===========================================================
0            16 (k // 64) + k % 16 for unit k in the order of a lane;
             k // 16 % 4 selects the number: words 0, 1 make the first
             and second, words 2, 3 the others
1, 2, 3      step, image and site, as for every random number
===========  ===========================================================

References
----------
G. E. P. Box, M. E. Muller: A note on the generation of random normal deviates. Annals of
Mathematical Statistics 29 (1958) 610-611. S. L. Moshier: Cephes mathematical library (1989), logf,
sinf.
"""

from __future__ import annotations

import re
from importlib import resources
from typing import Any

import numpy as np
from brian2.core.names import Nameable
from brian2.core.variables import Variables
from brian2.groups.group import CodeRunner, Group

from bionet.brian.synapses import SCALARS
from bionet.equations.randomness import philox

__all__ = ["NormalNumbers", "numbered", "standard_normal"]

LOG = (
    7.0376836292e-2, -1.1514610310e-1, 1.1676998740e-1, -1.2420140846e-1, 1.4249322787e-1,
    -1.6668057665e-1, 2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1,
)  # fmt: skip
_RANDN = re.compile(r"\brandn\(\)")


def numbered(code: str | None, first_site: int) -> tuple[str | None, dict[str, int]]:
    """Code with the names of arrays in place of ``randn()``, and the site of each array."""
    sites: dict[str, int] = {}

    def name(_: re.Match[str]) -> str:
        new = f"standard_normal_{len(sites) + 1}"
        sites[new] = first_site + len(sites)
        return new

    return (None if code is None else _RANDN.sub(name, code)), sites


def standard_normal(
    n: int, streams: np.ndarray, seed_low: int, seed_high: int, step: int, site: int
) -> np.ndarray:
    """Numbers of n units of each lane.

    Parameters
    ----------
    n : int
    streams : int array (lanes,)
        Number of the image of each lane.
    seed_low, seed_high, step, site : int

    Returns
    -------
    float32 array (lanes, n)
    """
    counters = np.arange(-(-n // 64) * 16)
    counter = (counters, np.asarray(step), np.asarray(streams)[:, None], np.asarray(site))
    words = [w.astype(np.uint32) for w in philox(counter, (seed_low, seed_high))]
    words = [np.broadcast_to(w, (len(streams), len(counters))) for w in words]
    pairs = [_box_muller(words[0], words[1]), _box_muller(words[2], words[3])]
    z = np.stack([np.stack(pair, axis=0) for pair in pairs], axis=0)  # (2, 2, lanes, counters)
    z = z.reshape(4, len(streams), -1, 16).transpose(1, 2, 0, 3)
    return z.reshape(len(streams), -1)[:, :n]


def _box_muller(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Two numbers of each pair of words, float32: the order of operations is that of the C++."""
    one = np.float32
    u = ((a >> np.uint32(1)).astype(np.float32) + one(0.5)) * one(4.656612873077393e-10)
    bits = u.view(np.int32)
    power = (bits - np.int32(0x3F3504F3)) >> np.int32(23)
    m = (bits - (power << np.int32(23))).view(np.float32)
    f = m - one(1)
    g = f * f
    p = np.full_like(f, LOG[0])
    for coefficient in LOG[1:]:
        p = p * f + one(coefficient)
    log = ((f * g) * p + one(-0.5) * g) + (f + power.astype(np.float32) * one(0.6931471805599453))
    radius = np.sqrt(np.maximum(one(-2) * log, one(0)))
    x = (b << np.uint32(2)).view(np.int32).astype(np.float32) * one(3.6572951981678991e-10)
    y = x * x
    s = x + x * y * (one(-1.6666654611e-1) + y * (one(8.3321608736e-3) + y * one(-1.9515295891e-4)))
    c = (one(1) - one(0.5) * y) + y * y * (
        one(4.166664568298827e-2) + y * (one(-1.388731625493765e-3) + y * one(2.443315711809948e-5))
    )
    quarter = (b >> np.uint32(30)).astype(np.int32)
    first, second = np.where(quarter & 1, s, c), np.where(quarter & 1, c, s)
    first = np.where((quarter == 1) | (quarter == 2), -first, first)
    return radius * first, radius * np.where(quarter >= 2, -second, second)


class NormalNumbers(Group, CodeRunner):
    """Fills the arrays of a population with standard normal numbers before each step.

    Parameters
    ----------
    group : NeuronGroup
        With the arrays, ``stream``, and the presentation's ``step`` and seed.
    sites : mapping of str to int
        Name of each array, and the site of its numbers.
    lanes : int
    when, name
        As for every Brian2 object.
    """

    add_to_magic_network = True
    invalidates_magic_network = False
    codeobj_class = None

    def __init__(self, group: Any, sites: dict[str, int], lanes: int, when: str, name: str) -> None:
        Nameable.__init__(self, name)
        self.sites, self.lanes, self.n_units = dict(sites), lanes, len(group) // lanes
        self.variables = v = Variables(self)
        v.add_constant("N", lanes)
        for shared in ("stream", "step", "seed_low", "seed_high", *sites):
            v.add_reference(shared, group, shared)
        text = resources.files("bionet.brian").joinpath("templates/normal_numbers.hpp").read_text()
        CodeRunner.__init__(
            self,
            self,
            "normal_numbers",
            name=None,
            clock=group.clock,
            when=when,
            needed_variables=[n for n in v if n != "N"],
            template_kwds={
                "header": text,
                "scalar": SCALARS[np.dtype(v[next(iter(sites))].dtype).name],
                "lanes": lanes,
                "n_units": self.n_units,
                "numbers": [(v[array], site) for array, site in sites.items()],
            },
        )
        self.add_dependency(group)
        self._enable_group_attributes()

    def fill(self) -> None:
        """The numbers of this step: the NumPy device."""
        low, high, step = (
            int(self.variables[word].get_value().item())
            for word in ("seed_low", "seed_high", "step")
        )
        streams = self.variables["stream"].get_value().reshape(self.lanes, -1)[:, 0]
        for array, site in self.sites.items():
            numbers = standard_normal(self.n_units, streams, low, high, step, site)
            self.variables[array].get_value().reshape(self.lanes, -1)[:] = numbers
