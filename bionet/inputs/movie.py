"""Movies: in every frame the pixels have other values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bionet.errors import InputError
from bionet.inputs.pixels import check_values
from bionet.inputs.stimulus import Stimulus, seconds, whole_steps
from bionet.kinds import typed
from bionet.network.signal import FrameSignal

if TYPE_CHECKING:
    from brian2 import Quantity

__all__ = ["Frames", "frames"]


@dataclass(frozen=True, eq=False)
class Frames(Stimulus):
    """Movies; see :func:`frames`.

    Parameters
    ----------
    movies : array (n_movies, n_frames, *shape)
        Shorter movies end with zeros that are not shown.
    lengths : int array (n_movies,)
        Frames of every movie.
    frame : float
        Length of a frame in seconds.
    """

    movies: np.ndarray
    lengths: np.ndarray
    frame: float

    kind = "frames"

    def __len__(self) -> int:
        return len(self.movies)

    def durations(self, given: float | None, usual: float) -> np.ndarray:
        """As long as the frames of each movie."""
        del usual
        each = self.lengths * self.frame
        if given is not None and (wrong := ~np.isclose(each, given, rtol=1e-6)).any():
            movie = int(wrong.argmax())
            raise InputError(
                f"movie {movie} has {self.lengths[movie]} frames of {self.frame * 1000:g} ms,"
                f" {each[movie] * 1000:g} ms in all, but the duration is {given * 1000:g} ms; leave"
                " the duration out"
            )
        return each

    def signal(self, shape: tuple[int, ...], dt: float, steps: np.ndarray) -> FrameSignal:
        """The frames, each for its number of steps."""
        del steps
        self.check_step(dt)
        if self.movies.shape[2:] != shape:
            raise InputError(
                f"frames must have the shape (n_movies, n_frames, {', '.join(map(str, shape))}),"
                f" but have {self.movies.shape}"
            )
        pixels = check_values(self.movies, "frames")
        return FrameSignal(pixels, round(self.frame / dt))

    def check_step(self, dt: float) -> None:
        """Refuse a step that does not divide the frame."""
        whole_steps(self.frame, dt, "the duration of a frame")

    def described(self) -> dict[str, Any]:
        """Kind, and length of a frame."""
        return {"kind": self.kind, "frame_ms": round(self.frame * 1000, 9)}


@typed
def frames(movies: Any, frame: Quantity) -> Frames:
    """Movies of frames that last equally long.

    Parameters
    ----------
    movies : array (n_movies, n_frames, *shape), or list of arrays (n_frames, *shape)
        Pixels, in PyTorch's order; a list for movies of different lengths. One presentation is one
        movie; it lasts as long as its frames.
    frame : Quantity
        Length of a frame, a multiple of ``dt``.

    Raises
    ------
    InputError
        If the frames are no numbers, differ in shape, or there are none; or ``frame`` is no
        positive time.

    Examples
    --------
    >>> import numpy as np
    >>> from brian2 import ms
    >>> len(frames(np.zeros((3, 5, 1, 28, 28)), 40 * ms))
    3
    """
    length = seconds(frame, "frame", "40*ms")
    if length.ndim or not length > 0:
        raise InputError(f"frame must be one positive time, such as 40*ms, but is {frame}")
    each = movies if isinstance(movies, np.ndarray) else [np.asarray(m) for m in _listed(movies)]
    empty = each.ndim < 3 or not each.size if isinstance(each, np.ndarray) else not each
    if empty or any(m.ndim < 2 or not len(m) for m in each):
        raise InputError(
            "movies must be an array (n_movies, n_frames, *shape) or a list of arrays"
            " (n_frames, *shape), with at least one movie, and a frame in each"
        )
    if odd := [m.dtype for m in each if m.dtype.kind not in "fiub"]:
        raise InputError(f"frames must be numbers, but are of the type {odd[0]}")
    for number, movie in enumerate(each):
        if movie.shape[1:] != each[0].shape[1:]:
            raise InputError(
                f"all frames must have one shape, but those of movie 0 have {each[0].shape[1:]} and"
                f" those of movie {number} {movie.shape[1:]}"
            )
    lengths = np.array([len(movie) for movie in each])
    if isinstance(each, np.ndarray):
        return Frames(each, lengths, float(length))
    dtype = np.result_type(*(m.dtype for m in each))
    whole = np.zeros((len(each), lengths.max(), *each[0].shape[1:]), dtype=dtype)
    for row, movie in zip(whole, each, strict=True):
        row[: len(movie)] = movie
    return Frames(whole, lengths, float(length))


def _listed(movies: Any) -> Sequence[Any]:
    if not isinstance(movies, (list, tuple)):
        raise InputError(f"movies must be an array or a list of arrays, but are {type(movies)}")
    return movies
