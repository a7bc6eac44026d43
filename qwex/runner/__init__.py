"""What runs inside a job: runs one job folder and writes its event log.

Standard library only, Python 3.9 or newer; IPython and cloudpickle are used where the job's interpreter has them. Each
attempt has two processes. The *supervisor* leads a session of its own, owns ``events.jsonl`` and outlives whatever the
job does to itself, so the final ``exit`` record is always written. The *worker* runs the user's code with fd 1 and 2
piped to the supervisor, so that the output of child processes counts too.

::

    run FOLDER                                                    run the attempt, end with its exit code
    zygote --socket PATH [--flavour ipython|plain] [--linger S]   preload once, fork a supervisor per job
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; the return value is the process's exit code."""
    options = _parser().parse_args(argv)
    if options.command == "run":
        from .supervisor import run

        return run(options.folder)
    from .zygote import serve

    return serve(options.socket, options.flavour, options.linger)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="qwex-runner", description="Runs one job folder.")
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="run the attempt in FOLDER and end with its exit code")
    run.add_argument("folder")
    zygote = commands.add_parser("zygote", help="preload the runner and fork a process per job")
    zygote.add_argument("--socket", required=True, help="path of the Unix socket to listen on")
    zygote.add_argument("--flavour", choices=["ipython", "plain"], default="plain")
    zygote.add_argument("--linger", type=float, default=60.0, help="seconds to stay without jobs and connections")
    return parser
