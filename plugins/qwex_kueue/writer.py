"""Everything that is written to the cluster: Jobs, their Secrets, and the runner that pods mount."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import itertools
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import unquote, urlsplit
from urllib.request import urlopen

from qwex.errors import BackendUnavailable, InvalidSpec, NotAuthorized
from qwex_kueue import contents, manifests
from qwex_kueue.errors import ApiError
from qwex_kueue.objects import Job

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator

    from qwex_kueue.apiserver import ApiServer
    from qwex_kueue.manifests import KueueRequest
    from qwex_kueue.run import Run

__all__ = ["REFUSED_AGAIN", "Writer"]

ResultT = TypeVar("ResultT")

log = logging.getLogger(__name__)

#: Seconds before each further try of what the user may not do.
REFUSED_AGAIN = (0.5, 1.5, 3.0)
#: Seconds before each further try of what must be done at last; the last one again and again.
_AT_LAST = (1.0, 5.0, 15.0, 60.0)
#: Seconds before each look at whether a file has come; the cluster needs longer to start a pod than a tracker for it.
_LATER = (*[0.02] * 25, *[0.1] * 15)
#: Tries to tell a next pod which attempt it is: for about an hour. A job may wait in its queue for longer.
_TELLINGS = 60
#: Seconds in which the artifact store gives an input, or the next bytes of it.
_READ_SECONDS = 30


class Writer:
    """Creates and deletes; what is there already from a create whose answer was lost is taken for created."""

    def __init__(self, server: ApiServer, runner: str, zipapp: bytes, controller: str) -> None:
        self._server = server
        self._runner = runner
        self._zipapp = zipapp
        self._controller = controller
        self._has_runner = False

    async def create(self, request: KueueRequest, created: Callable[[dict[str, Any]], None]) -> None:
        """Create the Job of an attempt, of which ``created`` hears at once, and the Secret that it owns.

        Raises:
            InvalidSpec: the cluster refuses it; nothing is left.
            BackendUnavailable: not now; in doubt when the Job may be there.
        """
        secret = await asyncio.to_thread(_with_files, request)
        with _refusals(f"the job {request.run_id}"):
            job = await _permitted(lambda: self._begin(request))
        created(job)
        if request.later:
            secret["data"][contents.LATER] = base64.b64encode(await _came(request.later)).decode()
        try:
            await self._create_secret(secret, job)
        except BackendUnavailable as error:
            raise BackendUnavailable(error.message, in_doubt=True) from error

    async def renew(self, request: KueueRequest, job: Job) -> None:
        """Have the next pod of a Job that is there begin with this description, and the variables that have come.

        The Job's own Secret stays as it is, and holds whenever the other one is not there.

        Raises:
            InvalidSpec: the cluster refuses it.
            BackendUnavailable: not now.
        """
        later = await asyncio.to_thread(_read_if_there, request.later) if request.later else None
        secret = manifests.renewed_secret(request, job.name, later)
        with _refusals(f"the Secret {secret['metadata']['name']}"):
            await self._put_secret(secret, job.name, job.uid)

    async def delete(self, jobs: Iterable[Job]) -> None:
        """Delete Jobs; their pods are told, and have their grace.

        Raises:
            BackendUnavailable: not now.
        """
        for job in list(jobs):
            await self._delete(job.name, job.uid)

    async def delete_at_last(self, run: Run) -> None:
        """Delete the Jobs that a job has now, however long that takes."""
        jobs, said = list(run.jobs.values()), ""
        for pause in _patiently():
            try:
                await self.delete(jobs)
                return
            except (BackendUnavailable, NotAuthorized) as error:
                if str(error) != said:
                    log.warning("the Jobs of %s cannot be deleted yet: %s", run.run_id, error)
                said = str(error)
            await asyncio.sleep(pause)

    async def _delete(self, name: str, uid: str) -> None:
        """Delete that Job, and no other that has its name by now."""
        options = {
            "kind": "DeleteOptions",
            "apiVersion": "v1",
            "propagationPolicy": "Foreground",
            "preconditions": {"uid": uid},
        }
        try:
            await self._server.delete(f"{self._server.jobs}/{name}", options)
        except ApiError as error:
            if error.status != 409:
                raise

    async def _begin(self, request: KueueRequest) -> dict[str, Any]:
        """The first objects of a job."""
        await self._provide_runner()
        return await self._create_job(request)

    async def _provide_runner(self) -> None:
        if self._has_runner:
            return
        with _refusals("the runner's ConfigMap", unauthorized=False):
            try:
                await self._server.create(
                    f"{self._server.core}/configmaps", manifests.runner_config_map(self._runner, self._zipapp)
                )
            except ApiError as error:
                if error.status != 409:
                    raise
        self._has_runner = True

    async def _create_job(self, request: KueueRequest) -> dict[str, Any]:
        name = request.job["metadata"]["name"]
        with _refusals(f"the Job {name}", unauthorized=False):
            try:
                return await self._server.create(self._server.jobs, request.job)
            except ApiError as error:
                if error.status != 409:
                    raise
            there = await self._server.get(f"{self._server.jobs}/{name}")
        if "deletionTimestamp" in there["metadata"]:
            raise BackendUnavailable(f"an older Job {name} is still being deleted")
        if (Job.of(there).controller, Job.of(there).run_id) != (self._controller, request.run_id):
            raise InvalidSpec.of("run_id", f"another job has a Job {name} in {self._server.namespace}; use another id")
        return there

    async def _create_secret(self, secret: dict[str, Any], job: dict[str, Any]) -> None:
        """Without it no pod starts."""
        name = job["metadata"]["name"]
        try:
            with _refusals(f"the Secret {name}"):
                await _permitted(lambda: self._put_secret(secret, name, job["metadata"]["uid"]))
        except InvalidSpec:
            await self._delete(name, job["metadata"]["uid"])
            raise

    async def _put_secret(self, secret: dict[str, Any], job: str, uid: str) -> None:
        """Owned by the Job, so that it goes with it. One that is there is replaced, unread."""
        owner = {"apiVersion": "batch/v1", "kind": "Job", "name": job, "uid": uid, "controller": True}
        owned = {**secret, "metadata": {**secret["metadata"], "ownerReferences": [owner]}}
        path = f"{self._server.core}/secrets"
        try:
            await self._server.create(path, owned)
        except ApiError as error:
            if error.status != 409:
                raise
            # Left by a create whose answer was lost, by an older Job of that name, or of an attempt before.
            await self._server.delete(f"{path}/{secret['metadata']['name']}")
            await self._server.create(path, owned)

    async def number_next(self, run: Run) -> None:
        """Tell the next pod which attempt it is; one that is quicker counts itself as the first."""
        attempt, said = run.attempt, ""
        for pause in itertools.islice(_patiently(), _TELLINGS):
            job = run.job
            if job is None or run.attempt != attempt:
                return
            try:
                await self._put_secret(manifests.attempt_secret(job.name, run.run_id, attempt), job.name, job.uid)
                return
            except (BackendUnavailable, NotAuthorized) as error:
                if str(error) != said:
                    log.warning("the next pod of %s cannot be told yet that it is %d: %s", run.run_id, attempt, error)
                said = str(error)
            await asyncio.sleep(pause)


def _patiently() -> Iterator[float]:
    """The pauses between tries, without end."""
    return itertools.chain(_AT_LAST, itertools.repeat(_AT_LAST[-1]))


async def _permitted(act: Callable[[], Awaitable[ResultT]]) -> ResultT:
    """What ``act`` returns. An API server that has just begun refuses what it permits a moment later."""
    for pause in REFUSED_AGAIN:
        try:
            return await act()
        except NotAuthorized:
            await asyncio.sleep(pause)
    return await act()


async def _came(path: str) -> bytes:
    """What is in a file that should be there in a moment; nothing where it is not: the job does not wait for it."""
    for pause in _LATER:
        if (found := _read_if_there(path)) is not None:  # small, and on the local disk
            return found
        await asyncio.sleep(pause)
    return b"{}"


def _read_if_there(path: str) -> bytes | None:
    try:
        return Path(path).read_bytes()
    except FileNotFoundError:
        return None


def _with_files(request: KueueRequest) -> dict[str, Any]:
    """The Secret with the bytes of the larger inputs, which lie in the artifact store, and of other files."""
    data = dict(request.secret["data"])
    for key, path in request.files.items():
        with open(path, "rb") as file:
            data[key] = base64.b64encode(file.read()).decode()
    for key, url in request.blobs.items():
        data[key] = base64.b64encode(_read(url)).decode()
    return {**request.secret, "data": data}


def _read(url: str) -> bytes:
    """What is there. A presigned address is as good as a key, so no error shows more of it than its host."""
    parts = urlsplit(url)
    if parts.scheme == "file":
        return Path(unquote(parts.path)).read_bytes()
    if parts.scheme not in ("http", "https"):
        raise InvalidSpec.of("inputs", f"a pod cannot read {parts.scheme}://{parts.hostname}")
    try:
        with urlopen(url, timeout=_READ_SECONDS) as answer:  # noqa: S310 - checked above
            return bytes(answer.read())
    except OSError as error:
        raise BackendUnavailable(f"the artifact store at {parts.hostname} does not give an input: {error}") from error


@contextlib.contextmanager
def _refusals(what: str, *, unauthorized: bool = True) -> Iterator[None]:
    """What the cluster refuses for good, as an ``InvalidSpec`` that says so; a missing right too, if asked."""
    try:
        yield
    except (ApiError, NotAuthorized) as error:
        if isinstance(error, NotAuthorized) and not unauthorized:
            raise
        raise InvalidSpec(f"the cluster refuses {what}: {error}") from error
