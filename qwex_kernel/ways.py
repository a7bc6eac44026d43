"""Connections to a kernel's keeper in a machine, each one process of ssh's."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import subprocess
import tempfile
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple

from qwex.client.ssh.proxy import GONE, TELLS
from qwex.errors import QwexError
from qwex.machines import host_alias

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["NoWay", "Target", "Way", "open_way"]

#: What ssh has the machine's Python do: no word of it is secret, as everybody in the machine can read it.
_START = (
    "import sys; sys.path[:] = filter(None, sys.path); import json; "
    'head = json.loads(sys.stdin.buffer.readline()); exec(head["boot"])'
)
_BOOT = """\
import types
for name, text in head["modules"].items():
    module = sys.modules[name] = types.ModuleType(name)
    exec(compile(text, name, "exec"), module.__dict__)
sys.modules["qwex_kernel.keeper"].main(head)
"""
_MODULES = ("link", "keeper")
#: What a shell ends with when there is no such program.
_NO_PROGRAM = (126, 127)
#: Lines that the user's own shell may say before ours.
_NOISE = 100


class Target(NamedTuple):
    """Where a kernel is: the folder for ssh that knows the machine, the machine's name, and a Python in it."""

    folder: Path
    name: str
    python: str


class NoWay(QwexError):
    """Nobody can get to the kernel. ``final`` where trying again is of no use."""

    def __init__(self, message: str, *, final: bool = False) -> None:
        super().__init__(message)
        self.final = final


class Way(NamedTuple):
    """A connection, and what the keeper said at its begin."""

    process: subprocess.Popen[bytes]
    answer: dict[str, Any]

    @property
    def ends(self) -> tuple[int, int]:
        """File descriptors of the caller's own: to read from and to write to."""
        assert self.process.stdin
        assert self.process.stdout
        return os.dup(self.process.stdout.fileno()), os.dup(self.process.stdin.fileno())

    def close(self, seconds: float = 0.0) -> bool:
        """End it; whether the other side did so in order in that time, which has then all that was written before."""
        process = self.process
        assert process.stdin
        assert process.stdout
        process.stdin.close()
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            return False
        finally:
            process.stdout.close()
        return process.returncode == 0


def open_way(target: Target, head: Mapping[str, Any]) -> Way:
    """Connect to the keeper that ``head`` names, or to a new one, with what it is to know.

    Raises:
        NoWay: it says why, and what to do.
    """
    with tempfile.TemporaryFile() as said:
        process = _ssh(target, said)
        assert process.stdin
        assert process.stdout
        here = Path(__file__).parent
        texts = {f"qwex_kernel.{name}": (here / f"{name}.py").read_text(encoding="utf-8") for name in _MODULES}
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(json.dumps({**head, "boot": _BOOT, "modules": texts}).encode() + b"\n")
        answer = _answer(process.stdout)
        way = Way(process, answer)
        if wrong := _wrong(target, answer) if answer else _unanswered(target, process, said):
            way.close()
            raise wrong
    return way


def _ssh(target: Target, said: IO[bytes]) -> subprocess.Popen[bytes]:
    options = ["-T", "-o", "BatchMode=yes", "-o", "ConnectTimeout=20"]
    command = f"exec {shlex.quote(target.python)} -c {shlex.quote(_START)}"
    words = ["ssh", "-F", str(target.folder / "config"), *options, host_alias(target.name), command]
    pipe, env = subprocess.PIPE, {**os.environ, TELLS: "1"}
    try:
        # Its own session: an interrupt of the kernel is none of ssh.
        return subprocess.Popen(words, stdin=pipe, stdout=pipe, stderr=said, bufsize=0, start_new_session=True, env=env)
    except FileNotFoundError:
        raise NoWay(
            "there is no program ssh; install OpenSSH's client (Debian: apt install openssh-client)", final=True
        ) from None


def _answer(pipe: IO[bytes]) -> dict[str, Any]:
    """What the keeper says first; nothing where the connection ended before."""
    for _ in range(_NOISE):
        line = pipe.readline()
        if not line:
            break
        if line.startswith(b"{"):
            try:
                found: dict[str, Any] = json.loads(line)
            except ValueError:
                continue
            return found
    return {}


def _wrong(target: Target, answer: Mapping[str, Any]) -> NoWay | None:
    """What the keeper's answer says is wrong."""
    name = target.name
    if "missing" in answer:
        said = (
            f"{answer['python']} in the machine {name} has no ipykernel. "
            f"Install it with: qwex machine kernel {name} --install"
        )
    elif "failed" in answer:
        lines = [line.strip() for line in answer["failed"].splitlines() if line.strip()]
        said = f"the kernel in the machine {name} ended while it started: {lines[-1] if lines else 'it says nothing'}"
    elif "gone" in answer:
        said = f"the kernel in the machine {name} is gone: the machine was started anew, or the kernel was killed"
    else:
        return None
    return NoWay(said, final=True)


def _unanswered(target: Target, process: subprocess.Popen[bytes], said: IO[bytes]) -> NoWay:
    """Why the connection ended before anything was said."""
    assert process.stdin
    process.stdin.close()
    code = process.wait()
    said.seek(0)
    lines = [line.strip() for line in said.read().decode(errors="replace").splitlines() if line.strip()]
    ours = [line.removeprefix("qwex: ") for line in lines if line.startswith("qwex: ")]
    if ours:
        return NoWay(ours[0].removeprefix(GONE), final=ours[0].startswith(GONE))
    if code in _NO_PROGRAM:
        other = f"Name another with: qwex machine kernel {target.name} --python PATH"
        return NoWay(f"the machine {target.name} has no program {target.python}. {other}", final=True)
    return NoWay(f"no way to the machine {target.name}: {lines[-1] if lines else f'ssh ended with code {code}'}")
