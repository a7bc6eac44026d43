"""The controller's parts, made and joined in one place."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from qwex.controller import artifacts
from qwex.controller.adding import Adding
from qwex.controller.addresses import Addresses, lifetime
from qwex.controller.archive import Archive
from qwex.controller.bindings import Bindings
from qwex.controller.blobs import Blobs
from qwex.controller.bus import Bus
from qwex.controller.cancelling import Cancelling
from qwex.controller.claims import Claims
from qwex.controller.collecting import Collecting
from qwex.controller.environments import Environments
from qwex.controller.eventlog import Logs
from qwex.controller.finding import Finding
from qwex.controller.glancing import Glancing
from qwex.controller.handover import Handover
from qwex.controller.identity import identity
from qwex.controller.lifecycle import Lifecycle
from qwex.controller.machines.service import Machines
from qwex.controller.notices import Notices
from qwex.controller.parcels import Parcels
from qwex.controller.planning import Planner
from qwex.controller.reading import Reading
from qwex.controller.removing import Removing
from qwex.controller.renewals import Renewals
from qwex.controller.renewing import Renewing
from qwex.controller.reserve import Reserve
from qwex.controller.store import Store
from qwex.controller.streams import Streams
from qwex.controller.submission import Submission
from qwex.controller.sweeping import Sweeping
from qwex.controller.tracking import Tracking
from qwex.controller.values import Values
from qwex.errors import ConfigError, NotFound
from qwex.quantities import parse_age
from qwex.tracker import TrackerContext

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from qwex.config import Settings
    from qwex.controller.artifacts import Artifacts
    from qwex.controller.backends import Backends
    from qwex.plugins import Plugins
    from qwex.tracker import States, Tracker

__all__ = ["Parts"]

log = logging.getLogger(__name__)


class Parts:
    """Everything a service is made of; each part is told of those it needs, and of no other."""

    def __init__(self, settings: Settings, backends: Backends) -> None:
        folder, plugins, keep = settings.folder, backends.plugins, _kept_for(settings)
        self.backends = backends
        self.registry = backends.registry
        self.reserve = Reserve(folder / "reserve")
        self.store = Store(settings.database or f"sqlite:///{folder / 'controller.db'}", self.reserve.release)
        self.logs = Logs(folder / "logs", self.reserve.release)
        self.bus = Bus()
        self.notices = Notices(plugins)
        self.environments = Environments(folder / "environments")
        shared = self._open_artifacts(settings, plugins)
        registry, store = self.registry, self.store
        self.finding = Finding(registry, store, backends)
        self.glancing = Glancing(self.finding, self.logs, backends)
        self.reading = reading = Reading(registry, backends, self.logs, settings.max_log)
        self.lifecycle = Lifecycle(registry, store, self.logs, self.bus, backends, self.notices, self.values, reading)
        parcels = Parcels(shared, self._user_of)
        backends.parcels = parcels if shared else None
        self.tracking = Tracking(
            self._trackers(settings, shared, parcels),
            self.store,
            self.logs,
            self.bus,
            self.environments,
            Bindings(folder / "bindings"),
            self.lifecycle.settled,
        )
        self.lifecycle.tracking = self.reading.tracking = self.tracking
        seconds = lifetime(settings.url_lifetime)
        addresses = Addresses(shared, self.blobs, parcels, plugins, seconds)
        planner = Planner(store, self.environments, addresses, self.tracking)
        self.renewing = Renewing(backends, planner, Renewals(folder / "renewed.json"), seconds if shared else None)
        self.tracking.came = self.renewing.came
        self.handover = Handover(backends, planner, self.lifecycle)
        self.lifecycle.start_again = self.handover.again
        self.cancelling = Cancelling(store, backends, self.handover, self.lifecycle)
        self.handover.ask_to_end = self.cancelling.ask
        self.submission = self._submission(settings, planner)
        self.adding = Adding(self.finding, store, self.logs, self.blobs, self.tracking)
        self.streams = Streams(self.logs, self.bus, backends, self.reading.followed)
        backends.on_status = self.lifecycle.on_status
        self.machines = Machines(settings, backends, store, self.bus)
        self.collecting = self._collecting(folder / "collected.json", keep, shared)

    def _submission(self, settings: Settings, planner: Planner) -> Submission:
        return Submission(
            self.registry,
            self.store,
            self.bus,
            self.backends,
            planner,
            self.environments,
            self.handover,
            self.tracking,
            settings.max_jobs_per_user,
        )

    def _collecting(self, told: Path, keep: float | None, shared: Artifacts | None) -> Collecting:
        return Collecting(
            self.registry,
            self.store,
            self.logs,
            Removing(self.store, self.logs, self.backends, self.tracking, shared, self.adding.changing),
            self._sweeping(),
            keep,
            told,
        )

    def _open_artifacts(self, settings: Settings, plugins: Plugins) -> Artifacts | None:
        """The store and what is kept in it; the store again where it outlives this machine."""
        self.artifacts = artifacts.opened(plugins, settings)
        # A folder in the home is this controller's alone.
        name = identity(settings.folder) if settings.artifacts else ""
        self.blobs = Blobs(self.artifacts, name) if self.artifacts else None
        self.claims = Claims(self.artifacts, name) if self.artifacts else None
        shared = self.artifacts if self.artifacts and self.artifacts.is_shared else None
        self.values = Values(self.blobs, self.claims if shared else None)
        return shared

    def _trackers(self, settings: Settings, shared: Artifacts | None, parcels: Parcels) -> list[Tracker]:
        """Those of plugins, and the one that stores what jobs leave."""
        made = _trackers(self.backends.plugins, settings, self._states)
        if shared and self.blobs and self.claims:
            context = TrackerContext(settings.folder, {}, self._states)
            made.append(Archive(context, shared, self.blobs, self.claims, self.backends, parcels))
        return made

    def _sweeping(self) -> Sweeping | None:
        if self.artifacts is None or self.blobs is None or self.claims is None:
            return None
        return Sweeping(self.artifacts, self.blobs, self.claims)

    async def _states(self, run_ids: Sequence[str]) -> dict[str, str]:
        """The states of those of the jobs that there are."""
        rows = {row["id"]: row["state"] for row in await self.store.rows(run_ids)}
        return {id: job.record.state.value if (job := self.registry.get(id)) else rows[id] for id in rows}

    async def _user_of(self, run_id: str) -> str:
        """Whose a job is."""
        if job := self.registry.get(run_id):
            return job.record.user
        if (row := await self.store.row(run_id)) is None:
            raise NotFound(f"there is no job {run_id}")
        return str(row["user"])

    async def close(self) -> None:
        """In the reverse order of the flow: no news, no moves, then the store, whatever became of those before it.

        What reads from a backend stops before the backend does: a connection that is closed on purpose loses nothing.
        """
        self.streams.close()
        kept = (self.artifacts,) if self.artifacts else ()
        last = (self.lifecycle, self.reading, self.backends, self.tracking, self.notices, *kept, self.store)
        for close in (
            self.collecting.close,
            self.machines.close,
            self.backends.watch_no_more,
            self.renewing.close,
            self.handover.close,
            self.cancelling.close,
            *(p.close for p in last),
        ):
            try:
                await close()
            except Exception:
                log.exception("%s", close.__qualname__)


def _kept_for(settings: Settings) -> float | None:
    """How long ended jobs are kept, in seconds; None for ever.

    Raises:
        ConfigError: the setting is no age.
    """
    try:
        return parse_age(settings.keep) if settings.keep else None
    except ValueError as error:
        raise ConfigError(f"{settings.values['keep'].origin}: keep: {error}") from None


def _trackers(plugins: Plugins, settings: Settings, states: States) -> list[Tracker]:
    """Those that can be made; what keeps another from it is shown by ``qwex plugins``."""

    def make(kind: type[Tracker]) -> Tracker:
        if kind.Settings:
            settings.check(kind.name, list(kind.Settings.model_fields))
        folder = settings.folder / kind.name
        folder.mkdir(parents=True, mode=0o700, exist_ok=True)
        return kind(TrackerContext(folder, settings.section(kind.name), states))

    return plugins.made(plugins.trackers, make)
