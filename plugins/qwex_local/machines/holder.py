"""What a machine on this computer is: a process that holds its quota, begins its sessions, and ends them all.

It runs as an entry of the queue, in the machine's folder. Every connection to the one socket gets an ssh server of its
own (``sshd -i``), every one to the other a shell; all of them, and what they leave behind, are below this process.
Imports the standard library alone, and what is made of it.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import pwd
import selectors
import shlex
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NoReturn

from qwex.runner import processes, wakeup
from qwex_local.door import SHELL, SSH
from qwex_local.machines import shells
from qwex_local.machines.activity import Look
from qwex_local.machines.limits import Warnings
from qwex_local.machines.processes import terminals

__all__ = ["Holder", "run", "session"]

_PR_SET_PDEATHSIG = 1
_ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
#: Seconds that shells, then servers, have to end when they are told to.
_PATIENCE = 1.0
_BACKLOG = 100
#: Variables of this process that sessions see, where it has them.
_SEEN = ("PATH", "LANG", "CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER", "QWEX_SIMULATED_GPUS")
#: And those that are not for them.
_OWN = ("QWEX_RUN_ID", "QWEX_ATTEMPT")

_SESSION = """\
# qwex made this. Every session of the machine begins with it.
{exports}cd "$HOME" || exit 1
[ -x "${{SHELL:-}}" ] || SHELL=/bin/sh
if [ -n "${{SSH_ORIGINAL_COMMAND+x}}" ]; then
    exec "$SHELL" -c "$SSH_ORIGINAL_COMMAND"
fi
exec "$SHELL" -l
"""


def run() -> NoReturn:
    """Hold the machine that has the present folder, until it is told to end."""
    sys.exit(Holder(Path.cwd()).run())


class Holder:
    """One run of a machine."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._config: dict[str, Any] = json.loads((folder / "holder.json").read_bytes())
        self._run = int(os.environ.get("QWEX_ATTEMPT", "1"))
        self._environment = {name: value for name, value in os.environ.items() if name not in _OWN}
        #: The sessions by their first process: what a plain shell's is told to when it ends.
        self._sessions: dict[int, socket.socket | None] = {}
        self._begun = 0
        self._ending = False

    def run(self) -> int:
        """Take connections until a signal comes, then end everything; the exit code."""
        processes.adopt_orphans()
        _outlive_nobody()
        self._wakeup, sender = wakeup.wakeup_pair()
        wakeup.catch(sender, signal.SIGCHLD, *_ENDING)
        session(self._folder, self._config)
        warnings = Warnings(self._folder, self._config["name"], _tell)
        look = Look(self._folder, self._run, self._config["every"], self._counted, warnings)
        with selectors.DefaultSelector() as selector:
            selector.register(self._wakeup, selectors.EVENT_READ, self._signalled)
            listeners = [self._listen(selector, SHELL, self._shell)]
            if self._config["sshd"]:
                listeners.append(self._listen(selector, SSH, self._serve))
            look.start()
            self._write("ready.json", {"run": self._run, "pid": os.getpid()})
            while not self._ending:
                for key, _ in selector.select():
                    key.data(key.fileobj)
            for listener in listeners:
                listener.close()
        self._end()
        return 0

    def _listen(self, selector: selectors.BaseSelector, name: str, taken: Any) -> socket.socket:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)
        listener = socket.socket(socket.AF_UNIX)
        # The name alone, since the path may be too long for an address; the folder is the user's only.
        listener.bind(name)
        os.chmod(name, 0o600)
        listener.listen(_BACKLOG)
        listener.setblocking(False)
        selector.register(listener, selectors.EVENT_READ, taken)
        return listener

    def _signalled(self, receiver: socket.socket) -> None:
        numbers = receiver.recv(4096)
        self._reap()
        self._ending = self._ending or any(number in numbers for number in _ENDING)

    def _serve(self, listener: socket.socket) -> None:
        """Give the next connection a server of its own."""
        words = [self._config["sshd"], "-i", "-e", "-f", str(self._folder / "sshd_config")]
        try:
            with listener.accept()[0] as connection, open("sshd.log", "ab") as log:
                connection.setblocking(True)
                self._begin(words, None, stdin=connection, stdout=connection, stderr=log)
        except OSError as error:  # too many files, or no server any more: those who are in stay
            _log(f"a connection was not taken: {error}")

    def _shell(self, listener: socket.socket) -> None:
        """Give the next connection a shell on what it sent: its own files, or a terminal that is made for it."""
        try:
            connection = listener.accept()[0]
        except OSError as error:
            _log(f"a shell was not begun: {error}")
            return
        try:
            connection.settimeout(_PATIENCE)
            with shells.asked(connection) as given:
                environment = {**self._environment, **given.variables, "SHELL": _login_shell()}
                words = ["/bin/sh", str(self._folder / "session")]
                self._begin([*given.before, *words], connection, env=environment, **given.files)
        except ConnectionError:
            connection.close()  # who only wants to know whether the machine runs asks for nothing
        except (OSError, ValueError, LookupError) as error:
            _log(f"a shell was not begun: {error}")
            connection.close()

    def _begin(self, words: list[str], told: socket.socket | None, **how: Any) -> None:
        # A group of its own: what ends this one's is told to it by this process, in time.
        child = subprocess.Popen(words, start_new_session=True, **how)
        child.returncode = 0  # this process reaps it itself, with all the others that it inherits
        self._sessions[child.pid] = told
        self._begun += 1

    def _reap(self) -> None:
        with contextlib.suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                told = self._sessions.pop(ended[0], None)
                if told:
                    shells.tell_end(told, os.waitstatus_to_exitcode(ended[1]))

    def _end(self) -> None:
        """Tell the terminals, run the machine's own last command, and leave no process."""
        reason = self._reason()
        _tell(f"this machine stops now{reason and f' ({reason})'}. Its home is kept.")
        if self._config["pre_stop"]:
            self._pre_stop()
        # The servers come last: they carry what the shells say at their end.
        for numbers, spared in (
            ((signal.SIGHUP, signal.SIGTERM, signal.SIGCONT), "sshd"),
            ((signal.SIGTERM,), ""),
            ((signal.SIGKILL,), ""),
        ):
            for pid in self._below(spared):
                for number in numbers:
                    with contextlib.suppress(ProcessLookupError, PermissionError):
                        os.kill(pid, number)
            self._wait(spared)

    def _below(self, spared: str) -> list[int]:
        """All processes of the machine but those of that name; only its sessions where the system does not tell."""
        found = processes.descendants(os.getpid()) or list(self._sessions)
        return [pid for pid in found if not spared or not _name(pid).startswith(spared)]

    def _wait(self, spared: str) -> None:
        """Return when they have ended, or had time to."""
        until = time.monotonic() + _PATIENCE
        self._reap()
        while self._below(spared) and (left := until - time.monotonic()) > 0:
            with selectors.DefaultSelector() as selector:
                selector.register(self._wakeup, selectors.EVENT_READ)
                # A grandchild's end wakes nobody.
                if selector.select(min(left, 0.05)):
                    self._wakeup.recv(4096)
            self._reap()

    def _counted(self) -> tuple[int, int]:
        """Sessions that there are, and that there were."""
        return len(self._sessions), self._begun

    def _reason(self) -> str:
        """Why it ends, in words: the machine's user's, or the queue's."""
        with contextlib.suppress(OSError):
            return Path("stop").read_text(encoding="utf-8")
        attempt = Path(self._config["jobs"], os.environ.get("QWEX_RUN_ID", ""), str(self._run))
        with contextlib.suppress(OSError, ValueError, LookupError):
            return str(json.loads((attempt / "stop").read_bytes())["message"])
        return ""

    def _pre_stop(self) -> None:
        words = ["/bin/sh", str(self._folder / "session")]
        environment = {**self._environment, "SHELL": "/bin/sh", "SSH_ORIGINAL_COMMAND": self._config["pre_stop"]}
        child = subprocess.Popen(words, env=environment, stdin=subprocess.DEVNULL, start_new_session=True)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(self._config["grace"])

    def _write(self, name: str, what: dict[str, Any]) -> None:
        Path(f".{name}").write_text(json.dumps(what))
        os.replace(f".{name}", name)


def session(folder: Path, config: dict[str, Any]) -> None:
    """Write the script with which every session begins: a server of ssh tells it nothing of this environment."""
    seen = {name: os.environ[name] for name in _SEEN if name in os.environ}
    own = {"HOME": str(folder / "home"), "QWEX_MACHINE": config["name"]}
    variables = {**seen, **config["env"], **own}
    # Where a shell has a variable for itself, a mere export would end it, and nobody could log in.
    exports = "".join(f"command export {name}={shlex.quote(value)} 2> /dev/null\n" for name, value in variables.items())
    script = folder / "session"
    script.write_text(_SESSION.format(exports=exports))
    script.chmod(0o600)


def _tell(sentence: str) -> None:
    """Say it on every terminal of the machine."""
    said = f"\r\n*** qwex: {sentence} ***\r\n".encode()
    for terminal in terminals(processes.descendants(os.getpid())):
        # One that was stopped with Ctrl-S, or whose connection is dead, takes nothing: nobody waits for it.
        with contextlib.suppress(OSError):
            fd = os.open(terminal, os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY)
            try:
                os.write(fd, said)
            finally:
                os.close(fd)


def _log(said: str) -> None:
    print(said, file=sys.stderr, flush=True)  # noqa: T201 - the output of its entry in the queue


def _login_shell() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_shell or "/bin/sh"
    except KeyError:
        return os.environ.get("SHELL", "/bin/sh")


def _name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text(errors="replace")
    except OSError:
        return ""


def _outlive_nobody() -> None:
    """Be told to end when the process above ends, however it does (Linux): the sessions would go on without quota."""
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)


if __name__ == "__main__":
    run()
