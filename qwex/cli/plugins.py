"""``qwex plugins``: what is installed, and what failed."""

from __future__ import annotations

import sys
import textwrap
from typing import Any

from qwex.cli import exits
from qwex.cli.command import JSON, Command, Given
from qwex.cli.connect import client
from qwex.cli.screen import print_json, safe, say, width
from qwex.cli.table import print_table

__all__ = ["COMMAND"]

#: A list is not read well in longer lines.
_COLUMNS = 80
_KINDS = {"backends": "backend", "trackers": "tracker", "artifact_stores": "artifact store"}

_STYLES = {"ok": "green", "failed": "red", "incomplete": "yellow"}


def _run(given: Given) -> int:
    plugins = client().plugins()
    if given["json"]:
        print_json({"plugins": plugins})
        return exits.OK
    rows = [(info["module"], _state(info), info.get("version", ""), _brings(info)) for info in plugins]
    print_table(("PLUGIN", "STATE", "VERSION", "BRINGS"), rows, [_STYLES[row[1]] for row in rows])
    for info in plugins:
        if info.get("needs"):
            say(f"\n{safe(info['module'])} needs: {safe(info['needs'])}")
    for info in plugins:
        for backend, capabilities in (info.get("capabilities") or {}).items():
            _say_wrapped(f"backend {backend} can: {', '.join(capabilities) or 'no more than run jobs'}")
    for info in plugins:
        if info.get("error"):
            say(f"\n{safe(info['module'])} could not be loaded:\n  {safe(info['error'])}")
    return exits.OK


def _state(info: dict[str, Any]) -> str:
    return "failed" if info.get("error") else "incomplete" if info.get("needs") else "ok"


def _say_wrapped(text: str) -> None:
    """A paragraph of its own; a capability's hyphens are no place to break it."""
    say()
    columns = min(width(sys.stdout) or _COLUMNS, _COLUMNS)
    for line in textwrap.wrap(safe(text), columns, subsequent_indent="  ", break_on_hyphens=False):
        say(line)


def _brings(info: dict[str, Any]) -> str:
    kinds = ((kind, info.get(key) or ()) for key, kind in _KINDS.items())
    nouns = [f"{kind}{'s' * (len(names) > 1)} {', '.join(names)}" for kind, names in kinds if names]
    hooks = [hook for hook in info.get("hooks", ()) if not hook.startswith("qwex_register_")]
    return ", ".join([*nouns, *hooks])


COMMAND = Command("show the plugins, what they bring, and those that failed", _run, flags=(JSON,))
