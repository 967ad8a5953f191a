"""What every command answers: tables for people, nothing (``--quiet``), or JSON (``--json``)."""

from __future__ import annotations

import contextlib
import functools
import inspect
import io
import json
import typing
from collections.abc import Callable
from typing import Annotated, Any

import typer

from bionet.errors import InputError
from bionet.results.run_json import plain, written

__all__ = ["answering"]

Quiet = Annotated[
    bool, typer.Option("--quiet", "-q", help="Print nothing but errors and warnings.")
]
Json = Annotated[bool, typer.Option("--json", help="Print what run.json holds, instead of tables.")]


def answering(command: Callable[..., None]) -> Callable[..., None]:
    """A command with ``--quiet`` and ``--json``, which no run.json notes among its arguments.

    Raises
    ------
    InputError
        When it is called with both.
    """

    @functools.wraps(command)
    def answered(*values: Any, quiet: bool, as_json: bool, **options: Any) -> None:
        context = options.get("context")
        if context is not None:
            for name in ("quiet", "as_json"):
                context.params.pop(name, None)
        if quiet and as_json:
            raise InputError("--quiet prints nothing and --json prints JSON; give one of them")
        if not quiet and not as_json:
            command(*values, **options)
            return
        if "progress" in options:
            options["progress"] = False
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed), written() as descriptions:
            command(*values, **options)
        if as_json:
            # What describes nothing, such as a list of names, is told line by line.
            told: Any = descriptions or printed.getvalue().splitlines()
            typer.echo(json.dumps(plain(told[0] if len(told) == 1 else told), indent=1))

    # Resolved here: typer does not resolve the annotations of a signature that is set.
    hints = typing.get_type_hints(command, include_extras=True)
    signature = inspect.signature(command)
    parameters = [p.replace(annotation=hints[p.name]) for p in signature.parameters.values()]
    extra = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=False, annotation=kind)
        for name, kind in (("quiet", Quiet), ("as_json", Json))
    ]
    answered.__signature__ = signature.replace(  # type: ignore[attr-defined]
        parameters=[*parameters, *extra]
    )
    answered.__annotations__ = {**hints, "quiet": Quiet, "as_json": Json}
    return answered
