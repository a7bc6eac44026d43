"""What agents left in the artifact store, read again: it is there when pod, Job and namespace are gone."""

from __future__ import annotations

import json
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, NamedTuple

from qwex import jobfolder
from qwex.errors import BackendUnavailable, NotFound, QwexError
from qwex.runner import parcel
from qwex_kueue.wholelines import whole_lines

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from qwex.backend import ParcelReader

__all__ = ["LeftParcels"]

#: Bytes that a parcel's first line may have: the names and sizes of all that a job may leave.
_LONGEST_LINE = 1 << 20
#: Jobs of which it is remembered what was found.
_MANY = 16


class _Left(NamedTuple):
    name: str
    contents: parcel.Contents


class LeftParcels:
    """Each attempt's. ``reader`` is that of the backend's context; ``numbers`` tells which attempt a job's pods are."""

    def __init__(self, reader: ParcelReader | None, numbers: Callable[[str], Mapping[str, int]]) -> None:
        self._reader = reader
        self._numbers = numbers
        self._found: dict[str, list[_Left]] = {}

    @property
    def any_can_be(self) -> bool:
        """Whether agents can leave anything at all."""
        return self._reader is not None

    async def records(self, run_id: str, attempt: int) -> AsyncIterator[bytes]:
        """Whole lines, as the pod numbered them.

        Raises:
            NotFound: that attempt left nothing.
            BackendUnavailable: what it left cannot be read now.
        """
        left = await self._of(run_id, attempt)
        async for lines in whole_lines(self._slice(run_id, left.name, *left.contents.records), "the artifact store"):
            yield lines

    async def value(self, run_id: str, attempt: int, name: str) -> AsyncIterator[bytes]:
        """The bytes of an output value.

        Raises:
            NotFound: that attempt left none of that name.
            BackendUnavailable: what it left cannot be read now.
        """
        left = await self._of(run_id, attempt)
        if name not in left.contents.values:
            raise NotFound(f"the attempt {attempt} of {run_id} left no value {name!r}")
        async for chunk in self._slice(run_id, left.name, *left.contents.values[name]):
            yield chunk

    async def exit(self, run_id: str, attempt: int) -> dict[str, Any] | None:
        """The last record of an attempt, where it left that.

        Raises:
            BackendUnavailable: that cannot be told now.
        """
        try:
            said = (await self._of(run_id, attempt)).contents.exit
        except NotFound:
            return None
        exit = jobfolder.exit_of(json.dumps(said, separators=(",", ":")).encode())
        return {**exit, "attempt": attempt} if exit else None

    async def _of(self, run_id: str, attempt: int) -> _Left:
        """What the attempt left. A pod that nobody has seen is the one that it says, or the next after those before.

        Raises:
            NotFound: nothing.
            BackendUnavailable: not now.
        """
        found = await self._all(run_id) if self._reader else []
        known, last = self._numbers(run_id), 0
        for left in found:
            last = known.get(left.contents.pod) or max(left.contents.attempt, last + 1)
            if last == attempt:
                return left
        raise NotFound(f"the attempt {attempt} of {run_id} left nothing in the artifact store")

    async def _all(self, run_id: str) -> list[_Left]:
        before = {left.name: left for left in self._found.pop(run_id, ())}
        found: list[_Left] = []
        for name in await self._names(run_id):
            if name in before:
                found.append(before[name])
            elif contents := await self._contents(run_id, name):
                found.append(_Left(name, contents))
        self._found[run_id] = found
        while len(self._found) > _MANY:
            del self._found[next(iter(self._found))]
        return found

    async def _names(self, run_id: str) -> list[str]:
        assert self._reader is not None
        try:
            return await self._reader.names(run_id)
        except NotFound:
            return []
        except QwexError as error:
            raise _away(run_id, error) from error

    async def _contents(self, run_id: str, name: str) -> parcel.Contents | None:
        """None of one that cannot be used, or is gone."""
        line = b""
        try:
            async for chunk in self._from(run_id, name, 0):
                line += chunk
                if b"\n" in line or len(line) > _LONGEST_LINE:
                    break
            return parcel.contents(line[: line.index(b"\n") + 1])
        except (NotFound, ValueError, LookupError, TypeError, AttributeError):
            return None

    async def _slice(self, run_id: str, name: str, start: int, size: int) -> AsyncIterator[bytes]:
        if size:
            async for chunk in self._from(run_id, name, start):
                yield chunk[:size]
                size -= len(chunk)
                if size <= 0:
                    return

    async def _from(self, run_id: str, name: str, start: int) -> AsyncIterator[bytes]:
        assert self._reader is not None
        try:
            async with aclosing(self._reader.read(run_id, name, start)) as chunks:  # type: ignore[type-var]
                async for chunk in chunks:
                    yield chunk
        except (NotFound, BackendUnavailable):
            raise
        except QwexError as error:
            raise _away(run_id, error) from error


def _away(run_id: str, error: Exception) -> BackendUnavailable:
    return BackendUnavailable(f"what {run_id} left in the artifact store cannot be read now: {error}")
