"""``qwex backends``: the places that run jobs, and the options of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qwex.cli import exits
from qwex.cli.command import JSON, Command, Given
from qwex.cli.connect import client
from qwex.cli.screen import print_json, safe, say

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["COMMAND"]


def _run(given: Given) -> int:
    backends = client().backends()
    if given["json"]:
        print_json({"backends": backends})
        return exits.OK
    for backend in backends:
        say(f"{safe(backend['name'])}  {safe(backend.get('version') or '')}".rstrip(), "bold")
        say(f"  can      {safe(', '.join(sorted(backend.get('capabilities', ()))))}")
        for name, text in _options(backend.get("options") or {}):
            say(f"  --option {safe(name)}=…  {safe(text)}".rstrip())
    return exits.OK


def _options(schema: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for name, entry in (schema.get("properties") or {}).items():
        yield name, str(entry.get("description", ""))


COMMAND = Command("show the places that run jobs, and their own options", _run, flags=(JSON,))
