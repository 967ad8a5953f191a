"""Training: it learns, repeats itself exactly, goes on where it stopped, and refuses bad input."""

import dataclasses
import inspect
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from brian2 import ms
from torch import nn

import bionet
from bionet import datasets, zoo
from bionet.errors import BioNetError, InputError
from bionet.train import (
    RECIPES,
    Recipe,
    TrainResult,
    epochs,
    evaluate,
    one_cycle,
    recipes,
    save_weights,
    shift_randomly,
    train,
    train_zoo,
)
from bionet.train import checkpoint as checkpoint_module

Pair = tuple[np.ndarray, np.ndarray]


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def digits() -> tuple[Pair, Pair]:
    """600 training and 300 test images."""
    train_split, test_split = (datasets.load("digits", split) for split in ("train", "test"))
    some = np.random.default_rng(0).permutation(4000)[:600]
    return (
        (train_split.images[some], train_split.labels[some]),
        (test_split.images[::3], test_split.labels[::3]),
    )


def small_net(seed: int = 0) -> nn.Sequential:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Sequential(
            nn.Flatten(),
            nn.Linear(784, 40),
            nn.BatchNorm1d(40),
            nn.ReLU(),
            nn.Dropout(),
            nn.Linear(40, 10),
        )


def state(net: nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in net.state_dict().items()}


def assert_same_state(one: nn.Module, other: nn.Module) -> None:
    for name, tensor in one.state_dict().items():
        torch.testing.assert_close(tensor, other.state_dict()[name], rtol=0, atol=0, msg=name)


def fit(net: nn.Module, digits: tuple[Pair, Pair], **options: Any) -> TrainResult:
    settings = {"epochs": 3, "seed": 5, "batch_size": 50, "augment": 1, "progress": False}
    return train(net, *digits, **(settings | options))


def test_lenet5_learns_from_a_few_hundred_digits_in_one_epoch(digits: tuple[Pair, Pair]) -> None:
    torch.manual_seed(0)
    net = zoo.lenet5()
    before = evaluate(net, *digits[1])
    result = fit(net, digits, epochs=1, batch_size=10, augment=0)
    assert before < 0.25
    assert result.accuracy_test > 0.7
    assert result.accuracy_test == evaluate(net, *digits[1])
    assert result.accuracy_train == evaluate(net, *digits[0])


def test_results_tell_of_every_epoch(digits: tuple[Pair, Pair]) -> None:
    result = fit(small_net(), digits)
    assert result.epochs == len(result.history) == 3
    losses = [epoch.loss for epoch in result.history]
    assert losses == sorted(losses, reverse=True)
    assert all(0 < epoch.accuracy < 1 for epoch in result.history)
    assert result.seconds == pytest.approx(sum(epoch.seconds for epoch in result.history))
    assert result.weights is None


def test_equal_seeds_give_equal_weights_and_others_others(digits: tuple[Pair, Pair]) -> None:
    nets = [small_net() for _ in range(3)]
    results = []
    for net, seed in zip(nets, (5, 5, 6), strict=True):
        torch.rand(7)  # what the caller drew before must not matter
        results.append(fit(net, digits, seed=seed))
    assert_same_state(nets[0], nets[1])
    assert [epoch.loss for epoch in results[0].history] == [e.loss for e in results[1].history]
    key = "1.weight"
    assert not torch.equal(nets[0].state_dict()[key], nets[2].state_dict()[key])


def test_the_caller_keeps_generator_threads_data_and_modes(digits: tuple[Pair, Pair]) -> None:
    net = small_net().eval()
    net[4].train()
    images = digits[0][0].copy()
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    fit(net, digits)
    evaluate(net, *digits[1])
    torch.testing.assert_close(torch.rand(4), expected, rtol=0, atol=0)
    assert [module.training for module in net.modules()] == [False] * 5 + [True] + [False]
    np.testing.assert_array_equal(digits[0][0], images)
    assert torch.get_num_threads() == 1


def test_a_resumed_training_equals_an_uninterrupted_one(
    digits: tuple[Pair, Pair], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, parts, checkpoint = small_net(), small_net(), tmp_path / "new" / "c.safetensors"
    expected = fit(whole, digits)

    def stop_in_the_third(*args: Any) -> epochs.Epoch:
        if args[3] == 2:
            raise KeyboardInterrupt
        return run_one(*args)

    run_one = epochs._run_epoch
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(epochs, "_run_epoch", stop_in_the_third)
        fit(parts, digits, checkpoint=checkpoint)
    assert [path.name for path in checkpoint.parent.iterdir()] == ["c.safetensors"]
    assert all(module.training for module in parts.modules())

    fresh = small_net(seed=1)
    result = fit(fresh, digits, checkpoint=checkpoint)
    assert_same_state(fresh, whole)
    assert [e.loss for e in result.history] == [e.loss for e in expected.history]
    assert result.accuracy_test == expected.accuracy_test

    monkeypatch.setattr(epochs, "_run_epoch", lambda *args: pytest.fail("nothing was left to do"))
    again = small_net(seed=2)
    assert fit(again, digits, checkpoint=checkpoint).history == result.history
    assert_same_state(again, whole)


def test_a_checkpoint_of_another_training_is_refused(
    digits: tuple[Pair, Pair], tmp_path: Path
) -> None:
    checkpoint = tmp_path / "c.safetensors"
    fit(small_net(), digits, epochs=1, checkpoint=checkpoint)
    with pytest.raises(
        InputError,
        match=r"another training .*epochs 1 there, 2 here.*other settings|"
        r"another training .*epochs 1 there, 2 here; seed 5 there, 6 here",
    ):
        fit(small_net(), digits, epochs=2, seed=6, checkpoint=checkpoint)
    fewer = tuple((images[:200], labels[:200]) for images, labels in digits)
    with pytest.raises(InputError, match="another training .*data"):
        fit(small_net(), fewer, epochs=1, checkpoint=checkpoint)  # type: ignore[arg-type]
    other = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
    before = state(other)
    with pytest.raises(InputError, match="checkpoint belongs to another network"):
        fit(other, digits, epochs=1, checkpoint=checkpoint)
    assert all(torch.equal(before[name], tensor) for name, tensor in other.state_dict().items())
    save_weights(small_net(), checkpoint, {"network": "small"})
    with pytest.raises(InputError, match="expected a checkpoint of an unfinished training"):
        fit(small_net(), digits, checkpoint=checkpoint)
    checkpoint.write_bytes(b"damaged")
    with pytest.raises(InputError, match=r"c\.safetensors is damaged"):
        fit(small_net(), digits, checkpoint=checkpoint)


def test_a_loss_that_is_no_number_ends_training(digits: tuple[Pair, Pair]) -> None:
    with pytest.raises(BioNetError, match=r"loss became (nan|inf) in epoch 1; lower .*now 1e\+30"):
        fit(small_net(), digits, learning_rate=1e30)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"epochs": 0}, "epochs: expected an integer >= 1, got 0"),
        ({"epochs": 1.5}, "epochs must be a whole number, but is 1.5"),
        ({"batch_size": 0}, "batch_size: expected an integer >= 1, got 0"),
        ({"augment": -1}, "augment: expected an integer >= 0, got -1"),
        ({"learning_rate": 0.0}, "learning_rate: expected a number > 0, got 0.0"),
        ({"learning_rate": math.nan}, "learning_rate must be a number, but is nan"),
        ({"weight_decay": -0.1}, "weight_decay: expected a number >= 0, got -0.1"),
        ({"seed": -1}, "seed: expected an integer >= 0, got -1"),
        ({"device": "abacus"}, "device: expected 'cpu' or .* got 'abacus'"),
    ],
)
def test_bad_settings_are_refused(
    digits: tuple[Pair, Pair], options: dict[str, Any], match: str
) -> None:
    with pytest.raises(InputError, match=match):
        fit(small_net(), digits, **options)


@pytest.mark.parametrize(
    ("images", "labels", "match"),
    [
        (np.zeros((0, 1, 28, 28), np.float32), np.zeros(0, np.int64), r"data_train: .* n >= 1"),
        (
            np.zeros((3, 1, 28, 28), np.float32),
            np.zeros(2, np.int64),
            r"got \(3, 1, 28, 28\) and \(2,\)",
        ),
        (np.zeros((3, 1, 28, 28), np.uint8), np.zeros(3, np.int64), r"got torch.uint8 .* by 255"),
        (
            np.zeros((3, 1, 28, 28), np.float32),
            np.zeros(3),
            r"integer labels, got .* torch.float64",
        ),
        (
            np.full((3, 1, 28, 28), np.nan, np.float32),
            np.zeros(3, np.int64),
            "pixels must be finite",
        ),
        (
            np.zeros((3, 1, 32, 32), np.float32),
            np.zeros(3, np.int64),
            r"can't take .* \(1, 32, 32\)",
        ),
        (np.zeros((3, 1, 28, 28), np.float32), np.full(3, 10), r"\(10 to 10\), got \(n, 10\)"),
        (
            np.zeros((3, 784), np.float32),
            np.zeros(3, np.int64),
            r"augment: .* got \(3, 784\); use aug",
        ),
    ],
)
def test_bad_data_are_refused(
    digits: tuple[Pair, Pair], images: np.ndarray, labels: np.ndarray, match: str
) -> None:
    with pytest.raises(InputError, match=match):
        fit(small_net(), ((images, labels), digits[1]))


def test_networks_without_parameters_or_batches_without_images_are_refused(
    digits: tuple[Pair, Pair],
) -> None:
    with pytest.raises(InputError, match="net: expected a network with parameters to train"):
        fit(nn.Flatten(), digits)
    with pytest.raises(InputError, match="batch_size: expected an integer >= 1, got 0"):
        evaluate(small_net(), *digits[1], batch_size=0)


def test_evaluate_counts_what_is_right_in_batches_of_any_size() -> None:
    images = torch.eye(10).repeat(3, 1)
    labels = torch.arange(10).repeat(3)
    labels[:6] = 9
    for batch_size in (1, 7, 30, 500):
        assert evaluate(nn.Identity(), images, labels, batch_size) == pytest.approx(24 / 30)


def test_one_cycle_rises_and_falls_without_a_jump() -> None:
    rates = np.array([one_cycle(s, 2.0) for s in np.linspace(0, 1, 1001)])
    assert rates[0] == pytest.approx(2 / 25)
    assert rates.argmax() == 1000 * recipes.WARM_UP
    assert rates.max() == 2
    assert rates[-1] == pytest.approx(0)
    assert np.abs(np.diff(rates)).max() < 0.015


def test_shifts_are_shifts_and_all_of_them_occur() -> None:
    images = torch.rand(500, 2, 5, 7) + 1
    shifted = shift_randomly(images, 1, torch.Generator().manual_seed(0))
    padded = nn.functional.pad(images, [1] * 4)
    seen = set()
    for i in range(len(images)):
        matches = [
            (down, right)
            for down in range(3)
            for right in range(3)
            if torch.equal(shifted[i], padded[i, :, down : down + 5, right : right + 7])
        ]
        assert len(matches) == 1
        seen.update(matches)
    assert len(seen) == 9
    assert torch.equal(shift_randomly(images, 0, torch.Generator()), images)


def test_save_weights_replaces_whole_files_and_leaves_no_other(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    path.write_bytes(b"old")
    save_weights(zoo.lenet5(), path, {"data": "none", "seed": 3})
    assert zoo.provenance(path) == {"data": "none", "seed": 3}
    assert list(tmp_path.iterdir()) == [path]


def test_an_unwritable_folder_is_refused_before_training(
    digits: tuple[Pair, Pair], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("not a folder")
    bad = tmp_path / "file" / "w.safetensors"
    monkeypatch.setattr(epochs, "_run_epoch", lambda *args: pytest.fail("trained for nothing"))
    with pytest.raises(InputError, match="cannot write"):
        save_weights(zoo.lenet5(), bad)
    with pytest.raises(InputError, match="cannot write"):
        fit(small_net(), digits, checkpoint=bad)
    with pytest.raises(InputError, match="cannot write"):
        train_zoo("lenet5", "digits", out=bad, progress=False)
    (tmp_path / "w.safetensors").mkdir()
    with pytest.raises(InputError, match=r"expected a file, but .*w\.safetensors is a folder"):
        train_zoo("lenet5", "digits", out=tmp_path / "w.safetensors", progress=False)
    with pytest.raises(InputError, match=r"out: weights are safetensors files, got 'w\.pth'"):
        train_zoo("lenet5", "digits", out="w.pth", progress=False)


def test_train_zoo_writes_weights_with_their_provenance(tmp_path: Path) -> None:
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    result = train_zoo("lenet5", "digits", 1, seed=7, out=tmp_path, threads=1, progress=False)
    torch.testing.assert_close(torch.rand(3), expected, rtol=0, atol=0)
    assert result.weights == tmp_path / "lenet5-digits.safetensors"
    assert result.accuracy_test > 0.7
    told = zoo.provenance(result.weights)
    assert told["command"] == "bionet train lenet5 --data digits --seed 7 --epochs 1 --threads 1"
    assert told["accuracy"] == result.accuracy_test
    assert told["recipe"] == {
        "epochs": 1,
        "batch_size": 50,
        "learning_rate": 2e-3,
        "weight_decay": 0.01,
        "augment": 2,
        "flip": False,
        "channels_last": False,
        "label_smoothing": 0.0,
        "precision": "float32",
        "erase": 0,
    }
    assert evaluate(zoo.lenet5(result.weights), *datasets.load("digits")) == result.accuracy_test


def test_weights_are_stored_in_half_the_space_with_the_accuracy_of_what_is_stored(
    tmp_path: Path,
) -> None:
    line = {"epochs": 1, "seed": 7, "threads": 1, "progress": False}
    single = train_zoo("lenet5", "digits", **line, out=tmp_path / "single")
    half = train_zoo("lenet5", "digits", **line, out=tmp_path / "half", dtype="float16")
    assert half.weights.stat().st_size < 0.55 * single.weights.stat().st_size
    net = zoo.lenet5(half.weights)
    for name, tensor in zoo.lenet5(single.weights).state_dict().items():
        assert torch.equal(net.state_dict()[name], tensor.half().float())
    told = zoo.provenance(half.weights)
    assert told["command"].endswith("--epochs 1 --threads 1 --dtype float16")
    assert evaluate(net, *datasets.load("digits")) == half.accuracy_test == told["accuracy"]
    eighth = train_zoo("lenet5", "digits", **line, out=tmp_path / "eighth", dtype="int8")
    assert eighth.weights.stat().st_size < 0.26 * single.weights.stat().st_size
    net = zoo.lenet5(eighth.weights)
    told = zoo.provenance(eighth.weights)
    assert evaluate(net, *datasets.load("digits")) == eighth.accuracy_test == told["accuracy"]
    with pytest.raises(InputError, match="dtype: expected one of .*float16, int8, got 'int4'"):
        train_zoo("lenet5", "digits", **line, out=tmp_path, dtype="int4")


def test_training_starts_from_weights_of_the_network_it_was_adjusted_from(tmp_path: Path) -> None:
    original = zoo.load("lenet5_original")
    start = tmp_path / "original.safetensors"
    save_weights(original, start, {"before": ["first"], "command": "second"})
    net = zoo.lenet5()
    assert zoo.start_from(net, start) == ("conv1.bias", "conv2.bias", "fc1.bias", "fc2.bias")
    torch.testing.assert_close(net.conv1.weight, original.conv1.weight, rtol=0, atol=0)
    result = train_zoo(
        "lenet5", "digits", 1, 1e-9, start, out=tmp_path / "tuned", threads=1, progress=False
    )
    tensors, told = zoo.read_weights(result.weights)
    torch.testing.assert_close(tensors["fc2.weight"], original.fc2.weight, rtol=0, atol=1e-6)
    assert told["before"] == ["first", "second"]
    assert told["command"] == (
        "bionet train lenet5 --data digits --seed 0 --from original.safetensors --epochs 1"
        " --learning-rate 1e-09 --threads 1"
    )
    with pytest.raises(InputError, match="'conv1.weight' must have shape .* got"):
        zoo.start_from(zoo.load("cifar10_quick"), start)
    with pytest.raises(InputError, match="'conv1.bias' must have shape .* got nothing"):
        zoo.start_from(original, result.weights)


def test_training_starts_from_weights_of_eight_bits(tmp_path: Path) -> None:
    """They hold no counters of batch normalisation, which then count anew."""
    net, start = zoo.load("resnet20"), tmp_path / "start.safetensors"
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.fill_(0.25)
            module.num_batches_tracked.fill_(7)
    save_weights(net, start, {}, dtype="int8")
    again = zoo.load("resnet20")
    assert zoo.start_from(again, start) == ()
    norms = [module for module in again.modules() if isinstance(module, nn.BatchNorm2d)]
    assert norms and all(norm.num_batches_tracked == 0 for norm in norms)
    assert all((norm.running_mean == 0.25).all() for norm in norms)


def test_flips_are_flips_and_half_of_the_images_are_mirrored() -> None:
    images = torch.rand(400, 3, 4, 5)
    flipped = recipes.flip_randomly(images, torch.Generator().manual_seed(0))
    same = (flipped == images).flatten(1).all(dim=1)
    mirrored = (flipped == images.flip(-1)).flatten(1).all(dim=1)
    assert (same ^ mirrored).all()
    assert 160 < int(mirrored.sum()) < 240


def test_a_square_of_each_image_becomes_its_mean_wherever_it_lies() -> None:
    images = torch.rand(300, 3, 6, 8)
    erased = recipes.erase_randomly(images, 4, torch.Generator().manual_seed(0))
    mean = images.mean((2, 3), keepdim=True).expand_as(images)
    gone = (erased != images).all(1)
    assert torch.equal(erased, torch.where(gone[:, None], mean, images))
    rows, columns = gone.any(2), gone.any(1)
    assert torch.equal(gone, rows[:, :, None] & columns[:, None, :])  # squares
    sizes = torch.stack([rows.sum(1), columns.sum(1)])
    assert sizes.max() == 4
    assert sizes.min() == 2  # half of one at the border lies outside
    assert gone.any(0).all()


def test_channels_last_training_leaves_contiguous_weights(digits: tuple[Pair, Pair]) -> None:
    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 26 * 26, 10))
    fit(net, digits, epochs=1, flip=True, channels_last=True)
    assert all(p.is_contiguous() for p in net.parameters())
    with pytest.raises(InputError, match="flips, erasing and channels_last need images"):
        flat = [(images.reshape(len(images), -1), labels) for images, labels in digits]
        fit(nn.Sequential(nn.Linear(784, 10)), flat, augment=0, flip=True)


def test_train_zoo_refuses_what_it_has_no_recipe_for(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match="expected one of lenet5 on digits, .* got lenet5 on cifar10"
    ):
        train_zoo("lenet5", "cifar10", out=tmp_path)
    with pytest.raises(InputError, match="network: expected one of lenet5, .* got 'vgg'"):
        train_zoo("vgg", "digits", out=tmp_path)
    with pytest.raises(InputError, match="threads: expected an integer >= 1, got 0"):
        train_zoo("lenet5", "digits", out=tmp_path, threads=0)
    with pytest.raises(InputError, match="seed: expected an integer >= 0, got -3"):
        train_zoo("lenet5", "digits", out=tmp_path, seed=-3)
    assert not list(tmp_path.iterdir())


def test_every_shipped_network_has_a_recipe() -> None:
    assert set(RECIPES) >= {
        (entry.name, data.removesuffix("-rounded").removesuffix("-qcfs"))
        for entry in zoo.ENTRIES.values()
        for data in entry.data
    }
    assert all(isinstance(recipe, Recipe) for recipe in RECIPES.values())


def test_progress_shows_epochs_on_the_standard_error_stream(
    digits: tuple[Pair, Pair], capsys: pytest.CaptureFixture[str]
) -> None:
    fit(small_net(), digits, epochs=2, progress=True)
    captured = capsys.readouterr()
    assert "epoch 2/2" in captured.err
    assert "images/s" in captured.err
    assert not captured.out


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_training_on_cuda_brings_the_network_home(
    digits: tuple[Pair, Pair], tmp_path: Path
) -> None:
    net = small_net()
    result = fit(net, digits, device="cuda", checkpoint=tmp_path / "c.safetensors")
    assert next(net.parameters()).device.type == "cpu"
    assert evaluate(net, *digits[1]) == pytest.approx(result.accuracy_test, abs=0.02)


def test_no_module_reads_or_writes_pickles() -> None:
    for module in (checkpoint_module, epochs, zoo, datasets):
        source = inspect.getsource(module)
        assert "import pickle" not in source
        assert "torch.load(" not in source


def test_a_qcfs_training_loses_nothing_in_its_own_steps_and_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An epoch on some of the digits: the weights load as QCFS and fire exactly in four steps."""
    whole = datasets.load("digits", "train")
    some = dataclasses.replace(whole, images=whole.images[:600], labels=whole.labels[:600])
    load = datasets.load
    monkeypatch.setattr(
        datasets,
        "load",
        lambda data, split, *folder: some if split == "train" else load(data, split),
    )
    line = {"data": "digits", "epochs": 1, "levels": 4, "threads": 1, "progress": False}
    kept = tmp_path / "c.safetensors"
    result = train_zoo("lenet5", **line, out=tmp_path, checkpoint=kept)
    told = zoo.provenance(result.weights)
    assert told["activation"] == {"kind": "qcfs", "levels": 4}
    assert told["command"].endswith("--epochs 1 --threads 1 --activation qcfs --levels 4")
    net, test = zoo.load("lenet5", result.weights), load("digits", "test")
    assert evaluate(net, *test) == result.accuracy_test > 0.95
    assert {net.relu1.levels, net.relu2.levels, net.relu3.levels} == {4}
    assert isinstance(zoo.load("lenet5", "digits").relu1, nn.ReLU)

    few = some.images[:50]
    snn = bionet.convert(net, "rate", few, fold_pooling=True, signed=True)
    run = bionet.simulate(snn, test.images[:40], 4 * ms, device="numpy")
    own = net(torch.from_numpy(test.images[:40])).argmax(1).numpy()
    assert (run.predictions("MP") == own).mean() >= 0.95

    monkeypatch.setattr(epochs, "_run_epoch", lambda *args: pytest.fail("nothing was left to do"))
    again = train_zoo("lenet5", **line, out=tmp_path / "again", checkpoint=kept)
    assert again.accuracy_test == result.accuracy_test
    with pytest.raises(InputError, match="another training .*levels 4 there, 8 here"):
        train_zoo("lenet5", **(line | {"levels": 8}), out=tmp_path, checkpoint=kept)
    with pytest.raises(InputError, match="levels and leak are of two activations"):
        train_zoo("lenet5", **line, leak=10.0, out=tmp_path)


def test_smoothed_labels_are_the_loss_of_the_mixed_targets() -> None:
    """Equal to the cross-entropy with targets 1 - e + e / n and e / n, before the first step."""
    torch.manual_seed(0)
    images, labels = torch.rand(20, 6), torch.arange(20) % 4
    net = nn.Linear(6, 4)
    with torch.no_grad():
        mixed = torch.full((20, 4), 0.2 / 4).scatter(1, labels[:, None], 0.8 + 0.2 / 4)
        expected = -(mixed * net(images).log_softmax(1)).sum(1).mean()
    result = train(
        net,
        (images, labels),
        (images, labels),
        epochs=1,
        seed=0,
        batch_size=20,
        progress=False,
        label_smoothing=0.2,
    )
    assert result.history[0].loss == pytest.approx(float(expected), rel=1e-6)
    with pytest.raises(InputError, match=r"label_smoothing: expected a number in \[0, 1\), got 1"):
        Recipe(1, label_smoothing=1.0)


def test_bfloat16_products_train_float32_weights(digits: tuple[Pair, Pair]) -> None:
    """The products have 8 bits: the first loss differs by that much, and not by nothing."""
    nets = []
    for precision in ("float32", "bfloat16"):
        torch.manual_seed(0)
        nets.append(nn.Sequential(nn.Flatten(), nn.Linear(784, 30), nn.ReLU(), nn.Linear(30, 10)))
        result = fit(nets[-1], digits, epochs=1, batch_size=len(digits[0][0]), precision=precision)
        nets[-1].loss = result.history[0].loss
    assert all(p.dtype == torch.float32 for p in nets[1].parameters())
    assert 0 < abs(nets[1].loss - nets[0].loss) < 2**-7 * nets[0].loss
    with pytest.raises(InputError, match="precision: expected float32 or bfloat16, got"):
        Recipe(1, precision="float16")
