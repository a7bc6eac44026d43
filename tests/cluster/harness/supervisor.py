"""The first process of a cluster: it starts the others, and nothing of them outlives it.

It runs in a PID and a mount namespace of its own. When it ends, killed or not, the kernel ends every process in there,
pods and their shims included, and with them every mount. What is left then, control groups and a bridge, is removed
here on the way out, or by ``leftovers`` before the next start.

It lives as long as somebody holds it: its standard input is the first holder's pipe, a connection that said ``hold``
is another, and ``keep`` is for a cluster that outlives all commands. Requests are JSON lines on a Unix socket.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import shutil
import signal
import socketserver
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from harness import cgroups, network

__all__ = ["SOCKET", "main"]

#: Its name in the cluster's folder.
SOCKET = "supervisor.sock"

#: Folders that containerd, its plugins and kubelet write to whatever they are told.
_OWN = ("/run/containerd", "/run/netns", "/var/lib/cni", "/var/lib/kubelet", "/var/log/containers", "/var/log/pods")
#: Of mount(2).
_MS_BIND, _MS_REC, _MS_PRIVATE, _MS_SHARED = 1 << 12, 1 << 14, 1 << 18, 1 << 20
_MNT_DETACH = 2


@dataclass
class _Part:
    """One started process."""

    pid: int
    exit: int | None = None


class _Supervisor:
    """What runs and who holds it."""

    def __init__(self) -> None:
        self._parts: dict[str, _Part] = {}
        self._changed = threading.Condition()
        self._holders = 1
        self._kept = self._over = False
        self._busy = threading.Event()

    def run(self) -> None:
        """Collect what ended, orphans included, until the end."""
        while True:
            try:
                pid, status = os.waitpid(-1, 0)
            except ChildProcessError:
                if self._over:
                    return
                self._busy.wait()
                self._busy.clear()
                continue
            with self._changed:
                for part in self._parts.values():
                    if part.pid == pid and part.exit is None:
                        part.exit = os.waitstatus_to_exitcode(status)
                self._changed.notify_all()

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """Do what a client asks."""
        op = request.pop("op")
        if op not in ("start", "signal", "wait", "status", "keep", "end"):
            return {"error": f"no operation {op!r}"}
        try:
            return getattr(self, op)(**request) or {}
        except (OSError, KeyError, ValueError) as error:
            return {"error": f"{op} {request.get('name', '')}: {error!r}"}

    def start(self, name: str, argv: list[str], log: str, env: dict[str, str] | None = None) -> dict[str, Any]:
        """Start a process under that name; one that runs is left alone."""
        with self._changed:
            part = self._parts.get(name)
            if self._over:
                raise ValueError("the cluster ends")
            if part is None or part.exit is not None:
                with open(log, "ab") as file:
                    process = subprocess.Popen(
                        argv,
                        stdin=subprocess.DEVNULL,
                        stdout=file,
                        stderr=subprocess.STDOUT,
                        env={**os.environ, **(env or {})},
                        cwd="/",
                        start_new_session=True,
                    )
                # ``run`` collects it; Popen must not try.
                process.returncode = 0
                part = self._parts[name] = _Part(process.pid)
                self._busy.set()
            return {"pid": part.pid}

    def signal(self, name: str, number: int) -> None:
        """Send a signal, if the process still runs."""
        with self._changed:
            part = self._parts[name]
            if part.exit is None:
                os.kill(part.pid, number)

    def wait(self, name: str, seconds: float) -> dict[str, Any]:
        """The exit code, negative for a signal; null after that many seconds."""
        with self._changed:
            part = self._parts[name]
            self._changed.wait_for(lambda: part.exit is not None, seconds)
            return {"exit": part.exit}

    def status(self) -> dict[str, Any]:
        """What was started, and how it ended."""
        with self._changed:
            return {"parts": {name: {"pid": part.pid, "exit": part.exit} for name, part in self._parts.items()}}

    def keep(self) -> None:
        """Live on without holders."""
        self._kept = True

    def end(self) -> None:
        """End everything: as process 1 of the namespace, -1 means all others in it."""
        with self._changed:
            self._over = True
            with suppress(ProcessLookupError):
                os.kill(-1, signal.SIGKILL)
        self._busy.set()

    def hold(self) -> None:
        """One more holder."""
        with self._changed:
            self._holders += 1

    def let_go(self) -> None:
        """One holder less; the last one ends it."""
        with self._changed:
            self._holders -= 1
            last = not self._holders and not self._kept
        if last:
            self.end()


class _Connection(socketserver.StreamRequestHandler):
    """Requests of one client; after ``hold`` it holds the cluster until it closes."""

    supervisor: ClassVar[_Supervisor]

    def handle(self) -> None:
        holds = False
        with suppress(ConnectionError):
            for line in self.rfile:
                request = json.loads(line)
                if request["op"] == "hold":
                    if not holds:
                        self.supervisor.hold()
                    holds, answer = True, {}
                else:
                    answer = self.supervisor.answer(request)
                self.wfile.write(json.dumps(answer).encode() + b"\n")
        if holds:
            self.supervisor.let_go()


class _Server(socketserver.ThreadingUnixStreamServer):
    """Threads that do not keep the process alive."""

    daemon_threads = True
    request_queue_size = 64


def _private_mounts(folder: Path) -> None:
    """Mounts made from here on are seen in this namespace alone, and folders that programs insist on are the cluster's.

    Kubelet passes mounts into pods, which needs shared mounts; shared among these processes, not with the machine.
    """
    _mount("none", "/", "", _MS_REC | _MS_PRIVATE)
    _mount("none", "/", "", _MS_REC | _MS_SHARED)
    for path in _OWN:
        own = folder / "own" / path.strip("/").replace("/", "-")
        own.mkdir(parents=True, exist_ok=True)
        Path(path).mkdir(parents=True, exist_ok=True)
        _mount(str(own), path, "", _MS_BIND)


def _mount(source: str, target: str, kind: str, flags: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(source.encode(), target.encode(), kind.encode(), ctypes.c_ulong(flags), None):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), target)


def _detach_below(folder: Path) -> None:
    """Take every mount below the folder away, the innermost first, so that the folder can be removed."""
    libc = ctypes.CDLL(None, use_errno=True)
    targets = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    for target in reversed(targets):
        if target.startswith(f"{folder}/"):
            libc.umount2(target.encode(), _MNT_DETACH)


def main() -> None:
    """Run until nobody holds the cluster."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--cgroup", required=True)
    parser.add_argument("--bridge", default="")
    parser.add_argument("--remove", action="store_true", help="remove the folder at the end")
    given = parser.parse_args()
    # What a terminal sends to the tests is not meant for the cluster; it ends with the pipe.
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    _private_mounts(given.folder)
    supervisor = _Connection.supervisor = _Supervisor()
    with _Server(str(given.folder / SOCKET), _Connection) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        threading.Thread(target=_first_holder, args=(supervisor,), daemon=True).start()
        supervisor.run()
        _detach_below(given.folder)
        cgroups.remove(given.cgroup)
        if given.bridge:
            network.remove_bridge(given.bridge)
        if given.remove:
            shutil.rmtree(given.folder, ignore_errors=True)
            given.folder.with_suffix(".lock").unlink(missing_ok=True)
    os._exit(0)  # threads may still wait for clients


def _first_holder(supervisor: _Supervisor) -> None:
    sys.stdin.buffer.read()
    supervisor.let_go()


if __name__ == "__main__":
    main()
