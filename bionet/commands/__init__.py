"""The commands of the command line, one file each.

Their functions import Brian2 and torch themselves, not the modules: these take seconds to
import, and ``bionet --help`` and wrong arguments should be answered at once.
"""
