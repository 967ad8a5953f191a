r"""A measured f-I curve as the activation of a torch network.

The curve is blurred with a Gaussian and laid on a grid of equal steps :math:`\Delta`; between the
grid's points it is linear, and its gradient is the slope of that line, exactly:

.. math::

    \varphi(z) = \varphi_k + s_k (z - z_k), \qquad
    \varphi'(z) = s_k = (\varphi_{k+1} - \varphi_k) / \Delta, \qquad z_k \le z < z_{k+1}

Below the grid it is 0, beyond its end it keeps the last rate (a neuron saturates). In training a
Gaussian noise is added to z, which stands for the fluctuation of spike trains.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from brian2 import Hz, Quantity
from brian2.units.fundamentalunits import get_dimensions
from torch import nn

from bionet.errors import InputError

__all__ = ["FrequencyActivation", "blurred", "check_reference"]

STEP = 0.01  # of z between grid points: a tenth of the usual blur and less
WIDTHS = 4.0  # of the Gaussian, each way


class FrequencyActivation(nn.Module):
    """phi(z): rates of a neuron in units of a reference rate.

    Parameters
    ----------
    drive : array (n,)
        z of the measured currents, ascending.
    rates : array (n,)
        In Hz.
    reference : Quantity
        Rate that stands for an activation of 1, in Hz.
    sigma, noise : float
        See :meth:`bionet.firing.curve.FICurve.activation`.
    """

    def __init__(
        self,
        drive: np.ndarray,
        rates: np.ndarray,
        reference: Quantity = 100 * Hz,
        sigma: float = 0.08,
        noise: float = 0.1,
    ) -> None:
        super().__init__()
        check_reference(reference)
        for name, value in (("sigma", sigma), ("noise", noise)):
            number = isinstance(value, int | float) and not isinstance(value, bool)
            if not number or not (math.isfinite(value) and value >= 0):
                raise InputError(f"{name} of an activation must be a number >= 0, got {value!r}")
        self.reference_hz, self.sigma, self.noise = float(reference), float(sigma), float(noise)
        self.drive, self.rates = np.asarray(drive, dtype=float), np.asarray(rates, dtype=float)
        start, values = blurred(self.drive, self.rates / self.reference_hz, sigma)
        self.start = start
        # Made from the neuron, so not part of the weights of a network.
        table = torch.from_numpy(values.astype(np.float32))
        self.table: torch.Tensor
        self.register_buffer("table", table, persistent=False)
        # Rates of the last batch while training, for the cost of rates.
        self.last: torch.Tensor | None = None

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        """Rates in units of the reference, of the shape of ``z``."""
        if self.training and self.noise:
            z = z + self.noise * torch.randn_like(z)
        rates = torch.as_tensor(_Interpolation.apply(z, self.table, self.start))
        self.last = rates if self.training else None
        return rates

    def sharp(self) -> FrequencyActivation:
        """The same curve without blur and noise, for units that a constant current drives."""
        return FrequencyActivation(self.drive, self.rates, self.reference_hz * Hz, 0.0, 0.0)

    def inverse(self, rate: float) -> float:
        """The least z on the grid with a rate (in units of the reference) of at least this."""
        above = np.flatnonzero(self.table.cpu().numpy() >= rate)
        if not len(above):
            raise InputError(
                f"the neuron fires at most at {float(self.table.max()) * self.reference_hz:.3g} Hz,"
                f" but {rate * self.reference_hz:.3g} Hz are asked for; lower the reference"
            )
        return self.start + STEP * float(above[0])

    def extra_repr(self) -> str:
        """What is shown in a printed network."""
        return f"reference={self.reference_hz:g} Hz, sigma={self.sigma:g}, noise={self.noise:g}"


class _Interpolation(torch.autograd.Function):
    """Linear interpolation in a table, with the slope of the interval as its gradient."""

    @staticmethod
    def forward(ctx: Any, z: torch.Tensor, table: torch.Tensor, start: float) -> torch.Tensor:
        """Interpolate."""
        position = ((z - start) / STEP).clamp(0, len(table) - 1.001)
        index = position.to(torch.int64)
        left = table[index]
        slope = table[index + 1] - left
        if ctx.needs_input_grad[0]:
            inside = (z > start) & (z < start + STEP * (len(table) - 1))
            ctx.save_for_backward(slope * inside / STEP)
        return left + slope * (position - index)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        """Slope times gradient."""
        (slope,) = ctx.saved_tensors
        return gradients[0] * slope, None, None


def blurred(drive: np.ndarray, rates: np.ndarray, sigma: float) -> tuple[float, np.ndarray]:
    """A curve on the grid, convolved with a Gaussian.

    Parameters
    ----------
    drive, rates : array (n,)
        The measured curve, drive ascending.
    sigma : float
        Width of the Gaussian in z.

    Returns
    -------
    start : float
        z of the first point.
    values : array (m,)
        At start, start + STEP, ...
    """
    reach = math.ceil(WIDTHS * sigma / STEP)
    # The whole curve, and on either side what the Gaussian reaches, its ends kept.
    first = math.floor(min(drive[0], 0.0) / STEP)
    last = math.ceil(drive[-1] / STEP)
    grid = STEP * np.arange(first - 2 * reach, last + 2 * reach + 2)
    curve = np.interp(grid, drive, rates)
    if not reach:
        return float(grid[0]), curve
    weights = np.exp(-0.5 * (STEP * np.arange(-reach, reach + 1) / sigma) ** 2)
    values = np.convolve(curve, weights / weights.sum(), mode="valid")
    return float(grid[reach]), values


def check_reference(reference: Quantity) -> None:
    """Refuse a reference that is no positive rate."""
    if get_dimensions(reference) is not get_dimensions(Hz) or not 0 < float(reference) < math.inf:
        raise InputError(f"the reference must be a rate above 0 such as 100*Hz, got {reference!r}")
