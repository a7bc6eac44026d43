"""``qwex resubmit``: the same job again, changed by flags."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qwex.cli import exits
from qwex.cli.command import JSON, Command, Given, Word
from qwex.cli.connect import client
from qwex.cli.submit import show_submitted

if TYPE_CHECKING:
    from qwex.cli.command import Flag

__all__ = ["COMMAND"]


def _flags() -> tuple[Flag, ...]:
    from qwex.cli.jobspec import option_flags

    return (*option_flags(), JSON)


def _run(given: Given) -> int:
    from qwex.cli.jobspec import changes
    from qwex.options import SubmitOptions

    options = SubmitOptions.read({name: given[name] for name in SubmitOptions.model_fields})
    connection = client()
    job = connection.resubmit(given["id"], **changes(options))
    show_submitted(connection, job.record, as_json=given["json"])
    return exits.OK


COMMAND = Command(
    "submit a job again, changed by flags",
    _run,
    (Word("id", "ID", "the job", complete="job"),),
    _flags,
    examples=("qwex resubmit train-7k3f9q --mem 8Gi",),
)
