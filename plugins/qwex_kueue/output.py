"""What jobs say and give back, from their pods' agents, or from what those left."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import logging
import re
from typing import TYPE_CHECKING, Any, TypeVar

from qwex import jobfolder
from qwex.errors import BackendUnavailable, NotFound, QwexError
from qwex.runner import leftovers
from qwex_kueue import names
from qwex_kueue.agent import Agent
from qwex_kueue.errors import ApiError, Missing
from qwex_kueue.states import is_away

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from qwex.state import Position
    from qwex_kueue.apiserver import ApiServer
    from qwex_kueue.objects import Pod
    from qwex_kueue.parcels import LeftParcels
    from qwex_kueue.run import Run
    from qwex_kueue.runs import Runs

__all__ = ["Output"]

log = logging.getLogger(__name__)

ResultT = TypeVar("ResultT")

#: Seconds before each further try of a pod that does not answer, before that is said.
_AGAIN = (0.05, 0.1, 0.2, 0.4, 0.8, 1.0, 1.0, 1.0)
#: How many of these tries a pod gets whose node may not answer any more.
_AWAY = 2
_ATTEMPT = re.compile(rb'^(\{"type":"[^"]*","ts":[^,]*,"attempt":)\d+', re.MULTILINE)


class Output:
    """Reads pods; an attempt's ``exit`` record goes to ``runs`` as soon as it is seen."""

    def __init__(self, server: ApiServer, runs: Runs, parcels: LeftParcels) -> None:
        self._server = server
        self._runs = runs
        self._parcels = parcels
        #: Uids of pods whose end is being seen.
        self._ending: set[str] = set()

    async def records(self, run: Run, attempt: int, seq: int) -> AsyncIterator[bytes]:
        """The attempt's records after number ``seq``, over as many connections as it takes."""
        failures = 0
        while (pod := await self._speaking(run, attempt)) is not None:
            try:
                async for lines in self._from(run, attempt, pod, seq):
                    numbered = _ATTEMPT.sub(rb"\g<1>%d" % attempt, lines)
                    if start := _start(numbered):
                        self._runs.started(pod, start)
                        numbered = _with_image(numbered, run.pod(attempt) or pod)
                    seq, failures = _last_seq(numbered, seq), 0
                    if exit := _exit(numbered):
                        self._runs.ended(run, attempt, exit)
                    yield numbered
                return
            except BackendUnavailable:
                if failures == _AWAY and is_away(run.pod(attempt) or pod):
                    break  # whenever its node is back, the pod goes
                # An agent listens a moment after its container runs, and leaves a moment before that is known.
                if failures == len(_AGAIN):
                    raise
                failures += 1
            await asyncio.sleep(_AGAIN[failures - 1])
        async for lines in self.left(run.run_id, attempt, seq):
            yield lines

    async def left(self, run_id: str, attempt: int, seq: int) -> AsyncIterator[bytes]:
        """The records after number ``seq`` of an attempt that the cluster has nothing of, if it left them."""
        with contextlib.suppress(NotFound):
            async for lines in self._parcels.records(run_id, attempt):
                if after := _after(_ATTEMPT.sub(rb"\g<1>%d" % attempt, lines), seq):
                    yield after

    async def last(self, pod: Pod) -> int:
        """The number of the last record so far; 0 before its agent listens, and after."""
        return await self._last(pod) if _listens(pod) else 0

    async def _from(self, run: Run, attempt: int, pod: Pod, seq: int) -> AsyncIterator[bytes]:
        stream = self._agent(pod).events(seq) if _listens(pod) else self._left_records(run, attempt, pod, seq)
        async for lines in stream:
            yield lines

    async def _speaking(self, run: Run, attempt: int) -> Pod | None:
        """The attempt's pod, once its agent listens or has left; None when the attempt is over without one."""
        run.changed = run.changed or asyncio.Event()
        while True:
            run.changed.clear()
            pod = run.pod(attempt)
            if pod and run.attempt > attempt and (is_away(pod) or not pod.node):
                return None  # it has nothing to say, and holds up no later attempt
            if pod and (_listens(pod) or _has_left(pod)):
                return pod
            over = run.attempt > attempt or run.had_pod(attempt) or (run.told and run.told.state.terminal)
            if over and pod is None:
                return None
            if pod and run.told and run.told.state.terminal:
                return None
            await run.changed.wait()

    async def _left_records(self, run: Run, attempt: int, pod: Pod, seq: int) -> AsyncIterator[bytes]:
        """What an agent that nobody came to in time left: all in the artifact store, or some in its container's log."""
        whole = False
        async for lines in self.left(run.run_id, attempt, seq):
            whole = True
            yield lines
        if not whole and (left := _after((await self._leftovers(pod)).records, seq)):
            yield left

    async def _leftovers(self, pod: Pod) -> leftovers.Leftovers:
        path, text = f"{self._server.core}/pods/{pod.name}/log", b""
        with contextlib.suppress(Missing):  # its containers are removed before it is
            text = b"".join([chunk async for chunk in self._server.text(path, container=names.AGENT)])
        try:
            return leftovers.parse(text.decode("utf-8", "replace"))
        except ValueError as error:
            raise QwexError(f"what the pod {pod.name} left of its output cannot be used: {error}") from error

    async def value(self, run_id: str, attempt: int, pod: Pod | None, name: str) -> AsyncIterator[bytes]:
        """The bytes of an output value.

        Raises:
            NotFound: the job kept none of that name, or its agent left without it.
        """
        if pod and _listens(pod):
            async for chunk in self._agent(pod).value(name):
                yield chunk
            return
        try:
            async for chunk in self._parcels.value(run_id, attempt, name):
                yield chunk
        except NotFound:
            if pod is None:
                raise NotFound(f"the pod of {run_id} is gone, and its value {name!r} with it") from None
            values = (await self._leftovers(pod)).values
            if name not in values:
                raise NotFound(f"the pod {pod.name} left no value {name!r}") from None
            yield values[name]

    async def send(self, pod: Pod, name: str, url: str) -> bool:
        """Have an output value put at an address by the pod's agent; whether it is there now."""
        if not _listens(pod):
            return False
        try:
            await self._agent(pod).send(name, url)
        except (BackendUnavailable, NotFound, ApiError) as error:
            log.info("the value %s of %s comes through the API server: %s", name, pod.name, error)
            return False
        return True

    async def acknowledge(self, run: Run, last: Position) -> None:
        """Everything up to ``last`` is safe: the agents of its attempt, and of those before, may go.

        Raises:
            BackendUnavailable: one of them could not be told; the others were.
        """
        telling = []
        for uid, pod in run.pods.items():
            if run.numbers[uid] <= last.attempt and not is_away(pod):
                seq = last.seq if run.numbers[uid] == last.attempt else None
                telling.append(self._patiently(functools.partial(self._acknowledge, run, uid, seq)))
        failures = filter(None, await asyncio.gather(*telling, return_exceptions=True))
        if failure := next(failures, None):
            raise failure

    async def _acknowledge(self, run: Run, uid: str, seq: int | None) -> None:
        """Up to record ``seq``, or all there is; a pod whose agent leaves meanwhile need not be told."""
        if (pod := run.pods.get(uid)) and _listens(pod):
            agent = self._agent(pod)
            with contextlib.suppress(NotFound, ApiError):
                await agent.acknowledge(await agent.last() if seq is None else seq)

    async def see_the_end(self, run: Run, pod: Pod) -> None:
        """Hear from the agent of a pod that is being ended how its job ends, whether anybody follows it or not."""
        if pod.uid in self._ending:
            return
        self._ending.add(pod.uid)
        try:
            with contextlib.suppress(BackendUnavailable, NotFound, ApiError):
                await self._see_the_end(run, pod)
        finally:
            self._ending.discard(pod.uid)

    async def _see_the_end(self, run: Run, pod: Pod) -> None:
        attempt = run.numbers[pod.uid]
        if _waits_for_its_job(pod):
            await self._patiently(self._agent(pod).terminate)
        elif not _listens(pod):
            return
        elif run.is_stray(pod):
            await self._dismiss(run, pod)
        elif attempt == run.attempt and attempt not in run.exits:
            # The exit record may be there already, and is the last.
            async for _ in self.records(run, attempt, max(await self._last(pod) - 1, 0)):
                pass

    async def _dismiss(self, run: Run, pod: Pod) -> None:
        """See a pod to its end whose output nobody wants."""
        async for _ in self._agent(pod).events(await self._last(pod)):
            pass
        await self._patiently(functools.partial(self._acknowledge, run, pod.uid, None))

    async def _last(self, pod: Pod) -> int:
        """The number of the last record."""
        return await self._patiently(self._agent(pod).last)

    async def _patiently(self, ask: Callable[[], Awaitable[ResultT]]) -> ResultT:
        """Ask an agent that may only just have begun, or whose connection is cut."""
        for pause in _AGAIN:
            try:
                return await ask()
            except BackendUnavailable:
                await asyncio.sleep(pause)
        return await ask()

    def _agent(self, pod: Pod) -> Agent:
        return Agent(self._server, pod.name)


def _listens(pod: Pod) -> bool:
    """Whether the agent may be spoken to: its container begins before the job's, and Python takes a moment."""
    agent, job = (pod.containers.get(name) for name in (names.AGENT, names.JOB))
    return agent is not None and agent.state == "running" and job is not None and job.state != "waiting"


def _waits_for_its_job(pod: Pod) -> bool:
    """Whether the agent runs, and the job's container has not begun."""
    agent, job = (pod.containers.get(name) for name in (names.AGENT, names.JOB))
    return agent is not None and agent.state == "running" and (job is None or job.state == "waiting")


def _has_left(pod: Pod) -> bool:
    """Whether the agent is gone for good; while the job's container runs it would be started again."""
    return all((each := pod.containers.get(name)) and each.state == "terminated" for name in (names.AGENT, names.JOB))


def _with_image(lines: bytes, pod: Pod) -> bytes:
    """With what the job runs in, which nothing within the pod knows, in the start record."""
    main = pod.containers.get(names.JOB)
    if main is None or not main.image:
        return lines
    start, newline, rest = lines.partition(b"\n")
    return b'%b,"image":%b}' % (start[:-1], json.dumps(main.image).encode()) + newline + rest


def _start(lines: bytes) -> dict[str, Any] | None:
    """The start record, which is the first of an attempt."""
    return json.loads(lines.partition(b"\n")[0]) if lines.startswith(b'{"type":"start"') else None


def _exit(lines: bytes) -> dict[str, Any] | None:
    """The exit record, which is the last of an attempt."""
    last = lines.rstrip(b"\n").rpartition(b"\n")[2]
    return jobfolder.exit_of(last)


def _last_seq(lines: bytes, before: int) -> int:
    """The number of the last record in ``lines``."""
    return _seq(lines.rstrip(b"\n").rpartition(b"\n")[2]) or before


def _after(lines: bytes, seq: int) -> bytes:
    """The records after number ``seq``."""
    return b"".join(line for line in lines.splitlines(keepends=True) if (_seq(line) or 0) > seq) if seq else lines


def _seq(line: bytes) -> int | None:
    match = re.match(rb'\{"type":"[^"]*","ts":[^,]*,"attempt":\d+,"seq":(\d+)', line)
    return int(match[1]) if match else None
