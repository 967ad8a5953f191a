r"""A model's strings as they run: time since the image's onset, and random numbers of the image.

===============  =======================================  ==========================================
in the model     as it runs                               why
===============  =======================================  ==========================================
``t``            ``(step*dt)``                            images follow one another in one run, and
                                                          each has the time of its own presentation
``xi``           ``(randn()/sqrt(dt))``                   an Euler step of it adds
                                                          :math:`\sigma \sqrt{dt}\, z`
``randn()``      ``counter_normal(..., unit, step, 7)``   the same number whatever the lanes, the
                                                          device and the neighbours
===============  =======================================  ==========================================

``randn()`` in an update is an array of its own (:mod:`bionet.brian.normal_numbers`). Brian2's own
``xi`` and ``randn()`` draw from one sequence for each process.
"""

from __future__ import annotations

import functools
import re

from brian2.equations.equations import DIFFERENTIAL_EQUATION
from brian2.parsing.sympytools import str_to_sympy
from sympy import Symbol, simplify

from bionet.equations.model import NeuronModel
from bionet.equations.randomness import replace_rand, uses_rand
from bionet.network import Population

__all__ = [
    "codes",
    "draws",
    "expressions",
    "is_idle",
    "of_frame",
    "of_presentation",
    "running_code",
    "uses_step",
]


def of_presentation(code: str | None) -> str | None:
    """Code with the time of the presentation and noise that belongs to the image."""
    if code is None:
        return None
    code = re.sub(r"\bxi(_\w+)?\b", "(randn()/sqrt(dt))", code)
    # Brian2 notes the time of the last spike in its own time.
    return code if re.search(r"\blastspike\b", code) else re.sub(r"\bt\b", "(step*dt)", code)


def of_frame(code: str) -> str:
    """The condition of an input's event, counted from the onset of a frame of its images."""
    return re.sub(r"\bstep\b", "frame_step", str(of_presentation(code)))


def running_code(code: str | None, first_site: int) -> str | None:
    """Code as it runs; its random numbers are numbered from ``first_site`` on."""
    return replace_rand(of_presentation(code), first_site)


def expressions(model: NeuronModel, first_site: int) -> dict[str, str]:
    """Right-hand sides of a model's equations, as they run."""
    running: dict[str, str] = {}
    for name, equation in model.brian().items():
        if equation.expr is not None:
            code = str(of_presentation(str(equation.expr)))
            running[name] = str(replace_rand(code, first_site))
            first_site += len(re.findall(r"\brandn?(_if|_shared)?\(", code))
    return running


def codes(model: NeuronModel) -> tuple[str | None, ...]:
    """The pieces of code of a model, their random numbers not yet replaced."""
    equations = (str(e.expr) for e in model.brian().values() if e.expr is not None)
    pieces = (model.threshold, model.reset, model.update, *model.events.values(), *equations)
    return tuple(of_presentation(code) for code in pieces)


def draws(model: NeuronModel) -> bool:
    """Whether a model draws random numbers."""
    return uses_rand(*codes(model))


def uses_step(model: NeuronModel) -> bool:
    """Whether a model refers to the step of the presentation, itself or through ``rand()``."""
    return draws(model) or any(re.search(r"\bstep\b", code or "") for code in codes(model))


def is_idle(population: Population, driven: bool) -> bool:
    """Whether the state update adds nothing: every derivative is 0 with the parameters that are 0.

    ``driven`` where an analog input gives the population a drive.
    """
    model = population.model
    # Brian2 keeps count of the refractory period in the state update.
    if model.refractory is not None or driven:
        return False
    equations = model.brian().values()
    rates = tuple(str(e.expr) for e in equations if e.type == DIFFERENTIAL_EQUATION)
    values = {n: v for n, v in population.parameters.items() if n != "x"}  # x is the image's
    zero = frozenset(name for name, value in values.items() if not value.any())
    return bool(rates) and _vanish(rates, zero)


@functools.lru_cache(maxsize=256)
def _vanish(rates: tuple[str, ...], zero: frozenset[str]) -> bool:
    # A parameter whose value is not 0 stands for itself: 0/tau vanishes, -v/tau does not.
    values = {Symbol(name, real=True): 0 for name in zero}
    return all(simplify(str_to_sympy(rate).subs(values)) == 0 for rate in rates)
