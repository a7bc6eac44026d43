"""What runs inside a job: runs one job folder and writes its event log.

Standard library only, Python 3.9 or newer; IPython and cloudpickle are used where the job's interpreter has them. Each
attempt has two processes. The *supervisor* leads a session of its own, owns ``events.jsonl`` and outlives whatever the
job does to itself, so the final ``exit`` record is always written. The *worker* runs the user's code with fd 1 and 2
piped to the supervisor, so that the output of child processes counts too.

::

    run FOLDER                                                    run the attempt, end with its exit code
    zygote --socket PATH [--flavour ipython|plain] [--linger S]   preload once, fork a supervisor per job

and in a pod, where job.json is mounted in DIR, by two containers that share the folder::

    run FOLDER --description DIR [--echo] [--last-words FILE]     print what the job prints; leave its end in FILE too
    agent FOLDER --description DIR --port N [--linger S] [--keep BYTES]
                                                                  give out what the job says until somebody has it
    await FILE                                                    the hook before a job is told to end, see ``pod``
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

        if options.description:
            from .pod import prepare

            prepare(options.folder, options.description)
        return run(options.folder, echo=options.echo, last_words=options.last_words)
    if options.command == "agent":
        from . import agent

        return agent.serve(options.folder, options.description, options.port, options.linger, options.keep)
    if options.command == "await":
        from .pod import wait_for

        return wait_for(options.file)
    from .zygote import serve

    return serve(options.socket, options.flavour, options.linger)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="qwex-runner", description="Runs one job folder.")
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="run the attempt in FOLDER and end with its exit code")
    run.add_argument("folder")
    run.add_argument("--description", default="", help="folder that job.json is mounted in")
    run.add_argument("--echo", action="store_true", help="print what the job prints")
    run.add_argument("--last-words", default="", help="file for the exit record")
    agent = commands.add_parser("agent", help="give out what the job in FOLDER says until somebody has all of it")
    agent.add_argument("folder")
    agent.add_argument("--description", required=True, help="folder that job.json is mounted in")
    agent.add_argument("--port", type=int, required=True, help="on the loopback; 0 for a free one, see agent-port")
    agent.add_argument("--linger", type=float, default=300.0, help="seconds to wait for someone after the end")
    agent.add_argument("--keep", type=int, default=4_000_000, help="bytes of what is left in the output otherwise")
    hook = commands.add_parser("await", help="return once FILE is there, or does not come")
    hook.add_argument("file")
    zygote = commands.add_parser("zygote", help="preload the runner and fork a process per job")
    zygote.add_argument("--socket", required=True, help="path of the Unix socket to listen on")
    zygote.add_argument("--flavour", choices=["ipython", "plain"], default="plain")
    zygote.add_argument("--linger", type=float, default=60.0, help="seconds to stay without jobs and connections")
    return parser
