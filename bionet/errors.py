"""The exceptions that BioNet raises.

Every message is one line that says the object and attribute, what was expected, what came, and
what to do.
"""

__all__ = ["BioNetError", "InputError"]


class BioNetError(Exception):
    """Something failed while BioNet worked; base class of all its exceptions."""


class InputError(BioNetError, ValueError):
    """What was given to BioNet can't be used; the command line ends with exit code 2."""
