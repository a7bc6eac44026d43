"""``qwex resubmit``: the same job again, changed by flags."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qwex.cli import checks
from qwex.cli.command import Command, Given, Word
from qwex.cli.connect import client
from qwex.cli.submit import FLAGS, told

if TYPE_CHECKING:
    from qwex.cli.command import Flag

__all__ = ["COMMAND"]


def _flags() -> tuple[Flag, ...]:
    from qwex.cli.jobspec import PARAM, option_flags

    return (*option_flags(), PARAM, *FLAGS)


def _run(given: Given) -> int:
    from qwex.cli.jobspec import changes, parameters
    from qwex.options import SubmitOptions

    options = SubmitOptions.read({name: given[name] for name in SubmitOptions.model_fields})
    connection = client()
    changed = changes(options)
    if "cwd" in changed and not connection.settings.url:
        changed["cwd"] = str(Path(changed["cwd"]).expanduser().absolute())
    if set_anew := parameters(given):
        changed["parameters"] = set_anew
    with checks.named_as_flags(changed.get("backend_options", ())):
        job = connection.resubmit(given["id"], **changed)
    return told(connection, job.record, given)


COMMAND = Command(
    "submit a job again, changed by flags",
    _run,
    (Word("id", "ID", "the job", complete="job"),),
    _flags,
    examples=("qwex resubmit train-7k3f9q --mem 8Gi", "qwex resubmit train-7k3f9q --wait"),
)
