"""The same commands for typer: help, completion and the errors of arguments that are not plain."""

from __future__ import annotations

import inspect
import os
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

import qwex
from qwex.cli import commands, complete, exits, foreign
from qwex.cli.command import Command, Group
from qwex.errors import nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from qwex.cli.command import Flag, Given, Word

__all__ = ["parse"]

_ABOUT = "A notebook cell, a script or a command becomes a queued job and comes back as if it had run here."
_SHELLS = ("bash", "zsh", "fish", "powershell", "pwsh")
_SETTINGS = {"help_option_names": ["-h", "--help"]}


def parse(argv: Sequence[str]) -> tuple[Command, Given] | int:
    """The command and what it was given; an exit code when the arguments asked for help or completion.

    Raises:
        UsageError: they are wrong.
    """
    argv = [*argv, "--help"] if _names_a_group(argv) else argv
    if argv[0] == "--show-completion" and len(argv) > 1:
        return _show_completion(argv[1])
    if not argv[0].startswith("-") and argv[0] not in commands.NAMES:
        close = nearest(argv[0], [*commands.NAMES, *foreign.names()])
        raise exits.UsageError(f"no command {argv[0]!r}.{close} See: qwex --help")
    try:
        parsed = _application(_wanted(argv))(list(argv), prog_name="qwex", standalone_mode=False)
    except Exception as error:
        # Typer carries its own copy of click, or uses click's, by its version: known by what they have in common.
        if not hasattr(error, "format_message"):
            raise
        raise exits.UsageError(_sentence(error, argv)) from None
    if isinstance(parsed, tuple):
        return parsed
    if {"--help", "-h"} & set(argv):
        sys.stdout.write(_epilog(argv))
    return int(parsed or 0)


def _show_completion(shell: str) -> int:
    """Print the script for that shell; typer would take the shell it runs in.

    Raises:
        UsageError: typer has none for it.
    """
    from typer.completion import get_completion_script  # type: ignore[attr-defined]

    if shell not in _SHELLS:
        raise exits.UsageError(
            f"--show-completion: no shell {shell!r}.{nearest(shell, _SHELLS)} One of: {', '.join(_SHELLS)}"
        )
    script = get_completion_script(prog_name="qwex", complete_var="_QWEX_COMPLETE", shell=shell)
    sys.stdout.write(script + "\n")
    return exits.OK


def _names_a_group(argv: Sequence[str]) -> bool:
    """Whether the arguments end at qwex itself or at a group, without saying which of its commands."""
    return not argv or (len(argv) == 1 and argv[0] in commands.NAMES and isinstance(commands.load(argv[0]), Group))


def _wanted(argv: Sequence[str]) -> Sequence[str]:
    """The commands to build: the one that is named, else all."""
    words = os.environ["COMP_WORDS"].split()[1:] if "COMP_WORDS" in os.environ else argv
    return words[:1] if words and words[0] in commands.NAMES else commands.NAMES


def _sentence(error: Any, argv: Sequence[str]) -> str:
    named = [word for word in argv[:2] if not word.startswith("-")]
    found = commands.find(argv)
    where = " ".join(["qwex", *named[: found[1] if found else 1 if argv[0] in commands.NAMES else 0]])
    text = error.format_message().rstrip(".")
    if " valid int" in text:
        text = _not_whole(error.param, argv) or text
    if found and found[0].rest and ("No such option" in text or "unexpected extra argument" in text):
        text += f". After -- come {found[0].rest}"
    return f"{text}{'' if text.endswith('?') else '.'} See: {where} --help"


def _not_whole(param: Any, argv: Sequence[str]) -> str:
    """What is wrong with a flag that takes a number; typer's words for it are other ones by its version."""
    flag = next((option for option in param.opts if option.startswith("--")), param.opts[0])
    for word, following in zip(argv, [*argv[1:], ""], strict=True):
        name, given, value = word.partition("=")
        if name in param.opts:
            return f"{flag}: a whole number; not {value if given else following!r}"
    return ""


def _application(names: Sequence[str]) -> typer.Typer:
    app = typer.Typer(context_settings=_SETTINGS)
    app.callback(help=_ABOUT)(_root)
    for name in names:
        found = commands.load(name)
        if isinstance(found, Group):
            group = typer.Typer(help=found.help, context_settings=_SETTINGS)
            for word, command in found.commands.items():
                _add(group, word, command)
            app.add_typer(group, name=name)
        else:
            _add(app, name, found)
    return app


def _show_version(wanted: bool) -> None:
    if wanted:
        sys.stdout.write(f"qwex {qwex.__version__}\n")
        raise typer.Exit


def _root(
    version: Annotated[
        bool, typer.Option("--version", "-V", help="show the version and exit", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    """What stands before the command."""


def _epilog(argv: Sequence[str]) -> str:
    """What stands below typer's help, line by line; typer itself would reflow it."""
    found = commands.find(argv)
    if found:
        return "".join(f"   {line}\n" for line in ("Examples", *found[0].examples)) if found[0].examples else ""
    if argv[0] in commands.NAMES:
        return ""
    rows = [f"  {code:>3}  {meaning}" for code, meaning in exits.TABLE]
    brought = foreign.names()
    more = [f" From plugins\n  {', '.join(brought)}\n"] if brought else []
    return "\n".join([*more, " Exit codes", *rows, " With `submit --wait` and `wait`: the job's own exit code.\n"])


def _add(app: typer.Typer, name: str, command: Command) -> None:
    app.command(name)(_function(command))


def _function(command: Command) -> Callable[..., Any]:
    """A function with the signature from which typer makes the command; it only gives back what was parsed."""

    def call(**read: Any) -> tuple[Command, Given]:
        items: list[Word | Flag] = [*command.words, *command.all_flags()]
        return command, {item.name: _value(item, read[item.name]) for item in items}

    parameters = [*map(_argument, command.words), *map(_option, command.all_flags())]
    vars(call)["__signature__"] = inspect.Signature(parameters)
    call.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    call.__doc__ = command.help + (f".\n\nAfter -- come {command.rest}." if command.rest else "")
    return call


def _value(item: Word | Flag, read: Any) -> Any:
    """What a command gets of what typer read.

    Raises:
        UsageError: a flag that means one thing is given twice.
    """
    if item.many:
        return tuple(read or ())
    if not isinstance(read, (list, tuple)):
        return read
    if len(read) > 1:
        raise exits.UsageError(f"{getattr(item, 'long', item.name)}: given twice, {read[0]!r} and {read[1]!r}")
    return read[0] if read else None


def _argument(word: Word) -> inspect.Parameter:
    kind: Any = list[str] if word.many else str
    info = typer.Argument(
        metavar=word.metavar, help=word.help, show_default=False, autocompletion=complete.of(word.complete)
    )
    return _parameter(word.name, kind if word.required else kind | None, info, required=word.required)


def _option(flag: Flag) -> inspect.Parameter:
    spellings = [spelling for spelling in (flag.long, flag.short) if spelling]
    if flag.kind is bool:
        return _parameter(flag.name, bool, typer.Option(*spellings, help=flag.help, metavar=""), default=False)
    info = typer.Option(
        *spellings, metavar=flag.metavar, help=flag.help, show_default=False, autocompletion=complete.of(flag.complete)
    )
    # All of them are read, also of one that may be given once: typer would take the last and say nothing.
    kind: Any = list[flag.kind]  # type: ignore[name-defined]
    return _parameter(flag.name, kind | None, info)


def _parameter(name: str, kind: Any, info: Any, *, required: bool = False, default: Any = None) -> inspect.Parameter:
    given = inspect.Parameter.empty if required else default
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=given, annotation=Annotated[kind, info])
