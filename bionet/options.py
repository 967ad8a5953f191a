"""Options, checked and read by the annotations of what takes them: methods and perturbations.

A value from Python, from ``-O NAME=VALUE`` or from a study's file goes through the same check, that
of :mod:`bionet.annotations`.

=====================  ===========================================
annotation             written as a text
=====================  ===========================================
int, float, bool       3, 0.5, true
Literal["a", "b"]      a
Quantity               20ms
X | None               none
NeuronModel, Synapse   adex:pattern=tonic, exponential:5ms
lists and mappings     [1, 0.5] and {"conv1": 0.3} (as in JSON)
=====================  ===========================================
"""

from __future__ import annotations

import dataclasses
import inspect
import json
import re
import sys
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from brian2 import Quantity

from bionet.annotations import adapter, alternatives, in_words, written
from bionet.equations import NeuronModel
from bionet.equations.synapses import Synapse
from bionet.errors import InputError, did_you_mean
from bionet.firing.named import neuron_of, synapse_of
from bionet.quantities import physical

__all__ = ["Option", "check_options", "option_named", "options_of", "read_options"]

READERS: dict[Any, Callable[[str, str], Any]] = {
    Quantity: physical,
    NeuronModel: neuron_of,
    Synapse: synapse_of,
}
WORDS = {"true": True, "false": False, "none": None}
# A parameter in a numpydoc docstring, and the indented lines that tell what it is.
PARAMETER = r"^(\w+(?:, \w+)*)(?: : .*)?\n((?: {4,}.*\n?)+)"


@dataclass(frozen=True)
class Option:
    """An option of a method or a perturbation.

    Attributes
    ----------
    name : str
    annotation : type
        What its value must be.
    default : object
    meaning : str
        From the docstring; empty where that says nothing.
    """

    name: str
    annotation: Any
    default: Any
    meaning: str = ""

    @property
    def expected(self) -> str:
        """What its value must be, in words: ``"a number or None"``."""
        return in_words(self.annotation, self.default)

    @property
    def kind(self) -> str:
        """The annotation as Python writes it."""
        return written(self.annotation)

    def check(self, value: Any, owner: str) -> None:
        """Refuse a value that is not what the annotation says.

        Parameters
        ----------
        value : object
        owner : str
            What has the option, for the message: ``"method 'rate'"``.

        Raises
        ------
        InputError
        """
        try:
            adapter(self.annotation, "value").validate_python(value)
        except ValueError as error:  # a ValidationError of pydantic is one
            raise self._refusal(value, owner) from error

    def read(self, value: Any, owner: str) -> Any:
        """The value that a text stands for, valid by its reading; any other value is checked.

        Raises
        ------
        InputError
            If the text cannot be read as what the annotation says.
        """
        if isinstance(value, str):
            return self._read(value.strip(), owner)
        self.check(value, owner)
        return value

    def _read(self, text: str, owner: str) -> Any:
        kinds = alternatives(self.annotation)
        if text.lower() == "none" and type(None) in kinds:
            return None
        where = f"{owner}: {self.name}"
        if Any in kinds:
            return WORDS[text.lower()] if text.lower() in WORDS else physical(text, where)
        for kind, reader in READERS.items():
            if kind in kinds:
                value = reader(text, where)
                if not isinstance(value, kind):  # a number without its unit
                    self.check(value, owner)
                return value
        try:
            given = json.loads(text) if text[:1] in ("[", "{") else text
            return adapter(self.annotation, "text").validate_python(given)
        except ValueError as error:  # of JSON, or of pydantic
            raise self._refusal(text, owner) from error

    def _refusal(self, value: Any, owner: str) -> InputError:
        return InputError(f"{self.name} of {owner} must be {self.expected}, but is {value!r}")


def options_of(taker: Callable[..., Any]) -> dict[str, Option]:
    """The options of a function, its keyword-only arguments, or of a dataclass, its fields.

    Parameters
    ----------
    taker : callable
        A method of conversion, or a class of perturbations (whose level is no option).
    """
    if dataclasses.is_dataclass(taker):
        options = [(f.name, f.type, f.default) for f in dataclasses.fields(taker)]
        options = [option for option in options if option[0] != "level"]
    else:
        parameters = inspect.signature(taker).parameters.values()
        options = [
            (p.name, p.annotation, p.default) for p in parameters if p.kind is p.KEYWORD_ONLY
        ]
    told = _meanings(taker)
    return {
        name: Option(name, _type(taker, annotation), default, told.get(name, ""))
        for name, annotation, default in options
    }


def check_options(given: Mapping[str, Any], options: Mapping[str, Option], owner: str) -> None:
    """Refuse options that there are not, and values that they cannot have.

    Parameters
    ----------
    given : mapping of str to object
    options : mapping of str to Option
        From :func:`options_of`.
    owner : str
        What has the options, for messages: ``"method 'rate'"``.

    Raises
    ------
    InputError
    """
    for name, value in given.items():
        option_named(name, options, owner).check(value, owner)


def read_options(
    given: Mapping[str, Any], options: Mapping[str, Option], owner: str
) -> dict[str, Any]:
    """Options of which some are written as texts, as Python takes them; see :meth:`Option.read`."""
    return {
        name: option_named(name, options, owner).read(value, owner) for name, value in given.items()
    }


def option_named(name: str, options: Mapping[str, Option], owner: str) -> Option:
    """The option of a name.

    Raises
    ------
    InputError
        If there is none.
    """
    if name not in options:
        raise InputError(
            f"{owner} has no option {name!r}; its options are {', '.join(options) or 'none'}"
            + did_you_mean(name, options)
        )
    return options[name]


def _type(taker: Any, annotation: Any) -> Any:
    """An annotation as a type; Any where a name in it is not there: no text can be read as it."""
    if annotation is inspect.Parameter.empty:
        return Any
    home = vars(sys.modules.get(getattr(taker, "__module__", ""), typing))
    try:
        return typing.get_type_hints(
            types.SimpleNamespace(__annotations__={"x": annotation}), home
        )["x"]
    except NameError:
        return Any


def _meanings(taker: Any) -> dict[str, str]:
    """The first sentence about each parameter in a numpydoc docstring, by name."""
    meanings: dict[str, str] = {}
    for names, lines in re.findall(PARAMETER, inspect.getdoc(taker) or "", re.M):
        told = re.sub(r":\w+:`~?([^`]+)`", r"`\1`", " ".join(lines.split())).replace("``", "`")
        sentence = ""
        for part in re.split(r"(?<=[.;])\s", told):
            sentence += f" {part}" if sentence else part
            if sentence.count("(") == sentence.count(")"):
                break
        meanings |= dict.fromkeys(re.split(r", *", names), sentence.rstrip(".;"))
    return meanings
