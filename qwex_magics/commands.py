"""``%qwex COMMAND``: one function each, listed in ``COMMANDS`` with how it is written and what it does."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from IPython.core.error import UsageError

from qwex.client.notebookfile import parameters
from qwex.client.show import Gpus, Others, Queues, Table
from qwex.client.workfile import changes
from qwex.errors import nearest
from qwex.options import Flag, flags
from qwex.wording import cancelling
from qwex_magics.arguments import Parsed, asks_help, names, options, parse, refuse, switch
from qwex_magics.follow import Follower
from qwex_magics.help import command_help, group_help, line_help
from qwex_magics.line import job_ids
from qwex_magics.session import client, defaults
from qwex_magics.table import why_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from IPython.core.interactiveshell import InteractiveShell

    from qwex_magics.line import Problems

__all__ = ["COMMANDS", "Command", "run"]

#: Jobs that ``list`` shows unless told otherwise.
_PAGE = 50


class Command(NamedTuple):
    """One command: ``call`` gets the shell and the parsed words, and gives what the cell shows."""

    usage: str
    help: str
    call: Callable[[InteractiveShell, Parsed], Any]
    flags: tuple[Flag, ...] = ()
    #: How many words that are no flags it takes: at least, at most.
    words: tuple[int, int] = (0, 0)
    #: What those words are to who completes them, where they are not jobs.
    completes: str = ""
    #: The commands under its name; their words are theirs.
    within: Callable[[], dict[str, Command]] | None = None

    @property
    def takes_jobs(self) -> bool:
        """Whether those words are jobs."""
        return self.usage.split()[1:2] in (["ID"], ["ID…"])


def run(shell: InteractiveShell, line: str) -> Any:
    """Run the command that the line begins with.

    Raises:
        UsageError: there is no such command, or its arguments are wrong.
        QwexError: as the command does.
    """
    return _run(shell, line, COMMANDS)


def _run(shell: InteractiveShell, line: str, commands: dict[str, Command], above: str = "") -> Any:
    name, _, rest = line.strip().partition(" ")
    if name in ("--help", "-h"):
        return print(line_help() if commands is COMMANDS else group_help(above, commands))  # noqa: T201
    more = f"%qwex {above}--help" if above else "%qwex?"
    if not name:
        raise UsageError(f"name a command: {', '.join(commands)}. Explained by: {more}")
    if name not in commands:
        instead = _in_a_terminal(above + name) or f".{nearest(name, list(commands))}"
        raise UsageError(f"no command {above + name!r}{instead} See them all: {more}")
    command = commands[name]
    if command.within:
        return _run(shell, rest, command.within(), f"{name} ")
    if asks_help(rest):
        return print(command_help(command))  # noqa: T201
    parsed = parse(rest, shell.user_ns, command.flags)
    if command.takes_jobs:
        parsed.plain[:] = [run_id for word in parsed.plain for run_id in job_ids(word, shell.user_ns)]
    _count(command, parsed)
    refuse(parsed.problems)
    return command.call(shell, parsed)


def _in_a_terminal(words: str) -> str:
    """What is said of a command that a terminal alone has; else nothing."""
    from qwex.cli import commands

    there = words in commands.NAMES or commands.find(words.split())
    return f" in a notebook. In a terminal: qwex {words}." if there else ""


def _count(command: Command, parsed: Parsed) -> None:
    least, most = command.words
    if not least <= len(parsed.plain) <= most:
        parsed.problems.append(("", f"write it as: %qwex {command.usage}"))


def _submit(shell: InteractiveShell, parsed: Parsed) -> Any:
    from qwex_magics.submit import run_script

    raw = dict(parsed.given)
    own = {name: raw.pop(name) for name in ("wait", "dry_run", "quiet")}
    set_anew = parameters(raw.pop("param", ()))
    problems: Problems = []
    options(raw, defaults(), problems)
    if not parsed.plain and not parsed.rest:
        problems.append(("", f"write it as: %qwex {COMMANDS['submit'].usage}"))
    refuse(problems)
    return run_script(shell, raw, parsed.plain, parsed.rest, set_anew, **own)


def _list(shell: InteractiveShell, parsed: Parsed) -> Any:
    from qwex.client import jobs

    raw = dict(parsed.given)
    states = [state.strip().upper() for text in raw.pop("state", ()) for state in text.split(",") if state.strip()]
    limit = int(raw.pop("limit", _PAGE))
    found = jobs(state=states, limit=limit, **raw)
    elsewhere = [] if raw.pop("where", None) else client().elsewhere(state=states, **raw)
    found.others = Others(elsewhere, limit)
    return found


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
    from qwex.client.job import cancel_order

    connected = client()
    found = [connected.job(run_id).record for run_id in dict.fromkeys(parsed.plain)]
    for before in sorted(found, key=cancel_order):
        now = before if before.state.terminal else connected.cancel(before.id)
        print(f"{before.id} {cancelling(before, now)}")  # noqa: T201


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
    raw = dict(parsed.given)
    set_anew = parameters(raw.pop("param", ()))
    problems: Problems = []
    chosen = options(raw, {}, problems)
    refuse(problems)
    return client().resubmit(parsed.plain[0], **changes(chosen), **({"parameters": set_anew} if set_anew else {}))


def _queues(shell: InteractiveShell, parsed: Parsed) -> Queues:
    return client().queues()


def _gpus(shell: InteractiveShell, parsed: Parsed) -> Gpus:
    return client().gpus()


def _plugins(shell: InteractiveShell, parsed: Parsed) -> Table:
    can = {backend["name"]: backend.get("capabilities", ()) for backend in client().backends()}
    rows = []
    for info in client().plugins():
        backends = info.get("backends", ())
        brings = [*backends, *info.get("trackers", ()), *info.get("artifact_stores", ())]
        capabilities = sorted({capability for name in backends for capability in can.get(name, ())})
        shown = (", ".join(brings), ", ".join(capabilities), info.get("error", ""))
        rows.append((info["module"], info.get("version", ""), *shown))
    return Table(("plugin", "version", "brings", "can", "problem"), rows)


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


def _machines() -> dict[str, Command]:
    from qwex_magics.machines import COMMANDS

    return COMMANDS


def _is_a_group(shell: InteractiveShell, parsed: Parsed) -> None:
    """Never called: what is asked for is one of the commands within."""


_QUIET = switch("quiet", "show the job's own output and nothing of qwex's")
_PARAM = Flag("param", "--param", "-p", str, True, "K=V", "set a parameter of a notebook")
_SUBMIT = (
    *flags(),
    _PARAM,
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
    Flag("where", "--where", "", str, False, "CONDITION", "jobs of which it holds in MLflow: 'metrics.loss < 0.1'"),
    Flag("limit", "--limit", "", int, False, "N", f"at most so many (default {_PAGE})"),
)
_ATTACH = (Flag("outputs", "--out", "-o", str, True, "NAME[,NAME…]", "bring these variables back"), _QUIET)

COMMANDS = {
    "submit": Command(
        "submit FILE.py|FILE.ipynb|JOB.yaml [flags] [-- ARG…]",
        "run a script, a notebook, a job spec, or the words after --, as a job",
        _submit,
        _SUBMIT,
        (0, 1),
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
        "resubmit ID [flags]", "the same job again, changed by flags", _resubmit, (*flags(), _PARAM), (1, 1)
    ),
    "machine": Command(
        "machine COMMAND …",
        "dev machines: list, create, status, why, start, stop, set, code, delete",
        _is_a_group,
        within=_machines,
    ),
    "queues": Command("queues", "the queues, what is used and what is allowed", _queues),
    "gpus": Command("gpus", "which GPUs there are, how many are free, and what each queue has left", _gpus),
    "plugins": Command("plugins", "what is installed, and what failed", _plugins),
    "config": Command("config [SETTING…]", "every setting, its value and where it came from", _config, (), (0, 100)),
}
