"""The network and the images of a saved run, found again by what its ``run.json`` notes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bionet.errors import InputError
from bionet.results.run_json import read_run

if TYPE_CHECKING:
    from bionet.network import SpikingNetwork
    from bionet.results.recording import Recording
    from bionet.sources import Images, Source

__all__ = ["RunSources", "run_sources"]


@dataclass(frozen=True, eq=False)
class RunSources:
    """What a run was made from.

    Parameters
    ----------
    snn : SpikingNetwork
        The network that was simulated: its hash is that of the recording.
    source : Source or None
        The PyTorch network that it was converted from, where it is known.
    images : Images
    """

    snn: SpikingNetwork
    source: Source | None
    images: Images

    def activations(self, run: Recording) -> dict[str, np.ndarray]:
        """ANN activation over lambda of every population, arrays (n_images, *shape).

        Raises
        ------
        InputError
            If the PyTorch network is not known.
        """
        from bionet.audits.rate_comparison import Comparison
        from bionet.conversion import activations

        if self.source is None:
            raise InputError(
                "the PyTorch network of this run is not known, so there are no ANN activations;"
                " use bionet.figures.feature_maps with your own"
            )
        raw = activations(self.source.net, self.images.images, self.snn)
        return Comparison(self.snn, run).ideal(raw, self.images.images)


def run_sources(folder: Path, run: Recording, trusted: bool = False) -> RunSources:
    """The network and images of a run of ``bionet simulate``, ``audit`` or ``demo``.

    Parameters
    ----------
    folder : Path
    run : Recording
    trusted : bool
        Whether code that ``run.json`` names as ``module:function`` may be imported: a folder that
        somebody sent must not choose which code is run.

    Raises
    ------
    InputError
        If they are not there any more, or not the ones that were simulated.
    """
    description = read_run(folder)
    arguments = description.get("arguments") or {}
    name = str(arguments.get("network"))
    if ":" in name and not trusted:
        raise InputError(
            f"{folder}: run.json names the code {name}, which is imported with --trust only;"
            " give it if the run is your own"
        )
    try:
        snn, source = _networks(description.get("command"), arguments)
        images = _images(description.get("command"), arguments)
    except (InputError, OSError, KeyError, TypeError) as error:
        raise InputError(
            f"{folder}: the network or the images of this run cannot be found again ({error})"
        ) from error
    if snn.hash() != run.parameters.get("network"):
        raise InputError(f"{folder}: the network of this run has changed since; simulate again")
    if len(images.images) != run.n_images:
        raise InputError(
            f"{folder}: the run has {run.n_images} images, but {images.name} now gives"
            f" {len(images.images)}; simulate again"
        )
    return RunSources(snn, source, images)


def _networks(command: str | None, given: dict[str, Any]) -> tuple[SpikingNetwork, Source | None]:
    from bionet.commands.convert import CALIBRATION_IMAGES, converted
    from bionet.commands.simulate import _network
    from bionet.network import SpikingNetwork
    from bionet.sources import load_images, source_network

    if command == "simulate":
        return _network(
            given["network"], given["weights"], given["data"], _path(given), given["seed"]
        )
    if command == "audit":
        snn = SpikingNetwork.load(given["snn"])
        same = snn.origin.network == given["network"]
        weights = given["weights"] or (snn.origin.weights if same else None)
        return snn, source_network(given["network"], weights)
    if command == "demo":
        source = source_network("lenet5", "digits")
        calibration = load_images("digits", "train", None)
        return converted(source, calibration.drawn(CALIBRATION_IMAGES, given["seed"], "")), source
    raise InputError("its run.json is missing or that of another command")


def _images(command: str | None, given: dict[str, Any]) -> Images:
    from bionet.sources import load_images

    if given.get("input_file") is not None:
        raise InputError("its input is a file of frames, events or spikes, not images")
    if command == "demo":
        return load_images("digits", "test", None).first(given["images"], "--images")
    images = load_images(given["data"], given["split"], _path(given))
    return images.first(given["images"], "--images")


def _path(given: dict[str, Any]) -> Path | None:
    return None if given.get("data_dir") is None else Path(given["data_dir"])
