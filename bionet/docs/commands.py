"""The command reference: what typer says of the commands, exit codes, and options of methods."""

from __future__ import annotations

import typer
from typer.cli import get_docs_for_click

from bionet import cli
from bionet.conversion.methods import METHODS, options_of

__all__ = ["command_reference"]

AFTER = "bionet convert"  # the options of its methods follow


def command_reference() -> str:
    """All commands with their arguments, options, defaults and exit codes, as Markdown."""
    group = typer.main.get_command(cli.app)
    context = typer.Context(group, info_name="bionet", **group.context_settings)
    commands = get_docs_for_click(obj=group, ctx=context, name="bionet", title="Command reference")
    before, heading, section = commands.partition(f"## `{AFTER}`\n")
    section, following, after = section.partition("\n## ")
    lines = [
        "What the commands are for, and how they work together: [command line](command-line.md)."
        " `bionet COMMAND --help` says the same as this page.",
        "",
        "| exit code | meaning |",
        "|---|---|",
        *(f"| {code} | {meaning} |" for code, meaning in cli.EXIT_CODES.items()),
        "",
        "With a code other than 0 one line on standard error says why.",
        "",
    ]
    title, _, usage = before.partition("\n\n")
    methods = "\n".join("\n".join([*_method(method), ""]) for method in METHODS)
    return (
        f"{title}\n\n"
        + "\n".join(lines)
        + f"\n{usage}{heading}{section}\n{methods}{following}{after}".rstrip()
        + "\n"
    )


def _method(method: str) -> list[str]:
    """The options of one method of conversion."""
    lines = [f"### Options of method `{method}`", "", "| `-O` | kind | default | |"]
    lines.append("|---|---|---|---|")
    for name, option in options_of(method).items():
        kind, meaning = (text.replace("|", "\\|") for text in (option.kind, option.meaning))
        lines.append(f"| `{name}` | {kind} | `{option.default}` | {meaning} |")
    return lines
