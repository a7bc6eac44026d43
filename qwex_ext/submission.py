"""From a request to a job. Imported when the first file is submitted."""

from __future__ import annotations

import asyncio
import os
import shlex
import sys
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field

from qwex import config, notebooks
from qwex.client.api import AsyncClient
from qwex.client.notebookfile import parameters
from qwex.client.workfile import NOTEBOOK, of_file
from qwex.errors import InvalidSpec
from qwex.options import project_defaults
from qwex.spec import JobSpec, Word, validated

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from qwex.config import Settings

__all__ = ["Wanted", "kernel_of", "parameters_of", "read", "submit"]


class Wanted(BaseModel):
    """The body of a request."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str = Field(min_length=1, description="the file, from the root of Jupyter's files")
    args: tuple[Word, ...] = Field((), description="of a script")
    params: tuple[str, ...] = Field((), description="parameters of a notebook, each NAME=VALUE")
    flags: dict[str, Any] = Field({}, description="fields of SubmitOptions")
    kernel: str = Field("", description="the kernel whose Python runs it; empty: the notebook's, else the server's own")
    preview: bool = Field(False, description="say what would happen; submit nothing")


def read(body: bytes) -> Wanted:
    """What is asked for.

    Raises:
        InvalidSpec: lists every problem.
    """
    wanted: Wanted = validated(Wanted.model_validate_json, body)
    return wanted


def parameters_of(file: Path) -> dict[str, str] | None:
    """What may be set of a notebook, with the defaults as code; None of a file without parameters.

    Raises:
        InvalidSpec: it is named as a notebook, and is none.
    """
    return notebooks.settable(_notebook(file)) if file.suffix.lower() == NOTEBOOK else None


def kernel_of(file: Path) -> str:
    """The kernel that a notebook names; empty where none is named.

    Raises:
        InvalidSpec: as ``parameters_of``.
    """
    spec = _notebook(file)["metadata"].get("kernelspec") if file.suffix.lower() == NOTEBOOK else None
    return str(spec.get("name", "")) if isinstance(spec, dict) else ""


async def submit(server: Settings, wanted: Wanted, file: Path, python: str) -> dict[str, Any]:
    """The job's record or, for a preview, what the controller expects of it.

    Raises:
        InvalidSpec: lists every problem; nothing was submitted.
        QwexError: the controller refuses, or cannot be reached.
    """
    # The project's defaults are those of the file's folder; the controller is the server's, whatever a project says.
    ours = {name: getattr(server, name) for name in ("url", "token", "home")}
    settings = await asyncio.to_thread(config.load, file.parent, **ours)
    spec = await asyncio.to_thread(_spec, wanted, file, project_defaults(settings), ours=python == sys.executable)
    async with AsyncClient(settings, cwd=str(file.parent), python=python) as client:
        if wanted.preview:
            why, rendered = await client.preflight(spec)
            return {"why": why.as_dict() if why else None, "rendered": rendered}
        return (await client.submit(spec)).record.as_dict()


def _notebook(file: Path) -> dict[str, Any]:
    try:
        return notebooks.parsed(file.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise InvalidSpec.of("notebook", f"{file.name}: {error}") from None


def _spec(wanted: Wanted, file: Path, defaults: Mapping[str, Any], *, ours: bool) -> JobSpec:
    given, below = (_within(file.parent, options) for options in (wanted.flags, defaults))
    set_anew = parameters(wanted.params)
    return of_file(file, wanted.args, given, below, spell=_spell, parameters=set_anew, ours=ours)


def _within(folder: Path, options: Mapping[str, Any]) -> dict[str, Any]:
    """The options, a working folder among them counted from the file's."""
    cwd = options.get("cwd")
    named = {"cwd": os.path.join(folder, os.path.expanduser(cwd))} if cwd and isinstance(cwd, str) else {}
    return {**options, **named}


def _spell(words: Sequence[str]) -> str:
    return f"qwex submit -- {shlex.join(words)}"
