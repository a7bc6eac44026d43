"""A backend whose jobs do what a test writes into files, so that they survive any death of the controller."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import time
from dataclasses import asdict
from typing import TYPE_CHECKING

from qwex import hookimpl
from qwex.backend import Backend, BackendUnavailable, InvalidSpec, JobState, JobStatus, Why
from qwex.errors import NotFound
from qwex.record import JobRecord
from qwex.state import TERMINAL, Position

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["FleetingBackend", "Script", "ScriptedBackend"]


@hookimpl
def qwex_register_backends(register):
    register(ScriptedBackend)
    register(FleetingBackend)


class ScriptedBackend(Backend[dict]):
    name = "scripted"
    capabilities = frozenset({"values", "inherits-environment", "explain"})
    poll = (0.005, 0.02)

    async def start(self):
        if (self.context.folder / "unstartable").exists():
            raise BackendUnavailable("its key is away")

    def render(self, plan):
        if plan.spec.queue == "nowhere":
            raise InvalidSpec.of("queue", "there is no such queue")
        environment = str(plan.environment) if plan.environment else None
        later = str(plan.later) if plan.later else None
        shown = {"attempt": plan.attempt, "environment": environment, "blobs": dict(plan.blobs), "later": later}
        shown["parcel"] = list(plan.parcel)
        return {"run_id": plan.run_id, "args": list(plan.spec.args), "env": plan.spec.env, **shown}

    async def submit(self, request):
        if (self.context.folder / "unavailable").exists():
            raise BackendUnavailable("the place is away")
        if (self.context.folder / "refuses").exists() and "refused" in request["args"]:
            raise InvalidSpec("refused after all")
        native_id = f"native-{request['run_id']}"
        script = Script(self.context.folder, request["run_id"])
        script.folder.mkdir(exist_ok=True)
        known = script.status()
        if known is None or known.attempt < request["attempt"]:
            (script.folder / f"request-{request['attempt']}.json").write_text(json.dumps(request))
            script.say("QUEUED", attempt=request["attempt"])
        self._known.add(native_id)
        return native_id

    def adopt(self, native_id):
        self._script(native_id).check("adopt")
        super().adopt(native_id)

    async def cancel(self, native_id):
        script = self._script(native_id)
        script.check("cancel")
        if script.status().state not in TERMINAL:
            script.say("CANCELLED", reason="CancelledByUser")

    async def status(self, native_ids):
        found = {native_id: self._script(native_id).status() for native_id in native_ids}
        return {native_id: status for native_id, status in found.items() if status}

    async def output(self, native_id, after):
        script = self._script(native_id)
        attempt, skip = max(after.attempt, 1), after.seq if after.attempt else 0
        if (script.folder / "tells-positions").exists():
            script.note(f"after {after.attempt}.{after.seq}")
        while True:
            status = script.status()
            if status is None:
                raise NotFound(native_id)
            lines = script.lines(attempt)[skip:]
            if lines:
                skip += len(lines)
                yield b"".join(lines)
            elif status.attempt > attempt:
                attempt, skip = attempt + 1, 0
            elif status.state in TERMINAL:
                return
            else:
                await asyncio.sleep(0.005)

    async def value(self, native_id, attempt, name):
        try:
            yield (self._script(native_id).folder / f"value-{name}").read_bytes()
        except FileNotFoundError:
            raise NotFound(name) from None

    async def forget(self, native_id):
        script = self._script(native_id)
        if script.folder.exists():
            script.check("forget")
            shutil.rmtree(script.folder)

    async def elsewhere(self):
        note = self.context.folder / "elsewhere.json"
        return [JobRecord.from_dict(raw) for raw in json.loads(note.read_text())] if note.exists() else []

    async def explain(self, native_id):
        note = self.context.folder / "why"
        return Why(note.read_text() if note.exists() else "it waits for its script")

    def _script(self, native_id):
        return Script(self.context.folder, native_id.removeprefix("native-"))


class FleetingBackend(ScriptedBackend):
    """Its output and values are read on demand, and gone once they were acknowledged."""

    name = "fleeting"
    capabilities = ScriptedBackend.capabilities | {"fleeting", "on-demand"}

    async def output(self, native_id, after):
        self._script(native_id).note("read")
        async for lines in super().output(native_id, after):
            yield lines

    async def position(self, native_id):
        attempt = self._script(native_id).status().attempt
        return Position(attempt, len(self._script(native_id).lines(attempt)))

    async def acknowledge(self, native_id, last):
        script = self._script(native_id)
        script.check("acknowledge")
        script.note(f"acknowledged {last.attempt}.{last.seq}")
        for value in script.folder.glob("value-*"):
            value.unlink()


class Script:
    """What one job does."""

    def __init__(self, folder: Path, run_id: str) -> None:
        self.folder = folder / run_id

    def status(self) -> JobStatus | None:
        try:
            raw = json.loads((self.folder / "status.json").read_text())
        except FileNotFoundError:
            return None
        return JobStatus(JobState(raw.pop("state")), **raw)

    def say(self, state, *, attempt=None, **more):
        """The job's new status."""
        known = self.status()
        status = JobStatus(JobState(state), attempt=attempt or (known.attempt if known else 1), **more)
        self._replace("status.json", json.dumps(asdict(status)).encode())

    def hold(self, what):
        """What is asked of the backend for this job does not reach it."""
        (self.folder / f"held-{what}").touch()

    def let_go(self, what):
        """It does again."""
        (self.folder / f"held-{what}").unlink()

    def check(self, what):
        if (self.folder / f"held-{what}").exists():
            self.note(f"held {what}")
            raise BackendUnavailable("the place is away")

    def note(self, line):
        """Something that the controller asked for."""
        with (self.folder / "notes").open("a") as notes:
            notes.write(f"{line}\n")

    def notes(self):
        try:
            return (self.folder / "notes").read_text().splitlines()
        except FileNotFoundError:
            return []

    def lines(self, attempt):
        try:
            return (self.folder / f"events-{attempt}.jsonl").read_bytes().splitlines(keepends=True)
        except FileNotFoundError:
            return []

    def record(self, type, *, attempt=None, **fields):
        """One more record of the runner's."""
        attempt = attempt or self.status().attempt
        lines = self.lines(attempt)
        common = {"type": type, "ts": round(time.time(), 6), "attempt": attempt, "seq": len(lines) + 1}
        line = json.dumps({**common, **fields}, separators=(",", ":")).encode() + b"\n"
        self._replace(f"events-{attempt}.jsonl", b"".join([*lines, line]))

    def finish(self, *printed, code=0, peak=5_000_000, **end):
        """Print, and end."""
        for text in printed:
            self.record("stream", name="stdout", text=text)
        self.record("exit", code=code, signal=None, reason="", message="", peak_memory=peak, cpu_time=0.5, duration=1)
        self.say("FAILED" if code else "SUCCEEDED", exit_code=code, **end)

    def _replace(self, name, data):
        part = self.folder / f"{name}.part"
        part.write_bytes(data)
        os.replace(part, self.folder / name)
