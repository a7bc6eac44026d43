"""``qwex machine port-forward``: what is said of the ports, and of the machine behind them."""

from __future__ import annotations

import sys
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from qwex.cli import exits
from qwex.cli.connect import client
from qwex.cli.screen import note, print_json, safe, say
from qwex.client.forwarding import Forwarding, Port, ports
from qwex.client.ssh import doors, proxy, setup
from qwex.door import DoorError
from qwex.errors import ConfigError, NotFound, QwexError
from qwex.machines import MachineState

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from qwex.cli.command import Given
    from qwex.door import Tunnel
    from qwex.machines import MachineRecord

__all__ = ["port_forward"]

#: Seconds between two looks at the machine.
_LOOK = 2.0


def port_forward(given: Given) -> int:
    """Carry connections until Ctrl-C."""
    wanted, folder = ports(given["ports"]), setup.folder()
    name, record = _machine(folder, given["name"])
    news = _News(name, _ask(folder, record) if record else None)
    forwarding = Forwarding(_dial(folder, name), news.ended)
    found = [forwarding.listen(port) for port in wanted]
    try:
        _say_ports(name, wanted, found, as_json=given["json"])
        if record:
            news.look(record)
        while True:
            time.sleep(_LOOK)
            news.look()
    finally:
        forwarding.close()
    return exits.OK


def _machine(folder: Path, name: str) -> tuple[str, MachineRecord | None]:
    """The name that the machine's door is kept by, and its record; None of one that somebody else shares."""
    if name in doors.joined(folder):
        return name, None
    record = client().machine(name)
    setup.learn(folder, record)
    return record.name, record


def _dial(folder: Path, name: str) -> Callable[[int], Tunnel]:
    def dial(port: int) -> Tunnel:
        # Read each time: the machine may have been made anew, and its door be another one.
        known = proxy.kept(str(folder), name)
        if not known:
            raise DoorError(f"there is no machine {name} here any more")
        if not known["door"]:
            raise DoorError(f"nobody can reach the machine {name} yet", absent=True)
        return proxy.opener(name, known)(known["door"], port)

    try:
        proxy.opener(name, proxy.kept(str(folder), name))
    except DoorError as error:
        raise ConfigError(str(error)) from None
    return dial


def _ask(folder: Path, record: MachineRecord) -> Callable[[], MachineRecord | None]:
    """What the controller says of the machine; None where it says nothing. It is not started for it."""
    connection, known = client(start=False), [record.door]

    def ask() -> MachineRecord | None:
        try:
            found = connection.machine(record.id)
        except NotFound:
            raise
        except (QwexError, OSError):
            return None
        if found.door != known[-1]:
            known.append(found.door)
            setup.learn(folder, found)
        return found

    return ask


def _say_ports(name: str, wanted: list[Port], found: list[Port], *, as_json: bool) -> None:
    for asked, port in zip(wanted, found, strict=True):
        if asked.local not in (0, port.local):
            note(f"port {asked.local} is taken here; {port.local} is used for {asked.remote}", "yellow")
    if as_json:
        print_json({"name": name, "ports": [{**port._asdict(), "url": port.url} for port in found]})
    else:
        for port in found:
            say(f"{port.url}  →  {name}:{port.remote}")
        note("Ctrl-C ends it", "dim")
    sys.stdout.flush()  # whoever reads this through a pipe waits for it


class _News:
    """Says what is wrong once, until it is right again. Connections tell it from threads of their own."""

    def __init__(self, name: str, ask: Callable[[], MachineRecord | None] | None) -> None:
        self._name, self._ask = name, ask
        self._lock = threading.Lock()
        #: What was said of the machine, and of ports of it.
        self._down = ""
        self._ports: dict[Port, str] = {}

    def look(self, record: MachineRecord | None = None) -> None:
        """Say that the machine does not run any more, or runs again."""
        if record := record or self._asked():
            with self._lock:
                self._judge(record)

    def ended(self, port: Port, error: DoorError | None) -> None:
        """Say what was wrong with a connection."""
        record = None
        if error and error.absent:
            with suppress(QwexError):  # the next look says so
                record = self._asked()
        with self._lock:
            if error is None:
                self._ports.pop(port, None)
            elif record is None or not self._judge(record):
                self._tell(port, _of_port(port, self._name, error, runs=record is not None))

    def _asked(self) -> MachineRecord | None:
        return self._ask() if self._ask else None

    def _judge(self, record: MachineRecord) -> bool:
        """Whether the machine's own state says why nobody gets in."""
        said = proxy.explained(self._name, record)
        if said and not self._down:
            note(f"{safe(said)}. This goes on when it runs", "yellow")
        elif self._down and record.state is MachineState.RUNNING:
            note(f"the machine {self._name} runs again", "green")
            self._ports.clear()
        self._down = said
        return bool(said)

    def _tell(self, port: Port, said: str) -> None:
        if self._ports.get(port) != said:
            note(safe(said), "yellow")
        self._ports[port] = said


def _of_port(port: Port, name: str, error: DoorError, *, runs: bool) -> str:
    """What is wrong with a port; of a machine that runs and does not answer there, nothing listens."""
    said = " ".join(str(error).split())
    if error.nobody_listens:
        return f"nothing listens on port {port.remote} of {name}"
    return f"nothing answers on port {port.remote} of {name}: {said}" if error.absent and runs else said
