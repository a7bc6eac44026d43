"""Backends that break the contract, each by one thing changed in the example. The kit must catch every one."""

from __future__ import annotations

import asyncio
import os
import signal
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from qwex_example_backend import ExampleBackend, Request

from qwex import jobfolder
from qwex.backend import (
    BackendUnavailable,
    Capability,
    GpuKind,
    GpuReport,
    InvalidSpec,
    JobState,
    JobStatus,
    Plan,
    Position,
)
from qwex.events import is_type

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence


class WritesInRender(ExampleBackend):
    def render(self, plan: Plan) -> Request:
        (self.context.folder / plan.run_id).mkdir(exist_ok=True)
        return super().render(plan)


class LeaksTheEnvironment(ExampleBackend):
    def render(self, plan: Plan) -> Request:
        request = super().render(plan)
        leaked = plan.environment.read_text() if plan.environment else ""
        return replace(request, argv=(*request.argv, leaked))


class IgnoresTheQueue(ExampleBackend):
    def render(self, plan: Plan) -> Request:
        return super().render(replace(plan, spec=plan.spec.model_copy(update={"queue": None})))


class LosesTheExitCode(ExampleBackend):
    async def status(self, native_ids: Sequence[str]) -> dict[str, JobStatus]:
        found = await super().status(native_ids)
        return {job: replace(status, exit_code=status.exit_code and 1) for job, status in found.items()}


class FailedIsSucceeded(ExampleBackend):
    async def status(self, native_ids: Sequence[str]) -> dict[str, JobStatus]:
        found = await super().status(native_ids)
        wrong = {JobState.FAILED: JobState.SUCCEEDED}
        return {job: replace(status, state=wrong.get(status.state, status.state)) for job, status in found.items()}


class StartsTwo(ExampleBackend):
    async def submit(self, request: Request) -> str:
        again = f"{request.plan.run_id}-{len(self._children)}"
        return await super().submit(self.render(replace(request.plan, run_id=again)))


class RefusesTooLate(ExampleBackend):
    def render(self, plan: Plan) -> Request:
        return super().render(
            replace(plan, spec=plan.spec.model_copy(update={"resources": plan.spec.resources.__class__()}))
        )

    async def submit(self, request: Request) -> str:
        native_id = await super().submit(request)
        if "print(1)" in request.plan.spec.source.text and not self._known - {native_id}:
            raise InvalidSpec.of("resources.cpu", "too much, and started all the same")
        return native_id


class CancelDoesNothing(ExampleBackend):
    async def cancel(self, native_id: str) -> None:
        pass


class CancelRewritesTheEnd(ExampleBackend):
    async def cancel(self, native_id: str) -> None:
        await super().cancel(native_id)
        (self.context.folder / native_id / "cancelled").touch()

    async def status(self, native_ids: Sequence[str]) -> dict[str, JobStatus]:
        found = await super().status(native_ids)
        wrong = JobStatus(JobState.CANCELLED, "CancelledByUser")
        return {
            job: wrong if status.state.terminal and (self.context.folder / job / "cancelled").exists() else status
            for job, status in found.items()
        }


class KillsAtOnce(ExampleBackend):
    async def cancel(self, native_id: str) -> None:
        for folder in self._attempts(native_id):
            jobfolder.stop(folder, "CancelledByUser", "")
            os.killpg(int(folder.with_suffix(".lock").read_bytes()), signal.SIGKILL)


class InventsJobs(ExampleBackend):
    async def status(self, native_ids: Sequence[str]) -> dict[str, JobStatus]:
        return dict.fromkeys(native_ids, JobStatus(JobState.FAILED, "Lost")) | await super().status(native_ids)


class MovesIllegally(ExampleBackend):
    async def watch(self) -> AsyncIterator[tuple[str, JobStatus]]:
        async for native_id, status in super().watch():
            yield native_id, status
            if status.state is JobState.RUNNING:
                yield native_id, replace(status, state=JobState.ADMITTED)


class NeverSaysRunning(ExampleBackend):
    async def watch(self) -> AsyncIterator[tuple[str, JobStatus]]:
        async for native_id, status in super().watch():
            if status.state is not JobState.RUNNING:
                yield native_id, status


class ForgetsItsJobs(ExampleBackend):
    async def status(self, native_ids: Sequence[str]) -> dict[str, JobStatus]:
        mine = {str(child.args) for child in self._children}
        self._mine = {*getattr(self, "_mine", ()), *(job for job in native_ids if any(job in text for text in mine))}
        return await super().status([job for job in native_ids if job in self._mine])


class DropsOutput(ExampleBackend):
    async def output(self, native_id: str, after: Position) -> AsyncIterator[bytes]:
        async for chunk in super().output(native_id, after):
            lines = chunk.splitlines(keepends=True)
            yield b"".join(line for line in lines if not is_type(line, "stream") or b'"stderr"' in line)


class DoublesOutputOnResume(ExampleBackend):
    def output(self, native_id: str, after: Position) -> AsyncIterator[bytes]:
        return super().output(native_id, replace(after, seq=max(after.seq - 1, 0)))


class TearsLines(ExampleBackend):
    async def output(self, native_id: str, after: Position) -> AsyncIterator[bytes]:
        async for chunk in super().output(native_id, after):
            yield chunk[:10]
            yield chunk[10:]


class StopsFollowing(ExampleBackend):
    async def _follow(self, folder: Any, skip: int) -> AsyncIterator[bytes]:
        chunks = super()._follow(folder, skip)
        try:
            while True:
                yield await asyncio.wait_for(anext(chunks), 0.2)
        except (asyncio.TimeoutError, StopAsyncIteration):
            return


class LetsErrorsOut(ExampleBackend):
    async def submit(self, request: Request) -> str:
        try:
            return await super().submit(request)
        except BackendUnavailable as error:
            raise (error.__cause__ or error) from None


#: Each with the scenario that must catch it, and one that it still passes: the fault is found, not a general ruin.
class CountsMoreFreeThanThereAre(ExampleBackend):
    capabilities = ExampleBackend.capabilities | {Capability.GPU}

    async def gpus(self) -> GpuReport:
        return GpuReport((GpuKind(self.name, "1", "A100", total=1, free=2),))


CAUGHT_BY = {
    WritesInRender: ("test_1d", "test_1a"),
    LeaksTheEnvironment: ("test_1c", "test_1a"),
    IgnoresTheQueue: ("test_1e", "test_1f"),
    LosesTheExitCode: ("test_2b", "test_2a"),
    FailedIsSucceeded: ("test_2b", "test_2a"),
    StartsTwo: ("test_2d", "test_2b"),
    RefusesTooLate: ("test_2e", "test_2b"),
    CancelDoesNothing: ("test_3a", "test_3c"),
    CancelRewritesTheEnd: ("test_3c", "test_3a"),
    KillsAtOnce: ("test_3f", "test_3a"),
    InventsJobs: ("test_4b", "test_4a"),
    MovesIllegally: ("test_4c", "test_4a"),
    NeverSaysRunning: ("test_4e", "test_4a"),
    ForgetsItsJobs: ("test_4f", "test_4a"),
    DropsOutput: ("test_5a", "test_2b"),
    DoublesOutputOnResume: ("test_5b", "test_5a"),
    TearsLines: ("test_5a", "test_4a"),
    StopsFollowing: ("test_5c", "test_2b"),
    LetsErrorsOut: ("test_7a", "test_2b"),
    CountsMoreFreeThanThereAre: ("test_6k", "test_1a"),
}
