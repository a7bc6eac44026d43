"""The client's side of the supervisor: start, stop, freeze and look at the processes of a cluster."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from harness import cgroups, network
from harness.errors import ClusterError
from harness.supervisor import SOCKET
from harness.waiting import wait_until

__all__ = ["Processes", "leftovers"]

#: Lines of a log that an error shows.
_TAIL = 15
#: What the harness is imported from.
_IMPORTS = Path(__file__).parent.parent


class Processes:
    """The processes of the cluster in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._held: list[Any] = []

    def launch(self, *, cgroup: str, bridge: str = "", remove: bool = False) -> None:
        """Start the supervisor; this process holds it from now on."""
        words = ["--folder", str(self.folder), "--cgroup", cgroup, *(["--bridge", bridge] if bridge else [])]
        command = [sys.executable, "-m", "harness.supervisor", *words, *(["--remove"] if remove else [])]
        namespaces = ["unshare", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child"]
        self.log("supervisor").parent.mkdir(parents=True, exist_ok=True)
        with self.log("supervisor").open("wb") as log:
            started = subprocess.Popen(
                [*namespaces, *command],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                cwd="/",
                env={**os.environ, "PYTHONPATH": str(_IMPORTS), "PYTHONDONTWRITEBYTECODE": "1"},
                start_new_session=True,
            )
        self._held.append(started)
        (self.folder / "supervisor.pid").write_text(str(started.pid))

        def up() -> bool:
            if started.poll() is not None:
                raise ClusterError(f"the supervisor ended at once:\n{self.tail('supervisor')}")
            return self.alive()

        wait_until(up, "the supervisor", 20, pause=0.02)

    def alive(self) -> bool:
        """Whether the supervisor answers."""
        try:
            self._request(op="status")
        except (OSError, ClusterError):
            return False
        return True

    def start(self, name: str, *argv: str, env: dict[str, str] | None = None) -> None:
        """Start a process under that name."""
        self._request(op="start", name=name, argv=list(argv), log=str(self.log(name)), env=env or {})

    def stop(self, name: str, seconds: float = 10) -> None:
        """Have it end, and return when it has; killed after that many seconds."""
        self.signal(name, signal.SIGTERM)
        if self.exit_code(name, seconds) is None:
            self.kill(name)

    def kill(self, name: str) -> None:
        """SIGKILL, and return when it is gone."""
        self.signal(name, signal.SIGKILL)
        self.exit_code(name, 30)

    def signal(self, name: str, number: int) -> None:
        """Send a signal: SIGSTOP makes a server that takes connections and never answers."""
        self._request(op="signal", name=name, number=int(number))

    def exit_code(self, name: str, seconds: float = 0) -> int | None:
        """How it ended, negative for a signal; None while it runs."""
        code: int | None = self._request(op="wait", name=name, seconds=seconds)["exit"]
        return code

    def running(self) -> dict[str, bool]:
        """Everything that was started, and whether it runs."""
        parts = self._request(op="status")["parts"]
        return {name: part["exit"] is None for name, part in parts.items()}

    def ready(self, name: str, condition: Any, seconds: float = 60) -> Any:
        """Wait until the part is ready; an error shows the end of its log, and comes at once when it has exited."""

        def attempt() -> Any:
            with suppress(OSError, ConnectionError):
                if value := condition():
                    return value
            code = self.exit_code(name)
            if code is not None:
                raise ClusterError(f"{name} exited with {code}. The end of {self.log(name)}:\n{self.tail(name)}")
            return None

        try:
            return wait_until(attempt, name, seconds)
        except TimeoutError:
            raise ClusterError(
                f"{name} was not ready after {seconds:.0f} s. The end of {self.log(name)}:\n{self.tail(name)}"
            ) from None

    def log(self, name: str) -> Path:
        """The file with all that it printed."""
        return self.folder / "log" / f"{name}.log"

    def tail(self, name: str, lines: int = _TAIL) -> str:
        """The last lines of its log."""
        with suppress(OSError):
            return "\n".join(self.log(name).read_text(errors="replace").splitlines()[-lines:])
        return ""

    def hold(self) -> None:
        """Be one of those for whom the cluster lives."""
        connection = self._connect()
        self._ask(connection, {"op": "hold"})
        self._held.append(connection)

    def keep(self) -> None:
        """Have the cluster outlive everybody."""
        self._request(op="keep")

    def let_go(self) -> None:
        """Hold it no longer; when nobody else does, wait until everything is gone."""
        for held in self._held:
            if isinstance(held, subprocess.Popen):
                if held.stdin:
                    held.stdin.close()
                with suppress(subprocess.TimeoutExpired):
                    held.wait(0.2)
            else:
                held.close()
        self._held.clear()

    def end(self) -> None:
        """End the cluster, whoever holds it, and return when nothing of it runs."""
        pid = _pid_in(self.folder)
        with suppress(OSError, ClusterError):
            self._request(op="end")
        if pid and not _gone(pid, 20):
            os.kill(pid, signal.SIGKILL)
            _gone(pid, 5)
        for held in self._held:
            if isinstance(held, subprocess.Popen):
                held.wait(5)
        self.let_go()

    def _connect(self) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.connect(str(self.folder / SOCKET))
        except OSError:
            connection.close()
            raise
        return connection

    def _request(self, **request: Any) -> dict[str, Any]:
        try:
            with self._connect() as connection:
                return self._ask(connection, request)
        except (FileNotFoundError, ConnectionRefusedError):
            raise ClusterError(f"no cluster runs in {self.folder}") from None

    def _ask(self, connection: socket.socket, request: dict[str, Any]) -> dict[str, Any]:
        connection.sendall(json.dumps(request).encode() + b"\n")
        with connection.makefile() as stream:
            line = stream.readline()
        if not line:
            raise ClusterError(f"the supervisor of {self.folder} ended")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise ClusterError(answer["error"])
        return answer


def leftovers(folder: Path, *, cgroup: str, bridge: str) -> None:
    """Remove what a cluster left whose supervisor was killed: its group, its bridge and its folder."""
    cgroups.remove(cgroup)
    if bridge:
        network.remove_bridge(bridge)
    shutil.rmtree(folder, ignore_errors=True)


def _pid_in(folder: Path) -> int | None:
    """The process that runs the supervisor, if it is still that."""
    try:
        pid = int((folder / "supervisor.pid").read_text())
        words = Path(f"/proc/{pid}/cmdline").read_bytes()
    except (OSError, ValueError):
        return None
    return pid if os.fsencode(folder) in words else None


def _gone(pid: int, seconds: float) -> bool:
    """Whether the process ends in time, as a zombie or altogether."""

    def over() -> bool:
        try:
            return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
        except OSError:
            return True

    try:
        return wait_until(over, "its end", seconds, pause=0.02)
    except TimeoutError:
        return False
