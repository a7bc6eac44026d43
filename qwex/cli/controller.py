"""``qwex controller``: the daemon of your own, and one for a team."""

from __future__ import annotations

import os
from collections import deque
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qwex import config
from qwex.cli import exits
from qwex.cli.command import JSON, Command, Flag, Given, Group
from qwex.cli.connect import client, health
from qwex.cli.screen import note, print_json, safe, say
from qwex.errors import ConfigError, Conflict, NotFound
from qwex.state import JobState

if TYPE_CHECKING:
    from qwex.client import Client

__all__ = ["COMMAND"]

_LINES = 50
_HOST, _PORT = "127.0.0.1", 8787


def _own_folder() -> Path:
    """The folder of one's own controller.

    Raises:
        ConfigError: the settings name a shared one.
    """
    settings = config.load()
    if settings.url:
        origin = settings.values["url"].origin
        raise ConfigError(f"{origin} names a shared controller, {settings.url}; it is not yours to start or stop")
    return settings.folder


def _start(given: Given) -> int:
    folder = _own_folder()
    before = health()
    now = before or client().health()
    if given["json"]:
        print_json({**now, "home": str(folder), "started": before is None})
    else:
        say(f"controller {'started' if before is None else 'runs already'}: process {now['pid']}, home {folder}")
    return exits.OK


def _stop(given: Given) -> int:
    folder, found = _own_folder(), health()
    if found:
        from qwex.client import daemon

        daemon.end(folder, int(found["pid"]))
    if given["json"]:
        print_json({"stopped": found is not None, "home": str(folder)})
    elif found:
        say(f"controller stopped: process {found['pid']}. Jobs go on; the next command takes them up")
    else:
        say(f"no controller runs in {folder}")
    return exits.OK


def _status(given: Given) -> int:
    settings, found = config.load(), health()
    where = settings.url or str(settings.folder)
    facts: dict[str, Any] = {"running": found is not None, "where": where}
    if found:
        connection = client(start=False)
        trackers = [asdict(each) for each in connection.trackers() if each.waiting]
        facts |= {**found, "unended": _unended(connection), "trackers": trackers}
    if given["json"]:
        print_json(facts)
    elif found:
        say(f"running  qwex {found['version']}, process {found['pid']}, jobs not ended: {facts['unended']}, {where}")
        for each in facts["trackers"]:
            said = f"jobs not all recorded there yet: {each['waiting']:,}"
            note(safe(f"{each['name']}  {said}{': ' if each['problem'] else ''}{each['problem']}"), "yellow")
    else:
        start = "" if settings.url else ". The next command starts it, or: qwex controller start"
        say(f"not running  {where}{start}")
    return exits.OK if found else exits.UNAVAILABLE


def _unended(client: Client) -> int:
    return client.list(state=[state for state in JobState if not state.terminal], limit=1).total


def _logs(given: Given) -> int:
    log = _own_folder() / "controller.log"
    if not log.exists():
        raise NotFound(f"there is no {log}; no controller has run there yet")
    count = _LINES if given["lines"] is None else given["lines"]
    if given["follow"]:
        # tail waits for changes as each system does it best, and through a log's replacement.
        os.execvp("tail", ["tail", "-n", str(count), "-F", str(log)])  # noqa: S606
    with log.open(encoding="utf-8", errors="replace") as file:
        said = list(deque(map(str.rstrip, file), maxlen=count))
    if given["json"]:
        print_json({"file": str(log), "lines": said})
    else:
        for line in said:
            say(line)
    return exits.OK


def _serve(given: Given) -> int:
    from qwex.controller.daemon import serve
    from qwex.controller.listening import AlreadyRunning

    settings = config.load()
    host, port = given["host"] or _HOST, _PORT if given["port"] is None else given["port"]
    tokens = Path(given["token_file"]).expanduser() if given["token_file"] else None

    def ready() -> None:
        note(f"serving on http://{host}:{port}; Ctrl-C stops it, jobs go on")

    try:
        serve(settings, host=host, port=port, token_file=tokens, reload=given["reload"], on_ready=ready)
    except AlreadyRunning:
        where = f"a controller runs in {settings.folder} already"
        raise Conflict(f"{where}. Stop it with qwex controller stop, or set QWEX_HOME to another folder") from None
    return exits.OK


COMMAND = Group(
    "start, stop and watch the controller",
    {
        "start": Command("start your own, when it does not run", _start, flags=(JSON,)),
        "stop": Command("stop your own; jobs go on", _stop, flags=(JSON,)),
        "status": Command("say whether it runs, and where", _status, flags=(JSON,)),
        "logs": Command(
            "print what it logged",
            _logs,
            flags=(
                Flag("follow", "--follow", "go on as it grows", "-f"),
                Flag("lines", "--lines", f"the last so many (default {_LINES})", "-n", int, metavar="N"),
                JSON,
            ),
        ),
        "serve": Command(
            "run one for a team, in the foreground",
            _serve,
            flags=(
                Flag("host", "--host", f"address to listen on (default {_HOST})", "", str, metavar="HOST"),
                Flag("port", "--port", f"port to listen on (default {_PORT})", "", int, metavar="PORT"),
                Flag("token_file", "--token-file", "file of lines user:token", "", str, metavar="FILE"),
                Flag("reload", "--reload", "start again when the code changes, for development"),
            ),
            examples=("qwex controller serve --host 0.0.0.0 --token-file tokens",),
        ),
    },
)
