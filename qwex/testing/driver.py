"""Drives a backend as the controller does: render, submit, watch, read. Every wait is bounded."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, TypeVar, cast

from qwex.backend import Backend, JobState, JobStatus, Plan, Position
from qwex.events import Event, parse
from qwex.spec import JobSpec, mint_run_id

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

__all__ = ["Driver", "position", "text"]

T = TypeVar("T")


class Driver:
    """One instance of a backend; remembers what its watch said, and cancels what a test leaves running."""

    def __init__(self, backend: Backend[Any], limit: float, fields: dict[str, Any]) -> None:
        self.backend = backend
        self.limit = limit
        self._fields = fields
        self._moves: dict[str, list[JobStatus]] = {}
        self._jobs: set[str] = set()
        self._changed = asyncio.Condition()
        self._watching: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Driver:
        await self.bounded(self.backend.start(), "start() returns")
        self._watching = asyncio.create_task(self._watch())
        return self

    async def __aexit__(self, *_: object) -> None:
        try:
            await self._cancel_the_rest()
            for native_id in list(self._jobs):
                await self.bounded(self.backend.forget(native_id), "forget() returns")
        finally:
            await self.drop()
            await self.bounded(self.backend.close(), "close() returns")

    async def drop(self) -> None:
        """Stop listening without a word to the backend, as a killed controller does."""
        if self._watching:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)
            self._watching = None
            self._jobs.clear()

    def plan(self, spec: JobSpec, **fields: Any) -> Plan:
        """An attempt of ``spec``, with the fields that every job of this place gets."""
        given = {name: getattr(spec, name) for name in spec.model_fields_set}
        return Plan(
            **{"run_id": mint_run_id("kit"), "spec": JobSpec(**{**self._fields, **given}), "user": "kit", **fields}
        )

    async def submit(self, job: JobSpec | Plan) -> str:
        """Render and hand over; the backend's own id of the job."""
        plan = self.plan(job) if isinstance(job, JobSpec) else job
        native_id = await self.bounded(self.backend.submit(self.backend.render(plan)), "submit() returns")
        self._jobs.add(native_id)
        return native_id

    def adopt(self, native_id: str) -> None:
        """Watch a job that an earlier instance submitted."""
        self.backend.adopt(native_id)
        self._jobs.add(native_id)

    async def run(self, job: JobSpec | Plan) -> tuple[JobStatus, list[Event]]:
        """Submit, wait for the end, read everything."""
        native_id = await self.submit(job)
        return await self.ended(native_id), await self.records(native_id)

    def moves(self, native_id: str) -> list[JobStatus]:
        """Every status the watch gave of the job, in order."""
        return list(self._moves.get(native_id, ()))

    async def until(self, native_id: str, *states: JobState) -> JobStatus:
        """The first status in one of ``states`` that the watch gives."""
        return await self.until_moved(native_id, lambda status: status.state in states, " or ".join(map(str, states)))

    async def until_moved(self, native_id: str, wanted: Callable[[JobStatus], bool], what: str) -> JobStatus:
        """The first status that the watch gives and ``wanted`` accepts."""

        async def wait() -> JobStatus:
            async with self._changed:
                while not (found := [status for status in self.moves(native_id) if wanted(status)]):
                    if self._watching and self._watching.done():
                        self._watching.result()
                        raise AssertionError("watch() ended by itself")
                    await self._changed.wait()
            return found[0]

        return await self.bounded(wait(), f"the watch says {what} of {native_id}")

    async def ended(self, native_id: str) -> JobStatus:
        """The status the job ended with."""
        return await self.until_moved(native_id, lambda status: status.state.terminal, "the end")

    async def status(self, native_id: str) -> JobStatus | None:
        """What the backend says of the one job when asked."""
        return (await self.bounded(self.backend.status([native_id]), "status() returns")).get(native_id)

    async def records(self, native_id: str, after: Position | None = None) -> list[Event]:
        """All records after ``after``; waits until the job has ended."""
        return await self.bounded(self._read(native_id, after, lambda _: False), "output() ends with the job")

    async def until_printed(self, native_id: str, wanted: str) -> list[Event]:
        """The records up to the one with which ``wanted`` was printed; the job may go on."""
        read = self._read(native_id, None, lambda records: wanted in text(records))
        records = await self.bounded(read, f"output() has {wanted!r}")
        assert wanted in text(records), f"the job ended without printing {wanted!r}: {records}"
        return records

    async def bounded(self, step: Awaitable[T], what: str) -> T:
        """``step``'s result, or a failure that says what did not happen in time."""
        try:
            return await asyncio.wait_for(step, self.limit)
        except asyncio.TimeoutError:
            seen = "".join(f"\n  {native_id}: {moves}" for native_id, moves in self._moves.items())
            raise AssertionError(f"not within {self.limit:g} s: {what}. The watch said:{seen or ' nothing'}") from None

    async def _read(self, native_id: str, after: Position | None, enough: Callable[[list[Event]], bool]) -> list[Event]:
        records: list[Event] = []
        output = cast("AsyncGenerator[bytes, None]", self.backend.output(native_id, after or Position()))
        async with contextlib.aclosing(output) as chunks:
            async for chunk in chunks:
                assert chunk.endswith(b"\n"), f"output() gave a torn line: …{chunk[-80:]!r}"
                lines = chunk.split(b"\n")[:-1]
                records += [parse(line, number) for number, line in enumerate(lines, len(records) + 1)]
                if enough(records):
                    break
        return records

    async def _watch(self) -> None:
        try:
            async for native_id, status in self.backend.watch():
                self._moves.setdefault(native_id, []).append(status)
                async with self._changed:
                    self._changed.notify_all()
        finally:
            async with self._changed:
                self._changed.notify_all()

    async def _cancel_the_rest(self) -> None:
        left = [native_id for native_id in self._jobs if not _is_over(self.moves(native_id))]
        if left:
            now = await self.bounded(self.backend.status(left), "status() returns")
            left = [native_id for native_id in left if native_id in now and not now[native_id].state.terminal]
        for native_id in left:
            await self.bounded(self.backend.cancel(native_id), "cancel() returns")
        for native_id in left:
            with contextlib.suppress(AssertionError):  # the scenario itself has said what is wrong
                await self.ended(native_id)


def text(records: list[Event], name: str = "stdout") -> str:
    """What was printed."""
    return "".join(record["text"] for record in records if record.type == "stream" and record["name"] == name)


def position(record: Event) -> Position:
    """Where a reader that saw ``record`` comes back."""
    assert record.seq is not None, f"a record without seq: {record}"
    return Position(record.attempt, record.seq)


def _is_over(moves: list[JobStatus]) -> bool:
    return bool(moves) and moves[-1].state.terminal
