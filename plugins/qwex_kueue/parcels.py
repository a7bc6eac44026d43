"""What agents left in the artifact store, read again: it is there when pod, Job and namespace are gone."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from qwex import jobfolder
from qwex.errors import BackendUnavailable, NotFound, QwexError
from qwex.runner import parcel

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from qwex.state import JobStatus

__all__ = ["Parcels"]

#: Bytes that a parcel's first line may have: the names and sizes of all that a job may leave.
_LONGEST_LINE = 1 << 20


class Parcels:
    """``read`` is that of the backend's context."""

    def __init__(self, read: Callable[[str, int, int], AsyncIterator[bytes]] | None) -> None:
        self._read = read

    async def records(self, run_id: str, attempt: int) -> AsyncIterator[bytes]:
        """Whole lines.

        Raises:
            NotFound: that attempt left nothing.
            BackendUnavailable: what it left cannot be read now.
        """
        rest = b""
        async for chunk in self._slice(run_id, attempt, *(await self._contents(run_id, attempt)).records):
            whole, newline, tail = chunk.rpartition(b"\n")
            if newline:
                yield rest + whole + newline
                rest = tail
            else:
                rest += tail

    async def value(self, run_id: str, attempt: int, name: str) -> AsyncIterator[bytes]:
        """The bytes of an output value.

        Raises:
            NotFound: that attempt left none of that name.
            BackendUnavailable: what it left cannot be read now.
        """
        values = (await self._contents(run_id, attempt)).values
        if name not in values:
            raise NotFound(f"the attempt {attempt} of {run_id} left no value {name!r}")
        async for chunk in self._slice(run_id, attempt, *values[name]):
            yield chunk

    async def end(self, run_id: str, attempt: int) -> JobStatus | None:
        """How the job ended, where that attempt was its last; None where that is not known from here."""
        exit: dict[str, Any] | None = None
        try:
            async for lines in self.records(run_id, attempt):
                last = lines.rstrip(b"\n").rpartition(b"\n")[2]
                exit = jobfolder.exit_of(last)
        except (NotFound, BackendUnavailable):
            return None
        status = jobfolder.ended(exit, attempt) if exit else None
        return status if status and status.state.terminal else None

    async def _contents(self, run_id: str, attempt: int) -> parcel.Contents:
        line = b""
        async for chunk in self._from(run_id, attempt, 0):
            line += chunk
            if b"\n" in line or len(line) > _LONGEST_LINE:
                break
        try:
            found = parcel.contents(line[: line.index(b"\n") + 1])
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise NotFound(f"what {run_id} left in the artifact store cannot be used: {error}") from error
        if found.attempt != attempt:
            raise NotFound(f"what is in the artifact store of {run_id} is of its attempt {found.attempt}")
        return found

    async def _slice(self, run_id: str, attempt: int, start: int, size: int) -> AsyncIterator[bytes]:
        if size:
            async for chunk in self._from(run_id, attempt, start):
                yield chunk[:size]
                size -= len(chunk)
                if size <= 0:
                    return

    async def _from(self, run_id: str, attempt: int, start: int) -> AsyncIterator[bytes]:
        if self._read is None:
            raise NotFound("there is no artifact store to leave anything in")
        try:
            async with aclosing(self._read(run_id, attempt, start)) as chunks:  # type: ignore[type-var]
                async for chunk in chunks:
                    yield chunk
        except (NotFound, BackendUnavailable):
            raise
        except QwexError as error:
            raise BackendUnavailable(f"what {run_id} left in the artifact store cannot be read now: {error}") from error
