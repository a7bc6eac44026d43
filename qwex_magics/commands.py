"""``%qwex COMMAND``: one function each, listed in ``COMMANDS`` with how it is written and what it does."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from IPython.core.error import UsageError

from qwex.errors import nearest
from qwex.options import Flag, SubmitOptions, flags
from qwex_magics.arguments import Parsed, names, options, parse, refuse, switch
from qwex_magics.follow import Follower
from qwex_magics.session import client, defaults
from qwex_magics.table import Table, queue_table, why_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from IPython.core.interactiveshell import InteractiveShell

    from qwex_magics.line import Problems

__all__ = ["COMMANDS", "Command", "run"]


class Command(NamedTuple):
    """One command: ``call`` gets the shell and the parsed words, and gives what the cell shows."""

    usage: str
    help: str
    call: Callable[[InteractiveShell, Parsed], Any]
    flags: tuple[Flag, ...] = ()
    #: How many words that are no flags it takes: at least, at most.
    words: tuple[int, int] = (0, 0)


def run(shell: InteractiveShell, line: str) -> Any:
    """Run the command that the line begins with.

    Raises:
        UsageError: there is no such command, or its arguments are wrong.
        QwexError: as the command does.
    """
    name, _, rest = line.strip().partition(" ")
    if not name:
        raise UsageError(f"name a command: {', '.join(COMMANDS)}. Explained by: %qwex?")
    if name not in COMMANDS:
        raise UsageError(f"no command {name!r}.{nearest(name, list(COMMANDS))} See them all: %qwex?")
    command = COMMANDS[name]
    parsed = parse(rest, shell.user_ns, command.flags)
    _count(command, parsed)
    refuse(parsed.problems)
    return command.call(shell, parsed)


def _count(command: Command, parsed: Parsed) -> None:
    least, most = command.words
    if not least <= len(parsed.plain) <= most:
        parsed.problems.append(("", f"write it as: %qwex {command.usage}"))


def _submit(shell: InteractiveShell, parsed: Parsed) -> Any:
    from qwex_magics.submit import run_script

    raw = dict(parsed.given)
    own = {name: raw.pop(name) for name in ("wait", "dry_run", "quiet")}
    problems: Problems = []
    chosen = options(raw, defaults(), problems)
    if not parsed.plain and not parsed.rest:
        problems.append(("", f"write it as: %qwex {COMMANDS['submit'].usage}"))
    refuse(problems)
    return run_script(shell, chosen, parsed.plain, parsed.rest, **own)


def _list(shell: InteractiveShell, parsed: Parsed) -> Any:
    from qwex.client import jobs

    raw = dict(parsed.given)
    states = [state.strip().upper() for text in raw.pop("state", ()) for state in text.split(",") if state.strip()]
    return jobs(state=states, **raw)


def _status(shell: InteractiveShell, parsed: Parsed) -> Any:
    return client().job(parsed.plain[0])


def _logs(shell: InteractiveShell, parsed: Parsed) -> None:
    # Stop ends the showing; the job is not touched.
    with suppress(KeyboardInterrupt):
        for text in client().logs(parsed.plain[0], follow=parsed.given["follow"]):
            print(text, end="", flush=True)  # noqa: T201


def _why(shell: InteractiveShell, parsed: Parsed) -> None:
    print(why_text(client().why(parsed.plain[0])))  # noqa: T201


def _cancel(shell: InteractiveShell, parsed: Parsed) -> None:
    for run_id in parsed.plain:
        client().cancel(run_id)
        print(f"cancelling {run_id}")  # noqa: T201


def _attach(shell: InteractiveShell, parsed: Parsed) -> None:
    record = client().job(parsed.plain[0]).record
    problems: Problems = []
    wanted = names(parsed.given.get("outputs", ()), "-o", problems)
    for name in wanted:
        if name not in record.outputs:
            have = ", ".join(record.outputs) or "none; they are named at submit, with -o"
            problems.append(("-o", f"{record.id} does not bring {name!r} back. It brings: {have}"))
    refuse(problems)
    Follower(shell, client(), record, outputs=wanted, quiet=parsed.given["quiet"], cancels=False).run()


def _resubmit(shell: InteractiveShell, parsed: Parsed) -> Any:
    problems: Problems = []
    chosen = options(parsed.given, {}, problems)
    refuse(problems)
    return client().resubmit(parsed.plain[0], **_changes(chosen))


def _changes(chosen: SubmitOptions) -> dict[str, Any]:
    """The fields of a spec that the options change."""
    from qwex.spec import Source, validated

    spec = chosen.spec(validated(Source, kind="cell", text="pass")).model_dump(mode="json", exclude_unset=True)
    return {name: value for name, value in spec.items() if name != "source" and value not in ({}, None)}


def _queues(shell: InteractiveShell, parsed: Parsed) -> Table:
    return queue_table(client().queues())


def _plugins(shell: InteractiveShell, parsed: Parsed) -> Table:
    rows = []
    for info in client().plugins():
        brings = [*info.get("backends", ()), *info.get("trackers", ()), *info.get("artifact_stores", ())]
        rows.append((info["module"], info.get("version", ""), ", ".join(brings), info.get("error", "")))
    return Table(("plugin", "version", "brings", "problem"), rows)


def _config(shell: InteractiveShell, parsed: Parsed) -> Table:
    from qwex.config import FIELDS, load, masked

    values = load().values
    chosen = [field for field in FIELDS if not parsed.plain or field.name in parsed.plain]
    if len(chosen) < len(parsed.plain):
        known = [field.name for field in FIELDS]
        wrong = next(name for name in parsed.plain if name not in known)
        raise UsageError(f"no setting {wrong!r}.{nearest(wrong, known)}")
    rows = []
    for field in chosen:
        value, origin = values[field.name]
        rows.append((field.name, str(masked(field.name, value)), origin, field.help))
    return Table(("setting", "value", "from", "what it is"), rows)


_QUIET = switch("quiet", "show the job's own output and nothing of qwex's")
_SUBMIT = (
    *flags(),
    switch("wait", "follow it here to its end"),
    switch("dry_run", "show what would be sent, and submit nothing"),
    _QUIET,
)
_LIST = (
    Flag("user", "--user", "-u", str, False, "NAME", "jobs of this user; me is you"),
    Flag("state", "--status", "-s", str, True, "STATE[,STATE…]", "jobs in these states"),
    Flag("queue", "--queue", "-q", str, False, "NAME", "jobs of this queue"),
    Flag("name", "--name", "-n", str, False, "NAME", "jobs of this name"),
    Flag("group", "--group", "", str, False, "NAME", "jobs of this array"),
    Flag("limit", "--limit", "", int, False, "N", "at most so many (default 50)"),
)
_ATTACH = (Flag("outputs", "--out", "-o", str, True, "NAME[,NAME…]", "bring these variables back"), _QUIET)

COMMANDS = {
    "submit": Command(
        "submit SCRIPT.py [flags] [-- ARG…]", "run a script, or the words after --, as a job", _submit, _SUBMIT, (0, 1)
    ),
    "list": Command("list [--user NAME] [--status STATE,…]", "the jobs, newest first", _list, _LIST),
    "status": Command("status ID", "one job", _status, (), (1, 1)),
    "logs": Command(
        "logs ID [--follow]", "a job's output as text", _logs, (switch("follow", "go on until it ends"),), (1, 1)
    ),
    "why": Command("why ID", "why a job waits, and for how long", _why, (), (1, 1)),
    "attach": Command(
        "attach ID [-o NAME,…]", "replay a job's output here, follow it, bring its values", _attach, _ATTACH, (1, 1)
    ),
    "cancel": Command("cancel ID…", "end jobs", _cancel, (), (1, 1000)),
    "resubmit": Command(
        "resubmit ID [flags]", "the same job again, changed by flags", _resubmit, tuple(flags()), (1, 1)
    ),
    "queues": Command("queues", "the queues, what is used and what is allowed", _queues),
    "plugins": Command("plugins", "what is installed, and what failed", _plugins),
    "config": Command("config [SETTING…]", "every setting, its value and where it came from", _config, (), (0, 100)),
}
