"""Dev machines: a box with ssh and a home that stays, from the queue of the jobs."""

from __future__ import annotations

import json
import re
import time
from contextlib import aclosing
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from qwex.client.answers import why_of
from qwex.client.follow import Patience
from qwex.client.http import DeadlineError, LostError
from qwex.client.listing import query
from qwex.client.sse import frames
from qwex.errors import ControllerUnavailable, InvalidSpec, NotFound
from qwex.machines import MachineEvent, MachineRecord, MachineState

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

    from qwex.client.session import Session
    from qwex.config import Settings
    from qwex.machinespec import MachineSpec
    from qwex.state import Why

__all__ = ["Machines"]

#: Seconds before the reason is asked for again, while nothing is heard of the machine.
_PAUSES = (1.0, 1.0, 2.0, 4.0, 8.0)
#: What may be meant for a name: the controller knows the nearest one. Anything else would be another path.
_NAME = re.compile(r"[\w-]+")


class Machines:
    """A part of ``AsyncClient``."""

    session: Session
    settings: Settings

    async def create_machine(self, spec: MachineSpec | dict[str, Any]) -> MachineRecord:
        """Make a machine and have it run; it is durable when this returns.

        Raises:
            InvalidSpec: it cannot be as described; nothing was stored.
            Conflict: you have one of that name.
        """
        raw = self._machine_spec(spec)
        try:
            return await self._machine("POST", "/machines", {"spec": raw})
        finally:
            if not raw.get("provider"):
                from qwex.client.whereto import warn

                warn(self.settings, self.session.greeting, "machines", "--on")

    async def machines(self, user: str | None = None) -> list[MachineRecord]:
        """Every machine, oldest first; ``user`` has only that user's, ``me`` your own."""
        raw = (await self.session.call("GET", f"/machines?{query(user=user)}" if user else "/machines")).json()
        return [MachineRecord.from_dict(each) for each in raw["machines"]]

    async def machine(self, name: str) -> MachineRecord:
        """Your machine of that name, or anybody's with that id.

        Raises:
            NotFound: there is none.
        """
        return await self._machine("GET", _path(name))

    async def start_machine(self, name: str, **changes: Any) -> MachineRecord:
        """Have it run; ``changes`` are fields of its spec, such as ``resources={"gpu": "2"}``. No effect when it does.

        Raises:
            InvalidSpec: the changes do not make a machine that can run; it stays as it is.
        """
        return await self._machine("POST", _path(name, "start"), {"changes": changes})

    async def stop_machine(self, name: str) -> MachineRecord:
        """Ask it to end; its home stays, and the wish is durable when this returns. No effect when it has."""
        return await self._machine("POST", _path(name, "stop"))

    async def delete_machine(self, name: str, purge: bool = False) -> MachineRecord:
        """Remove it, and with ``purge`` its home and all that is in it; the wish is durable when this returns."""
        return await self._machine("DELETE", _path(name) + ("?purge=1" if purge else ""))

    async def change_machine(self, name: str, **changes: Any) -> MachineRecord:
        """Change ``idle``, ``max_age`` or ``keys``, without starting or stopping it; None takes a limit away.

        ``add_keys`` has lines of public keys to let in beside the others, ``remove_keys`` names of keys, as the record
        has them, or their fingerprints.

        Raises:
            InvalidSpec: those are no such changes; it stays as it is.
            BackendUnavailable: it cannot be told now. Where that left it halfway, it is brought back to what it was.
        """
        return await self._machine("PATCH", _path(name), {"changes": changes})

    async def machine_why(self, name: str) -> Why:
        """Why it does not run, or that it does."""
        return why_of((await self.session.call("GET", _path(name, "why"))).json())

    async def follow_machine(self, name: str) -> AsyncGenerator[tuple[MachineRecord, Why | None], None]:
        """The machine and, while it waits, why: now and when either changes, until it runs, or will not by itself.

        Changes of its state are heard at once. The reason can change without a sound, and is asked for now and then.

        Raises:
            NotFound: there is none, or it was deleted meanwhile.
        """
        patience, told, pauses = Patience(self.session), None, iter(_PAUSES)
        while True:
            try:
                deadline = time.monotonic() + next(pauses, _PAUSES[-1])
                async with aclosing(self.session.stream("/events?kinds=machine", deadline=deadline)) as body:
                    await anext(body, b"")  # it is subscribed: no change after what is asked for now is missed
                    found = await self._standing(name)
                    patience.heard()
                    if found != told:
                        told, pauses = found, iter(_PAUSES)
                        yield found
                    if not _comes_up(found[0]):
                        return
                    await _change_of(found[0].id, body)
                    pauses = iter(_PAUSES)
            except DeadlineError:
                pass  # nothing was heard of it: it is asked for again
            except (LostError, ControllerUnavailable) as error:
                await patience.lost(error)

    async def _standing(self, name: str) -> tuple[MachineRecord, Why | None]:
        record = await self.machine(name)
        asks = _comes_up(record) and record.state is not MachineState.PENDING
        return record, await self.machine_why(record.id) if asks else None

    async def machine_events(self, name: str) -> list[MachineEvent]:
        """What became of it, and who asked for what, oldest first; the newest 200.

        Raises:
            NotAuthorized: it is another user's.
        """
        raw = (await self.session.call("GET", _path(name, "events"))).json()
        return [MachineEvent.from_dict(each) for each in raw["events"]]

    async def preflight_machine(self, spec: MachineSpec | dict[str, Any]) -> tuple[Why | None, str]:
        """What would keep such a machine from running, and what would be sent. Nothing is stored."""
        raw = (await self.session.call("POST", "/machines/preflight", {"spec": self._machine_spec(spec)})).json()
        return why_of(raw["why"]) if raw["why"] else None, raw["rendered"]

    async def _machine(self, method: str, path: str, body: dict[str, Any] | None = None) -> MachineRecord:
        return MachineRecord.from_dict((await self.session.call(method, path, body)).json())

    def _machine_spec(self, spec: MachineSpec | dict[str, Any]) -> dict[str, Any]:
        """The spec as JSON data, with the settings' queue and, as its provider, their backend where it names none."""
        if not isinstance(spec, dict) and not hasattr(spec, "model_dump"):
            raise InvalidSpec.of("spec", f"a {type(spec).__name__}; pass a MachineSpec or its fields")
        raw = dict(spec) if isinstance(spec, dict) else spec.model_dump(mode="json", exclude_defaults=True)
        for name, default in (("queue", self.settings.queue), ("provider", self.settings.backend)):
            if not raw.get(name) and default:
                raw[name] = default
        return raw


def _comes_up(record: MachineRecord) -> bool:
    return record.state.is_up and record.state is not MachineState.RUNNING


async def _change_of(machine_id: str, body: AsyncIterator[bytes]) -> None:
    """Until something is said of that machine.

    Raises:
        LostError: the stream ended before.
    """
    async for frame in frames(body):
        if json.loads(frame.data)["id"] == machine_id:
            return
    raise LostError("the controller ended the stream")


def _path(name: str, *more: str) -> str:
    if not _NAME.fullmatch(name):
        raise NotFound(f"no machine {name!r}. See them with: qwex machine list")
    return "/".join(["/machines", quote(name, safe=""), *more])
