"""Flags of ``%%qwex`` and of ``%qwex``'s commands: each described once, all problems of a line told at once."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from typing import TYPE_CHECKING, Any, NoReturn

from IPython.core.error import UsageError

from qwex.client import machinefields
from qwex.errors import InvalidSpec
from qwex.options import Flag, SubmitOptions, flag_of, flags
from qwex_magics.line import listing, read

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from qwex_magics.line import Problems

__all__ = [
    "CELL",
    "Parsed",
    "Request",
    "asks_help",
    "by_flag",
    "names",
    "options",
    "parse",
    "refuse",
    "request",
    "switch",
]


def switch(name: str, help: str) -> Flag:
    """A flag without a value."""
    return Flag(name, "--" + name.replace("_", "-"), "", bool, False, "", help)


#: The magic's own flags, beside those of ``SubmitOptions``.
CELL = (
    Flag("inputs", "--in", "-i", str, True, "NAME[,NAME…]", "send these variables of the notebook with the cell"),
    Flag("outputs", "--out", "-o", str, True, "NAME[,NAME…]", "bring these variables back when the cell succeeded"),
    switch("detach", "don't wait: give a Job and go on"),
    switch("dry_run", "show what would be sent, and submit nothing"),
    switch("quiet", "show the job's own output and nothing of qwex's"),
)
_MISSING = object()
#: The flags of ``CELL`` that set fields of a spec.
_FIELDS = {"inputs": "-i", "outputs": "-o"}


@dataclass(frozen=True)
class Parsed:
    """A line's words: what flags gave, words that are no flags, words after ``--``, and what is wrong."""

    given: dict[str, Any]
    plain: list[str]
    rest: list[str]
    problems: Problems


@dataclass(frozen=True)
class Request:
    """What ``%%qwex`` is asked for."""

    options: SubmitOptions
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    detach: bool
    dry_run: bool
    quiet: bool


def request(line: str, namespace: Mapping[str, Any], defaults: Mapping[str, Any]) -> Request:
    """The request a line makes.

    Raises:
        UsageError: lists every problem.
    """
    parsed = parse(line, namespace, (*flags(), *CELL))
    problems = parsed.problems
    problems += [(word, "not expected here; %%qwex takes flags only") for word in (*parsed.plain, *parsed.rest)]
    raw = parsed.given
    inputs, outputs = names(raw.pop("inputs", ()), "-i", problems), names(raw.pop("outputs", ()), "-o", problems)
    own = {name: raw.pop(name) for name in ("detach", "dry_run", "quiet")}
    chosen = options(raw, defaults, problems)
    refuse(problems)
    return Request(chosen, inputs, outputs, **own)


def asks_help(line: str) -> bool:
    """Whether the line asks what may stand in it; after ``--`` nothing is a flag of ours."""
    return bool({"--help", "-h"} & set(f"{line} ".partition(" -- ")[0].split()))


def refuse(problems: Problems) -> None:
    """Raise one ``UsageError`` with all of them, if there are any."""
    if problems:
        raise UsageError(listing(problems))


def parse(line: str, namespace: Mapping[str, Any], known: tuple[Flag, ...]) -> Parsed:
    """Read a line by the flags it may have; switches are always in ``given``, other flags when they have a value."""
    words, problems = read(line, namespace)
    split = words.index("--") if "--" in words else len(words)
    found, extra = _parser(known).parse_known_args(words[:split])
    raw = vars(found)
    problems += [(flag.long, f"needs a value: {flag.metavar}") for flag in known if _lacks_value(raw[flag.name])]
    spellings = [spelling for flag in known for spelling in (flag.long, flag.short) if spelling]
    problems += [(word, _unknown(word, spellings)) for word in extra if word.startswith("-")]
    # A word right after an unknown flag is most likely its value.
    pairs = zip(["", *extra], extra, strict=False)
    plain = [word for before, word in pairs if not before.startswith("-") and not word.startswith("-")]
    given = {name: value for name, value in raw.items() if value is not None and not _lacks_value(value)}
    for flag in known:
        if flag.kind is int and not _whole(given.get(flag.name, "0")):
            problems.append((flag.long, f"{given.pop(flag.name)!r} is not a whole number"))
    return Parsed(given, plain, words[split + 1 :], problems)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(message)


@cache
def _parser(known: tuple[Flag, ...]) -> _Parser:
    parser = _Parser(add_help=False, allow_abbrev=False)
    for flag in known:
        spelled = [spelling for spelling in (flag.short, flag.long) if spelling]
        if flag.kind is bool:
            parser.add_argument(*spelled, dest=flag.name, action="store_true")
        else:
            # nargs="?": a flag without its value is one problem among others, not the end of parsing.
            action = "append" if flag.many else "store"
            parser.add_argument(*spelled, dest=flag.name, action=action, nargs="?", const=_MISSING)
    return parser


def _lacks_value(value: Any) -> bool:
    return value is _MISSING or (isinstance(value, list) and _MISSING in value)


def _whole(text: str) -> bool:
    return text.removeprefix("-").isdecimal()


def _unknown(word: str, spellings: Sequence[str]) -> str:
    # The dashes are left out of the comparison: all flags have them in common.
    known = [spelling[2:] for spelling in spellings if spelling.startswith("--")]
    close = get_close_matches(word.partition("=")[0].lstrip("-"), known, n=1)
    return "no such flag." + (f" Did you mean '--{close[0]}'?" if close else "")


def by_flag(problems: Iterable[tuple[str, str]]) -> Problems:
    """Problems of a spec, a job's or a machine's, by the flags that its fields come from."""
    return [(_flag_of(field), message) for field, message in problems]


def _flag_of(field: str) -> str:
    return _FIELDS.get(field.partition(".")[0]) or flag_of(machinefields.flag_of(field))


def names(given: Sequence[str], flag: str, problems: Problems) -> tuple[str, ...]:
    """``("a", "b")`` from ``["a,b"]``; each a Python name, each once."""
    found = [name.strip() for text in given for name in text.split(",") if name.strip()]
    problems += [(flag, f"{name!r} is not a Python name") for name in found if not name.isidentifier()]
    problems += [(flag, f"{name!r} stands twice") for name in sorted(set(found)) if found.count(name) > 1]
    return tuple(found)


def options(raw: Mapping[str, Any], defaults: Mapping[str, Any], problems: Problems) -> SubmitOptions:
    """The options in what was given; what is wrong with them is added to ``problems`` by the flags' names."""
    try:
        return SubmitOptions.read(raw, defaults)
    except InvalidSpec as error:
        problems += by_flag(error.problems)
        return SubmitOptions.read({})
