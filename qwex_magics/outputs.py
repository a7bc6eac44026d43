"""A job's outputs as outputs of the cell that shows it: streams, displays, updates, the result."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from qwex.events import Event

__all__ = ["Outputs", "RemoteResult"]


class RemoteResult:
    """The value of a job's last expression, as it was shown there; Out[n] of the cell. Not the value itself."""

    def __init__(self, data: dict[str, Any], metadata: dict[str, Any]) -> None:
        self.data = data
        self.metadata = metadata

    def __repr__(self) -> str:
        return str(self.data.get("text/plain", "<a result without text>"))

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        return {"text/plain": repr(self), **self.data}, self.metadata


class Outputs:
    """Shows output events of one job in the running cell; display ids are the job's own, so two never meet."""

    def __init__(self, shell: InteractiveShell, run_id: str) -> None:
        self._shell: Any = shell
        self._run_id = run_id
        self._in_notebook = hasattr(shell, "kernel")

    def show(self, event: Event) -> None:
        """Show one event of ``qwex.events.OUTPUT_TYPES``; errors are raised at the end instead, by who follows."""
        if event.type == "stream":
            self._stream(event)
        elif event.type in ("display", "update_display"):
            self._display(event)
        elif event.type == "clear_output":
            self._shell.display_pub.clear_output(wait=bool(event.get("wait")))
        elif event.type == "result":
            self._shell.displayhook(RemoteResult(event["data"], event.get("metadata") or {}))

    def say(self, message: str) -> None:
        """A line of qwex's own among the job's outputs."""
        sys.stdout.flush()
        print(f"qwex: {message}", file=sys.stderr, flush=True)  # noqa: T201

    def _stream(self, event: Event) -> None:
        stream = sys.stderr if event["name"] == "stderr" else sys.stdout
        stream.write(event["text"])
        # ipykernel keeps text back for 0.2 s: too long for a line, right for a piece of one.
        if event["text"].endswith("\n") or not self._in_notebook:
            stream.flush()

    def _display(self, event: Event) -> None:
        transient = dict(event.get("transient") or {})
        if transient.get("display_id"):
            transient["display_id"] = f"{self._run_id}/{transient['display_id']}"
        self._shell.display_pub.publish(
            data=event["data"],
            metadata=event.get("metadata") or {},
            transient=transient,
            update=event.type == "update_display",
        )
