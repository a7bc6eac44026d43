"""The command line: one command, one file. Importing this is cheap; ``main`` loads what the arguments need."""

from __future__ import annotations

import sys
from gc import set_threshold
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]

#: More new objects than the imports make.
_THRESHOLD = 100_000


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``qwex`` with these arguments (default: the process's own) and give its exit code."""
    # Not list(argv): once qwex.cli.list is imported, that is what list means here. The same holds for gc.
    argv = [*(sys.argv[1:] if argv is None else argv)]
    if argv in (["--version"], ["-V"]):
        import qwex

        sys.stdout.write(f"qwex {qwex.__version__}\n")
        return 0
    # Collecting garbage while modules load is a twentieth of a short command's time.
    set_threshold(_THRESHOLD)
    from qwex.cli.dispatch import run

    return run(argv)
