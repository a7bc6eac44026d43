"""Where it is measured: a cluster, a namespace with three queues for each part, and a controller in a fresh home."""

from __future__ import annotations

import contextlib
import functools
import json
import tempfile
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness import images, kwok, objects
from home import Home
from qwex_kueue.backend import KueueBackend

import qwex
from on_kueue.raw import JOBS, Raw, Seen, core
from qwex.backend import BackendContext, Plan
from qwex.spec import JobSpec, Resources, Source, mint_run_id

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from harness.cluster import Cluster
    from qwex_kueue.manifests import KueueRequest

__all__ = ["FAKE", "FULL", "REAL", "Namespace", "Place", "script"]

#: Queues: the real node; a node that is not there, whose pods seem to run; one without a place left.
REAL, FAKE, FULL = "real", "fake", "full"
#: Of pods on the node that is not there: they start at once and run until they are deleted.
_STAGES = ("pod-create", "pod-init-container-running", "pod-init-container-completed", "pod-ready")
_AT_ONCE = {f"{stage}.stage.kwok.x-k8s.io/{delay}": "0s" for stage in _STAGES for delay in ("delay", "jitter-delay")}
FOREVER = {kwok.DURATION: "24h", **_AT_ONCE}
SMALL = {"cpu": "100m", "memory": "64Mi"}


def script(text: str, queue: str = REAL, cpu: str = "100m") -> JobSpec:
    """A job that runs a script."""
    source = Source(kind="script", text=text, name="job.py")
    return JobSpec(source=source, queue=queue, resources=Resources(cpu=cpu), retries={"infrastructure": 0})


class Place:
    """The cluster with the queues of the run."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.raw = Raw(cluster.kubeconfig)
        self._id = uuid.uuid4().hex[:6]
        self._stack = contextlib.ExitStack()
        self._stack.callback(self.raw.close)
        for queue, cores in ((FAKE, "256"), (FULL, "100m")):
            made = objects.cluster_queue(self._name(queue), {"cpu": cores, "memory": "1Ti"}, flavor="kwok")
            cluster.apply(made)
            self._stack.callback(cluster.delete, "clusterqueues.kueue.x-k8s.io", made["metadata"]["name"])
        self.namespace().fill()

    def _name(self, queue: str) -> str:
        return objects.GENEROUS if queue == REAL else f"bench-{queue}-{self._id}"

    def namespace(self) -> Namespace:
        """A namespace with the three queues. It goes with the place: many deletions would keep the cluster busy."""
        name = f"bench-{uuid.uuid4().hex[:6]}"
        queues = [objects.local_queue(name, queue, self._name(queue)) for queue in (REAL, FAKE, FULL)]
        self.cluster.apply(objects.namespace(name), *queues)
        self._stack.callback(self.cluster.delete, "namespace", name)
        return Namespace(self, name)

    def close(self) -> None:
        """Remove what was made for the run."""
        self._stack.close()


class Namespace:
    """One part's namespace."""

    def __init__(self, place: Place, name: str) -> None:
        self.place = place
        self.cluster = place.cluster
        self.raw = place.raw
        self.name = name
        self.jobs = JOBS.format(name)

    def path(self, kind: str) -> str:
        """Of the namespace's pods, secrets and so on."""
        return core(self.name, kind)

    def seen(self) -> Seen:
        """A plain watch."""
        return Seen(self.raw, self.name)

    def settings(self, **more: Any) -> dict[str, Any]:
        """The section ``[kueue]``."""
        return {
            "kubeconfig": str(self.cluster.kubeconfig),
            "namespace": self.name,
            "queue": REAL,
            "image": images.PYTHON,
            "pull_policy": "IfNotPresent",
            "linger": 60,
            "pod_template": {"metadata": {"annotations": FOREVER}},
            **more,
        }

    @contextlib.contextmanager
    def home(self, **more: Any) -> Iterator[Home]:
        """A fresh home, whose controller hands jobs to this namespace."""
        with Home() as home:
            file = home.path.parent / "qwex" / "config.toml"
            file.parent.mkdir()
            section = "".join(f"{key} = {_toml(value)}\n" for key, value in self.settings(**more).items())
            file.write_text(f'backend = "kueue"\ndefault_backend = "kueue"\n[kueue]\n{section}')
            yield home

    @contextlib.contextmanager
    def client(self, **more: Any) -> Iterator[tuple[qwex.Client, Home]]:
        """A client of a fresh controller that has seen the cluster."""
        with self.home(**more) as home:
            client = qwex.Client()
            client.preflight(script("print(1)"))
            yield client, home

    def job(self, command: list[str], queue: str = REAL, **spec: Any) -> dict[str, Any]:
        """A Job as one would write it without qwex."""
        name = f"raw-{uuid.uuid4().hex[:10]}"
        return objects.job(name, command, queue=queue, requests=SMALL, annotations=FOREVER, **spec)

    def rendered(self, spec: JobSpec) -> KueueRequest:
        """The objects that qwex makes of it, under a new name."""
        return self._backend.render(Plan(run_id=mint_run_id("raw"), spec=spec, user="bench"))

    @functools.cached_property
    def _backend(self) -> KueueBackend:
        """Never started: it only renders."""
        return KueueBackend(BackendContext(Path(tempfile.gettempdir()) / "qwex-bench", self.settings()))

    def fill(self) -> None:
        """Take the place of the queue that has only one."""
        with self.seen() as seen:
            job = self.raw.wait(self.raw.create(self.jobs, self.job(["sleep", "100000"], FULL)))
            self.raw.wait(seen.until(job["metadata"]["name"], "admitted"))


def until(true: Callable[[], bool], what: str, seconds: float, pause: float = 0.2) -> None:
    """Return when it is."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, f"waited {seconds:g} s for {what}"
        time.sleep(pause)


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {_toml(each)}" for key, each in value.items()) + "}"
    return json.dumps(value)
