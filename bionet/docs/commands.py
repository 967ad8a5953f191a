"""The command reference, from the signatures that typer reads too."""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, Union

import typer

from bionet import cli
from bionet.conversion.methods import METHODS, options_of

__all__ = ["command_reference"]

KINDS = {str: "text", int: "whole number", float: "number", Path: "path", bool: "flag"}


def command_reference() -> str:
    """All commands with their arguments, options, defaults and exit codes, as Markdown."""
    commands = {
        info.name or info.callback.__name__: info.callback
        for info in cli.app.registered_commands
        if info.callback
    }
    lines = [
        "# Command reference",
        "",
        "What the commands are for, and how they work together: [command line](command-line.md)."
        " `bionet COMMAND --help` says the same as this page.",
        "",
        "| command | |",
        "|---|---|",
        *(f"| [`bionet {name}`](#bionet-{name}) | {_first(c)} |" for name, c in commands.items()),
        "",
        "| exit code | meaning |",
        "|---|---|",
        *(f"| {code} | {meaning} |" for code, meaning in cli.EXIT_CODES.items()),
        "",
        "With a code other than 0 one line on standard error says why.",
        "",
    ]
    for name, command in commands.items():
        lines += [*_command(name, command), ""]
        if name == "convert":
            for method in METHODS:
                lines += [*_method(method), ""]
    return "\n".join(lines).rstrip() + "\n"


def _command(command: str, function: Callable[..., Any]) -> list[str]:
    """The section of one command."""
    hints = typing.get_type_hints(function, include_extras=True)
    arguments, options = [], []
    for name, parameter in inspect.signature(function).parameters.items():
        if hints[name] is typer.Context:
            continue
        kind, info = typing.get_args(hints[name])[0], hints[name].__metadata__[0]
        if isinstance(info, typer.models.ArgumentInfo):
            arguments.append(_argument(name, kind, info, parameter.default))
        else:
            options.append(_option(name, kind, info, parameter.default))
    usage = " ".join(["bionet", command, "[OPTIONS]", *(a[0] for a in arguments)])
    lines = [f"## `bionet {command}`", "", _first(function), "", f"    {usage}", ""]
    if arguments:
        lines += ["| argument | | |", "|---|---|---|"]
        lines += [f"| `{name}` | {kind} | {text} |" for name, kind, text in arguments]
        lines.append("")
    lines += ["| option | | default | |", "|---|---|---|---|"]
    lines += [
        f"| {flags} | {kind} | {default} | {text} |" for flags, kind, default, text in options
    ]
    return lines


def _method(method: str) -> list[str]:
    """The options of one method of conversion."""
    lines = [f"### Options of method `{method}`", "", "| `-O` | kind | default | |"]
    lines.append("|---|---|---|---|")
    for name, option in options_of(method).items():
        kind, meaning = (text.replace("|", "\\|") for text in (option.kind, option.meaning))
        lines.append(f"| `{name}` | {kind} | `{option.default}` | {meaning} |")
    return lines


def _first(function: Callable[..., Any]) -> str:
    return (inspect.getdoc(function) or "").partition("\n")[0]


def _argument(name: str, kind: Any, info: Any, default: Any) -> tuple[str, str, str]:
    """Name as the usage line has it, kind, and what it is."""
    shown = info.metavar or name.upper()
    several = typing.get_origin(kind) is list
    shown += "..." if several else ""
    if default is not inspect.Parameter.empty:
        shown = f"[{shown}]"
    text, told = _split(info.help)
    return shown, _kind(kind), text + (f" Without it: {told}." if told else "")


def _option(name: str, kind: Any, info: Any, default: Any) -> tuple[str, str, str, str]:
    """Flags, kind, default and meaning of one option."""
    long = name.replace("_", "-")
    # Inside Annotated, typer takes the first flag for a default until it reads the function.
    first = [info.default] if isinstance(info.default, str) else []
    declared = (*first, *(info.param_decls or ()))
    flags = list(declared)
    if not any(flag.startswith("--") for flag in declared):
        flags.insert(0, f"--{long}/--no-{long}" if kind is bool else f"--{long}")
    text, told = _split(info.help)
    if kind is bool:
        shown = "yes" if default else "no"
    elif default is None:
        shown = told or ""
    else:
        shown = f"`{default}`"
    return ", ".join(f"`{flag}`" for flag in flags), _kind(kind, info), shown, text


def _split(text: str | None) -> tuple[str, str]:
    """A help text, and the default that it ends with in brackets: ``[default: all]``."""
    help_text, bracket, told = (text or "").partition("  [")
    told = told.rstrip("]").removeprefix("default: ")
    return help_text.replace("|", "\\|"), told if bracket else ""


def _kind(kind: Any, info: Any = None) -> str:
    """What may be given, in words."""
    if typing.get_origin(kind) in (Union, types.UnionType):
        kind = next(part for part in typing.get_args(kind) if part is not type(None))
    if typing.get_origin(kind) is Literal:
        return ", ".join(f"`{value}`" for value in typing.get_args(kind))
    if typing.get_origin(kind) is list:
        return f"{_kind(typing.get_args(kind)[0])}, repeatable"
    least = getattr(info, "min", None)
    return KINDS[kind] + (f" from {least}" if least is not None else "")
