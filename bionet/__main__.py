"""Start of the command line: ``bionet``, and ``python -m bionet``.

Modules are imported inside, so that Ctrl-C ends their import as it ends everything else.
"""

from __future__ import annotations

import sys

__all__ = ["main"]

INTERRUPTED = 130


def main() -> int:
    """Run the command line and give its exit code."""
    code = None
    try:
        from bionet.interruption import interruptible

        with interruptible():  # an import that is interrupted may end with an ImportError
            from bionet.cli import main as run

            code = run()
    except KeyboardInterrupt:
        if code is None:  # else the command has said it
            sys.stderr.write("bionet: interrupted; no unfinished result was kept\n")
        code = INTERRUPTED
    if code == INTERRUPTED:
        # CPython keeps in mind that a KeyboardInterrupt went through a text that was executed, as
        # a dataclass is, and would end itself by the signal; the next text makes it forget.
        exec("")
    return code


if __name__ == "__main__":
    sys.exit(main())
