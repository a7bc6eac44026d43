"""One job from its submit to its first line and its end, and the same of a Job without qwex."""

from __future__ import annotations

import contextlib
import copy
import time
from typing import TYPE_CHECKING, Any

from on_kueue.place import Namespace, script

if TYPE_CHECKING:
    from collections.abc import Iterator

    import qwex
    from on_kueue.raw import Seen

__all__ = ["part"]

#: Its one line says when it was printed, which is all it does; pods of this machine have its clock.
TEXT = "import time; print(time.monotonic(), flush=True)"
#: Beside the job as long as that lasts, like the agent: it ends when it is told.
SIDECAR = "import signal; signal.signal(signal.SIGTERM, lambda *_: exit()); signal.pause()"
_MARKS = ("admitted", "pod", "bound", "sidecar", "container")


class OneJob:
    """The measures; a plain watch sees all of them alike."""

    def __init__(self, namespace: Namespace, client: qwex.Client, seen: Seen) -> None:
        self._namespace, self._client, self._seen, self._raw = namespace, client, seen, namespace.raw

    def in_turn(self) -> dict[str, float]:
        """All of them, one after the other, and what qwex adds to each of the others."""
        kinds = {
            "qwex": self.qwex(),
            "plain": self.plain(),
            "token": self.token(),
            "sidecar": self.sidecar(),
            "shape": self.shape(),
        }
        figures = {f"{kind}_{name}": value for kind, found in kinds.items() for name, value in found.items()}
        added = {kind: kinds["qwex"]["s"] - kinds[kind]["s"] for kind in ("plain", "token", "shape")}
        return {
            "added_s": added["plain"],
            "added_to_token_s": added["token"],
            "added_to_shape_s": added["shape"],
            **figures,
        }

    def qwex(self) -> dict[str, float]:
        """Followed from its submit on."""
        start = time.monotonic()
        job = self._client.submit(script(TEXT))
        submitted, line, printed = time.monotonic(), 0.0, 0.0
        for event in job.events():
            if event.type == "stream":
                line, printed = time.monotonic(), float(event["text"])
        result = time.monotonic()
        assert job.wait(10)
        assert job.status().state == "SUCCEEDED", job.status()
        return self._figures(job.id, start, submitted, printed, line) | {"result_s": result - printed}

    def plain(self) -> dict[str, float]:
        """A Job of one container; its log is followed as soon as a watch says that it runs."""
        job = self._namespace.job(["python3", "-c", TEXT])
        figures = self._raw.wait(self._followed(job))
        complete = self._raw.wait(self._seen.until(job["metadata"]["name"], "complete"))
        return figures | {"result_s": complete - figures.pop("printed")}

    def token(self) -> dict[str, float]:
        """The same with its account's token mounted, as pods have it that say nothing of it.

        Kubelets look at a pod's volumes every 300 ms, so the first of them costs that.
        """
        return self._alone(self._namespace.job(["python3", "-c", TEXT], automountServiceAccountToken=True))

    def sidecar(self) -> dict[str, float]:
        """A plain Job with a second container in its pod, as qwex's pods have one."""
        job = self._namespace.job(["python3", "-c", TEXT])
        pod = job["spec"]["template"]["spec"]
        beside = {"name": "beside", "restartPolicy": "Always", "resources": {}, "command": ["python3", "-c", SIDECAR]}
        pod["initContainers"] = [{**pod["containers"][0], **beside}]
        return self._alone(job)

    def shape(self) -> dict[str, float]:
        """qwex's own Job with its Secret and mounts, but with other programs in the containers."""
        request = self._namespace.rendered(script(TEXT))
        job, secret = copy.deepcopy(request.job), request.secret
        pod = job["spec"]["template"]["spec"]
        pod["terminationGracePeriodSeconds"] = 1
        pod["initContainers"][0]["command"] = ["python3", "-c", SIDECAR]
        pod["containers"][0]["command"] = ["python3", "-c", TEXT]
        return self._alone(job, secret)

    def _alone(self, job: dict[str, Any], secret: dict[str, Any] | None = None) -> dict[str, float]:
        """Gone before the next begins; how long its end takes is not asked."""
        figures = self._raw.wait(self._followed(job, secret))
        figures.pop("printed")
        name = job["metadata"]["name"]
        self._raw.wait(self._raw.send("DELETE", f"{self._namespace.jobs}/{name}", propagationPolicy="Background"))
        return figures

    async def _followed(self, job: dict[str, Any], secret: dict[str, Any] | None = None) -> dict[str, float]:
        name = job["metadata"]["name"]
        start = time.monotonic()
        await self._raw.create(self._namespace.jobs, job)
        if secret:
            await self._raw.create(self._namespace.path("secrets"), secret)
        submitted = time.monotonic()
        await self._seen.until(name, "container")
        container = job["spec"]["template"]["spec"]["containers"][0]["name"]
        log = self._namespace.path(f"pods/{self._seen.pods[name]}/log")
        printed = line = 0.0
        async with contextlib.aclosing(self._raw.lines(log, follow="true", container=container)) as lines:
            async for text in lines:
                line, printed = time.monotonic(), float(text)
        return self._figures(name, start, submitted, printed, line) | {"printed": printed}

    def _figures(self, name: str, start: float, submitted: float, printed: float, line: float) -> dict[str, float]:
        """Seconds since the submit; ``line_s`` since it was printed."""
        marks = {mark: self._seen.moment(name, mark) for mark in _MARKS}
        stages = {f"{mark}_at_s": moment - start for mark, moment in marks.items() if moment}
        return {
            "s": line - start,
            "submitted_at_s": submitted - start,
            **stages,
            "printed_at_s": printed - start,
            "line_s": line - printed,
        }


@contextlib.contextmanager
def part(namespace: Namespace) -> Iterator[dict[str, Any]]:
    """The measures by name."""
    with namespace.client() as (client, _), namespace.seen() as seen:
        measures = OneJob(namespace, client, seen)
        yield {name: getattr(measures, name) for name in ("in_turn", "qwex", "plain", "sidecar", "shape")}
