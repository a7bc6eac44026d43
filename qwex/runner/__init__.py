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

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

__all__ = ["main"]

#: Each command's options with their defaults, or the type of one that has to be given; False takes no value. argparse
#: would be a third of all that is imported, see ``tuples``.
_OPTIONS: dict[str, dict[str, Any]] = {
    "run": {"--description": "", "--echo": False, "--last-words": ""},
    "agent": {"--description": str, "--port": int, "--linger": 300.0, "--keep": 4_000_000},
    "await": {},
    "zygote": {"--socket": str, "--flavour": "plain", "--linger": 60.0},
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; the return value is the process's exit code."""
    try:
        command, path, options = _parsed(sys.argv[1:] if argv is None else argv)
    except (LookupError, ValueError) as error:
        sys.stderr.write(f"qwex-runner: {error}\n{__doc__}")
        return 2
    if command == "run":
        from .supervisor import run

        if description := options.pop("description"):
            from .pod import prepare

            prepare(path, description)
        return run(path, **options)
    if command == "agent":
        from . import agent

        return agent.serve(path, **options)
    if command == "await":
        from .pod import wait_for

        return wait_for(path)
    from .zygote import serve

    return serve(options.pop("socket"), **options)


def _parsed(argv: Sequence[str]) -> tuple[str, str, dict[str, Any]]:
    """The command, its folder or file, and its options by the names that their functions have for them.

    Raises:
        LookupError, ValueError: that is no command line of ours.
    """
    command, *rest = argv or ("",)
    if command not in _OPTIONS:
        raise LookupError(f"no command {command!r}")
    options, words = dict(_OPTIONS[command]), []
    left = iter(rest)
    for word in left:
        if word not in options:
            words.append(word)
        elif isinstance(default := _OPTIONS[command][word], bool):
            options[word] = True
        else:
            options[word] = (default if isinstance(default, type) else type(default))(next(left, ""))
    if missing := [name for name, value in options.items() if isinstance(value, type)]:
        raise LookupError(f"{command} needs {missing[0]}")
    if len(words) != (command != "zygote"):
        wants = "takes no words" if command == "zygote" else "takes one folder"
        raise ValueError(f"{command} {wants}, not {' '.join(words) or 'none'}")
    return command, "".join(words), {name[2:].replace("-", "_"): value for name, value in options.items()}
