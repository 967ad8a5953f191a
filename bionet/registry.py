"""Open tables: methods, codings, kernels, perturbations, figures and neurons by their names.

A table is filled from three places, in this order: the modules of a package of BioNet that define
an entry (one file each), the entry points of other installed packages, and, for one use, a user's
own ``module:attribute``.
"""

from __future__ import annotations

import importlib
import pkgutil
import sys
from collections.abc import Callable, Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Generic, TypeVar

from bionet.errors import InputError, did_you_mean

__all__ = ["Registry", "imported"]

Entry = TypeVar("Entry")


class Registry(Mapping[str, Entry], Generic[Entry]):
    """Entries by name, in the order of their definition; those of other packages come last.

    Parameters
    ----------
    what : str
        What an entry is called in messages: ``"input coding"``.
    group : str
        Entry points of other packages: ``"bionet.codings"``.
    package : str, optional
        Package whose modules define entries by :meth:`add`; they are imported when they are asked
        for the first time.
    check : callable, optional
        Called with an entry that comes from outside; raises TypeError with what it should be.
    alphabetical : bool
        List the entries by name: their modules are imported one by one as they are used, so that
        the order of definition would depend on what was used before.
    """

    def __init__(
        self,
        what: str,
        group: str,
        package: str | None = None,
        check: Callable[[Entry], None] | None = None,
        alphabetical: bool = False,
    ) -> None:
        self.alphabetical = alphabetical
        self.what, self.group, self.package, self.check = what, group, package, check
        self._entries: dict[str, Entry] = {}
        self._complete = package is None

    def add(self, name: str, entry: Entry) -> Entry:
        """Enter something under a name; a second entry of the name is refused."""
        if self._entries.get(name, entry) is not entry:
            raise InputError(f"two entries are called {self.what} {name!r}; rename one of them")
        self._entries[name] = entry
        return entry

    def named(self, name: str) -> Callable[[Entry], Entry]:
        """Decorator: enter what is defined under a name."""
        return lambda entry: self.add(name, entry)

    def find(self, name: str) -> Entry:
        """The entry of a name, or a user's own as ``module:attribute``.

        Raises
        ------
        InputError
            If there is none, or it cannot be imported or used.
        """
        if name in self:
            return self[name]
        if ":" not in name:
            raise InputError(
                f"unknown {self.what} {name!r}; known are {', '.join(self)}, or module:name of"
                " your own" + did_you_mean(name, self)
            )
        entry: Entry = imported(name, self.what)
        self._check(name, entry)
        return entry

    def __getitem__(self, name: str) -> Entry:
        self._load()
        return self._entries[name] if name in self._entries else self._outside(name)

    def _outside(self, name: str) -> Entry:
        """The entry of another package; it is not kept, so that it goes with its package."""
        points = metadata.entry_points(group=self.group, name=name)
        if not points:
            raise KeyError(name)
        point = next(iter(points))
        try:
            entry: Entry = point.load()
        except Exception as error:
            reason = f"{type(error).__name__}: {error}".partition("\n")[0]
            raise InputError(
                f"{self.what} {name!r} could not be imported from {point.value} ({reason})"
            ) from error
        self._check(name, entry)
        return entry

    def __contains__(self, name: object) -> bool:
        self._load()  # what BioNet defines is found without a look at all installed packages
        return (isinstance(name, str) and name in self._entries) or name in list(self)

    def __iter__(self) -> Iterator[str]:
        self._load()
        outside = (point.name for point in metadata.entry_points(group=self.group))
        names = sorted(self._entries) if self.alphabetical else self._entries
        return iter(dict.fromkeys([*names, *outside]))

    def __len__(self) -> int:
        return len(list(iter(self)))

    def _check(self, name: str, entry: Entry) -> None:
        if self.check is None:
            return
        try:
            self.check(entry)
        except TypeError as error:
            raise InputError(f"{self.what} {name!r} {error}") from error

    def _load(self) -> None:
        """Import the modules of BioNet that define entries."""
        if self._complete or self.package is None:
            return
        self._complete = True  # at once: a module may look into the table that it is entered in
        try:
            package = importlib.import_module(self.package)
            for module in pkgutil.iter_modules(package.__path__):
                if not module.ispkg:
                    importlib.import_module(f"{self.package}.{module.name}")
        except BaseException:  # such as Ctrl-C: half a table would say that there is no more
            self._complete = False
            raise


def imported(name: str, what: str) -> Entry:  # type: ignore[type-var]
    """A user's own ``module:attribute``, from the current folder or the environment.

    Raises
    ------
    InputError
        If it cannot be imported.
    """
    module, _, attribute = name.partition(":")
    if "" not in sys.path and str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        entry: Entry = getattr(importlib.import_module(module), attribute)
    except Exception as error:
        reason = f"{type(error).__name__}: {error}".partition("\n")[0]
        raise InputError(f"{what} {name!r} could not be imported ({reason})") from error
    return entry
