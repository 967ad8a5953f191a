"""What the cells of a study share: images, source networks, converted networks, ANN accuracies."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bionet.errors import InputError
from bionet.files import read_tensors, write_tensors
from bionet.network import SpikingNetwork
from bionet.sources import Images, Source, load_images, source_network, with_source
from bionet.study.cells import Cell, cells_of, digest, hash_arrays
from bionet.study.specification import Study, source_of, with_code

__all__ = ["Materials", "gather", "read_images", "read_network"]

IMAGES, NETWORKS = "images.safetensors", "networks"


@dataclass(frozen=True, eq=False)
class Materials:
    """Everything that cells are made from.

    Attributes
    ----------
    study : Study
    evaluated, calibration : Images
    sources : mapping of str to Source
        By :func:`~bionet.study.cells.digest` of the network's entry.
    cells : tuple of Cell
    """

    study: Study
    evaluated: Images
    calibration: Images
    sources: Mapping[str, Source]
    cells: tuple[Cell, ...]

    def convert(self, folder: Path, cells: Sequence[Cell], note: Callable[[str], None]) -> None:
        """Convert what the cells need and is not there yet, and save it with the images."""
        if not (folder / IMAGES).is_file():
            arrays = {"images": self.evaluated.images, "labels": self.evaluated.labels}
            write_tensors(folder / IMAGES, arrays, {})
        for cell in {cell.network: cell for cell in cells}.values():
            path = folder / NETWORKS / f"{cell.network}.snn"
            if not path.is_file():
                note(f"converting: {cell.content['method']['label']}, {cell.content['coding']}")
                self.converted(cell).save(path)

    def converted(self, cell: Cell) -> SpikingNetwork:
        """The network that a cell perturbs and simulates.

        Raises
        ------
        InputError
            Naming network and method, if the one cannot be converted by the other.
        """
        try:
            return self._converted(cell.content["converted"])
        except InputError as error:
            name, method = cell.content["converted"]["network"]["name"], cell.content["method"]
            raise InputError(f"network {name!r}, method {method['label']!r}: {error}") from error

    def _converted(self, converted: Mapping[str, Any]) -> SpikingNetwork:
        from bionet import conversion
        from bionet.conversion.methods import options_of
        from bionet.options import read_options

        source = self.sources[digest(converted["network"])]
        method = converted["method"]
        takes = options_of(method, converted["options"])
        options = read_options(converted["options"], takes, f"method {method!r}")
        if options.get("labels") is True:  # the search may look at the calibration's classes
            options["labels"] = self.calibration.labels
        snn = conversion.convert(
            source.net,
            method,
            calibration=self.calibration.images,
            input_shape=source.input_shape or self.evaluated.images.shape[1:],
            **options,
        )
        return with_source(snn, source)

    def ann_accuracy(self, cell: Cell, accuracies: dict[Any, float]) -> float:
        """Accuracy of the source network on the images as the cell shows them."""
        from bionet.evaluation import evaluate

        content = cell.content
        choice = content["converted"]["network"]
        changes = image_changes(content)
        key = digest([choice, [[c.name, c.number] for c in changes], changes and content["seed"]])
        if key not in accuracies:
            images = self.evaluated.images
            for change in changes:
                images = change.apply(images, content["seed"])
            accuracies[key] = evaluate(
                self.sources[digest(choice)].net, images, self.evaluated.labels
            )
        return accuracies[key]


def disturbances(content: Mapping[str, Any]) -> list[Any]:
    """The perturbations of a cell, those it always has first."""
    from bionet import perturbations

    main = content["perturbation"]
    made = [perturbations.find(w["name"]).of(w["level"], **w["options"]) for w in main["with"]]
    if main["name"] != "none":
        made.append(perturbations.find(main["name"]).of(content["level"], **main["options"]))
    return made


def image_changes(content: Mapping[str, Any]) -> list[Any]:
    """The perturbations of a cell that act on its images."""
    from bionet.perturbations import ImagePerturbation

    return [p for p in disturbances(content) if isinstance(p, ImagePerturbation)]


def gather(study: Study, data_dir: Path | None = None) -> Materials:
    """Load images and networks, and list the cells.

    Raises
    ------
    InputError
        If images, networks or weights are missing or do not fit; the message names the key.
    """
    study = with_code(study)
    sources = {}
    for number, entry in enumerate(study.networks):
        try:
            shape = entry["input_shape"]
            text = None if shape is None else ",".join(map(str, shape))
            sources[digest(source_of(entry))] = source_network(
                entry["name"], entry["weights"], text
            )
        except InputError as error:
            raise InputError(f"network[{number}]: {error}") from error
    try:
        whole = load_images(study.data, study.split, data_dir)
        training = load_images(study.data, "train", data_dir)
    except InputError as error:
        raise InputError(f"data: {error}") from error
    if max(study.images) >= len(whole.images):
        raise InputError(
            f"images: {study.data} ({study.split}) has the images 0 to {len(whole.images) - 1},"
            f" but {max(study.images)} is asked for"
        )
    positions = np.asarray(study.images)
    pictures = Images(whole.name, whole.images[positions], whole.labels[positions])
    settings = study.calibration
    calibration = training.drawn(settings["images"], settings["seed"], "calibration.images")
    weights = {
        key: hash_arrays(*(np.asarray(v.detach().cpu()) for v in source.net.state_dict().values()))
        for key, source in sources.items()
    }
    images = hash_arrays(pictures.images, pictures.labels, calibration.images, calibration.labels)
    return Materials(study, pictures, calibration, sources, cells_of(study, weights, images))


def read_images(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """The images and labels of a study's folder."""
    arrays, _ = read_tensors(folder / IMAGES)
    return arrays["images"], arrays["labels"]


def read_network(folder: Path, key: str) -> SpikingNetwork:
    """A converted network of a study's folder."""
    return SpikingNetwork.load(folder / NETWORKS / f"{key}.snn")
