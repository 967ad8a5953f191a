"""Equations line by line: what a change of a model needs that keeps the rest of its text."""

from __future__ import annotations

import re
from collections.abc import Callable

__all__ = ["change_lines", "with_flag", "with_sum"]


def change_lines(equations: str, change: Callable[[str, str, bool], str]) -> str:
    """Equations whose lines have been changed by ``change(name, line, is_parameter)``."""
    from brian2.equations.equations import PARAMETER, Equations

    changed = []
    for line in equations.splitlines():
        for name, equation in Equations(line).items():
            changed.append(change(name, line, equation.type == PARAMETER))
    return "\n".join(changed)


def with_sum(equations: str, variable: str, added: str) -> str:
    """Equations in whose right-hand sides ``variable`` has become ``(variable + added)``."""

    def change(name: str, line: str, is_parameter: bool) -> str:
        if is_parameter:
            return line
        head, definition = line.split("=", 1)
        expression, unit = definition.rsplit(":", 1)
        expression = re.sub(rf"\b{variable}\b", f"({variable} + {added})", expression)
        return f"{head}={expression}:{unit}"

    return change_lines(equations, change)


def with_flag(equations: str, variable: str, flag: str) -> str:
    """Equations whose equation of ``variable`` has a flag such as ``unless refractory`` more."""

    def change(name: str, line: str, is_parameter: bool) -> str:
        if name != variable or is_parameter:
            return line
        flagged = re.fullmatch(r"(.*:[^:(]*)\((.*)\)\s*", line)
        return f"{flagged[1]}({flagged[2]}, {flag})" if flagged else f"{line} ({flag})"

    return change_lines(equations, change)
