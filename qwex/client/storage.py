"""What jobs gave back and left, and what is sent for them: values, files, bytes by their digest."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from qwex.client.http import Chunked
from qwex.errors import CaptureError, Damaged, NotFound
from qwex.record import JobFile

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from qwex.client.session import Answer, Session

__all__ = ["Storage", "job_path"]


class Storage:
    """A part of ``AsyncClient``."""

    session: Session

    async def files(self, run_id: str) -> list[JobFile]:
        """What the job's last attempt has left in ``QWEX_FILES``, by path."""
        raw = (await self.session.call("GET", job_path(run_id, "files"))).json()
        return [JobFile(**each) for each in raw["files"]]

    async def file(self, run_id: str, file: JobFile) -> AsyncGenerator[bytes, None]:
        """The bytes of a file that a job has left, as they come; an error at the end if they are not the right ones.

        Raises:
            NotFound: it is not there any more.
            Damaged: other bytes came.
        """
        import hashlib

        seen = hashlib.sha256()
        async for chunk in self.session.stream(f"{job_path(run_id, 'values')}/{quote(file.value, safe='')}"):
            seen.update(chunk)
            yield chunk
        if f"sha256:{seen.hexdigest()}" != file.digest:
            raise Damaged(f"the bytes of {file.path} of {run_id} are not those that the job wrote; fetch it again")

    async def add_file(self, run_id: str, file: str | Path, path: str = "") -> JobFile:
        """Add a file to what an ended job has left, under its own name or another ``path``; its bytes may be many.

        Raises:
            InvalidSpec: it cannot be read, or that is no path.
            Conflict: the job has not ended, or left a file of that path itself.
        """
        digest = await self.put_file(file)
        body = {"path": path or Path(file).name, "digest": digest}
        return JobFile(**(await self.session.call("POST", job_path(run_id, "files"), body)).json())

    async def value(self, run_id: str, name: str) -> bytes:
        """The bytes of an output value, whole and as the job wrote them.

        Raises:
            NotFound: the job has no such value, or not yet.
        """
        return (await self._value(run_id, name)).body

    async def load_value(self, run_id: str, name: str) -> Any:
        """An output value, loaded (which runs code: do it for jobs you trust).

        Raises:
            NotFound: the job has no such value, or not yet.
            CaptureError: there is code in it that only the job's Python can run.
        """
        from qwex.capture.loading import load

        answer = await self._value(run_id, name)
        try:
            return load(answer.body, answer.headers.get("x-qwex-python", ""))
        except CaptureError as error:
            raise CaptureError(f"{name} of {run_id} cannot be loaded here: {error}", name=name) from None

    async def _value(self, run_id: str, name: str) -> Answer:
        path = f"{job_path(run_id, 'values')}/{quote(name, safe='')}"
        for _ in range(2):
            answer = await self.session.call("GET", path)
            expected = answer.headers.get("x-qwex-digest")
            if not expected or _digest(answer.body) == expected:
                return answer
        raise NotFound(f"the value {name!r} of {run_id} is damaged: its bytes do not match {expected}")

    async def put_blob(self, data: bytes) -> str:
        """Store bytes for the inputs of jobs and give their digest; what is already there is not sent."""
        return await self._put(_digest(data), len(data), data)

    async def put_file(self, file: str | Path) -> str:
        """Store the bytes of a file for the inputs of jobs, and give their digest; it is read as it is sent.

        Raises:
            InvalidSpec: it cannot be read, or changes meanwhile.
        """
        from qwex.client.files import Source

        source = Source(file)
        await self.session.transport.run(source.measure)
        return await self._put(source.digest, source.size, Chunked(source.size, source.chunks))

    async def _put(self, digest: str, size: int, data: bytes | Chunked) -> str:
        path = f"/blobs/{digest}"
        async with self.session.exchange("HEAD", f"{path}?size={size}") as answer:
            there = answer.status < 300
            await answer.body()
        if not there:  # or refused, of which the answer to a HEAD has no words
            await self.session.call("PUT", path, data, headers=(("content-type", "application/octet-stream"),))
        return digest


def job_path(run_id: str, *more: str) -> str:
    """The path of a job, or of something below it."""
    return "/".join(["/jobs", quote(run_id, safe=""), *more])


def _digest(data: bytes) -> str:
    import hashlib

    return "sha256:" + hashlib.sha256(data).hexdigest()
