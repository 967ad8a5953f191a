"""A small recording whose spikes and potentials are known, and a guard against show()."""

import matplotlib as mpl

mpl.use("agg")  # the tests' own choice; the figures never choose

import matplotlib.pyplot as plt
import numpy as np
import pytest

from bionet.results.recording import Recording

N_IMAGES, N_STEPS = 6, 20


@pytest.fixture(autouse=True)
def _no_show_and_no_leak(monkeypatch):
    def refuse(*args, **kwargs):
        pytest.fail("a figure function called show()")

    monkeypatch.setattr(plt, "show", refuse)
    monkeypatch.setattr(mpl.figure.Figure, "show", refuse)
    before = dict(mpl.rcParams)
    backend = mpl.get_backend()
    yield
    assert dict(mpl.rcParams) == before
    assert mpl.get_backend() == backend
    plt.close("all")


@pytest.fixture
def run():
    """Unit k of conv1 fires every (k + 1) steps; potentials rise linearly up to the reset."""
    shapes = {"input": (1, 4, 3), "conv1": (2, 3, 2), "fc": (3,), "readout": (3,)}
    steps = np.arange(N_STEPS)
    rows, potentials = [], np.zeros((2, N_STEPS, 12))
    counts = np.zeros((N_IMAGES, 12), dtype=np.uint8)
    for unit in range(12):
        fired = steps[(steps + 1) % (unit + 1) == 0]
        counts[:, unit] = len(fired)
        for position in range(2):
            potentials[position, :, unit] = 2.0 * ((steps + 1) % (unit + 1)) / (unit + 1)
            rows += [(position * 3, step, unit) for step in fired]
    table = np.array(sorted(rows), dtype=np.int32)
    spikes = np.zeros((N_IMAGES, N_STEPS, 3), dtype=np.int8)
    spikes[np.arange(N_IMAGES), 9:, np.arange(N_IMAGES) % 3] = 1
    potential = np.zeros((N_IMAGES, N_STEPS, 3))
    potential[np.arange(N_IMAGES), 4:, np.arange(N_IMAGES) % 3] = 1.0
    return Recording(
        shapes=shapes,
        counts={
            "input": np.zeros((N_IMAGES, 1, 4, 3), dtype=np.uint8),
            "conv1": counts.reshape(N_IMAGES, 2, 3, 2),
            "fc": spikes.sum(axis=1, dtype=np.uint8),
        },
        output_potential=potential,
        output_spikes=spikes,
        parameters={"dt_ms": 0.5, "readout": "MP", "thresholds": {"conv1": 2.0, "fc": [1.0] * 3}},
        recorded_images=np.array([0, 3]),
        recorded_spikes={
            "fc": np.array([(0, step, 0) for step in range(9, N_STEPS)], dtype=np.int32),
            "conv1": table,
        },
        recorded_potentials={
            "conv1": potentials,
            "readout": np.repeat(potential[[0, 3]], 1, axis=2),
        },
        recorded_units={"conv1": np.arange(12), "readout": np.arange(3)},
    )
