"""One list and one watch of one kind of object: what the cluster has, kept current, and a call for each change.

The protocol is Kubernetes' own (list, watch from its resourceVersion, bookmarks, list again on 410), as described in
https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from qwex.errors import BackendUnavailable, QwexError
from qwex_kueue.errors import ApiError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from qwex_kueue.apiserver import ApiServer

__all__ = ["Reflector"]

log = logging.getLogger(__name__)

#: Objects of one page of a list.
_PAGE = 500
#: Seconds after which a watch is begun anew; servers end them after half an hour at most.
_WATCH_SECONDS = (240, 360)
#: Seconds of a watch that ended too soon to be begun again at once: something between here and there does not keep it.
_SHORTEST = 1.0
#: Seconds before the next try after a failure: first and longest.
_PAUSE = (0.1, 15.0)


class Named(Protocol):
    """An object, as much of it as is kept."""

    @property
    def name(self) -> str:
        """Its own within the namespace."""


ItemT = TypeVar("ItemT", bound=Named)


class Reflector(Generic[ItemT]):
    """``objects`` by name. ``changed(before, now)`` hears of each change; ``now`` is None when it is gone."""

    def __init__(
        self,
        server: ApiServer,
        path: str,
        make: Callable[[Mapping[str, Any]], ItemT],
        changed: Callable[[ItemT | None, ItemT | None], None] = lambda before, now: None,
        *,
        selector: str = "",
    ) -> None:
        self._server = server
        self.path = path
        self._selector = selector or None
        self._changed = changed
        self._make = make
        self._version = ""
        #: The version of each object that could not be understood, by name.
        self._odd: dict[str, str] = {}
        self._task: asyncio.Task[None] | None = None
        #: Set once it is known what there is, or why that is not known.
        self._tried = asyncio.Event()
        self.objects: dict[str, ItemT] = {}
        #: Others who hear of each change, after it was taken in.
        self.listeners: list[Callable[[ItemT | None, ItemT | None], None]] = []
        #: Why nothing is known at present, or None.
        self.problem: QwexError | None = None

    def start(self) -> None:
        """Begin; ``ready`` says when the first list is there."""
        self._task = asyncio.create_task(self._run(), name=f"watch {self.path}")

    async def close(self) -> None:
        """Stop watching."""
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def ready(self, seconds: float) -> None:
        """Return once the objects are known.

        Raises:
            QwexError: what keeps them from being known.
        """
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._tried.wait(), seconds)
        if self._version:
            return
        raise self.problem or BackendUnavailable(f"{self._server.address} did not answer within {seconds:g} s")

    async def _run(self) -> None:
        pause = _PAUSE[0]
        while True:
            try:
                if not self._version:
                    await self._list()
                self.problem = None
                self._tried.set()
                begun = time.monotonic()
                await self._watch()
                if time.monotonic() - begun > _SHORTEST:
                    pause = _PAUSE[0]
                    continue
            except _Expired:
                self._version = ""
                self._tried.clear()
            except QwexError as error:
                self._fails(error)
            except Exception as error:
                log.exception("the watch of %s failed", self.path)
                self._fails(BackendUnavailable(str(error)))
            # Many controllers must not come back to a server that starts again in the same moment.
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311
            pause = min(pause * 2, _PAUSE[1])

    def _fails(self, error: QwexError) -> None:
        if str(error) != str(self.problem):
            log.warning("%s is not known: %s", self.path, error)
        self.problem = error
        self._tried.set()

    async def _list(self) -> None:
        found: dict[str, ItemT | None] = {}
        token, version = None, ""
        while True:
            try:
                page = await self._server.get(
                    self.path, labelSelector=self._selector, limit=_PAGE, **{"continue": token}
                )
            except ApiError as error:
                if error.status == 410:
                    raise _Expired from error
                raise
            found.update((item["metadata"]["name"], self._made(item)) for item in page.get("items", ()))
            version, token = page["metadata"]["resourceVersion"], page["metadata"].get("continue")
            if not token:
                break
        self._odd = {name: odd for name, odd in self._odd.items() if name in found}
        for name in self.objects.keys() - found.keys():
            self._set(name, None)
        for name, item in found.items():
            if item is not None:
                self._set(name, item)
        self._version = version

    async def _watch(self) -> None:
        query = {
            "watch": "1",
            "allowWatchBookmarks": "true",
            "resourceVersion": self._version,
            "labelSelector": self._selector,
            "timeoutSeconds": random.randint(*_WATCH_SECONDS),  # noqa: S311
        }
        try:
            async for event in self._server.lines(self.path, query):
                self._take(event["type"], event["object"])
        except ApiError as error:
            if error.status == 410:
                raise _Expired from error
            raise

    def _take(self, type: str, item: dict[str, Any]) -> None:
        if type == "ERROR":
            if item.get("code") == 410:
                raise _Expired
            raise BackendUnavailable(f"the watch of {self.path} ended: {item.get('message', item)}")
        self._version = item["metadata"]["resourceVersion"]
        if type == "BOOKMARK":
            return
        name = item["metadata"]["name"]
        if type == "DELETED":
            self._odd.pop(name, None)
            self._set(name, None)
        elif (made := self._made(item)) is not None:
            self._set(name, made)

    def _made(self, item: Mapping[str, Any]) -> ItemT | None:
        """The object; None for one that is not as expected, of which the version before counts on.

        A list and a watch go on without it: it may be anybody's in the namespace.
        """
        name, version = item["metadata"]["name"], item["metadata"].get("resourceVersion", "")
        try:
            made = self._make(item)
        except Exception as error:
            if self._odd.get(name) != version:
                self._odd[name] = version
                log.warning("%s/%s is left out, it cannot be understood: %r", self.path, name, error)
            return None
        self._odd.pop(name, None)
        return made

    def _set(self, name: str, now: ItemT | None) -> None:
        before = self.objects.get(name)
        if now is None:
            self.objects.pop(name, None)
        else:
            self.objects[name] = now
        if before == now:
            return
        for changed in (self._changed, *self.listeners):
            try:
                changed(before, now)
            except Exception:
                # One object that is not as expected must not end the watch of all others.
                log.exception("%s/%s could not be taken in", self.path, name)


class _Expired(Exception):
    """The server has forgotten the version that the watch would begin at."""
