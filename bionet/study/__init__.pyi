"""What studies offer, listed here alone: for type checkers, and for the loading at first use."""

from .results import summary as summary
from .results import table as table
from .running import run as run
from .specification import Study as Study
from .specification import load as load
from .specification import ready_studies as ready_studies
from .watching import Status as Status
from .watching import cancel as cancel
from .watching import status as status
