"""``AsyncClient``: every route of a controller as a method. ``Client`` is its blocking face."""

from __future__ import annotations

import os
import sys
from contextlib import aclosing
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from qwex import config
from qwex.client.answers import glance_of, gpus_of, metric_of, queue_of, why_of
from qwex.client.follow import changes
from qwex.client.follow import follow as follow_events
from qwex.client.listing import Page, query
from qwex.client.machines import Machines
from qwex.client.session import Session
from qwex.client.storage import Storage, job_path
from qwex.client.workdirs import send_along
from qwex.errors import InvalidSpec
from qwex.record import Collected, JobRecord, TrackerStanding
from qwex.state import JobState

if TYPE_CHECKING:
    import builtins
    from collections.abc import AsyncGenerator, Iterable, Sequence
    from types import TracebackType

    from qwex.client.http import Transport
    from qwex.client.job import AsyncJob, AsyncJobs
    from qwex.client.session import Answer
    from qwex.client.show import Gpus, Queues
    from qwex.config import Settings
    from qwex.events import Event
    from qwex.record import Glance, Metric
    from qwex.spec import JobSpec
    from qwex.state import Why
from qwex.textlog import TEXT_TYPES, text_of

__all__ = ["AsyncClient"]


class AsyncClient(Storage, Machines):
    """Talks to a controller: the one ``QWEX_URL`` names, else the user's own, started when it is not there.

    Every method raises ``ControllerUnavailable`` when no controller answers, and the error the controller names
    when it refuses.
    """

    def __init__(
        self, settings: Settings | None = None, *, start: bool = True, cwd: str = "", python: str = ""
    ) -> None:
        """``cwd`` and ``python`` are for jobs on this machine that name none; by default those of this process."""
        self.settings = settings or config.load()
        self._cwd = cwd
        self._python = python
        self.session = Session(self._transport(), self.settings, start=start)

    def _transport(self) -> Transport:
        from qwex.client.asynchronous import AsyncioTransport

        return AsyncioTransport()

    async def close(self) -> None:
        """Drop the connections."""
        self.session.close()

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def submit(self, spec: JobSpec | dict[str, Any], *, run_id: str | None = None) -> AsyncJob:
        """Submit a job; it is durable when this returns. The same ``run_id`` and spec twice is one job.

        Raises:
            InvalidSpec: the job cannot run as described; nothing was stored.
        """
        entry = self._entry(spec, run_id)
        await send_along([entry], self.put_blob)
        headers = (("idempotency-key", entry["run_id"]),)
        answer = await self._sent("/jobs", {**entry, **self._origin()}, [entry], headers)
        return self._job(answer.json())

    async def submit_many(self, specs: Iterable[JobSpec | dict[str, Any]]) -> AsyncJobs:
        """Submit all of them or none, in one request."""
        from qwex.client.job import AsyncJobs

        body = {"jobs": [self._entry(spec, None) for spec in specs], **self._origin()}
        await send_along(body["jobs"], self.put_blob)
        answer = await self._sent("/jobs/batch", body, body["jobs"]) if body["jobs"] else None
        return AsyncJobs([self._job(raw) for raw in answer.json()["jobs"]] if answer else [])

    async def job(self, run_id: str) -> AsyncJob:
        """The job with that id.

        Raises:
            NotFound: there is none.
        """
        return self._job((await self.session.call("GET", job_path(run_id))).json())

    async def spec(self, run_id: str) -> dict[str, Any]:
        """What the job's user described, as ``JobSpec`` has it in JSON.

        Raises:
            NotFound: there is no such job.
        """
        raw: dict[str, Any] = (await self.session.call("GET", job_path(run_id, "spec"))).json()
        return raw

    async def description(self, run_id: str) -> str:
        """The same as YAML without the defaults: a file that ``qwex submit`` and ``qwex.submit`` take.

        Raises:
            NotFound: there is no such job.
        """
        headers = (("accept", "application/yaml"),)
        return (await self.session.call("GET", job_path(run_id, "spec"), headers=headers)).body.decode()

    async def notebook(self, run_id: str) -> dict[str, Any]:
        """The notebook that a job runs, with what its cells have shown by now, as nbformat 4 has it.

        Raises:
            NotFound: there is no such job, or it runs no notebook.
        """
        raw: dict[str, Any] = (await self.session.call("GET", job_path(run_id, "notebook"))).json()
        return raw

    async def list(
        self,
        *,
        user: str | None = None,
        state: Sequence[str] | str = (),
        queue: str | None = None,
        name: str | None = None,
        match: str | None = None,
        group: str | None = None,
        since: float | None = None,
        where: str | None = None,
        order: str | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> Page:
        """Jobs, newest first; ``user="me"`` for one's own, ``since`` in seconds since the epoch.

        ``name`` finds jobs whose name or id begins so, ``match`` those whose name or id contains it. ``order="ended"``
        gives those that have not ended, then the newest end first. ``where`` is a condition of a tracker's, such as
        ``metrics.loss < 0.1`` of MLflow's.
        """
        asked = {"user": user, "state": state, "queue": queue, "name": name, "match": match, "group": group}
        wanted = query(**asked, where=where, since=since, order=order, cursor=cursor, limit=limit)
        return Page.of((await self.session.call("GET", f"/jobs?{wanted}")).json())

    async def counts(
        self,
        *,
        user: str | None = None,
        state: Sequence[str] | str = (),
        queue: str | None = None,
        name: str | None = None,
        match: str | None = None,
        group: str | None = None,
        since: float | None = None,
    ) -> dict[JobState, int]:
        """How many jobs are in each state; of those that ``list`` would give."""
        asked = {"user": user, "state": state, "queue": queue, "name": name, "match": match, "group": group}
        raw = (await self.session.call("GET", f"/counts?{query(**asked, since=since)}")).json()
        return {JobState(name): count for name, count in raw.items()}

    async def glance(self, run_ids: Iterable[str]) -> builtins.list[Glance]:
        """The last line of each job's output, its progress, and why it waits; jobs that there are not are left out."""
        wanted = urlencode([("id", run_id) for run_id in run_ids])
        raw = (await self.session.call("GET", f"/glance?{wanted}")).json()
        return [glance_of(job) for job in raw["jobs"]]

    async def elsewhere(
        self,
        *,
        user: str | None = None,
        state: Sequence[str] | str = (),
        queue: str | None = None,
        name: str | None = None,
        group: str | None = None,
    ) -> builtins.list[JobRecord]:
        """Jobs that other controllers have in the places this one uses, as far as they can be seen; newest first."""
        wanted = query(user=user, state=state, queue=queue, name=name, group=group)
        raw = (await self.session.call("GET", f"/elsewhere?{wanted}")).json()
        return [JobRecord.from_dict(job) for job in raw["jobs"]]

    async def cancel(self, run_id: str) -> JobRecord:
        """Ask the job to end; no effect when it has."""
        return JobRecord.from_dict((await self.session.call("DELETE", job_path(run_id))).json())

    async def gc(self, *, older: str | None = None, dry_run: bool = False) -> Collected:
        """Remove your jobs that ended as long ago as ``older`` says (``30d``, ``12h``), with their logs and values.

        Without ``older`` those go that the controller's setting ``keep`` does not keep. In any case what nobody needs
        any more goes from the artifact store. With ``dry_run`` nothing does.
        """
        body = {"older": older, "dry_run": dry_run}
        return Collected.from_dict((await self.session.call("POST", "/gc", body)).json())

    async def resubmit(self, run_id: str, **changes: Any) -> AsyncJob:
        """The same job again, as a new one; ``changes`` are fields of its spec."""
        body = {"changes": changes}
        return self._job((await self.session.call("POST", job_path(run_id, "resubmit"), body, repeatable=False)).json())

    async def why(self, run_id: str) -> Why:
        """Why the job waits, or what it does now."""
        return why_of((await self.session.call("GET", job_path(run_id, "why"))).json())

    async def metrics(self, run_id: str) -> builtins.list[Metric]:
        """What the job's code has logged over time, by name: the last value of each, and some of those before."""
        raw = (await self.session.call("GET", job_path(run_id, "metrics"))).json()
        return [metric_of(each) for each in raw["metrics"]]

    async def trackers(self, job: str | None = None) -> builtins.list[TrackerStanding]:
        """What records jobs elsewhere, and how far each is behind; with a job's id those that are so with it."""
        raw = (await self.session.call("GET", f"/trackers?{query(job=job)}" if job else "/trackers")).json()
        return [TrackerStanding(**each) for each in raw["trackers"]]

    async def preflight(self, spec: JobSpec | dict[str, Any]) -> tuple[Why | None, str]:
        """What would happen if the job were submitted now, and what would be sent. Nothing is stored."""
        entry = {"spec": self._spec(spec)}
        await send_along([entry], self.put_blob)
        raw = (await self._sent("/preflight", {**entry, **self._origin()}, [entry])).json()
        return why_of(raw["why"]) if raw["why"] else None, raw["rendered"]

    async def queues(self) -> Queues:
        """The queues a job may name; ``away`` says of which backends they cannot be told, and why."""
        from qwex.client.show import Queues

        raw = (await self.session.call("GET", "/queues")).json()
        return Queues(map(queue_of, raw["queues"]), raw.get("away"))

    async def gpus(self) -> Gpus:
        """Which GPUs there are, where, how many are free, and what each queue has left of them, in every backend."""
        from qwex.client.show import Gpus

        raw = (await self.session.call("GET", "/gpus")).json()
        return Gpus({name: gpus_of(report) for name, report in raw["reports"].items()}, raw["away"])

    async def backends(self) -> builtins.list[dict[str, Any]]:
        """The places that run jobs: name, capabilities, options, plugin, version."""
        found: builtins.list[dict[str, Any]] = (await self.session.call("GET", "/backends")).json()["backends"]
        return found

    async def plugins(self) -> builtins.list[dict[str, Any]]:
        """The plugins the controller has loaded, and those that failed with the reason."""
        found: builtins.list[dict[str, Any]] = (await self.session.call("GET", "/plugins")).json()["plugins"]
        return found

    async def whoami(self) -> dict[str, Any]:
        """Whom the controller takes you for: ``user``, and ``own`` where it is your own."""
        raw: dict[str, Any] = (await self.session.call("GET", "/whoami")).json()
        return raw

    async def health(self) -> dict[str, Any]:
        """The controller's status, version and pid."""
        raw: dict[str, Any] = (await self.session.call("GET", "/healthz")).json()
        return raw

    def events(
        self,
        run_id: str,
        after: int = 0,
        follow: bool = True,
        why: bool = False,
        types: Sequence[str] = (),
        tail: int | None = None,
    ) -> AsyncGenerator[Event, None]:
        """The job's events after number ``after``, each once, whatever happens to connection and controller.

        ``follow`` goes on to the job's end, ``why`` adds events of type "why" (id 0) while it waits, ``types`` leaves
        the others out. Without ``after``, ``tail`` leaves out output that lies more bytes before the present end of the
        log; the ids tell that something is left out.
        """
        return follow_events(self.session, run_id, after=after, live=follow, why=why, types=types, tail=tail)

    async def logs(self, run_id: str, follow: bool = False, offset: int = 0) -> AsyncGenerator[str, None]:
        """The job's output as text, from the event after number ``offset``; ``follow`` goes on to its end."""
        async with aclosing(self.events(run_id, offset, follow, types=TEXT_TYPES)) as events:
            async for event in events:
                if text := text_of(event.type, event.data):
                    yield text

    def watch(self, keep: bool = True) -> AsyncGenerator[JobRecord, None]:
        """Every job you may see as its state changes, from now on; not what changes while the connection is lost.

        With ``keep=False`` an idle controller of your own ends all the same. A client that was made with
        ``start=False`` raises ``ControllerUnavailable`` then; another starts it anew.
        """
        return changes(self.session, keep=keep)

    async def _sent(
        self,
        target: str,
        body: dict[str, Any],
        entries: Sequence[dict[str, Any]],
        headers: tuple[tuple[str, str], ...] = (),
    ) -> Answer:
        """The answer to jobs. Where they go is said of a refusal too: it may be another backend's than was meant."""
        try:
            return await self.session.call("POST", target, body, headers=headers)
        finally:
            if not all(entry["spec"].get("backend") for entry in entries):
                from qwex.client.whereto import warn

                warn(self.settings, self.session.greeting)

    def _job(self, raw: dict[str, Any]) -> AsyncJob:
        from qwex.client.job import AsyncJob

        return AsyncJob(self, JobRecord.from_dict(raw))

    def _entry(self, spec: JobSpec | dict[str, Any], run_id: str | None) -> dict[str, Any]:
        raw = self._spec(spec)
        return {"run_id": run_id or _minted(raw), "spec": raw}

    def _spec(self, spec: JobSpec | dict[str, Any]) -> dict[str, Any]:
        """The spec as JSON data, with the settings' backend and queue where it names none."""
        if not isinstance(spec, dict) and not hasattr(spec, "model_dump"):
            kind = type(spec).__name__
            raise InvalidSpec.of("spec", f"a {kind}; pass a JobSpec or its fields. qwex.submit takes files and words")
        raw = dict(spec) if isinstance(spec, dict) else spec.model_dump(mode="json", exclude_defaults=True)
        for name in ("backend", "queue"):
            if not raw.get(name) and (default := getattr(self.settings, name)):
                raw[name] = default
        return raw

    def _origin(self) -> dict[str, Any]:
        """The client's side, for a controller of one's own only; text that is not Unicode cannot travel."""
        if not self.session.own:
            return {}
        variables = {name: text for name, text in os.environ.items() if _travels(name) and _travels(text)}
        cwd, python = self._cwd or _cwd(), self._python or sys.executable
        return {"origin": {"environment": variables, "cwd": cwd, "python": python}}


def _cwd() -> str:
    try:
        return os.getcwd()
    except FileNotFoundError:
        raise InvalidSpec.of("cwd", "the working folder no longer exists; change to one that does") from None


def _travels(text: str) -> bool:
    return text.isascii() or not any("\ud800" <= sign <= "\udfff" for sign in text)


def _minted(raw: dict[str, Any]) -> str:
    from qwex.spec import mint_run_id

    source = raw.get("source") or {}
    return mint_run_id(raw.get("name") or source.get("name") or source.get("kind") or "job")
