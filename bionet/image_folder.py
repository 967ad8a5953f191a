"""Photos in folders, as ImageNet's validation set is kept: read one by one, cut to size.

Two layouts are read, in ``DIR``, ``DIR/val`` or ``DIR/imagenet/val``:

- a folder for each class (n01440764, ...), as torchvision's ``ImageFolder`` has them: a class is
  the place of its folder in alphabetical order. Folders called 0, 1, 2, ... are these classes.
- all photos in one folder with a list of them: ``LOC_val_solution.csv`` (photo, class name), or
  ``val.txt`` or ``labels.txt`` (a line each: photo, then class name or number from 0 in
  alphabetical order of the names).

A photo is cut as torchvision cuts it for pretrained weights: its shorter side becomes 256/224 of
the size, bilinear with antialiasing, and the square in the middle stays. Pixels are in [0, 1].
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bionet.errors import InputError
from bionet.kinds import typed

__all__ = ["ImageFolder", "read_image"]

SUFFIXES = (".jpeg", ".jpg", ".png")
LISTS = ("LOC_val_solution.csv", "val.txt", "labels.txt")
EXPECTED = (
    "expected ImageNet's validation set: a folder of JPEGs for each of the {n} classes (n01440764,"
    " ...), or all JPEGs in one folder beside LOC_val_solution.csv, val.txt or labels.txt; point to"
    " it, or to the folder that holds it as val/ or imagenet/val/, with --data-dir (data_dir=) or"
    " BIONET_DATA"
)


@typed
@dataclass(frozen=True)
class ImageFolder:
    """Photos with their classes, none of them read yet.

    Parameters
    ----------
    paths : tuple of Path
        The photos.
    labels : tuple of int
        The class of each, from 0.

    Raises
    ------
    InputError
        If their numbers differ, or are 0.
    """

    paths: tuple[Path, ...]
    labels: tuple[int, ...]

    def __post_init__(self) -> None:
        if not self.paths or len(self.paths) != len(self.labels):
            raise InputError(
                f"ImageFolder: expected photos with a label each, got {len(self.paths)} photos and"
                f" {len(self.labels)} labels"
            )

    @classmethod
    def find(cls, data_dir: str | os.PathLike[str] | None, n_classes: int) -> ImageFolder:
        """The photos below a folder, in one of this module's layouts.

        Parameters
        ----------
        data_dir : path or None
            The environment variable ``BIONET_DATA`` if None.
        n_classes : int
            That the network distinguishes.

        Raises
        ------
        InputError
            If there are none, or their classes are not clear.
        """
        expected = EXPECTED.format(n=n_classes)
        root = data_dir if data_dir is not None else os.environ.get("BIONET_DATA")
        if not root:
            raise InputError(f"photos: no folder given; {expected}")
        for folder in (Path(root) / "imagenet" / "val", Path(root) / "val", Path(root)):
            if not folder.is_dir():
                continue
            if listed := next((folder / n for n in LISTS if (folder / n).is_file()), None):
                return cls._listed(listed, n_classes)
            classes = sorted(f for f in folder.iterdir() if f.is_dir() and photos_in(f))
            if classes:
                return cls._in_classes(folder, classes, n_classes)
        raise InputError(f"{root}: no photos in class folders and no list of photos; {expected}")

    @classmethod
    def _in_classes(cls, folder: Path, classes: Sequence[Path], n_classes: int) -> ImageFolder:
        numbered = all(f.name.isdecimal() and int(f.name) < n_classes for f in classes)
        if not numbered and len(classes) != n_classes:
            raise InputError(
                f"{folder}: {len(classes)} class folders, from which the class numbers of a network"
                f" of {n_classes} classes can't be told; keep all {n_classes} folders, or rename"
                f" them to the numbers of their classes, 0 to {n_classes - 1}"
            )
        paths: list[Path] = []
        labels: list[int] = []
        for place, one in enumerate(classes):
            of_class = photos_in(one)
            paths += of_class
            labels += [int(one.name) if numbered else place] * len(of_class)
        return cls(tuple(paths), tuple(labels))

    @classmethod
    def _listed(cls, path: Path, n_classes: int) -> ImageFolder:
        pairs = [_photo_and_class(line, path) for line in _lines(path)]
        pairs = [pair for pair in pairs if pair != ("ImageId", "PredictionString")]
        words = sorted({word for _, word in pairs})
        if all(word.isdecimal() for word in words):
            classes = {word: int(word) for word in words}
        elif len(words) == n_classes:
            classes = {word: number for number, word in enumerate(words)}
        else:
            raise InputError(
                f"{path}: names {len(words)} classes, from which the class numbers of a network of"
                f" {n_classes} classes can't be told; list photos of all {n_classes} classes, or"
                f" give their numbers, 0 to {n_classes - 1}"
            )
        if (most := max(classes.values(), default=0)) >= n_classes:
            raise InputError(
                f"{path}: expected class numbers from 0 to {n_classes - 1}, in alphabetical order"
                f" of the classes' names, got {most}; the numbers 1 to {n_classes} of"
                " ILSVRC2012_validation_ground_truth.txt stand for another order"
            )
        files = []
        for name, _ in pairs:
            places = (path.parent / name, *(path.parent / f"{name}{s}" for s in (".JPEG", ".jpg")))
            photo = next((p for p in places if p.is_file()), None)
            if photo is None:
                raise InputError(
                    f"{path}: names the photo {name}, which is not beside it; get it, or take its"
                    " line out"
                )
            files.append(photo)
        return cls(tuple(files), tuple(classes[word] for _, word in pairs))

    def some(self, n: int, size: int, seed: int, skip: int = 0) -> tuple[np.ndarray, np.ndarray]:
        """Photos drawn by the seed, and their classes.

        Parameters
        ----------
        n : int
            Photos, fewer where there are not so many.
        size : int
            Height and width, pixels.
        seed : int
        skip : int
            Photos of the same draw to leave out before.

        Returns
        -------
        images : array (n, 3, size, size), float32
        labels : array (n,), int64
        """
        order = np.random.default_rng(seed).permutation(len(self.paths))[skip : skip + n]
        if not len(order):
            raise InputError(
                f"photos: expected more than {skip}, got {len(self.paths)}; ask for fewer"
                " (--images)"
            )
        images = np.stack([read_image(self.paths[i], size) for i in order])
        return images, np.array([self.labels[i] for i in order], dtype=np.int64)


def photos_in(folder: Path) -> list[Path]:
    """The photos of a folder, in alphabetical order."""
    return sorted(p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES)


def _lines(path: Path) -> list[str]:
    return [line for line in path.read_text(errors="replace").splitlines() if line.strip()]


def _photo_and_class(line: str, path: Path) -> tuple[str, str]:
    """The first two words of a line: what follows in LOC_val_solution.csv is a box."""
    words = line.replace(",", " ").split()
    if len(words) < 2:
        raise InputError(
            f"{path}: expected a photo and its class in each line, got {line.strip()!r};"
            " write lines such as 'ILSVRC2012_val_00000001.JPEG 65'"
        )
    return words[0], words[1]


def read_image(path: Path, size: int) -> np.ndarray:
    """The middle of a photo, array (3, size, size) float32 in [0, 1].

    Raises
    ------
    InputError
        If it can't be read.
    """
    from PIL import Image

    try:
        with Image.open(path) as photo:
            whole = photo.convert("RGB")
    except Exception as error:  # what a damaged photo leads to cannot be told beforehand
        raise InputError(f"{path}: is no photo that can be read ({error}); get it again") from error
    shorter = round(size * 256 / 224)
    scale = shorter / min(whole.size)
    width, height = (max(shorter, math.floor(n * scale)) for n in whole.size)
    whole = whole.resize((width, height), Image.Resampling.BILINEAR)
    left, top = round((width - size) / 2), round((height - size) / 2)
    cut = np.asarray(whole.crop((left, top, left + size, top + size)), dtype=np.float32)
    return np.ascontiguousarray(cut.transpose(2, 0, 1)) / np.float32(255)
