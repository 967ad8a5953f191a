"""Kinds of figures that ``bionet figure`` draws: a file of this package enters its own.

A new kind is one file: a function that takes data and returns Axes, and below it one that says what
of a run's folder it draws, entered under the name of the command::

    @KINDS.named("raster")
    def _of_run(asked: Asked) -> Axes:
        return raster(asked.run, asked.image, populations=asked.populations)

A line of ``figures/__init__.pyi`` offers the function as ``bionet.figures.raster`` too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from bionet.registry import Registry

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from bionet.audits.table import Audit
    from bionet.network import SpikingNetwork
    from bionet.results.recording import Recording

__all__ = ["KINDS", "Asked"]


class Asked(Protocol):
    """What a figure is asked to show; each part is read when it is used."""

    @property
    def path(self) -> Path:
        """Folder of a run, an ``.snn`` file or a table."""

    @property
    def image(self) -> int:
        """Number of an image."""

    @property
    def populations(self) -> list[str] | None:
        """Names of populations, all where it is None."""

    @property
    def units(self) -> list[int] | None:
        """Units of a population."""

    @property
    def readout(self) -> str | None:
        """Readout, the run's own where it is None."""

    @property
    def run(self) -> Recording:
        """The recording in the folder."""

    @property
    def labels(self) -> np.ndarray:
        """Class of every image, int array (n_images,)."""

    @property
    def audit(self) -> Audit:
        """The audit in the folder."""

    @property
    def description(self) -> Mapping[str, Any]:
        """The content of ``run.json``."""

    @property
    def network(self) -> SpikingNetwork:
        """The spiking network, of an ``.snn`` file or of the run."""

    @property
    def images(self) -> np.ndarray:
        """The images of the run, float array (n_images, *input_shape)."""

    @property
    def activations(self) -> dict[str, np.ndarray]:
        """ANN activation over lambda of every population."""

    @property
    def table(self) -> pd.DataFrame:
        """The table in the file or in the study's folder."""

    def each(self) -> Mapping[str, Asked]:
        """The run and those beside it, by their names in the legend."""


KINDS: Registry[Callable[[Asked], Any]] = Registry(
    "figure", "bionet.figures", package="bionet.figures.kinds", alphabetical=True
)
"""Kinds of figures: functions from what was asked for, an :class:`Asked`, to Axes."""
