r"""Receptive fields in the input's pixels, from the geometry of the projections alone.

Along each axis unit p of a layer reaches the pixels :math:`b + p s` to :math:`b + p s + n - 1`.
Through a kernel of k taps with stride t, padding q and dilation d

.. math:: n' = n + (k - 1)\, d\, s, \qquad b' = b - q s, \qquad s' = t s

======  ======  ====================================
symbol  unit    meaning
======  ======  ====================================
b       pixels  begin of the first unit's field
s       pixels  distance of two neighbours' fields
n       pixels  size of a field
======  ======  ====================================
"""

from __future__ import annotations

from bionet.network.kernels import Kernel
from bionet.network.spiking_network import SpikingNetwork

__all__ = ["reach"]

Axis = tuple[int, int, int]


def reach(snn: SpikingNetwork) -> dict[str, tuple[Axis, Axis] | None]:
    """Begin, distance and size of the receptive fields of every population, by axis.

    Returns
    -------
    dict of str to ((b, s, n) of the height, of the width) or None
        None where a unit sees everything, or nothing is known of its field.
    """
    fields: dict[str, tuple[Axis, Axis] | None] = {}
    if len(snn.input_shape) == 3:
        fields["input"] = ((0, 1, 1), (0, 1, 1))
    for population in snn.populations:
        seen = [
            _through(projection.kernel, fields.get(projection.source))
            for projection in snn.projections
            # A clock that releases a layer, or a unit of it, is no part of its field.
            if projection.target == population.name and projection.source in fields
        ]
        sized = [field for field in seen if field is not None]
        if seen:
            fields[population.name] = sized[0] if len(set(sized)) == 1 == len(set(seen)) else None
    return fields


def _through(kernel: Kernel, field: tuple[Axis, Axis] | None) -> tuple[Axis, Axis] | None:
    if field is None or kernel.pointwise:
        return field
    window = kernel.window()
    if window is None:
        return None
    height, width = (
        (begin - padding * apart, stride * apart, size + (taps - 1) * dilation * apart)
        for (begin, apart, size), taps, stride, padding, dilation in zip(
            field, *window, strict=True
        )
    )
    return height, width
