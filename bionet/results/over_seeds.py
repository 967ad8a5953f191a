r"""Accuracy over seeds: what one seed's images leave open, and what the seeds differ by.

Every seed sees the same images, so :math:`S` seeds of :math:`n` images are not :math:`S n`
images. With :math:`p_i` the chance over seeds that image :math:`i` is answered rightly, the mean
of all varies, with the images that happened to be chosen, by

.. math:: \frac{\operatorname{var}(p_i)}{n} + \frac{\langle p_i (1 - p_i) \rangle}{S n}
    \le \frac{p (1 - p)}{n} .

==========  ====  ===============================================================================
symbol      unit  meaning
==========  ====  ===============================================================================
``p``       1     share of right answers, over all images there could be and all seeds
``n``             images, the same for every seed
``S``             seeds
==========  ====  ===============================================================================

The bound is reached where the seeds agree on every image. Wilson's interval of the mean with the
images of *one* seed therefore covers at least its 95 % of choices of images; that of all images
of all seeds together is too short by up to :math:`\sqrt{S}`. What a seed draws once for all
images (dead units, noise of the weights) is not in it: that is the spread over the seeds, which
stands beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bionet.errors import InputError
from bionet.results.metrics import wilson_interval

__all__ = ["OverSeeds", "over_seeds"]


@dataclass(frozen=True)
class OverSeeds:
    """Accuracies of several seeds on the same images.

    Attributes
    ----------
    accuracy : float
        Mean over the seeds, in [0, 1].
    spread : float
        Standard deviation over the seeds (of a sample, S - 1); NaN of a single seed.
    low, high : float
        Ends of the 95 % interval over images.
    seeds, n_images : int
        The images of one seed.
    """

    accuracy: float
    spread: float
    low: float
    high: float
    seeds: int
    n_images: int


def over_seeds(shares: Sequence[float] | np.ndarray, n_images: int) -> OverSeeds:
    """Mean and spread over seeds, and an interval over images.

    Parameters
    ----------
    shares : sequence of float (n_seeds,)
        Accuracy of each seed, in [0, 1].
    n_images : int
        Images of one seed.

    Raises
    ------
    InputError
        If there is no seed or image, or a share lies outside [0, 1].
    """
    given = np.asarray(shares, dtype=np.float64)
    if given.ndim != 1 or not len(given):
        raise InputError(f"over_seeds needs one accuracy for each seed, but got {shares!r}")
    mean = float(given.mean())
    low, high = wilson_interval(mean, n_images)
    spread = float(given.std(ddof=1)) if len(given) > 1 else float("nan")
    return OverSeeds(mean, spread, float(low), float(high), len(given), int(n_images))
