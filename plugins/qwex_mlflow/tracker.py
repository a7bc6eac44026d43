"""The tracker ``mlflow``: the contract of ``qwex.tracker`` over a tracking server, or a store on this machine.

A job is one run. An attempt after a failure of the job's code starts over, so it is a run of its own, which becomes
the job's; the one before becomes its child. An attempt after a preemption or a lost node goes on in the same run. Jobs
of an array are children of a run for the array.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import re
import secrets
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, TypeVar

from qwex.config import read_section
from qwex.errors import InvalidSpec, TrackerUnavailable
from qwex.state import Reason
from qwex.tracker import Found, Metric, Tracked, TrackedJob, Tracker, TrackerContext
from qwex_mlflow import describing, settings, telling
from qwex_mlflow.arrays import Arrays
from qwex_mlflow.errors import Refused, Unanswered
from qwex_mlflow.local import ANSWER
from qwex_mlflow.reconciling import Reconciler
from qwex_mlflow.redacting import Secrets
from qwex_mlflow.runs import Runs, quoted
from qwex_mlflow.servers import Servers
from qwex_mlflow.settings import Place
from qwex_mlflow.story import Story

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from qwex.backend import Plan
    from qwex.events import Event

__all__ = ["MlflowTracker", "Reference"]

T = TypeVar("T")

log = logging.getLogger(__name__)

#: Metrics that the card shows, and values of each.
_METRICS, _VALUES = 20, 50
#: Seconds for which the list of experiments is good enough to look for metrics.
_EXPERIMENTS_LAST = 10.0
#: Seconds after a job's end for which its files are sent again to a server that does not take them.
_PATIENCE = 86400.0
#: Seconds after which a request that was not answered has had its effect, or never will.
_SETTLED = 60.0
#: Seconds for which servers are searched.
_SEARCH = 20.0
#: Conditions of one search: for each, databases join a table, and SQLite joins no more than 64.
_CONDITIONS, _AND = 50, re.compile(r"\band\b", re.IGNORECASE)
#: Jobs that one search may give.
_FOUND = 1000


class Reference(NamedTuple):
    """Where an attempt is recorded."""

    uri: str
    experiment: str
    run: str

    def dumps(self) -> str:
        """As the controller keeps it."""
        return json.dumps(self)

    @classmethod
    def loads(cls, text: str) -> Reference:
        """The inverse of ``dumps``."""
        return cls(*json.loads(text))


class MlflowTracker(Tracker):
    """Every job is a run."""

    name: ClassVar[str] = "mlflow"
    Settings = settings.MlflowSettings
    startup = Path(__file__).with_name("startup.py")

    def __init__(self, context: TrackerContext) -> None:
        super().__init__(context)
        self._settings = read_section(self.name, settings.MlflowSettings, context.settings)
        self._servers = Servers(context.folder)
        self._controller = _identity(context.folder)
        self._arrays = Arrays(self._servers)
        self._reconciler = Reconciler(self._servers, self._known, context, self._controller)
        #: When a run was asked for that may still be made, by job and attempt, on the monotonic clock.
        self._asked: dict[tuple[str, int], float] = {}
        #: Runs that somebody has deleted by hand: nothing more is logged to them.
        self._gone: set[str] = set()

    async def start(self) -> None:
        """Look for runs whose end an earlier controller, or a server that was away, has missed."""
        self._reconciler.start()

    async def close(self) -> None:
        """Let go of connections."""
        await self._reconciler.close()
        await self._servers.close()

    def variables(self, plan: Plan) -> Mapping[str, str] | None:
        """The server's address, as the job sees it; of a store on this machine how long that may take to come."""
        place = self._place(plan.spec.env, plan.environment, plan.spec.cwd)
        if place is None:
            return None
        if not settings.is_remote(place.uri):
            # A store that is being made is waited for: in MLflow's own default, which jobs that start together would
            # make at the same time, each would break the other's.
            return {"QWEX_MLFLOW_WAIT": str(ANSWER)} if plan.environment else {}
        if place.inherited:
            return {}
        named = {"USERNAME": place.username, "PASSWORD": place.password, "TOKEN": place.token}
        given = {f"MLFLOW_TRACKING_{name}": value for name, value in named.items() if value}
        return {"MLFLOW_TRACKING_URI": self._settings.job_tracking_uri or place.uri, **given}

    def place(self, job: TrackedJob) -> str:
        """The server's address."""
        if job.reference:
            return Reference.loads(job.reference).uri
        place = self._place(job.spec.env, job.environment, job.spec.cwd)
        return place.uri.rstrip("/") if place else ""

    async def begin(self, job: TrackedJob, *, again: bool) -> Tracked:
        """A run for the attempt, or that of the attempt before where it goes on."""
        place = self._place(job.spec.env, job.environment, job.spec.cwd)
        if place is None:
            return Tracked()
        runs = self._servers.at(place)
        if job.reference and (job.cause != Reason.RETRY.value or "MLFLOW_RUN_ID" in job.spec.env):
            await self._go_on(job, Reference.loads(job.reference))
            return self._tracked(job, place, Reference.loads(job.reference))
        reference = await self._servers.ask(runs, self._found_or_made, runs, job, again)
        if job.reference:
            await self._servers.ask(runs, telling.fold_in, runs, Reference.loads(job.reference).run, reference.run)
        await self._arrays.joined(runs, reference.experiment, reference.run, job)
        return self._tracked(job, place, reference)

    async def record(self, job: TrackedJob, events: Sequence[Event]) -> None:
        """States become the run's, what the job measured its metrics."""
        if (runs := self._runs(job)) is None:
            return
        run = Reference.loads(job.reference).run
        await self._guarded(runs, run, telling.record, job, Story.of(job, events))

    async def ended(self, job: TrackedJob) -> None:
        """The run has the right status at once."""
        if runs := self._runs(job):
            run = Reference.loads(job.reference).run
            await self._guarded(runs, run, telling.ended, job)

    async def end(self, job: TrackedJob) -> None:
        """The job's end is the run's, whatever its code has said of it, and that of all runs it left open."""
        if not job.reference:
            return
        reference, owed = Reference.loads(job.reference), None
        if (runs := self._runs(job)) is not None:
            owed = await self._guarded(runs, reference.run, telling.end, job)
        if (runs := runs or self._server(job)) is None:
            return
        await self._arrays.ended(runs, reference.experiment, job)
        self._reconciler.look_soon(reference.uri, reference.experiment)
        if owed and time.time() - (job.record.ended_at or 0) < _PATIENCE:
            # As a place of its own: what is told of other jobs needs no files.
            raise TrackerUnavailable(f"{reference.uri} takes no files now", place=f"{reference.uri} (files)")

    async def withdraw(self, job: TrackedJob) -> None:
        """The run goes where deleted runs go."""
        if runs := self._runs(job):
            await self._servers.ask(runs, runs.delete, Reference.loads(job.reference).run)

    async def metrics(self, job: TrackedJob) -> list[Metric]:
        """What the job's code has logged, to its own run or to those that it made."""
        if (runs := self._runs(job)) is None:
            return []
        return await self._servers.ask(runs, _metrics, runs, Reference.loads(job.reference).run, job.run_id)

    async def find(self, where: str) -> Found:
        """By MLflow's search language, over the runs of jobs."""
        if len(_AND.findall(where)) >= _CONDITIONS:
            raise InvalidSpec.of("where", f"at most {_CONDITIONS} conditions at a time")
        if place := self._place({}, None):
            self._servers.at(place)
        asked = {asyncio.create_task(self._servers.ask(runs, _found, runs, where)): runs for runs in self._servers}
        if not asked:
            raise InvalidSpec.of("where", "jobs are not recorded in MLflow here; set [mlflow] tracking_uri")
        _, late = await asyncio.wait(asked, timeout=_SEARCH)
        found: dict[str, None] = {}
        away: list[str] = []
        for task, runs in asked.items():
            try:
                if task in late:
                    task.cancel()
                    raise TrackerUnavailable(f"{runs.transport.uri} does not answer")
                found.update(dict.fromkeys(task.result()))
            except Refused as refused:
                raise InvalidSpec.of("where", refused.message) from refused
            except TrackerUnavailable as error:
                away.append(str(error))
        if len(away) == len(asked):
            raise TrackerUnavailable("; ".join(away))
        if len(found) >= _FOUND:
            away.append(f"the newest {_FOUND:,} are looked at")
        return Found(list(found), "; ".join(away))

    def _place(self, env: Mapping[str, str], environment: Path | None, cwd: str = "") -> Place | None:
        return settings.place_of(self._settings, env, environment, self.context.folder, cwd)

    def _runs(self, job: TrackedJob) -> Runs | None:
        """The server of a job's run; None of one that somebody has deleted."""
        gone = not job.reference or Reference.loads(job.reference).run in self._gone
        return None if gone else self._server(job)

    def _server(self, job: TrackedJob) -> Runs | None:
        """With the job's own keys, if these are still those of the server that it was recorded at."""
        uri = Reference.loads(job.reference).uri
        place = self._place(job.spec.env, job.environment, job.spec.cwd)
        if place and place.uri == uri:
            return self._servers.at(place)
        return self._servers.known(uri) or (None if settings.is_remote(uri) else self._servers.at(Place(uri)))

    def _known(self, uri: str) -> Runs | None:
        """The server at an address: as a job has led to it, or with keys that are no job's."""
        found = self._servers.known(uri)
        if found is None and settings.is_remote(uri):
            place = self._place({}, None)
            found = self._servers.at(place if place and place.uri.rstrip("/") == uri else Place(uri))
        return found

    async def _guarded(self, runs: Runs, run: str, what: Callable[..., T], *arguments: Any) -> T | None:
        try:
            return await self._servers.ask(runs, what, runs, run, *arguments)
        except Refused as refused:
            if not refused.missing:
                raise
            log.info("the run %s was deleted by hand; nothing more is logged to it", run)
            self._gone.add(run)
            return None

    async def _go_on(self, job: TrackedJob, reference: Reference) -> None:
        if (runs := self._runs(job)) is not None:
            tags = {describing.ATTEMPT: str(job.attempt), f"qwex.attempt.{job.attempt}": job.cause}
            await self._guarded(runs, reference.run, Runs.log, (), {}, tags)

    def _tracked(self, job: TrackedJob, place: Place, reference: Reference) -> Tracked:
        """With the variables that join the job's code to the run, where it can reach the server at all."""
        ui = (self._settings.ui_url or place.uri).rstrip("/")
        link = f"{ui}/#/experiments/{reference.experiment}/runs/{reference.run}"
        links = {"MLflow": link} if settings.is_remote(ui) else {}
        remote = settings.is_remote(place.uri)
        if not remote and job.environment is None:
            return Tracked(reference.dumps(), {}, links)
        uri = self._settings.job_tracking_uri if remote and not place.inherited else ""
        given = {
            "MLFLOW_TRACKING_URI": uri or place.uri,
            "MLFLOW_EXPERIMENT_ID": reference.experiment,
            "MLFLOW_RUN_ID": reference.run,
            "QWEX_MLFLOW_URI": uri or place.uri,
            "QWEX_MLFLOW_EXPERIMENT_ID": reference.experiment,
            "QWEX_MLFLOW_RUN_ID": reference.run,
        }
        return Tracked(reference.dumps(), {k: v for k, v in given.items() if k not in job.spec.env}, links)

    def _found_or_made(self, runs: Runs, job: TrackedJob, again: bool) -> Reference:
        found = self._given(runs, job) or (self._find(runs, job) if again else None)
        asked = self._asked.get((job.run_id, job.attempt))
        if found is None and asked is not None and time.monotonic() - asked < _SETTLED:
            uri = runs.transport.uri
            raise TrackerUnavailable(f"{uri} may still make the run that it was asked for", place=f"{uri} (asked)")
        found = found or self._create(runs, job)
        self._asked.pop((job.run_id, job.attempt), None)
        return found

    def _given(self, runs: Runs, job: TrackedJob) -> Reference | None:
        """The run that the job's user has named as its own, as ``mlflow run`` does."""
        if not (run := job.spec.env.get("MLFLOW_RUN_ID")):
            return None
        try:
            experiment = runs.get(run)["info"]["experiment_id"]
            tags = describing.tags(job, self._controller, Secrets(job.spec.env, job.environment))
            runs.log(run, tags={key: value for key, value in tags.items() if key.startswith("qwex.")})
        except Refused:
            return None
        return Reference(runs.transport.uri, experiment, run)

    def _find(self, runs: Runs, job: TrackedJob) -> Reference | None:
        """The attempt's run, if an earlier call has made it."""
        experiment = runs.experiment(describing.experiment(job, self._settings.experiment))
        where = " and ".join(
            f"tags.`{key}` = {quoted(value)}"
            for key, value in (
                (describing.RUN_ID, job.run_id),
                (describing.ATTEMPT, str(job.attempt)),
                (describing.CONTROLLER, self._controller),
            )
        )
        for found in runs.search([experiment], where, 1):
            return Reference(runs.transport.uri, experiment, found["info"]["run_id"])
        return None

    def _create(self, runs: Runs, job: TrackedJob) -> Reference:
        name = describing.experiment(job, self._settings.experiment)
        tags = describing.tags(job, self._controller, Secrets(job.spec.env, job.environment))
        arguments = (job.run_id, job.record.created_at, job.record.user, tags)
        experiment = runs.experiment(name)
        try:
            made = runs.create(experiment, *arguments)
        except Unanswered:
            self._asked[job.run_id, job.attempt] = time.monotonic()
            raise
        except Refused as refused:
            if not refused.missing:
                raise
            runs.forget_experiment(name)  # deleted since
            experiment = runs.experiment(name)
            made = runs.create(experiment, *arguments)
        return Reference(runs.transport.uri, experiment, made["info"]["run_id"])


def _metrics(runs: Runs, run: str, job: str) -> list[Metric]:
    """Those of the job's run; where its code has logged elsewhere, as after ``set_experiment``, of its newest there."""
    found = _logged(runs.get(run))
    if not found:
        where = f"tags.`{describing.WITHIN}` = {quoted(job)}"
        children = runs.search(runs.experiments(time.time() - _EXPERIMENTS_LAST), where)
        run, found = next(((each["info"]["run_id"], said) for each in children if (said := _logged(each))), (run, []))
    newest = sorted(found, key=lambda each: -int(each["timestamp"]))[:_METRICS]
    return [
        Metric.of(
            each["key"],
            runs.history(run, each["key"], _VALUES) or [float(each["value"])],
            int(each.get("step", 0)),
            int(each["timestamp"]) / 1000,
        )
        for each in sorted(newest, key=lambda each: str(each["key"]))
    ]


def _logged(run: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The last value of each metric that the job's own code has logged."""
    return [each for each in run["data"].get("metrics", []) if not each["key"].startswith("system/")]


def _found(runs: Runs, where: str) -> list[str]:
    ids: dict[str, None] = {}
    for found in runs.search(runs.experiments(), where):
        tags = {each["key"]: each["value"] for each in found["data"].get("tags", [])}
        if run_id := tags.get(describing.RUN_ID) or tags.get(describing.WITHIN):
            ids[run_id] = None
        if len(ids) >= _FOUND:
            break
    return list(ids)


def _identity(folder: Path) -> str:
    """This controller's name, which stays."""
    path = folder / "controller"
    with contextlib.suppress(FileNotFoundError):
        return path.read_text(encoding="ascii")
    name = secrets.token_hex(8)
    part = path.with_suffix(".part")
    part.write_text(name, encoding="ascii")
    part.replace(path)
    return name
