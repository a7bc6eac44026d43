"""A real kernel that runs cells as a front end would, and what each cell showed."""

from __future__ import annotations

import contextlib
import shutil
import signal
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty
from typing import TYPE_CHECKING, Any

from jupyter_client.manager import start_new_kernel

if TYPE_CHECKING:
    from collections.abc import Callable

CARD = "application/vnd.qwex.job.v1+json"
SECONDS = 60
#: Has a kernel write what each of its threads does to a file, whenever SIGUSR1 arrives.
STACKS = "import faulthandler, signal; faulthandler.register(signal.SIGUSR1, open({!r}, 'w'))"


@dataclass
class Shown:
    """One cell's outputs, as a front end would hold them at the end."""

    stdout: str = ""
    stderr: str = ""
    #: text/plain of every state of the card, in order.
    cards: list[str] = field(default_factory=list)
    #: The card's last snapshot.
    snapshot: dict[str, Any] = field(default_factory=dict)
    results: list[dict[str, Any]] = field(default_factory=list)
    #: Other displays: their data by display id, in order; an update replaces.
    displays: dict[str, dict[str, Any]] = field(default_factory=dict)
    error: str = ""
    cleared: int = 0

    def take(self, kind: str, content: dict[str, Any]) -> None:
        """Take one iopub message."""
        if kind == "stream":
            setattr(self, content["name"], getattr(self, content["name"]) + content["text"])
        elif kind == "error":
            self.error = "\n".join(content["traceback"]) or f"{content['ename']}: {content['evalue']}"
        elif kind == "execute_result":
            self.results.append(content["data"])
        elif kind == "clear_output":
            self.cleared += 1
        elif CARD in content.get("data", {}):
            self.cards.append(content["data"]["text/plain"])
            self.snapshot = content["data"][CARD]
        elif "data" in content:
            key = content.get("transient", {}).get("display_id") or f"#{len(self.displays)}"
            self.displays[key] = content["data"]

    @property
    def run_id(self) -> str:
        """The job that the cell followed."""
        run_id: str = self.snapshot["id"]
        return run_id


class Notebook:
    """A kernel and its messages."""

    def __init__(self, env: dict[str, str]) -> None:
        self.manager, self.client = start_new_kernel(env=env)
        self._stacks = Path(tempfile.mkdtemp(prefix="qx", dir="/tmp"), "stacks")
        self.run(STACKS.format(str(self._stacks)))

    def run(self, code: str, meanwhile: Callable[[Shown], None] | None = None) -> Shown:
        """Run a cell to its end; ``meanwhile`` is called after each message."""
        parent = self.client.execute(code)
        shown = Shown()
        for message in self._messages(parent, shown):
            shown.take(message["msg_type"], message["content"])
            if meanwhile:
                meanwhile(shown)
        return shown

    def begin(self, code: str, ready: Callable[[Shown], bool]) -> Shown:
        """Run a cell, and leave it alone once ``ready`` holds."""
        parent = self.client.execute(code)
        shown = Shown()
        for message in self._messages(parent, shown):
            shown.take(message["msg_type"], message["content"])
            if ready(shown):
                return shown
        raise AssertionError("the cell ended before it was ready")

    def value(self, expression: str) -> str:
        """The repr of an expression in the kernel."""
        shown = self.run(expression)
        assert shown.results, shown.error
        text: str = shown.results[0]["text/plain"]
        return text

    def complete(self, code: str) -> list[str]:
        """What Tab offers at the end of ``code``."""
        reply = self.client.complete(code, reply=True, timeout=SECONDS)
        matches: list[str] = reply["content"]["matches"]
        return matches

    def pager(self, code: str) -> str:
        """What a cell such as ``%%qwex?`` opens in the pager."""
        reply = self.client.execute(code, reply=True, timeout=SECONDS)
        text: str = reply["content"]["payload"][0]["data"]["text/plain"]
        return text

    def interrupt(self) -> None:
        """The stop button."""
        self.manager.interrupt_kernel()

    def restart(self, *, now: bool = True) -> None:
        """A new kernel in the place of the old one, which is asked to end, or killed ``now``."""
        self.manager.restart_kernel(now=now)
        self.client.wait_for_ready(timeout=SECONDS)
        self._nudge()
        self.run(STACKS.format(str(self._stacks)))

    def close(self) -> None:
        """End the kernel."""
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)
        shutil.rmtree(self._stacks.parent, ignore_errors=True)

    def _nudge(self) -> None:
        """Return once what the kernel publishes arrives: the way to a new one may be there later than the kernel."""
        for _ in range(SECONDS):
            parent = self.client.execute("", silent=True)
            with contextlib.suppress(Empty):
                while self.client.get_iopub_msg(timeout=1)["parent_header"].get("msg_id") != parent:
                    pass
                return
        raise AssertionError(f"nothing of the new kernel was heard in {SECONDS} s")

    def _messages(self, parent: str, shown: Shown) -> Any:
        end = time.monotonic() + SECONDS
        while True:
            try:
                message = self.client.get_iopub_msg(timeout=max(end - time.monotonic(), 0.01))
            except Empty:
                message = f"the cell did not end within {SECONDS} s: {shown}\n{self._doing()}"
                raise AssertionError(message) from None
            if message["parent_header"].get("msg_id") != parent:
                continue
            if message["msg_type"] == "status" and message["content"]["execution_state"] == "idle":
                return
            yield message

    def _doing(self) -> str:
        """What each thread of the kernel does now."""
        self.manager.signal_kernel(signal.SIGUSR1)
        end = time.monotonic() + 5
        while time.monotonic() < end and not self._stacks.read_text():
            time.sleep(0.05)
        return self._stacks.read_text()
