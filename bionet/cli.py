"""The command line ``bionet``.

Exit codes: 0 all is well, 1 something failed, 2 what was given can't be used, 130 interrupted.
A failure is one line on standard error.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator, Sequence
from typing import Annotated

import typer

from bionet.commands.answering import answering
from bionet.commands.audit import audit
from bionet.commands.compare import compare
from bionet.commands.convert import convert
from bionet.commands.demo import demo
from bionet.commands.diagnose import diagnose
from bionet.commands.eject import eject
from bionet.commands.explore import explore
from bionet.commands.f_i import f_i
from bionet.commands.figure import figure
from bionet.commands.info import info
from bionet.commands.report import report
from bionet.commands.reproduce import reproduce
from bionet.commands.simulate import simulate
from bionet.commands.study import study
from bionet.commands.train import train
from bionet.errors import BioNetError, InputError
from bionet.interruption import interruptible
from bionet.versions import VERSION

__all__ = ["EXIT_CODES", "app", "main"]

FAILED, BAD_INPUT, INTERRUPTED = 1, 2, 130
EXIT_CODES = {
    0: "all is well",
    FAILED: "something failed",
    BAD_INPUT: "what was given cannot be used",
    INTERRUPTED: "interrupted; no unfinished result is kept",
}

app = typer.Typer(
    name="bionet",
    help="Trained PyTorch networks as spiking differential equations in Brian2.",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (
    demo,
    train,
    convert,
    simulate,
    audit,
    diagnose,
    compare,
    figure,
    study,
    reproduce,
    report,
    explore,
    eject,
    info,
):
    app.command(short_help=(command.__doc__ or "").partition("\n")[0])(answering(command))
app.command("f-i", short_help=(f_i.__doc__ or "").partition("\n")[0])(answering(f_i))


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"bionet {VERSION}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    """Trained PyTorch networks as spiking differential equations in Brian2."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    arguments : sequence of str, optional
        Without the program's name; ``sys.argv`` by default.

    Returns
    -------
    int
        The exit code.
    """
    kept = ""
    try:
        # Not standalone: typer would frame its errors and end the process itself.
        with interruptible(), _one_line():
            code = app(args=arguments, prog_name="bionet", standalone_mode=False)
    except (KeyboardInterrupt, typer.Abort) as error:
        # A command that goes on where it stood says so in an Abort; see commands.outputs.resumable.
        aborted = error if isinstance(error, typer.Abort) else error.__cause__
        kept = str(aborted) if isinstance(aborted, typer.Abort) else ""
        code = INTERRUPTED
    except BrokenPipeError:  # the reader of our output, such as `head`, has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except Exception as error:
        return _failure(error)
    if code == INTERRUPTED:
        _say(f"interrupted; {kept or 'no unfinished result was kept'}")
    return code if isinstance(code, int) else 0


@contextlib.contextmanager
def _one_line() -> Iterator[None]:
    """No words about an interruption that meets a destructor: it is raised again afterwards."""
    before = sys.unraisablehook

    def show(raised: sys.UnraisableHookArgs) -> None:
        if not issubclass(raised.exc_type, KeyboardInterrupt):
            before(raised)

    sys.unraisablehook = show
    try:
        yield
    finally:
        sys.unraisablehook = before


def _failure(error: Exception) -> int:
    """Say in one line what went wrong, and give the exit code; a programming error is raised."""
    if hasattr(error, "format_message"):  # typer's own: unknown option, missing argument
        _say(f"{error.format_message()} (see bionet --help)")
        return int(getattr(error, "exit_code", BAD_INPUT))
    if isinstance(error, InputError) or type(error).__name__ == "DimensionMismatchError":
        _say(str(error))
        return BAD_INPUT
    if isinstance(error, (BioNetError, OSError, MemoryError)):
        _say(str(error) or type(error).__name__)
        return FAILED
    raise error


def _say(text: str) -> None:
    print(f"bionet: {' '.join(text.split())}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
