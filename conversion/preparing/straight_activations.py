"""Replacing smooth activations by those of straight pieces, which spiking units compute.

====================================================  ============
activation                                            becomes
====================================================  ============
ELU, SELU, CELU, GELU, SiLU, Mish, Softplus, RReLU,   ReLU
Hardswish
Tanh, Softsign                                        Hardtanh
Sigmoid                                               Hardsigmoid
====================================================  ============

The network is then another function: train it on before it is converted. A sigmoid or tanh that is
the network's last module stays: a conversion leaves it out.
"""

from __future__ import annotations

import copy

from torch import nn

from bionet.errors import InputError
from bionet.kinds import typed

__all__ = ["SMOOTH", "to_relu"]

SMOOTH: dict[type[nn.Module], type[nn.Module]] = {
    **dict.fromkeys((nn.ELU, nn.SELU, nn.CELU, nn.GELU, nn.SiLU, nn.Mish, nn.Softplus), nn.ReLU),
    **dict.fromkeys((nn.RReLU, nn.Hardswish), nn.ReLU),
    **dict.fromkeys((nn.Tanh, nn.Softsign), nn.Hardtanh),
    nn.Sigmoid: nn.Hardsigmoid,
}
AT_THE_END = (nn.Sigmoid, nn.Tanh)


@typed
def to_relu(net: nn.Module) -> nn.Module:
    """A copy of the network with smooth activations replaced as the table of this module says.

    Parameters
    ----------
    net : torch.nn.Module
        Is not changed. An activation that is called as a function is not seen.

    Returns
    -------
    torch.nn.Module
        With the same weights, to be trained on and then converted; in the same mode.

    Raises
    ------
    InputError
        If there is no such module.

    Examples
    --------
    >>> net = bionet.conversion.to_relu(net)  # doctest: +SKIP
    >>> bionet.train.train(net, data_train, data_test, epochs=3, seed=0)  # doctest: +SKIP
    """
    copied = copy.deepcopy(net)
    last = list(copied.modules())[-1]
    replaced = 0
    for _, parent in tuple(copied.named_modules()):
        # Not named_children(): it shows a module that is used twice only once.
        for name, child in parent._modules.items():
            kind = SMOOTH.get(type(child)) if child is not None else None
            if kind is None or (child is last and isinstance(child, AT_THE_END)):
                continue
            setattr(parent, name, kind().train(parent.training))
            replaced += 1
    if not replaced:
        kinds = ", ".join(kind.__name__ for kind in SMOOTH)
        raise InputError(
            f"{type(net).__name__} has no module {kinds} to replace; what its forward calls as a"
            " function, such as F.gelu, is to be written as torch.relu there"
        )
    return copied
