"""Data sets: the offline digits, and the file formats with everything that can be wrong in them."""

import gzip
import os
from dataclasses import FrozenInstanceError
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from bionet import datasets
from bionet.errors import InputError


def idx_bytes(array: NDArray[np.uint8]) -> bytes:
    header = bytes((0, 0, 8, array.ndim)) + np.array(array.shape, dtype=">u4").tobytes()
    return header + array.tobytes()


def write_mnist(folder: Path, n: int = 30, packed: bool = True) -> tuple[NDArray, NDArray]:
    """A small data set in MNIST's format: both splits hold the same images."""
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (n, 28, 28), dtype=np.uint8)
    labels = np.arange(n, dtype=np.uint8) % 10
    folder.mkdir(parents=True, exist_ok=True)
    for prefix in ("train", "t10k"):
        for kind, array in (("images-idx3", images), ("labels-idx1", labels)):
            content = idx_bytes(array)
            name = f"{prefix}-{kind}-ubyte"
            if packed:
                (folder / f"{name}.gz").write_bytes(gzip.compress(content))
            else:
                (folder / name).write_bytes(content)
    return images, labels


@pytest.fixture(scope="module")
def digits() -> dict[str, datasets.Dataset]:
    return {split: datasets.load("digits", split) for split in datasets.SPLITS}


def test_digits_are_4000_and_1000_stratified_images(digits: dict[str, datasets.Dataset]) -> None:
    for split, n in (("train", 4000), ("test", 1000)):
        data = digits[split]
        assert data.images.shape == (n, 1, 28, 28)
        assert data.images.dtype == np.float32
        assert data.labels.dtype == np.int64
        assert data.images.min() == 0
        assert data.images.max() == 1
        np.testing.assert_array_equal(np.bincount(data.labels), [n // 10] * 10)
        assert data.classes == tuple("0123456789")


def test_digits_splits_are_disjoint_and_fixed(digits: dict[str, datasets.Dataset]) -> None:
    train, test = ({image.tobytes() for image in digits[split].images} for split in digits)
    assert len(train) == 4000
    assert len(test) == 1000
    assert not train & test
    np.testing.assert_array_equal(datasets.load("digits").images, digits["test"].images)
    # The shipped weights were trained on this very split: it must never change.
    assert digits["test"].images.sum(dtype=np.float64) == pytest.approx(103727.44, abs=0.01)


def test_digits_come_in_a_fixed_shuffled_order(digits: dict[str, datasets.Dataset]) -> None:
    assert digits["test"].labels[:12].tolist() == [5, 9, 0, 6, 6, 8, 1, 3, 9, 2, 0, 9]
    for data in digits.values():
        assert np.bincount(data.labels[:200], minlength=10).min() >= 8


def test_another_seed_gives_another_digits_split(digits: dict[str, datasets.Dataset]) -> None:
    other = datasets.load("digits", "test", seed=1)
    assert np.bincount(other.labels).tolist() == [100] * 10
    assert not np.array_equal(other.images, digits["test"].images)


@pytest.mark.parametrize("seed", [-1, 0.5])
def test_a_seed_that_is_no_natural_number_is_refused(seed: int) -> None:
    with pytest.raises(InputError, match=rf"seed .* (got|is) {seed}"):
        datasets.load("digits", seed=seed)


def test_a_dataset_unpacks_prints_and_is_frozen(digits: dict[str, datasets.Dataset]) -> None:
    images, labels = digits["test"]
    assert images is digits["test"].images
    assert labels is digits["test"].labels
    assert len(digits["test"]) == 1000
    assert repr(digits["test"]) == "<Dataset digits (test): 1000 images 1 x 28 x 28, 10 classes>"
    with pytest.raises(FrozenInstanceError):
        digits["test"].name = "other"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("images", "labels", "match"),
    [
        (
            np.zeros((2, 28, 28), np.float32),
            np.zeros(2, np.int64),
            r"images must be a float32 array",
        ),
        (np.zeros((2, 1, 2, 2)), np.zeros(2, np.int64), r"images must be .* got float64"),
        (
            np.zeros((0, 1, 2, 2), np.float32),
            np.zeros(0, np.int64),
            r"n >= 1, got .*\(0, 1, 2, 2\)",
        ),
        (
            np.zeros((2, 1, 2, 2), np.float32),
            np.zeros(3, np.int64),
            r"labels must be .* got int64 \(3,\)",
        ),
        (
            np.zeros((2, 1, 2, 2), np.float32),
            np.zeros(2),
            r"labels must be an int64 .* got float64",
        ),
        (
            np.full((2, 1, 2, 2), 255, np.float32),
            np.zeros(2, np.int64),
            r"pixels must be in \[0, 1\]",
        ),
        (
            np.full((2, 1, 2, 2), np.nan, np.float32),
            np.zeros(2, np.int64),
            r"got nan to nan; rescale",
        ),
        (
            np.zeros((2, 1, 2, 2), np.float32),
            np.array([0, 2]),
            r"labels must be in 0 to 1, .* got 0 to 2",
        ),
    ],
)
def test_a_dataset_checks_its_arrays(images: NDArray, labels: NDArray, match: str) -> None:
    with pytest.raises(InputError, match=match):
        datasets.Dataset("mine", "test", images, labels, ("a", "b"))


def test_unknown_names_and_splits_list_the_known_ones() -> None:
    with pytest.raises(
        InputError, match="one of digits, mnist, fashion-mnist, cifar10, got 'imagenet'"
    ):
        datasets.load("imagenet")
    with pytest.raises(
        InputError, match="split of 'digits': expected one of train, test, got 'val'"
    ):
        datasets.load("digits", "val")


@pytest.mark.parametrize("packed", [True, False])
def test_mnist_files_are_read_packed_and_plain(tmp_path: Path, packed: bool) -> None:
    pixels, labels = write_mnist(tmp_path / "mnist", packed=packed)
    for split in datasets.SPLITS:
        data = datasets.load("mnist", split, tmp_path)
        np.testing.assert_array_equal(np.rint(data.images[:, 0] * 255), pixels)
        np.testing.assert_array_equal(data.labels, labels)
    assert data.images.max() <= 1


def test_the_environment_names_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_mnist(tmp_path / "fashion-mnist")
    monkeypatch.setenv("BIONET_DATA", str(tmp_path))
    assert datasets.load("fashion-mnist").classes[9] == "Ankle boot"
    with pytest.raises(InputError, match="elsewhere"):
        datasets.load("fashion-mnist", data_dir=tmp_path / "elsewhere")


@pytest.mark.parametrize(
    ("name", "home"),
    [
        ("mnist", "the MNIST database page by Yann LeCun"),
        ("fashion-mnist", "github.com/zalandoresearch/fashion-mnist"),
        ("cifar10", r"https://www.cs.toronto.edu/~kriz/cifar.html"),
    ],
)
def test_missing_data_say_where_to_get_them_and_how_to_point_to_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, home: str
) -> None:
    monkeypatch.delenv("BIONET_DATA", raising=False)
    advice = rf"{home}.*--data-dir .*BIONET_DATA"
    with pytest.raises(InputError, match=rf"no data folder given.*{advice}"):
        datasets.load(name)
    with pytest.raises(InputError, match=rf"folder .* not found.*{advice}"):
        datasets.load(name, data_dir=tmp_path)
    folder = {"cifar10": "cifar-10-batches-bin"}.get(name, name)
    (tmp_path / folder).mkdir()
    with pytest.raises(
        InputError, match=rf"file (train-images-idx3|data_batch_1).*not found.*{advice}"
    ):
        datasets.load(name, "train", tmp_path)


@settings(max_examples=25, deadline=None)
@given(shape=st.lists(st.integers(1, 5), min_size=1, max_size=4), seed=st.integers(0, 99))
def test_idx_round_trip(
    tmp_path_factory: pytest.TempPathFactory, shape: list[int], seed: int
) -> None:
    array = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    path = tmp_path_factory.mktemp("idx") / "x"
    path.write_bytes(idx_bytes(array))
    np.testing.assert_array_equal(datasets.read_idx(path, len(shape)), array)


LABELS = np.arange(9, dtype=np.uint8)


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"", "magic number must be 00000801 .* got an empty file"),
        (b"\x00\x00", "magic number must be 00000801 .* got 0000;"),
        (idx_bytes(LABELS.reshape(3, 3)), "1 dimensions.*got 00000802"),
        (b"\x00\x00\x0d\x01" + idx_bytes(LABELS)[4:], "unsigned bytes.*got 00000d01"),
        (idx_bytes(LABELS)[:6], "ends within its header"),
        (idx_bytes(LABELS)[:-1], "the header says 9 = 9 bytes, but 8 follow"),
        (idx_bytes(LABELS) + b"x", "the header says 9 = 9 bytes, but 10 follow"),
        (idx_bytes(LABELS[:0]), "but 0 follow .at least 1 is needed"),
        (b"\x00\x00\x08\x01\xff\xff\xff\xff", "but 0 follow"),
    ],
)
def test_damaged_idx_files_are_refused_by_name(tmp_path: Path, content: bytes, match: str) -> None:
    plain, packed = tmp_path / "labels", tmp_path / "labels.gz"
    plain.write_bytes(content)
    packed.write_bytes(gzip.compress(content))
    for path in (plain, packed):
        with pytest.raises(InputError, match=match) as error:
            datasets.read_idx(path, 1)
        assert str(error.value).startswith(str(path))
        assert "\n" not in str(error.value)


@pytest.mark.parametrize("damage", ["truncated", "corrupt", "not gzip", "checksum"])
def test_damaged_gzip_is_refused_by_name(tmp_path: Path, damage: str) -> None:
    whole = gzip.compress(idx_bytes(np.random.default_rng(0).integers(0, 10, 999, dtype=np.uint8)))
    content = {
        "truncated": whole[:-30],
        "corrupt": whole[:20] + bytes(200) + whole[220:],
        "not gzip": b"<html>404 Not Found</html>",
        "checksum": whole[:-8] + bytes(4) + whole[-4:],
    }[damage]
    path = tmp_path / "labels.gz"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"labels\.gz: can't be read .*get the file again"):
        datasets.read_idx(path, 1)


def test_a_missing_idx_or_cifar_file_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nothing: can't be read"):
        datasets.read_idx(tmp_path / "nothing", 1)
    with pytest.raises(InputError, match="nothing: can't be read"):
        datasets.read_cifar10(tmp_path / "nothing")


@pytest.mark.parametrize(
    ("file", "array", "match"),
    [
        (
            "t10k-images-idx3",
            np.zeros((30, 20, 28), np.uint8),
            "images must be 28 x 28 pixels, got 20 x 28",
        ),
        (
            "t10k-labels-idx1",
            np.zeros(29, np.uint8),
            "one label for each of the 30 images .* got 29",
        ),
        (
            "t10k-labels-idx1",
            np.full(30, 10, np.uint8),
            "labels must be in 0 to 9, got 10 at position 0",
        ),
    ],
)
def test_mnist_files_that_contradict_are_refused(
    tmp_path: Path, file: str, array: NDArray[np.uint8], match: str
) -> None:
    write_mnist(tmp_path / "mnist")
    (tmp_path / "mnist" / f"{file}-ubyte.gz").write_bytes(gzip.compress(idx_bytes(array)))
    with pytest.raises(InputError, match=rf"{file}-ubyte\.gz: .*{match}"):
        datasets.load("mnist", "test", tmp_path)


def cifar_records(seed: int = 0) -> NDArray[np.uint8]:
    random = np.random.default_rng(seed)
    records = random.integers(0, 256, (10_000, 3073), dtype=np.uint8)
    records[:, 0] %= 10
    return records


def test_cifar10_keeps_channels_rows_and_the_order_of_its_files(tmp_path: Path) -> None:
    records = cifar_records()
    folder = tmp_path / "cifar-10-batches-bin"
    folder.mkdir()
    for i in range(1, 6):
        records[0, 0] = i
        records.tofile(folder / f"data_batch_{i}.bin")
    data = datasets.load("cifar10", "train", tmp_path)
    assert data.images.shape == (50_000, 3, 32, 32)
    assert data.labels[::10_000].tolist() == [1, 2, 3, 4, 5]
    channel, row, column = 2, 7, 30
    expected = records[5, 1 + channel * 1024 + row * 32 + column] / np.float32(255)
    assert data.images[40_005, channel, row, column] == expected


@pytest.mark.parametrize(("size", "got"), [(30_729_999, 30_729_999), (3073, 3073), (0, 0)])
def test_cifar10_files_of_another_size_are_refused(tmp_path: Path, size: int, got: int) -> None:
    path = tmp_path / "test_batch.bin"
    path.write_bytes(bytes(size))
    with pytest.raises(
        InputError, match=rf"test_batch\.bin: must be .* 30730000 bytes, got {got};"
    ):
        datasets.read_cifar10(path)


def test_cifar10_labels_over_9_are_refused(tmp_path: Path) -> None:
    records = cifar_records()
    records[3, 0] = 77
    records.tofile(tmp_path / "test_batch.bin")
    with pytest.raises(InputError, match=r"labels must be in 0 to 9, got 77 at position 3"):
        datasets.read_cifar10(tmp_path / "test_batch.bin")


@pytest.mark.skipif(not os.environ.get("BIONET_DATA"), reason="BIONET_DATA names no data folder")
@pytest.mark.parametrize("name", ["mnist", "fashion-mnist", "cifar10"])
def test_the_published_files_are_read_whole(name: str) -> None:
    data = datasets.load(name)
    assert len(data) == 10_000
    np.testing.assert_array_equal(np.unique(data.labels), np.arange(10))


@pytest.mark.skipif(not os.environ.get("BIONET_DATA"), reason="BIONET_DATA names no data folder")
def test_the_digits_are_images_of_mnist_training_split(digits: dict[str, datasets.Dataset]) -> None:
    mnist = {image.tobytes() for image in datasets.load("mnist", "train").images}
    assert all(image.tobytes() in mnist for data in digits.values() for image in data.images)
