"""``/qwex/submit``: a file of this server becomes a job, as ``qwex submit FILE`` makes it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_core.utils import ensure_async
from jupyter_server.auth.decorator import authorized
from tornado.web import HTTPError, authenticated

from qwex.errors import NotFound
from qwex_ext.handler import Handler

if TYPE_CHECKING:
    from types import ModuleType

__all__ = ["SubmitHandler"]


class SubmitHandler(Handler):
    """Takes a path as JupyterLab's file browser has it."""

    # What a person asked for.
    _track_activity = True

    @authenticated
    @authorized
    async def get(self) -> None:
        """What the file may be given: the parameters of a notebook with their defaults as code, null where none are."""
        file = await self._file(self.get_query_argument("path"))
        submission = await asyncio.to_thread(_loaded)
        self.answer({"parameters": await asyncio.to_thread(submission.parameters_of, file)})

    @authenticated
    @authorized
    async def post(self) -> None:
        """Submit the file, or say what would happen."""
        # What is imported here takes longer than anyone else who uses this server should wait.
        submission = await asyncio.to_thread(_loaded)
        wanted = submission.read(self.request.body)
        file = await self._file(wanted.path)
        python = await self._python(wanted.kernel, await asyncio.to_thread(submission.kernel_of, file))
        done = await submission.submit(self.service.settings, wanted, file, python)
        self.service.feed.wake()
        self.answer(done, 200 if wanted.preview else 201)

    async def _file(self, path: str) -> Path:
        """Where it is on this machine.

        Raises:
            NotFound: there is none, or Jupyter would not show it either.
        """
        manager: Any = self.contents_manager
        if not hasattr(manager, "_get_os_path"):
            raise NotFound("the files of this Jupyter server are not on its machine; submit them where they are")
        try:
            file = manager._get_os_path(path.strip("/"))
            hidden = await ensure_async(manager.is_hidden(path)) and not manager.allow_hidden
            if not hidden and await ensure_async(manager.file_exists(path)):
                return Path(file)
        except HTTPError:
            pass  # outside the root of its files
        raise NotFound(f"{path!r} is not among the files of this Jupyter server")

    async def _python(self, chosen: str, named: str) -> str:
        """That of the chosen kernel, else of the one that the file names, if this server has it."""
        from qwex_ext import kernels

        known = await ensure_async(self.kernel_spec_manager.find_kernel_specs())
        return await kernels.python(self.kernel_spec_manager, chosen or (named if named in known else ""))


def _loaded() -> ModuleType:
    from qwex_ext import submission

    return submission
