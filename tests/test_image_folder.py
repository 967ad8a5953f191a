"""Photos in class folders or with a list, and the item of ImageNet that reads them."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from brian2 import ms
from PIL import Image
from torch import nn

from bionet import zoo
from bionet.errors import InputError
from bionet.image_folder import ImageFolder, read_image
from bionet.reproduce import Settings, imagenet, items_of
from bionet.zoo import entries

N_CLASSES = 3


def photo(path: Path, level: int, size: tuple[int, int] = (40, 52)) -> None:
    """A JPEG with a brighter right half."""
    pixels = np.full((*size, 3), level, dtype=np.uint8)
    pixels[:, size[1] // 2 :] = min(255, level + 60)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


@pytest.fixture
def classes(tmp_path: Path) -> Path:
    for number, name in enumerate(("n03", "n01", "n02")):
        for k in range(2):
            photo(tmp_path / "val" / name / f"{name}_{k}.JPEG", 60 * number)
    return tmp_path


def test_a_class_is_the_place_of_its_folder_in_alphabetical_order(classes: Path) -> None:
    photos = ImageFolder.find(classes, N_CLASSES)
    assert [p.parent.name for p in photos.paths[::2]] == ["n01", "n02", "n03"]
    assert photos.labels == (0, 0, 1, 1, 2, 2)
    assert ImageFolder.find(classes / "val", N_CLASSES) == photos
    images, labels = photos.some(6, 21, seed=1)
    assert images.shape == (6, 3, 21, 21) and sorted(labels) == [0, 0, 1, 1, 2, 2]
    level = {0: 60, 1: 120, 2: 0}  # of the names as they were written above
    for image, label in zip(images, labels, strict=True):
        assert image[:, :, 2].mean() * 255 == pytest.approx(level[int(label)], abs=3)
    again = np.concatenate([photos.some(2, 21, 1)[1], photos.some(9, 21, 1, skip=2)[1]])
    np.testing.assert_array_equal(again, labels)


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("val.txt", "{photo}.JPEG {number}"),
        ("labels.txt", "{photo} n0{number}"),
        ("LOC_val_solution.csv", "{photo},n0{number} 1 2 3 4 "),
    ],
)
def test_photos_in_one_folder_come_with_a_list(tmp_path: Path, name: str, line: str) -> None:
    lines = []
    for k, number in enumerate((2, 0, 1)):
        photo(tmp_path / f"ILSVRC2012_val_{k}.JPEG", 10)
        lines.append(line.format(photo=f"ILSVRC2012_val_{k}", number=number))
    header = ["ImageId,PredictionString"] if name.endswith("csv") else []
    (tmp_path / name).write_text("\n".join(header + lines))
    photos = ImageFolder.find(tmp_path, N_CLASSES)
    assert photos.labels == (2, 0, 1) and photos.paths[0].name == "ILSVRC2012_val_0.JPEG"


def test_a_photo_is_cut_from_its_middle(tmp_path: Path) -> None:
    photo(tmp_path / "x.png", 100, (64, 200))
    image = read_image(tmp_path / "x.png", 28)
    assert image.shape == (3, 28, 28) and image.dtype == np.float32
    rows = image[0].mean(0) * 255
    assert rows[:12] == pytest.approx(100, abs=1) and rows[16:] == pytest.approx(160, abs=1)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        ("no folder", "no folder given; expected ImageNet's validation set: a folder of JPEGs"),
        ("empty", r"no photos in class folders and no list of photos; .*--data-dir"),
        ("few classes", r"2 class folders, .* keep all 3 folders, or rename them to the numbers"),
        ("few names", r"names 2 classes, .* give their numbers, 0 to 2"),
        ("from 1", r"expected class numbers from 0 to 2, .*got 3; the numbers 1 to 3 of ILSVRC"),
        ("one word", "expected a photo and its class in each line, got 'a.JPEG'"),
        ("missing", "names the photo b.JPEG, which is not beside it; get it, or take its line"),
    ],
)
def test_what_is_unclear_is_refused(
    classes: Path, spoil: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("BIONET_DATA", raising=False)
    lists = {
        "few names": "n01_0.JPEG n01\nn01_1.JPEG n02",
        "from 1": "a.JPEG 3",
        "one word": "a.JPEG",
        "missing": "b.JPEG 1",
    }
    if spoil in lists:
        (classes / "val" / "labels.txt").write_text(lists[spoil])
    elif spoil == "few classes":
        (classes / "val" / "n03").rename(classes / "n03")
    elif spoil == "empty":
        (classes / "val").rename(classes.parent / "elsewhere")
    with pytest.raises(InputError, match=message):
        ImageFolder.find(None if spoil == "no folder" else classes, N_CLASSES)


def test_what_is_no_photo_and_too_few_photos_are_refused(classes: Path) -> None:
    photos = ImageFolder.find(classes, N_CLASSES)
    with pytest.raises(InputError, match=r"expected more than 6, got 6; ask for fewer"):
        photos.some(1, 21, 0, skip=6)
    photos.paths[0].write_bytes(b"nothing")
    with pytest.raises(InputError, match="is no photo that can be read"):
        read_image(photos.paths[0], 21)
    with pytest.raises(InputError, match="photos with a label each, got 6 photos and 1 labels"):
        dataclasses.replace(photos, labels=(0,))


def small() -> nn.Module:
    """A network of ten numbered classes as AlexNet is made, of a tenth of its size."""
    torch.manual_seed(1)
    return nn.Sequential(
        *(nn.Conv2d(3, 4, 3, 2), nn.ReLU(), nn.MaxPool2d(3, 2), nn.Flatten()),
        *(nn.Linear(36, 8), nn.ReLU(), nn.Linear(8, 1000)),
    )


def test_table_2_runs_on_your_photos_with_your_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Weights of torchvision's kind, a pickled state_dict of tensors, and of the adjusted net."""
    like = zoo.ZooEntry("alexnet", small, (3, 16, 16), ())
    monkeypatch.setattr(entries, "ENTRIES", {**zoo.ENTRIES, "alexnet": like})
    for number in (3, 44, 999):
        for k in range(3):
            photo(tmp_path / "imagenet" / "val" / f"{number}" / f"{k}.JPEG", 90 + 20 * k)
    torch.save(small().state_dict(), tmp_path / "alexnet.pth")
    bare = {k: v for k, v in small().state_dict().items() if not k.endswith("bias")}
    torch.save(bare, tmp_path / "adjusted.pth")
    item = items_of("dsnn", "table2-imagenet")[0]
    assert item not in items_of("dsnn")
    weights = {"alexnet": tmp_path / "alexnet.pth", "alexnet-adjusted": tmp_path / "adjusted.pth"}
    monkeypatch.setattr(imagenet, "QUICK_DURATION", 20 * ms)
    settings = Settings(quick=True, data_dir=tmp_path, weights=weights, device="numpy")
    result = item.run(settings)
    assert [(row.label, row.paper, row.n) for row in result.rows] == [
        ("alexnet, original network", 57.26, 2),
        ("alexnet, adjusted", 55.97, 2),
        ("alexnet, DSNN", 54.94, 2),
        ("alexnet, DSNN-fold", 55.55, 2),
    ]
    assert result.notes[0].startswith(
        "alexnet: 2 of 9 photos, drawn by the seed; calibrated with 4"
    )
    untrained = item.run(dataclasses.replace(settings, weights={"alexnet": weights["alexnet"]}))
    assert untrained.rows[2].label == "alexnet, DSNN, not trained again"
    assert "pass those by --weights alexnet-adjusted=FILE" in untrained.notes[1]
    with pytest.raises(InputError, match=r"no weights given, .*--weights alexnet=alexnet-owt"):
        item.run(dataclasses.replace(settings, weights={}))
