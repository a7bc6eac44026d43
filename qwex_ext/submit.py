"""``/qwex/submit``: a file of this server becomes a job, as ``qwex submit FILE`` makes it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from jupyter_core.utils import ensure_async
from jupyter_server.auth.decorator import authorized
from tornado.web import HTTPError, authenticated

from qwex.errors import NotFound
from qwex_ext.handler import Handler

__all__ = ["SubmitHandler"]


class SubmitHandler(Handler):
    """Takes a path as JupyterLab's file browser has it."""

    # What a person asked for.
    _track_activity = True

    @authenticated
    @authorized
    async def post(self) -> None:
        """Submit the file, or say what would happen."""
        # What is imported here takes longer than anyone else who uses this server should wait.
        from_body, submit = await asyncio.to_thread(_loaded)
        wanted = from_body(self.request.body)
        file = await self._file(wanted.path)
        python = await self._python(wanted.kernel)
        done = await submit(self.service.settings, wanted, file, python)
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

    async def _python(self, kernel: str) -> str:
        from qwex_ext import kernels

        return await kernels.python(self.kernel_spec_manager, kernel)


def _loaded() -> tuple[Any, Any]:
    from qwex_ext import submission

    return submission.read, submission.submit
