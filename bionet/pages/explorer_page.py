"""The explorer of a run: one page with an image, its layers, and their spikes over time.

It holds the recorded spikes and potentials of some images as JSON and loads nothing. The report's
content security policy holds here too.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from bionet.errors import InputError
from bionet.files import atomic
from bionet.pages.image_browser import picture
from bionet.pages.rendered import rendered
from bionet.results.recording import Recording

__all__ = ["explorer", "explorer_data"]

MAX_IMAGES = 12
MAX_SPIKES = 400_000
MAX_TRACES = 64


def explorer_data(
    run: Recording,
    fields: Mapping[str, Any] | None = None,
    images: np.ndarray | None = None,
    labels: np.ndarray | None = None,
) -> dict[str, Any]:
    """Layers, spikes and potentials of the recorded images, as plain JSON.

    Returns
    -------
    dict
        ``dt`` in ms, ``steps``; ``layers`` with name, shape and receptive field (``null`` where a
        unit sees everything or it is not known); for each image its spikes by layer as
        ``[step, unit, step, unit, ...]`` and the potentials of at most 64 units a layer.

    Raises
    ------
    InputError
        If no spikes were recorded.
    """
    names = [name for name in run.shapes if name in run.recorded_spikes]
    if not names:
        raise InputError(
            "the run has no recorded spikes to explore; simulate with --record all:spikes, and"
            " --record conv1:v for potentials"
        )
    fields = fields or {}
    answers = run.predictions()
    shown: list[dict[str, Any]] = []
    n_spikes = 0
    for image in (int(k) for k in run.recorded_images[:MAX_IMAGES]):
        spikes = {}
        for name in names:
            train = run.spikes(name, image)
            n_spikes += len(train.step)
            spikes[name] = np.stack([train.step, train.unit], axis=1).ravel().tolist()
        if shown and n_spikes > MAX_SPIKES:
            break
        shown.append(
            {
                "number": image,
                "picture": None if images is None else picture(images[image]),
                "label": None if labels is None else int(labels[image]),
                "answer": int(answers[image]),
                "spikes": spikes,
                "potentials": _potentials(run, image),
            }
        )
    return {
        "dt": float(run.parameters["dt_ms"]),
        "steps": run.n_steps,
        "input": list(run.shapes["input"]),
        "layers": [
            {"name": name, "shape": list(run.shapes[name]), "field": fields.get(name)}
            for name in names
        ],
        "images": shown,
        "n_recorded": len(run.recorded_images),
    }


def _potentials(run: Recording, image: int) -> dict[str, dict[str, list[float]]]:
    """Potentials by population and unit, four significant digits."""
    traces: dict[str, dict[str, list[float]]] = {}
    for name in run.recorded_potentials:
        if name not in run.shapes:
            continue
        values = np.asarray(run.potential(name, image), dtype=np.float64)
        units = np.asarray(run.recorded_units[name])[:MAX_TRACES]
        traces[name] = {
            str(int(unit)): [float(f"{value:.4g}") for value in values[:, place]]
            for place, unit in enumerate(units)
        }
    return traces


def explorer(
    run: Recording,
    path: str | Path,
    fields: Mapping[str, Any] | None = None,
    images: np.ndarray | None = None,
    labels: np.ndarray | None = None,
    title: str = "BioNet run",
) -> Path:
    """Write the explorer of a run as one HTML file.

    Parameters
    ----------
    run : Recording
        With recorded spikes.
    path : str or Path
        Ending in ``.html``.
    fields : mapping, optional
        Receptive fields by population, of :func:`bionet.network.reach.reach`.
    images : float array (n_images, *input_shape), optional
    labels : int array (n_images,), optional
    title : str

    Returns
    -------
    Path

    Raises
    ------
    InputError
        If no spikes were recorded, or the name has another ending.
    """
    path = Path(path)
    if path.suffix.lower() not in (".html", ".htm"):
        raise InputError(f"an explorer's name ends in .html, such as explorer.html, not {path}")
    text = rendered(
        "explorer.html.jinja",
        title=title,
        data=explorer_data(run, fields, images, labels),
    )
    with atomic(path) as part:
        part.write_text(text, encoding="utf-8")
    return path
