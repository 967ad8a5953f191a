"""A neuron model as LaTeX, made from its strings, so that an equation is written once."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bionet.equations.model import NeuronModel

__all__ = ["model_latex", "statements"]


def model_latex(model: NeuronModel) -> str:
    r"""Equations, threshold and reset as lines of an ``aligned`` environment."""
    from brian2.equations.equations import DIFFERENTIAL_EQUATION, PARAMETER

    lines = []
    for name, equation in model.brian().items():
        if equation.type == DIFFERENTIAL_EQUATION:
            lines.append(rf"\frac{{d{_symbol(name)}}}{{dt}} &= {_latex(str(equation.expr))}")
        elif equation.type != PARAMETER:
            lines.append(rf"{_symbol(name)} &= {_latex(str(equation.expr))}")
    lines += [_latex_statement(s, "always") for s in statements(model.update)]
    if model.threshold:
        lines.append(rf"\text{{spike if }} & {_latex(model.threshold)}")
    for event, condition in model.events.items():
        lines.append(rf"\text{{{event} if }} & {_latex(condition)}")
    lines += [_latex_statement(s, "reset") for s in statements(model.reset)]
    if model.inhibition:
        lines.append(rf"\text{{winner takes all for }} & {_symbol(model.inhibition)}")
    return "\\begin{aligned}\n" + " \\\\\n".join(lines) + "\n\\end{aligned}"


def statements(code: str | None) -> list[str]:
    """Single statements of a reset or update, which may share a line."""
    return [s.strip() for s in (code or "").replace(";", "\n").splitlines() if s.strip()]


def _symbol(name: str) -> str:
    import sympy

    return str(sympy.latex(sympy.Symbol(name)))


def _latex(expression: str) -> str:
    import sympy
    from brian2.parsing.sympytools import str_to_sympy

    text = str(sympy.latex(str_to_sympy(expression), fold_short_frac=True))
    return text.replace(r"\left(_placeholder_{arg} \right)", "()")


def _latex_statement(statement: str, kind: str) -> str:
    for operator, sign in (("-=", "-"), ("+=", "+"), ("*=", r"\cdot"), ("/=", "/")):
        if operator in statement:
            left, right = (part.strip() for part in statement.split(operator))
            return (
                rf"\text{{{kind}: }} & {_symbol(left)} \leftarrow "
                rf"{_symbol(left)} {sign} {_latex(right)}"
            )
    left, right = (part.strip() for part in statement.split("=", 1))
    return rf"\text{{{kind}: }} & {_symbol(left)} \leftarrow {_latex(right)}"
