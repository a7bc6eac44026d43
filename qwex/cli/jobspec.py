"""From arguments to a job: a script, a command, or a file that describes one."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qwex import config
from qwex.cli.command import Flag
from qwex.client import notebookfile
from qwex.client.workfile import changes, of_file
from qwex.errors import InvalidSpec
from qwex.options import SubmitOptions, flags, project_defaults
from qwex.spec import Source, validated

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qwex.cli.command import Given
    from qwex.spec import JobSpec

__all__ = ["PARAM", "build", "changes", "option_flags", "parameters"]

_COMPLETE = {"queue": "queue", "backend": "backend"}
PARAM = Flag("param", "--param", "set a parameter of a notebook (several times)", "-p", str, many=True, metavar="K=V")


def option_flags() -> tuple[Flag, ...]:
    """The flags of a submission, as ``qwex.options`` describes them."""
    return tuple(
        Flag(
            flag.name, flag.long, flag.help + (" (several times)" if flag.many else ""), flag.short, flag.kind,
            flag.many, flag.metavar, _COMPLETE.get(flag.name, ""),
        )
        for flag in flags()
    )  # fmt: skip


def parameters(given: Given) -> dict[str, Any]:
    """What ``PARAM`` was given.

    Raises:
        InvalidSpec: a pair has no ``=``, or a name stands twice.
    """
    return notebookfile.parameters(given["param"] or ())


def build(work: str | None, rest: Sequence[str], given: Given) -> JobSpec:
    """The job: ``work`` is a file and ``rest`` its arguments or, without a file, a command.

    Raises:
        InvalidSpec: lists every problem.
        ConfigError: the defaults of the configuration are none.
    """
    raw = {name: given[name] for name in SubmitOptions.model_fields}
    defaults = project_defaults(config.load())
    if work is None:
        if given["param"]:
            raise InvalidSpec.of("param", "only a notebook has parameters; name one: qwex submit FILE.ipynb -p K=V")
        return _command(rest, SubmitOptions.read(raw, defaults))
    return of_file(Path(work), rest, raw, defaults, spell=_spell, parameters=parameters(given))


def _command(words: Sequence[str], options: SubmitOptions) -> JobSpec:
    if not words:
        raise InvalidSpec("what to run? A script: qwex submit train.py. A command: qwex submit -- make all")
    source = validated(Source, kind="command", name=words[0].rsplit("/", 1)[-1])
    return options.spec(source, args=tuple(words))


def _spell(words: Sequence[str]) -> str:
    return f"qwex submit -- {shlex.join(words)}"
