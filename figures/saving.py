"""Figures and animations to files.

A film (MP4) is written by FFmpeg, as matplotlib does it: that of the system, or the one that the
package imageio-ffmpeg brings (BioNet's extra ``video``).
"""

from __future__ import annotations

import html
import importlib
import shutil
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.animation import Animation
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bionet.errors import InputError
from bionet.figures.house_style import style
from bionet.files import atomic
from bionet.kinds import typed

__all__ = ["FORMATS", "MOVING", "save"]

# Without dates, so that the same figure gives the same file.
FORMATS: dict[str, dict[str, Any]] = {
    ".png": {},
    ".svg": {"Date": None},
    ".pdf": {"CreationDate": None},
}

# Suffixes of an animation, and what writes them: itself as a page, Pillow, FFmpeg.
MOVING = {".gif": "pillow", ".html": None, ".mp4": "ffmpeg"}


@typed
def save(figure: Figure | Axes | np.ndarray | Animation, path: str | Path) -> list[Path]:
    """Write a figure as PNG (300 dpi), SVG or PDF, by the suffix; as all three without one.

    An animation is written as GIF, as a page (HTML) or as a film (MP4), as GIF without a suffix. A
    file appears complete or not at all.

    Parameters
    ----------
    figure : Figure, Axes, array of Axes or matplotlib.animation.Animation
        What a figure function returned.
    path : str or Path

    Returns
    -------
    list of Path
        The files written.

    Raises
    ------
    InputError
        If the suffix is unknown, the file cannot be written, or a film needs FFmpeg and there is
        none.
    """
    path = Path(path)
    if isinstance(figure, Animation):
        return [_save_animation(figure, path)]
    if path.suffix and path.suffix.lower() not in FORMATS:
        raise InputError(
            f"cannot write {path}: the suffix of a figure is {', '.join(FORMATS)} or none for all"
            f" three, but is {path.suffix!r}"
        )
    suffixes = [path.suffix.lower()] if path.suffix else list(FORMATS)
    written = []
    for suffix in suffixes:
        file = path.with_suffix(path.suffix or suffix)
        # Fonts are looked up when the figure is drawn, so the style holds here again.
        with style(), atomic(file) as part:
            _figure(figure).savefig(part, format=suffix[1:], metadata=FORMATS[suffix])
        written.append(file)
    return written


def _save_animation(drawn: Animation, path: Path) -> Path:
    """Write an animation as GIF, HTML or MP4."""
    path = path if path.suffix else path.with_suffix(".gif")
    suffix = path.suffix.lower()
    if suffix not in MOVING:
        raise InputError(
            f"cannot write {path}: the suffix of an animation is {', '.join(MOVING)}, but is"
            f" {path.suffix!r}"
        )
    program = _ffmpeg(path) if suffix == ".mp4" else None
    with style(), atomic(path) as part:
        if suffix == ".html":
            page = f"<!DOCTYPE html>\n<title>{html.escape(path.stem)}</title>\n{drawn.to_jshtml()}"
            part.write_text(page, encoding="utf-8")
        else:
            file = part.with_name(part.name + suffix)  # the writers look at the suffix
            try:
                with matplotlib.rc_context():
                    if program is not None:
                        matplotlib.rcParams["animation.ffmpeg_path"] = program
                    drawn.save(file, writer=MOVING[suffix], dpi=120)
                file.replace(part)
            finally:
                file.unlink(missing_ok=True)
    return path


def _ffmpeg(path: Path) -> str:
    """The FFmpeg of the system (``animation.ffmpeg_path``), or of the package imageio-ffmpeg."""
    program = shutil.which(matplotlib.rcParams["animation.ffmpeg_path"])
    if program is not None:
        return program
    try:
        return str(importlib.import_module("imageio_ffmpeg").get_ffmpeg_exe())
    except (ImportError, RuntimeError) as error:
        raise InputError(
            f"cannot write {path}: a film needs FFmpeg, which is not installed:"
            ' pip install "bionet[video]", or write .gif or .html'
        ) from error


def _figure(drawn: Figure | Axes | np.ndarray) -> Figure:
    part: Any = drawn.flat[0] if isinstance(drawn, np.ndarray) and drawn.size else drawn
    figure = part.get_figure(root=True) if isinstance(part, Axes) else part
    if not isinstance(figure, Figure):
        raise InputError(
            f"save needs a Figure, Axes or an array of Axes, but got {type(part).__name__}"
        )
    return figure
