"""What ``bionet figure`` hands to a figure: the parts of a run's folder, read when used."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bionet.commands.outputs import load_audit, load_labels
from bionet.errors import InputError
from bionet.figures.kinds import KINDS
from bionet.files import CHECKSUM
from bionet.results.columns import table_checksum
from bionet.results.run_json import read_run

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from bionet.audits.table import Audit
    from bionet.commands.run_sources import RunSources
    from bionet.network import SpikingNetwork
    from bionet.results.recording import Recording

__all__ = ["KINDS", "Request", "read_table"]


@dataclass(frozen=True)
class Request:
    """What a figure is asked to show (:class:`bionet.figures.kinds.Asked`).

    Parameters
    ----------
    path : Path
        Folder of a run, an ``.snn`` file or a table.
    image : int
    populations : list of str, optional
    units : list of int, optional
    others : tuple of Path
        Further runs for the same axis.
    readout : str, optional
    trusted : bool
        Whether code that the run names may be imported.
    """

    path: Path
    image: int = 0
    populations: list[str] | None = None
    units: list[int] | None = None
    others: tuple[Path, ...] = field(default=())
    readout: str | None = None
    trusted: bool = False

    @cached_property
    def run(self) -> Recording:
        """The recording in the folder."""
        from bionet.results.recording import Recording

        return Recording.load(self.path)

    @cached_property
    def sources(self) -> RunSources:
        """The network and the images of the run."""
        from bionet.commands.run_sources import run_sources

        return run_sources(self.path, self.run, self.trusted)

    @property
    def labels(self) -> np.ndarray:
        """Class of every image."""
        return load_labels(self.path)

    @property
    def audit(self) -> Audit:
        """The audit in the folder."""
        return load_audit(self.path)

    @property
    def description(self) -> Mapping[str, Any]:
        """The content of ``run.json``."""
        return read_run(self.path)

    @property
    def network(self) -> SpikingNetwork:
        """The spiking network, of an ``.snn`` file or of the run."""
        from bionet.network import SpikingNetwork

        return SpikingNetwork.load(self.path) if self.path.is_file() else self.sources.snn

    @property
    def images(self) -> np.ndarray:
        """The images of the run."""
        return self.sources.images.images

    @property
    def activations(self) -> dict[str, np.ndarray]:
        """ANN activation over lambda of every population."""
        return self.sources.activations(self.run)

    @property
    def table(self) -> pd.DataFrame:
        """The table in the file or in the study's folder."""
        return read_table(self.path)

    def each(self) -> dict[str, Request]:
        """Requests for this run and the others, by name in the legend."""
        paths = (self.path, *self.others)
        names = [path.resolve().name for path in paths]
        distinct = names if len(set(names)) == len(names) else [str(path) for path in paths]
        return {n: replace(self, path=p, others=()) for n, p in zip(distinct, paths, strict=True)}


def read_table(path: Path) -> pd.DataFrame:
    """A table by its suffix; of a study's folder its finished cells, or the table that it holds.

    Raises
    ------
    InputError
        If there is none, or it is damaged: also where its checksum is another.
    """
    import pandas as pd

    if path.is_dir():
        cells = _finished(path) if (path / "study.json").is_file() else None
        if cells is not None and len(cells):
            return cells
        tables = (f for name in ("parquet", "csv") for f in sorted(path.glob(f"*.{name}")))
        folder, path = path, next(tables, path)
        if path == folder and cells is not None:
            raise InputError(f"the study in {folder} has no finished cell yet; run it first")
    if path.suffix not in (".csv", ".parquet") or not path.is_file():
        raise InputError(f"{path} is no table: give a .csv or .parquet file, or a study's folder")
    try:
        table = pd.read_csv(path) if path.suffix == ".csv" else pd.read_parquet(path)
        noted = table.attrs.pop(CHECKSUM, None)
        whole = noted is None or noted == table_checksum(table)
    except Exception as error:  # what a damaged file leads to cannot be told beforehand
        text = str(error).partition("\n")[0]
        raise InputError(f"{path} is damaged or no table ({text})") from error
    if not whole:
        raise InputError(f"{path} is damaged: its checksum is not that of its content")
    return table


def _finished(folder: Path) -> pd.DataFrame:
    """The finished cells of a study's folder, whose files have checksums."""
    from bionet.study import table

    return table(folder)
