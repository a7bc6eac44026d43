"""Completion of commands, flags, variables, queues and job ids, as a matcher of IPython's second API."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any

from IPython.core.completer import SimpleCompletion

from qwex.errors import QwexError
from qwex.options import flags
from qwex.state import TERMINAL
from qwex_magics.arguments import CELL
from qwex_magics.commands import COMMANDS
from qwex_magics.session import client, running

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from IPython.core.completer import CompletionContext
    from IPython.core.interactiveshell import InteractiveShell

    from qwex.options import Flag
    from qwex_magics.commands import Command

__all__ = ["complete"]

_NOTHING: dict[str, Any] = {"completions": []}


def complete(shell: InteractiveShell, context: CompletionContext) -> dict[str, Any]:
    """What may stand at the cursor in a line of ``%%qwex`` or ``%qwex``; nothing anywhere else."""
    magic, _, typed = context.text_until_cursor.lstrip().partition(" ")
    if magic == "%%qwex" and context.cursor_line == 0:
        found = _cell(shell, typed, context.full_text)
    elif magic == "%qwex":
        found = _line(typed)
    else:
        return _NOTHING
    completions = [SimpleCompletion(text, type=kind) for text, kind in found if text.startswith(context.token)]
    return {"completions": completions, "matched_fragment": context.token, "suppress": bool(completions)}


def _cell(shell: InteractiveShell, typed: str, cell: str) -> Iterable[tuple[str, str]]:
    known = (*CELL, *flags())
    flag = _open_flag(typed, known)
    if flag is None:
        return _spellings(known)
    if flag.name == "inputs":
        hidden = shell.user_ns_hidden
        return [(name, "instance") for name in shell.user_ns if name not in hidden and not name.startswith("_")]
    if flag.name == "outputs":
        return [(name, "instance") for name in _assigned(cell)]
    return _values(flag)


def _line(typed: str, commands: Mapping[str, Command] = COMMANDS) -> Iterable[tuple[str, str]]:
    name, blank, rest = typed.lstrip().partition(" ")
    if not blank:
        return [(command, "keyword") for command in commands]
    command = commands.get(name)
    if command is None:
        return ()
    if command.within:
        return _line(rest, command.within())
    flag = _open_flag(rest, command.flags)
    if flag is not None:
        return _values(flag)
    if _last(rest).startswith("-"):
        return _spellings(command.flags)
    if command.completes == "machine":
        return _machines()
    return _job_ids(alive=name in ("cancel", "why")) if command.takes_jobs else _spellings(command.flags)


def _open_flag(typed: str, known: Sequence[Flag]) -> Flag | None:
    """The flag whose value is being typed, as in ``--queue `` or ``-i a,b``; None where a flag may stand."""
    words = typed.split()
    if typed.endswith(" ") or not words:
        words.append("")
    before = words[-1].partition("=")[0] if "=" in words[-1] else words[-2] if len(words) > 1 else ""
    return next((flag for flag in known if flag.kind is not bool and before in (flag.long, flag.short or None)), None)


def _last(typed: str) -> str:
    return typed.rpartition(" ")[2]


def _spellings(known: Iterable[Flag]) -> list[tuple[str, str]]:
    return [(spelling, "param") for flag in known for spelling in (flag.long, flag.short) if spelling]


def _values(flag: Flag) -> Iterable[tuple[str, str]]:
    if flag.name == "queue":
        return [(queue.name, "queue") for queue in _asked("queues")]
    if flag.name == "backend":
        return [(backend["name"], "backend") for backend in _asked("backends")]
    return ()


def _job_ids(*, alive: bool) -> list[tuple[str, str]]:
    page = _asked("list")
    records = page.records if page else ()
    return [(record.id, str(record.state)) for record in records if not alive or record.state not in TERMINAL]


def _machines() -> list[tuple[str, str]]:
    from qwex.client.machinenames import machine_names

    try:
        return machine_names(client() if running() else None)
    except QwexError:
        return []


def _asked(what: str) -> Any:
    """The controller's answer, or nothing: completion starts no controller and shows no errors."""
    try:
        return getattr(client(), what)() if running() else ()
    except QwexError:
        return ()


def _assigned(cell: str) -> list[str]:
    """Names the cell's body assigns at its top level, in order."""
    try:
        tree = ast.parse(cell.partition("\n")[2])
    except SyntaxError:
        return []
    names = [node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)]
    return list(dict.fromkeys(names))
