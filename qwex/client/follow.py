"""Events of a job from any point on, and changes of all jobs, through lost connections and restarts."""

from __future__ import annotations

import json
import time
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote, urlencode

from qwex.client.http import LostError
from qwex.client.sse import frames
from qwex.errors import ControllerUnavailable
from qwex.events import Event, parse
from qwex.record import JobRecord
from qwex.state import JobState

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from qwex.client.session import Session
    from qwex.client.sse import Frame

__all__ = ["Patience", "changes", "follow"]


class Patience:
    """How long to go on after lost connections: pauses that grow while nothing is heard."""

    pauses = (0.0, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
    seconds = 600.0

    def __init__(self, session: Session) -> None:
        self._session = session
        self.heard()

    def heard(self) -> None:
        """The controller speaks."""
        self._lost = 0
        self._since = time.monotonic()

    async def lost(self, error: Exception, deadline: float | None = None) -> None:
        """Wait before the next try.

        Raises:
            ControllerUnavailable: nothing was heard for too long, or one's own controller could not be started.
        """
        if self._session.own and isinstance(error, ControllerUnavailable):
            raise error
        if time.monotonic() - self._since > self.seconds:
            raise ControllerUnavailable(f"the connection was lost and did not come back: {error}")
        pause = self.pauses[min(self._lost, len(self.pauses) - 1)]
        left = pause if deadline is None else max(deadline - time.monotonic(), 0)
        self._lost += 1
        await self._session.transport.sleep(min(pause, left))


async def follow(
    session: Session,
    run_id: str,
    *,
    after: int = 0,
    live: bool = True,
    why: bool = False,
    types: Sequence[str] = (),
    tail: int | None = None,
    deadline: float | None = None,
) -> AsyncGenerator[Event, None]:
    """Every event after number ``after``, each once; live ones too, until the job's end.

    ``types`` leaves the others out, ``why`` adds events of type "why" (id 0) while the job waits. Without ``after``,
    ``tail`` leaves out output that lies more bytes before the present end of the log.

    Raises:
        DeadlineError: ``deadline`` (monotonic seconds) has passed.
    """
    patience = Patience(session)
    wanted = {*types, "state", "why"} if types else set()
    while True:
        try:
            async with aclosing(_read(session, _Asked(run_id, after, live, why, wanted, tail), deadline)) as events:
                async for event in events:
                    patience.heard()
                    after = event.id or after
                    if not types or event.type in types or event.type == "why":
                        yield event
                    if _ends(event):
                        return
            if not live:
                return
            live = await _goes_on(session, run_id)
        except (LostError, ControllerUnavailable) as error:
            await patience.lost(error, deadline)


async def changes(session: Session, *, keep: bool = True) -> AsyncGenerator[JobRecord, None]:
    """Every job of which a state changes, from now on; without ``keep`` an idle controller may end meanwhile."""
    patience = Patience(session)
    while True:
        try:
            async with aclosing(session.stream("/events" if keep else "/events?keep=0")) as body:
                async for frame in frames(body):
                    patience.heard()
                    yield JobRecord.from_dict(json.loads(frame.data))
            raise LostError("the controller ended the stream")
        except (LostError, ControllerUnavailable) as error:
            await patience.lost(error)


class _Asked(NamedTuple):
    run_id: str
    after: int
    live: bool
    why: bool
    types: set[str]
    tail: int | None

    @property
    def target(self) -> str:
        query: dict[str, Any] = {"after": self.after, "follow": int(self.live)}
        if self.why:
            query["why"] = 1
        if self.types:
            query["types"] = ",".join(sorted(self.types))
        if self.tail is not None:
            query["tail"] = self.tail
        return f"/jobs/{quote(self.run_id, safe='')}/events?{urlencode(query)}"


async def _read(session: Session, asked: _Asked, deadline: float | None) -> AsyncGenerator[Event, None]:
    """The events of one answer; what it repeats or was not asked for is left out."""
    async with aclosing(session.stream(asked.target, deadline=deadline)) as body:
        async for frame in frames(body):
            new = frame.id > asked.after or not frame.id
            if new and (not asked.types or frame.event in asked.types):
                yield _event(frame)


async def _goes_on(session: Session, run_id: str) -> bool:
    """Whether there will be more after a stream that ended without the job's last record.

    The controller is ending, or the records asked for begin after that one.
    """
    record = (await session.call("GET", f"/jobs/{quote(run_id, safe='')}")).json()
    return not JobState(record["state"]).terminal


def _event(frame: Frame) -> Event:
    if frame.event == "why":
        return Event(0, "why", time.time(), data=json.loads(frame.data))
    try:
        return parse(frame.data, frame.id)
    except ValueError:
        message = f"record {frame.id} of the job's log is damaged and cannot be shown"
        return Event(frame.id, "notice", 0.0, data={"level": "warning", "code": "damaged", "message": message})


def _ends(event: Event) -> bool:
    return event.type == "state" and JobState(event["state"]).terminal
