"""``qwex gpus``: which GPUs there are, where, and how many are free."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qwex import gpuwords
from qwex.cli import exits
from qwex.cli.command import JSON, Command, Given
from qwex.cli.connect import client
from qwex.cli.screen import note, print_json, safe, say
from qwex.cli.table import print_table

if TYPE_CHECKING:
    from qwex.client.show import Gpus

__all__ = ["COMMAND"]


def _run(given: Given) -> int:
    gpus = client().gpus()
    if given["json"]:
        reports = {name: report.as_dict() for name, report in gpus.reports.items()}
        print_json({"reports": reports, "away": gpus.away})
    else:
        _show(gpus)
    return exits.UNAVAILABLE if gpus.away and not gpus.reports else exits.OK


def _show(gpus: Gpus) -> None:
    tables = gpus.tables()
    for number, (headings, rows) in enumerate(tables):
        if number:
            say()
        print_table(headings, rows)
    if not tables and not gpus.away:
        say(gpuwords.NONE)
    if gpus.notes and tables:
        note("")
    for told in gpus.notes:
        note(safe(told))


COMMAND = Command(
    "show which GPUs there are, how many are free, and what each queue has left of them",
    _run,
    flags=(JSON,),
    examples=("qwex gpus", "qwex submit train.py --gpu H100"),
)
