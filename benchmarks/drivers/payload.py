"""The job every system runs: print a line, give a value and the process it ran in. A script too: ``41 FILE``."""

from __future__ import annotations

import os
import sys

__all__ = ["CODE", "job", "quiet"]

#: The same as one line of a cell or of ``python -c``.
CODE = "print('hello 41', flush=True); (41 + 1, __import__('os').getpid())"


def job(x):
    """Print a line, return the next number and the process id."""
    print(f"hello {x}", flush=True)
    return quiet(x)


def quiet(x):
    """The same without the line."""
    return x + 1, os.getpid()


if __name__ == "__main__":
    value = job(int(sys.argv[1]))
    with open(sys.argv[2], "w") as file:
        file.write(repr(value))
