"""``--dry-run``: what would be sent, and how long it would wait; a job that can never run is refused as by a submit."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from qwex import yamltext
from qwex.cli import describe, exits
from qwex.cli.screen import note, print_json, safe, say
from qwex.errors import InvalidSpec, UnknownQueue
from qwex.state import WaitReason

if TYPE_CHECKING:
    from qwex.client import Client
    from qwex.spec import JobSpec
    from qwex.state import Why

__all__ = ["dry_run"]

#: Waits that have no end.
_NEVER = (WaitReason.EXCEEDS_MAX_QUOTA, WaitReason.NO_MATCHING_FLAVOR)


def dry_run(client: Client, spec: JobSpec, *, as_json: bool) -> int:
    """Show it; the exit code.

    Raises:
        InvalidSpec: the job can never run as described.
    """
    why, rendered = client.preflight(spec)
    _refuse(why)
    if as_json:
        print_json({"why": why.as_dict() if why else None, "rendered": _read(rendered)})
        return exits.OK
    for line in _readable(rendered).rstrip("\n").split("\n"):
        say("\t".join(safe(part) for part in line.split("\t")))
    note(f"nothing was submitted{_outlook(why)}", "dim")
    return exits.OK


def _refuse(why: Why | None) -> None:
    if why and why.reason == WaitReason.QUEUE_MISSING:
        raise UnknownQueue(why.summary, problems=[("queue", why.summary)])
    if why and why.reason in _NEVER:
        field, colon, message = why.summary.partition(": ")
        if colon and " " not in field:
            raise InvalidSpec.of(field, message)
        raise InvalidSpec(why.summary, problems=[("resources", why.summary)])


def _outlook(why: Why | None) -> str:
    return f"; now it would be: {describe.waiting(why)}" if why else ""


def _read(rendered: str) -> Any:
    """What the backend sends as data, where it is JSON; else its text."""
    try:
        return json.loads(rendered)
    except ValueError:
        return rendered


def _readable(rendered: str) -> str:
    """Data as YAML with its texts as blocks; what is text already, such as a batch script, as it is."""
    data = _read(rendered)
    return rendered if isinstance(data, str) else yamltext.dump(data)
