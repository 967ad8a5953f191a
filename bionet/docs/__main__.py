"""``python -m bionet.docs [FOLDER]``: write the generated parts of ``docs/``."""

from __future__ import annotations

import sys
from pathlib import Path

from bionet.docs import write
from bionet.errors import InputError

try:
    changed = write(Path(sys.argv[1] if len(sys.argv) > 1 else "docs"))
except InputError as error:
    sys.exit(f"bionet.docs: {error}")
for path in changed:
    print(path)
