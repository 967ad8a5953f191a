r"""QCFS: an activation that T steps of an integrate-and-fire unit show exactly.

.. math::

    h(z) = \frac{\lambda}{L} \operatorname{clip}\left(
        \left\lfloor \frac{z L}{\lambda} + \frac{1}{2} \right\rfloor, 0, L \right)

with a trained scale :math:`\lambda` for every activation and L levels. A unit with threshold
:math:`\lambda` and initial potential :math:`\lambda / 2` that gets z in each of L steps fires
:math:`h(z) L / \lambda` times. In training the floor lets the gradient pass as if it were not
there, so that :math:`dh/dz = 1` for :math:`0 \le z \le \lambda` (up to half a level at both ends)
and :math:`dh/d\lambda = (h - z)/\lambda` within and 1 above.

=================  ====  ====================================================
symbol             unit  meaning
=================  ====  ====================================================
``scale``          1     :math:`\lambda`, the largest activation, trained
``levels``         1     L, levels above 0
=================  ====  ====================================================

References
----------
T. Bu, W. Fang, J. Ding, P. Dai, Z. Yu, T. Huang: Optimal ANN-SNN conversion for high-accuracy and
ultra-low-latency spiking neural networks. ICLR (2022), Eq. 15.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import fx, nn
from torch.nn import functional

from bionet.errors import InputError
from bionet.kinds import typed

__all__ = ["QCFS", "quantised_network", "relu_names", "replace_relus"]

# Also a leaky one, whose negative side the training that follows does without.
RELUS = (nn.ReLU, nn.LeakyReLU)
FUNCTIONS = (functional.relu, functional.leaky_relu, torch.relu, torch.relu_)
METHODS = ("relu", "relu_")


class StraightFloor(torch.autograd.Function):
    """The next lower whole number, with the gradient of the identity."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        """floor(x)."""
        return torch.floor(x)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> torch.Tensor:
        """The gradient as it comes."""
        return gradients[0]


@typed
class QCFS(nn.Module):
    """Quantisation-clip-floor-shift activation h(z), in place of a ReLU.

    Parameters
    ----------
    levels : int
        L: steps in which its unit shows it exactly.
    scale : float
        Lambda to begin with; it is a parameter of the network and trained with it.

    Raises
    ------
    InputError
        If there is less than one level or the scale is not positive.

    References
    ----------
    Bu et al. 2022 (ICLR), Eq. 15.
    """

    def __init__(self, levels: int = 4, scale: float = 8.0) -> None:
        super().__init__()
        if isinstance(levels, bool) or int(levels) != levels or levels < 1:
            raise InputError(f"levels must be a whole number >= 1, but is {levels!r}")
        if not scale > 0:
            raise InputError(f"the scale of a QCFS activation must be positive, but is {scale}")
        self.levels = int(levels)
        self.scale = nn.Parameter(torch.tensor(float(scale)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """h(x), of the same shape."""
        level = StraightFloor.apply(x * (self.levels / self.scale) + 0.5)
        return level.clamp(0, self.levels) * (self.scale / self.levels)

    def extra_repr(self) -> str:
        """What a printed network says of it."""
        return f"levels={self.levels}, scale={self.scale.item():.3g}"


@typed
def quantised_network(net: nn.Module, levels: int, images: torch.Tensor) -> nn.Module:
    """A copy of a ReLU network with QCFS activations, to be trained on and then converted.

    Parameters
    ----------
    net : torch.nn.Module
        Is not changed. Leaky ReLUs are replaced too, and lose their negative side.
    levels : int
        L of every activation.
    images : tensor (n, ...)
        Each scale begins at the 99.9th percentile of its activations for these.

    Returns
    -------
    torch.nn.Module
        With the parameters of ``net`` under their names, and a scale for each activation.

    Raises
    ------
    InputError
        If the network has no ReLU that is a module: a functional one has no place for a scale.
    """
    copied = copy.deepcopy(net)
    names = relu_names(copied)
    if not names or _has_functional(copied):
        raise InputError(
            f"{type(net).__name__} has {'functional ReLUs' if names else 'no nn.ReLU modules'};"
            " write every activation as a module of its own, nn.ReLU(), to have it replaced by QCFS"
        )
    seen: dict[str, list[torch.Tensor]] = {name: [] for name in names}
    hooks = [
        copied.get_submodule(name).register_forward_hook(
            lambda module, given, value, name=name: seen[name].append(value.detach().flatten())
        )
        for name in names
    ]
    training = copied.training
    with torch.no_grad():
        copied.eval()(images)
    for hook in hooks:
        hook.remove()
    copied.train(training)
    for name, activation in replace_relus(copied, levels).items():
        values = torch.cat(seen[name])
        rank = max(1, round(len(values) * 0.999))
        scale = float(values.kthvalue(rank).values) or float(values.max()) or 1.0
        activation.scale.data.fill_(scale)
    return copied


def relu_names(net: nn.Module) -> tuple[str, ...]:
    """Names of the ReLU modules of a network, leaky ones among them."""
    return tuple(name for name, module in net.named_modules() if type(module) in RELUS)


def replace_relus(net: nn.Module, levels: int) -> dict[str, QCFS]:
    """Put a QCFS activation in place of every ReLU module of a network, which is changed.

    Returns
    -------
    dict of str to QCFS
        By name; their scales have to be set.
    """
    activations = {name: QCFS(levels).train(net.training) for name in relu_names(net)}
    for name, activation in activations.items():
        parent, _, child = name.rpartition(".")
        setattr(net.get_submodule(parent), child, activation)
    return activations


def _has_functional(net: nn.Module) -> bool:
    """Whether the forward pass calls a ReLU that is no module, as far as it can be traced."""
    try:
        nodes = fx.symbolic_trace(net).graph.nodes
    except Exception:
        return False  # the conversion says better why it cannot be traced
    return any(
        (node.op == "call_function" and node.target in FUNCTIONS)
        or (node.op == "call_method" and node.target in METHODS)
        for node in nodes
    )
