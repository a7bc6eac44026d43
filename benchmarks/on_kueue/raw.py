"""The API server without qwex: plain HTTP on kept connections, and a watch that remembers when it saw what."""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
import tempfile
import threading
import time
from typing import TYPE_CHECKING, Any

import aiohttp
import yaml

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine, Mapping
    from pathlib import Path

__all__ = ["JOBS", "WORKLOADS", "Raw", "Seen", "core"]

#: Seconds after which what was waited for counts as not happening.
_LIMIT = 120.0
JOBS = "/apis/batch/v1/namespaces/{}/jobs"
WORKLOADS = "/apis/kueue.x-k8s.io/v1beta2/namespaces/{}/workloads"


def core(namespace: str, kind: str) -> str:
    """The path of a namespace's pods, secrets and so on."""
    return f"/api/v1/namespaces/{namespace}/{kind}"


class Raw:
    """One session whose loop runs in a thread of its own, so that a watch goes on while somebody waits."""

    def __init__(self, kubeconfig: Path) -> None:
        config = yaml.safe_load(kubeconfig.read_text())
        self._url = config["clusters"][0]["cluster"]["server"]
        self._ssl = _trusted(config["clusters"][0]["cluster"], config["users"][0]["user"])
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, name="raw", daemon=True).start()
        self._session = self.wait(self._open())

    async def _open(self) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0, ssl=self._ssl))

    def wait(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Run ``work`` on the loop; its result."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(_LIMIT)

    def begin(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Start ``work`` on the loop; it goes on until it is cancelled."""
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def close(self) -> None:
        """Let go of all connections."""
        self.wait(self._session.close())
        self._loop.call_soon_threadsafe(self._loop.stop)

    async def send(self, method: str, path: str, body: Mapping[str, Any] | None = None, **query: str) -> Any:
        """One request; its JSON."""
        data = json.dumps(body).encode() if body is not None else None
        headers = {"content-type": "application/json"}
        async with self._session.request(method, self._url + path, data=data, params=query, headers=headers) as answer:
            text = await answer.read()
            assert answer.status < 300, f"{method} {path}: {answer.status} {text[:300]!r}"
            return json.loads(text)

    async def create(self, path: str, body: Mapping[str, Any], **query: str) -> Any:
        """Create an object."""
        return await self.send("POST", path, body, **query)

    async def count(self, path: str) -> int:
        """How many objects there are."""
        page = await self.send("GET", path, limit="1")
        return len(page["items"]) + int(page["metadata"].get("remainingItemCount") or 0)

    async def lines(self, path: str, **query: str) -> AsyncIterator[bytes]:
        """The lines of a log that is followed, or of a watch."""
        timeout = aiohttp.ClientTimeout(total=None)
        async with self._session.get(self._url + path, params=query, timeout=timeout) as answer:
            assert answer.status < 300, f"{path}: {answer.status} {(await answer.read())[:300]!r}"
            async for line in answer.content:
                yield line


def _trusted(cluster: Mapping[str, str], user: Mapping[str, str]) -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=base64.b64decode(cluster["certificate-authority-data"]).decode())
    # The ssl module reads a pair from files only.
    with tempfile.NamedTemporaryFile() as pair:
        pair.write(base64.b64decode(user["client-certificate-data"]) + b"\n")
        pair.write(base64.b64decode(user["client-key-data"]))
        pair.flush()
        context.load_cert_chain(pair.name)
    return context


class Seen:
    """When a plain watch saw what of each Job: moments on the monotonic clock, which pods of this machine share.

    ``admitted``: its Workload is; ``pod``: there is one; ``bound``: it has a node; ``sidecar``: its first init
    container runs; ``container``: its container has begun; ``ended``: it is over; ``complete``: the Job says so.
    """

    def __init__(self, raw: Raw, namespace: str) -> None:
        self._raw = raw
        self._moments: dict[tuple[str, str], float] = {}
        self.pods: dict[str, str] = {}
        self._news = asyncio.Event()
        kinds = (
            (core(namespace, "pods"), self._pod),
            (WORKLOADS.format(namespace), self._workload),
            (JOBS.format(namespace), self._job),
        )
        self._watches = [raw.begin(self._watch(path, take)) for path, take in kinds]

    def __enter__(self) -> Seen:
        return self

    def __exit__(self, *_: object) -> None:
        for watch in self._watches:
            watch.cancel()

    def moment(self, job: str, mark: str) -> float | None:
        """When the mark was seen; None if it was not."""
        return self._moments.get((job, mark))

    async def until(self, job: str, mark: str) -> float:
        """The moment, once it has come. On the raw loop."""
        end = time.monotonic() + _LIMIT
        while (job, mark) not in self._moments:
            news = self._news
            await asyncio.wait_for(news.wait(), max(end - time.monotonic(), 0.0))
        return self._moments[job, mark]

    async def _watch(self, path: str, take: Any) -> None:
        version = (await self._raw.send("GET", path, limit="1"))["metadata"]["resourceVersion"]
        while True:
            async for line in self._raw.lines(path, watch="1", resourceVersion=version):
                now, event = time.monotonic(), json.loads(line)
                version = event["object"]["metadata"].get("resourceVersion", version)
                job, marks = take(event["object"])
                for mark in marks:
                    self._moments.setdefault((job, mark), now)
                news, self._news = self._news, asyncio.Event()
                news.set()

    def _pod(self, pod: Mapping[str, Any]) -> tuple[str, list[str]]:
        job = pod["metadata"].get("labels", {}).get("batch.kubernetes.io/job-name", "")
        self.pods[job] = pod["metadata"]["name"]
        marks = ["pod", *(["bound"] if pod["spec"].get("nodeName") else [])]
        status = pod.get("status", {})
        marks += ["sidecar" for each in status.get("initContainerStatuses", ()) if "running" in each["state"]]
        for each in status.get("containerStatuses", ()):
            marks += ["container"] if {"running", "terminated"} & each["state"].keys() else []
            marks += ["ended"] if "terminated" in each["state"] else []
        return job, marks

    @staticmethod
    def _workload(workload: Mapping[str, Any]) -> tuple[str, list[str]]:
        owners = workload["metadata"].get("ownerReferences", [{"name": ""}])
        return owners[0]["name"], ["admitted"] if _holds(workload, "Admitted") else []

    @staticmethod
    def _job(job: Mapping[str, Any]) -> tuple[str, list[str]]:
        return job["metadata"]["name"], ["complete"] if _holds(job, "Complete") else []


def _holds(thing: Mapping[str, Any], condition: str) -> bool:
    conditions = thing.get("status", {}).get("conditions") or ()
    return any(each["type"] == condition and each["status"] == "True" for each in conditions)
