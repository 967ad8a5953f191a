r"""A neuron model: differential equation, threshold and reset, as Brian2 strings.

A :class:`NeuronModel` is what a population of a :class:`~bionet.network.SpikingNetwork`
is made of. Its equation is written once, as the Brian2 string; the LaTeX form is derived.

Within one step of a layer the order is: state update (the differential equation), synaptic
input (added to the variable named by ``input``), ``update``, threshold, reset. The symbols:

=========  =======  ==============================================================
symbol     unit     meaning
=========  =======  ==============================================================
``v``      1        membrane potential, in units of the weights
``I``      1        drive: what a constant current adds to ``v`` in one step ``dt``
``theta``  1        threshold
``o``      1        amplitude of the emitted spike (signed), where it is not 1
``dt``     second   simulation step
=========  =======  ==============================================================
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from bionet.equations.checking import check_model, first_line, loops
from bionet.equations.latex import model_latex
from bionet.equations.namespaces import plain_namespace, read_namespace
from bionet.equations.units import unit_name
from bionet.errors import InputError
from bionet.kinds import typed

if TYPE_CHECKING:
    from brian2.equations.equations import Equations

__all__ = ["NeuronModel", "loops", "unit_name"]


@typed
@dataclass(frozen=True)
class NeuronModel:
    """A neuron model, an input coding or a circuit element, checked when it is made.

    Parameters
    ----------
    name : str
        What error messages and printed networks call it.
    equations : str
        Brian2 model equations: differential equations, parameters, subexpressions.
    threshold : str, optional
        Condition of a spike. Without it the unit never fires (a pure integrator).
    reset : str, optional
        Statements executed for the units that fired.
    refractory : str, optional
        Refractory period: the name of a parameter in seconds, or an expression.
    update : str, optional
        Statements executed for every unit in every step, after the synaptic input has
        arrived and before the threshold is tested (a floor on the potential, say). What follows
        a blank line is a loop over the units of its own: a random number drawn in a loop keeps
        the compiler from computing several units at once.
    method : str
        Integration method of Brian2 (``"euler"``, ``"exact"``, ...).
    parameters : mapping of str to number or Quantity
        Default values of the parameters declared in the equations.
    initial : mapping of str to number, Quantity or str
        Values of the state variables when a presentation begins; 0 if unnamed. A plain number is
        in SI units; a string is an expression of parameters and other variables (``"E_L"``).
    events : mapping of str to str
        Further events and their conditions.
    input : str
        The variable that receives the weights of the input spikes.
    amplitude : str, optional
        The variable that holds the signed size of an emitted spike; without it a spike is 1.
    final : tuple of str
        State variables whose values at the end of every presentation a recording keeps.
    inhibition : str, optional
        Name of a parameter in seconds, shared by all units: when a unit fires, all others of its
        population are reset, and for this time none fires (:mod:`bionet.brian.inhibition`).
    source : str
        Paper and equation number.
    potential : str, optional
        The variable that is the membrane potential, of any name and unit; None for a unit
        without one.
    current : str, optional
        The parameter that a constant drive is added to (a bias, an analog pixel, background), of
        any name and unit; None for a unit that cannot be driven.
    inputs : mapping of str to str
        ``{"exc": "g_e", "inh": "g_i"}``: the variables that receive excitatory and inhibitory
        weights, where they are not one and the same, ``input``. Into a variable of its own an
        inhibitory pathway delivers the absolute value of its weights.
    resets : {"subtract", "zero", "to"}, optional
        What a spike does to the potential: takes the threshold from it, sets it to 0, or sets it
        to another value. None where it is none of these.
    leaks : bool
        Whether the potential decays without input.
    spike : {"unit", "signed", "graded", "once"}
        What a spike says: all are alike; it has a sign; it has a size; a unit has at most one in a
        presentation, and its time is the value.
    namespace : mapping
        Constants, functions and arrays in time (``TimedArray``) that the equations use.

    Raises
    ------
    InputError
        If Brian2 refuses the equations; the message names the model and the line.
    """

    name: str
    equations: str
    threshold: str | None = None
    reset: str | None = None
    refractory: str | None = None
    update: str | None = None
    method: str = "euler"
    parameters: Mapping[str, Any] = field(default_factory=dict)
    initial: Mapping[str, Any] = field(default_factory=dict)
    events: Mapping[str, str] = field(default_factory=dict)
    input: str = "v"
    amplitude: str | None = None
    final: tuple[str, ...] = ()
    inhibition: str | None = None
    source: str = ""
    potential: str | None = "v"
    current: str | None = "I"
    inputs: Mapping[str, str] = field(default_factory=dict)
    resets: Literal["subtract", "zero", "to"] | None = None
    leaks: bool = False
    spike: Literal["unit", "signed", "graded", "once"] = "unit"
    namespace: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("name", "equations"):
            if not isinstance(getattr(self, name), str):
                raise InputError(f"a neuron model's {name} is text, but is {getattr(self, name)!r}")
        object.__setattr__(self, "equations", _tidy(self.equations))
        for name in ("parameters", "initial", "events", "inputs", "namespace"):
            object.__setattr__(self, name, MappingProxyType(dict(getattr(self, name))))
        object.__setattr__(self, "final", tuple(self.final))
        for name, usual in (("potential", "v"), ("current", "I")):
            if getattr(self, name) == usual and usual not in self.brian():
                object.__setattr__(self, name, None)
        object.__setattr__(self, "initial", MappingProxyType(_initial(self)))
        self.check()

    def __getstate__(self) -> dict[str, Any]:
        return {k: dict(v) if isinstance(v, Mapping) else v for k, v in vars(self).items()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        for name, value in state.items():
            kept = MappingProxyType(value) if isinstance(value, dict) else value
            object.__setattr__(self, name, kept)

    def check(self) -> None:
        """Let Brian2 read the whole model; an InputError names the model and what is wrong.

        Done when a model is made. Of use again where functions of its namespace have changed.
        """
        check_model(self)

    def __hash__(self) -> int:
        return hash(json.dumps(self.to_dict(), sort_keys=True))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, NeuronModel) and self.to_dict() == other.to_dict()

    def brian(self) -> Equations:
        """The equations as a Brian2 object.

        Raises
        ------
        InputError
            If Brian2 cannot read them.
        """
        try:
            return _parsed(self.equations)
        except Exception as error:
            raise InputError(f"model {self.name!r}: {first_line(error)}") from error

    @property
    def integrates(self) -> bool:
        """Whether the potential only adds up its drive: the equation is dv/dt = I/dt."""
        equation = self.brian().get(str(self.potential))
        if equation is None or equation.expr is None or self.current is None:
            return False
        return _is_equal(str(equation.expr), f"{self.current}/dt")

    def receiver(self, sign: int = 0) -> tuple[str, float]:
        """The variable that receives the weights of a pathway, and the factor they come with.

        Parameters
        ----------
        sign : {0, 1, -1}
            Of the pathway's weights; 0 for both.

        Returns
        -------
        variable : str
        factor : {1.0, -1.0}
            -1 where the variable receives the absolute value of inhibitory weights.

        Raises
        ------
        InputError
            If the model receives excitatory and inhibitory weights in different variables, and
            the pathway carries both; or if it has no variable for weights of this sign.
        """
        if not self.inputs:
            return self.input, 1.0
        excitatory, inhibitory = self.inputs.get("exc"), self.inputs.get("inh")
        if sign == 0 and excitatory != inhibitory:
            raise InputError(
                f"model {self.name!r} receives excitatory weights in {excitatory!r} and inhibitory"
                f" ones in {inhibitory!r}; give two projections, one with sign=1 and one with"
                " sign=-1"
            )
        variable = inhibitory if sign < 0 else excitatory
        if variable is None:
            kind = "inhibitory" if sign < 0 else "excitatory"
            raise InputError(f"model {self.name!r} has no variable that receives {kind} weights")
        return variable, -1.0 if sign < 0 and inhibitory != excitatory else 1.0

    @property
    def dimensions(self) -> dict[str, Any]:
        """Variable name -> Brian2 dimension, for every variable of the equations."""
        return {name: equation.dim for name, equation in self.brian().items()}

    @property
    def state(self) -> tuple[str, ...]:
        """Variables that change during a presentation and are set back at the next one."""
        from brian2.equations.equations import DIFFERENTIAL_EQUATION, PARAMETER

        return tuple(
            name
            for name, equation in self.brian().items()
            if equation.type == DIFFERENTIAL_EQUATION
            or (equation.type == PARAMETER and "constant" not in equation.flags)
        )

    @property
    def computed(self) -> tuple[str, ...]:
        """Variables that follow from the others at every moment: subexpressions."""
        from brian2.equations.equations import SUBEXPRESSION

        return tuple(n for n, e in self.brian().items() if e.type == SUBEXPRESSION)

    @property
    def constants(self) -> tuple[str, ...]:
        """Parameters that keep their value during a presentation."""
        from brian2.equations.equations import PARAMETER

        return tuple(
            name
            for name, equation in self.brian().items()
            if equation.type == PARAMETER and "constant" in equation.flags
        )

    def value(self, name: str, value: Any) -> np.ndarray:
        """A parameter value as a plain array in SI units, its dimension checked.

        Parameters
        ----------
        name : str
            A variable of the equations.
        value : number, array or Quantity
            Its value; a bare number only where the variable is dimensionless.

        Raises
        ------
        InputError
            If there is no such variable or the unit does not fit.
        """
        from brian2.units.fundamentalunits import Quantity, get_dimensions

        dimensions = self.dimensions
        if name not in dimensions:
            names = ", ".join(dimensions)
            raise InputError(
                f"model {self.name!r} has no variable {name!r}; its variables are {names}"
            )
        if get_dimensions(value) != dimensions[name]:
            got = value if isinstance(value, Quantity) else f"the bare number {value}"
            unit = unit_name(dimensions[name])
            raise InputError(
                f"parameter {name!r} of model {self.name!r} has the unit {unit}, but got {got};"
                " give a Brian2 quantity such as 20*ms"
            )
        return np.array(value, dtype=np.float64)

    def quantity(self, name: str, value: Any) -> Any:
        """A plain SI value of a variable with its unit put back."""
        from brian2.units.fundamentalunits import DIMENSIONLESS, Quantity

        dimensions = self.dimensions[name]
        if dimensions is DIMENSIONLESS or isinstance(value, Quantity):
            return value
        return Quantity.with_dimensions(np.asarray(value)[()], dimensions)

    def latex(self) -> str:
        r"""The model as LaTeX, made from the strings: equations, threshold, reset.

        Returns
        -------
        str
            Lines of an ``aligned`` environment, without the surrounding ``$$``.
        """
        return model_latex(self)

    def to_dict(self, saving: bool = False) -> dict[str, Any]:
        """A plain description for JSON: quantities become [SI value, unit].

        Parameters
        ----------
        saving : bool
            Refuse a function in the namespace, which has no value that could be saved.
        """
        plain: dict[str, Any] = {f.name: getattr(self, f.name) for f in fields(self)}
        dimensions = self.dimensions
        plain["parameters"] = {
            name: [np.asarray(value).tolist(), unit_name(dimensions[name])]
            for name, value in self.parameters.items()
        }
        for name in ("initial", "events", "inputs"):
            plain[name] = dict(plain[name])
        plain["final"] = list(self.final)
        plain["namespace"] = plain_namespace(self.name, self.namespace, saving)
        return plain

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> NeuronModel:
        """The inverse of :meth:`to_dict`."""
        if cls is NeuronModel and "drives" in plain:
            from bionet.equations.inputs import InputModel

            return InputModel.from_dict(plain)
        names = {f.name for f in fields(cls)}
        if unknown := set(plain) - names:
            raise InputError(f"a neuron model has no field {sorted(unknown)[0]!r}")
        arguments = dict(plain)
        from brian2.units.fundamentalunits import Quantity

        try:
            dimensions = {n: e.dim for n, e in _parsed(_tidy(plain["equations"])).items()}
        except Exception as error:
            raise InputError(f"model {plain.get('name')!r}: {first_line(error)}") from error
        arguments["parameters"] = {
            name: Quantity.with_dimensions(np.asarray(value)[()], dimensions[name])
            for name, (value, _) in plain.get("parameters", {}).items()
        }
        arguments["namespace"] = read_namespace(plain.get("namespace", {}))
        return cls(**arguments)


@functools.lru_cache(maxsize=256)
def _is_equal(one: str, other: str) -> bool:
    from brian2.parsing.sympytools import str_to_sympy
    from sympy import simplify

    return bool(simplify(str_to_sympy(one) - str_to_sympy(other)) == 0)


@functools.lru_cache(maxsize=256)
def _parsed(equations: str) -> Equations:
    from brian2.equations.equations import Equations

    return Equations(equations)


def _tidy(equations: str) -> str:
    return "\n".join(line.strip() for line in equations.strip().splitlines() if line.strip())


def _initial(model: NeuronModel) -> dict[str, float | str]:
    """Initial values in SI units; expressions stay as they are."""
    from brian2.units.fundamentalunits import Quantity

    values: dict[str, float | str] = {}
    for name, value in model.initial.items():
        if isinstance(value, Quantity):
            value = model.value(name, value)
        values[name] = value if isinstance(value, str) else float(value)
    return values
