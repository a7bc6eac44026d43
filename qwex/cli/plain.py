"""A parser for arguments that are plain, so that the usual commands start without typer.

It reads ``word``, ``--flag value``, ``--flag=value``, ``-f value`` and switches. Anything else, mistakes and ``--help``
included, it leaves to typer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qwex.cli.command import Command, Flag, Given

__all__ = ["parse"]


def parse(command: Command, argv: Sequence[str]) -> Given | None:
    """What was given, or None when it is not plain enough to be sure of."""
    flags = command.all_flags()
    spellings = {spelling: flag for flag in flags for spelling in (flag.long, flag.short) if spelling}
    given: Given = {flag.name: _nothing(flag) for flag in flags}
    words: list[str] = []
    left = list(reversed(argv))
    while left:
        token = left.pop()
        if not token.startswith("-"):
            words.append(token)
        elif not _take(token, left, spellings, given):
            return None
    return given if _place(command, words, given) else None


def _nothing(flag: Flag) -> Any:
    return () if flag.many else False if flag.kind is bool else None


def _take(token: str, left: list[str], spellings: dict[str, Flag], given: Given) -> bool:
    """Read one flag and its value; False when it is not plain."""
    spelling, equals, value = token.partition("=")
    flag = spellings.get(spelling)
    if flag is None or (equals and (flag.kind is bool or not spelling.startswith("--"))):
        return False
    if flag.kind is bool:
        given[flag.name] = True
        return True
    if not equals:
        if not left or left[-1].startswith("-"):
            return False
        value = left.pop()
    if flag.kind is int and not (value.isascii() and value.isdigit()):
        return False
    if not flag.many and given[flag.name] is not None:
        return False
    read = int(value) if flag.kind is int else value
    given[flag.name] = (*given[flag.name], read) if flag.many else read
    return True


def _place(command: Command, words: list[str], given: Given) -> bool:
    """Give the words their names; False when there are too few or too many."""
    for word in command.words:
        if word.many:
            given[word.name] = tuple(words)
            words = []
        else:
            given[word.name] = words.pop(0) if words else None
        if word.required and not given[word.name]:
            return False
    return not words
