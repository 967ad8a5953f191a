"""What the image browser of a report shows: outputs of some images over time, as plain JSON."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np

from bionet.results.readout import answers
from bionet.results.recording import Recording

__all__ = ["browser_data", "chosen_classes", "chosen_images", "picture"]

MAX_IMAGES = 60
MAX_TIMES = 200
MAX_CLASSES = 10


def browser_data(
    run: Recording, labels: np.ndarray | None, images: np.ndarray | None
) -> dict[str, Any]:
    """Potentials, spikes and answers of some images at some times.

    Parameters
    ----------
    run : Recording
    labels : int array (n_images,), optional
    images : float array (n_images, *shape), optional

    Returns
    -------
    dict
        ``times`` in ms; for each image its number, label, picture, ``classes`` that are shown,
        ``potential`` and ``spikes`` (so far) by class and time, and ``answers`` by readout and
        time.
    """
    steps = np.unique(np.linspace(1, run.n_steps, min(run.n_steps, MAX_TIMES)).round().astype(int))
    dt = float(run.parameters["dt_ms"])
    readouts = {
        name: answers(name, run.output_potential, run.output_spikes)[0] for name in run.readouts
    }
    same_units = run.output_spikes.shape[2] == run.output_potential.shape[2]
    shown = chosen_images(run, labels)
    entries = []
    for number in shown:
        label = None if labels is None else int(labels[number])
        classes = chosen_classes(run, int(number), label)
        potential = run.output_potential[number][steps - 1][:, classes].T
        spikes = np.cumsum(run.output_spikes[number], axis=0, dtype=np.int64)
        entries.append(
            {
                "number": int(number),
                "label": label,
                "picture": None if images is None else picture(images[number]),
                "classes": [int(k) for k in classes],
                "potential": [[_short(v) for v in row] for row in potential],
                # Units that fire may be others than those whose potential is read.
                "spikes": spikes[steps - 1][:, classes].T.tolist() if same_units else [],
                "answers": {n: a[number][steps - 1].tolist() for n, a in readouts.items()},
            }
        )
    return {
        "times": [_short(step * dt) for step in steps],
        "readouts": list(readouts),
        "readout": run.parameters["readout"],
        "n_images": run.n_images,
        "images": entries,
    }


def chosen_images(run: Recording, labels: np.ndarray | None) -> np.ndarray:
    """Numbers of the images shown: wrong answers, ascending, then right ones; all in order if few.

    At most 60; where there are many wrong answers, a third of the places is left to right ones.
    """
    if labels is None or run.n_images <= MAX_IMAGES:
        return np.arange(min(run.n_images, MAX_IMAGES))
    right = run.predictions() == np.asarray(labels)
    n_right = max(MAX_IMAGES - int((~right).sum()), MAX_IMAGES // 3)
    wrong = np.flatnonzero(~right)[: MAX_IMAGES - min(n_right, int(right.sum()))]
    return np.concatenate([wrong, np.flatnonzero(right)[:n_right]])[:MAX_IMAGES]


def chosen_classes(run: Recording, image: int, label: int | None) -> np.ndarray:
    """At most ten classes of an image: those with the highest final potential, and the label."""
    final = run.output_potential[image, -1]
    best = np.argsort(-final, kind="stable")[:MAX_CLASSES]
    if label is not None and label not in best and 0 <= label < final.size:
        best[-1] = label
    return np.sort(best)


def picture(image: np.ndarray) -> str:
    """An image as a PNG in a data URI: grey for one channel, colours for three."""
    from matplotlib.image import imsave

    pixels = np.asarray(image, dtype=np.float64)
    if pixels.ndim != 3:
        pixels = pixels.reshape(1, 1, -1)
    low, high = min(0.0, float(pixels.min())), max(1.0, float(pixels.max()))
    pixels = (pixels - low) / (high - low)
    shown = pixels.transpose(1, 2, 0) if len(pixels) == 3 else pixels.mean(axis=0)
    held = io.BytesIO()
    imsave(held, shown, cmap="gray", vmin=0, vmax=1, format="png")
    return f"data:image/png;base64,{base64.b64encode(held.getvalue()).decode()}"


def _short(value: float) -> float:
    """Four significant digits: a page of sixty images stays small."""
    return float(f"{float(value):.4g}")
