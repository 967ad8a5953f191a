"""One self-contained HTML page of a run: numbers, figures, audit and an image-by-image browser.

The page holds everything it shows: figures as pictures, the outputs of the images over time
as JSON, and some lines of JavaScript for the slider. It loads nothing, so it opens offline, and a
content security policy in its head makes the browser enforce that.
"""

from __future__ import annotations

import base64
import contextlib
import io
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np

from bionet import figures
from bionet.audits.table import Audit
from bionet.errors import InputError
from bionet.files import atomic
from bionet.pages.answer import confusions, failures, sentences
from bionet.pages.image_browser import browser_data
from bionet.pages.rendered import rendered
from bionet.results.latency import latency
from bionet.results.metrics import wilson_interval
from bionet.results.recording import Recording
from bionet.results.run_json import result_rows

__all__ = ["Material", "command_line", "drawing", "embedded", "html_report", "page"]

MAX_RASTERS = 3
"""Recorded images whose raster and potentials are shown."""
READOUT_NAMES = {
    "MP": "maximal potential",
    "MS": "most spikes",
    "FS": "first spike",
    "LS": "latest spike",
}


@dataclass(frozen=True, eq=False)
class Material:
    """What a report is made of; only the recording is needed.

    Parameters
    ----------
    run : Recording
    labels : int array (n_images,), optional
    images : float array (n_images, *input_shape), optional
        For the pictures in the browser.
    audit : Audit, optional
    description : mapping
        The content of ``run.json``.
    command : str, optional
        The command line that makes the run again.
    title : str
    notes : tuple of str
        What is missing, and why.
    diagnosis : mapping, optional
        Of :func:`bionet.diagnose`, as its ``to_dict`` gives it.
    """

    run: Recording
    labels: np.ndarray | None = None
    images: np.ndarray | None = None
    audit: Audit | None = None
    description: Mapping[str, Any] = field(default_factory=dict)
    command: str | None = None
    title: str = "BioNet run"
    notes: tuple[str, ...] = ()
    diagnosis: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        if self.labels is not None:
            self.run.accuracy(self.labels)  # checks that they fit
        expected = (self.run.n_images, *self.run.shapes["input"])
        if self.images is not None and np.shape(self.images) != expected:
            raise InputError(
                f"images must have the shape {expected}, those of the run, but have"
                f" {np.shape(self.images)}"
            )


def html_report(material: Material, path: str | Path) -> Path:
    """Write the report of a run as one HTML file.

    Parameters
    ----------
    material : Material
    path : str or Path
        Ending in ``.html``.

    Returns
    -------
    Path

    Raises
    ------
    InputError
        If the name has another ending or the file cannot be written.
    """
    path = Path(path)
    if path.suffix.lower() not in (".html", ".htm"):
        raise InputError(f"a report's name ends in .html, such as report.html, but is {path}")
    text = page(material)
    with atomic(path) as part:
        part.write_text(text, encoding="utf-8")
    return path


def page(material: Material) -> str:
    """The report as text; see :func:`html_report`."""
    run, audit = material.run, material.audit
    with drawing():
        return rendered("report.html.jinja",
            title=material.title,
            tiles=_tiles(material),
            lead=sentences(
                run, material.labels, material.description.get("accuracy_ann"), material.diagnosis
            ),
            failures=[]
            if material.labels is None
            else failures(run, material.labels, material.images),
            rows=_run_rows(material),
            command=material.command,
            notes=material.notes,
            readouts=_readouts(material),
            accuracy_figures=_accuracy_figures(material),
            audit=None
            if audit is None
            else {
                "header": audit.cells()[0],
                "rows": [(row.population == audit.first_bad, cells) for row, cells in
                         zip(audit.rows, audit.cells()[1:], strict=True)],
                "verdict": audit.verdict(),
                "n_images": audit.n_images,
                "bad": audit.first_bad is not None,
            },
            audit_figures=_audit_figures(audit),
            activity_figures=_activity_figures(run),
            browser=browser_data(run, material.labels, material.images),
            provenance=_provenance(material),
        )  # fmt: skip


@contextlib.contextmanager
def drawing() -> Iterator[None]:
    """Figures without a display, text as outlines: a page has no font of its own."""
    import matplotlib.pyplot as plt

    before = plt.get_fignums()
    backend = matplotlib.get_backend()
    matplotlib.use("agg")
    try:
        with matplotlib.rc_context({"svg.fonttype": "path"}):
            yield
    finally:
        for number in set(plt.get_fignums()) - set(before):
            plt.close(number)
        matplotlib.use(backend)


def embedded(drawn: Any, alt: str, form: str = "svg") -> dict[str, Any]:
    """A figure as a data URI, with its text and its size in CSS pixels.

    Parameters
    ----------
    drawn : Axes or array of Axes
    alt : str
        What the picture shows, in words.
    form : {"svg", "png"}
    """
    ax = drawn.flat[0] if isinstance(drawn, np.ndarray) else drawn
    held = io.BytesIO()
    with figures.style(), matplotlib.rc_context({"svg.fonttype": "path"}):
        metadata = {"Date": None} if form == "svg" else None
        ax.figure.savefig(held, format=form, dpi=200, metadata=metadata)
        width, height = ax.figure.get_size_inches()
    kind = "svg+xml" if form == "svg" else form
    data = base64.b64encode(held.getvalue()).decode()
    return {
        "source": f"data:image/{kind};base64,{data}",
        "alt": alt,
        "width": round(128 * width),
        "height": round(128 * height),
    }


def _share(share: float, n: int) -> str:
    low, high = (100 * float(end) for end in wilson_interval(share, n))
    return f"{100 * share:.2f} % (95 %: {low:.2f} to {high:.2f})"


def _tiles(material: Material) -> list[tuple[str, str, str]]:
    """Name, value and remark of the numbers at the top."""
    run, description = material.run, material.description
    dt = float(run.parameters["dt_ms"])
    tiles = []
    if material.labels is not None:
        share = run.accuracy(material.labels)
        low, high = (100 * float(end) for end in wilson_interval(share, run.n_images))
        remark = f"95 % interval {low:.1f} to {high:.1f} % ({run.parameters['readout']})"
        tiles.append(("SNN accuracy", f"{100 * share:.1f} %", remark))
        if description.get("accuracy_ann") is not None:
            ann = float(description["accuracy_ann"])
            tiles.append(("ANN accuracy", f"{100 * ann:.1f} %", "the same images"))
        step = latency(run.accuracy_over_time(material.labels)) or run.n_steps
        tiles.append(("latency", f"{step * dt:g} ms", "within 1 % of the final accuracy"))
    tiles.append(("images", f"{run.n_images:,}", f"{run.n_steps:,} steps of {dt:g} ms each"))
    spikes = sum(mean for name, mean in run.n_spikes.items() if name != "input")
    tiles.append(("spikes per image", f"{spikes:,.0f}", "without the input's"))
    events = description.get("synaptic_events_per_image")
    if events is not None:
        tiles.append(("synaptic events", f"{events:,.0f}", "per image"))
    return tiles


def _run_rows(material: Material) -> list[tuple[str, str]]:
    run = material.run
    parameters = {key: run.parameters.get(key) for key in ("method", "coding", "device", "dt_ms")}
    parameters |= {
        "steps": run.n_steps,
        "images": run.n_images,
        "readout": run.parameters["readout"],
    }
    given = {key: value for key, value in material.description.items() if value is not None}
    rows = result_rows(parameters | given)
    shapes = ", ".join(f"{n} {'x'.join(map(str, shape))}" for n, shape in run.shapes.items())
    return [*rows, ("populations", shapes)]


def _readouts(material: Material) -> list[tuple[str, ...]]:
    """Accuracy, ties and latency of the readouts; empty without labels."""
    run, labels = material.run, material.labels
    if labels is None:
        return []
    rows: list[tuple[str, ...]] = []
    for name in run.readouts:
        step = latency(run.accuracy_over_time(labels, name)) or run.n_steps
        rows.append(
            (
                f"{name} ({READOUT_NAMES[name]})",
                _share(run.accuracy(labels, name), run.n_images),
                f"{int(run.ties(name).sum()):,}",
                f"{step * float(run.parameters['dt_ms']):g} ms",
            )
        )
    return rows


def _accuracy_figures(material: Material) -> list[dict[str, Any]]:
    run, labels = material.run, material.labels
    if labels is None:
        return []
    ann = material.description.get("accuracy_ann")
    curve = figures.accuracy_over_time(run, labels, ann_accuracy=ann)
    pictures = [embedded(curve, _accuracy_message(run, labels))]
    if int(np.max(labels)) < run.output_potential.shape[2] <= 100:
        matrix = figures.confusion_matrix(run, labels)
        pictures.append(embedded(matrix, _confusion_message(run, labels)))
    return pictures


def _accuracy_message(run: Recording, labels: np.ndarray) -> str:
    curve = run.accuracy_over_time(labels)
    dt = float(run.parameters["dt_ms"])
    step = latency(curve) or run.n_steps
    return (
        f"Accuracy over time: {100 * curve[-1]:.1f} % after {run.n_steps * dt:g} ms, within 1 % of"
        f" it from {step * dt:g} ms on ({READOUT_NAMES.get(run.parameters['readout'], 'readout')})"
    )


def _confusion_message(run: Recording, labels: np.ndarray) -> str:
    errors = confusions(run, labels, 1)
    if not errors:
        return "Confusion matrix: every image is answered rightly"
    label, answer, count = errors[0]
    images = f"{count:,} image{'' if count == 1 else 's'}"
    return f"Confusion matrix: class {label} is most often taken for another, {answer} ({images})"


def _rate_message(run: Recording) -> str:
    seconds = len(run.recorded_images) * run.n_steps * float(run.parameters["dt_ms"]) / 1000
    rates = {
        name: len(table) / int(np.prod(run.shapes[name])) / seconds
        for name, table in run.recorded_spikes.items()
    }
    most, least = max(rates, key=lambda n: rates[n]), min(rates, key=lambda n: rates[n])
    return (
        f"Firing rate of every population over time: {most} fires most ({rates[most]:,.0f} Hz a"
        f" unit), {least} least ({rates[least]:,.0f} Hz)"
    )


def _audit_figures(audit: Audit | None) -> list[dict[str, Any]]:
    if audit is None or not audit.samples:
        return []
    # Thousands of points: a bitmap is smaller than their outlines.
    return [
        embedded(
            figures.rate_against_activation(audit),
            f"Rates against activations: {audit.verdict()}",
            "png",
        )
    ]


def _activity_figures(run: Recording) -> list[dict[str, Any]]:
    """Spike-time histogram, and raster and potentials of the first recorded images."""
    pictures = []
    if run.recorded_spikes:
        drawn = figures.spike_time_histogram(run)
        pictures.append(embedded(drawn, _rate_message(run)))
    for image in run.recorded_images[:MAX_RASTERS]:
        if run.recorded_spikes:
            n = sum(len(run.spikes(name, int(image)).step) for name in run.recorded_spikes)
            alt = f"Spikes of image {image}: {n:,} in {len(run.recorded_spikes)} populations"
            pictures.append(embedded(figures.raster(run, int(image)), alt, "png"))
        for name in list(run.recorded_potentials)[:2]:
            drawn = figures.potentials(run, name, int(image))
            fired = int(np.count_nonzero(run.counts[name][image])) if name in run.counts else 0
            alt = f"Potentials of {name}, image {image}: {fired:,} of its units fire"
            pictures.append(embedded(drawn, alt))
    return pictures


def _provenance(material: Material) -> list[tuple[str, str]]:
    """Everything that the recording notes about how it was made."""
    parameters = dict(material.run.parameters)
    versions = material.description.get("versions") or parameters.get("versions") or {}
    shown: dict[str, Any] = {
        "network (SHA-256)": parameters.pop("network", None),
        "versions": ", ".join(f"{name} {number}" for name, number in versions.items()),
    }
    skip = {"versions", "thresholds", "readout", "method", "coding", "dt_ms", "steps", "images"}
    shown |= {name: value for name, value in parameters.items() if name not in skip}
    return [
        (name.replace("_", " "), _text(value))
        for name, value in shown.items()
        if value not in (None, "")
    ]


def _text(value: Any) -> str:
    return f"{value:,.3f}" if isinstance(value, float) else str(value)


def command_line(description: Mapping[str, Any], parameters: Any) -> str | None:
    """The command of a ``run.json`` as it would be typed, defaults left out.

    Parameters
    ----------
    description : mapping
        The content of ``run.json``.
    parameters : sequence of click.Parameter
        Those of the command.
    """
    arguments = description.get("arguments")
    if not description.get("command") or not isinstance(arguments, Mapping):
        return None
    words = ["bionet", str(description["command"])]
    for parameter in parameters:
        value = arguments.get(parameter.name)
        default = parameter.default
        default = default() if callable(default) else default
        if value is None or value == [] or str(value) == str(default):
            continue
        if parameter.param_type_name == "argument":
            words.append(str(value))
        elif isinstance(value, bool):
            names = parameter.opts if value else parameter.secondary_opts
            words += names[:1]
        else:
            name = max(parameter.opts, key=len)
            for one in value if isinstance(value, list) else [value]:
                words += [name, str(one)]
    return shlex.join(words)
