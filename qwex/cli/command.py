"""What a command is: its words, its flags and the function that runs it. Both parsers read these."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

__all__ = ["JSON", "JSON_LINES", "MACHINE", "Command", "Flag", "Given", "Group", "Word"]

#: What was given, by the names of words and flags: text, a number, a bool, a tuple where there may be several, or None.
#: ``rest`` holds the words after ``--`` of a command that takes them.
Given: TypeAlias = "dict[str, Any]"


class Flag(NamedTuple):
    """One option of a command."""

    name: str
    long: str
    help: str
    short: str = ""
    #: str or int; bool for a switch, which takes no value.
    kind: type = bool
    many: bool = False
    metavar: str = ""
    #: What the shell completes: "job", "machine", "queue", "backend", "state" or nothing.
    complete: str = ""


class Word(NamedTuple):
    """One positional argument; ``many`` only for the last."""

    name: str
    metavar: str
    help: str
    required: bool = True
    many: bool = False
    complete: str = ""


class Command(NamedTuple):
    """One command. ``run`` gets what was given and returns the exit code."""

    help: str
    run: Callable[[Given], int]
    words: tuple[Word, ...] = ()
    #: A function where finding them out is not cheap.
    flags: tuple[Flag, ...] | Callable[[], tuple[Flag, ...]] = ()
    #: What the words after ``--`` are; empty when the command takes none.
    rest: str = ""
    examples: tuple[str, ...] = ()

    def all_flags(self) -> tuple[Flag, ...]:
        """Its own flags."""
        return self.flags() if callable(self.flags) else self.flags


class Group(NamedTuple):
    """Commands under a common name."""

    help: str
    commands: dict[str, Command]


#: The machine that a command is about, which the user, or somebody else, has.
MACHINE = Word("name", "NAME", "the machine", complete="machine")
JSON = Flag("json", "--json", "print a JSON document")
#: For a command that may follow a job.
JSON_LINES = JSON._replace(help="print JSON; when following, a line for each event")
