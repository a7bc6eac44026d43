"""From a request to a dev machine that this server's user can log in to. Imported when the first one is asked for."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field

from qwex.client.api import AsyncClient
from qwex.client.ssh import files
from qwex.client.ssh.setup import know
from qwex.errors import ConfigError
from qwex.spec import validated

if TYPE_CHECKING:
    from qwex.config import Settings

__all__ = ["Wanted", "create", "known", "read"]


class Wanted(BaseModel):
    """The body of a request."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    spec: dict[str, Any] = Field(description="fields of MachineSpec; this server's own key is added to its keys")


def read(body: bytes) -> Wanted:
    """What is asked for.

    Raises:
        InvalidSpec: lists every problem.
    """
    wanted: Wanted = validated(Wanted.model_validate_json, body)
    return wanted


async def create(settings: Settings, wanted: Wanted) -> dict[str, Any]:
    """The record of a machine that lets in the user's key on this server, and what ssh cannot be told, if anything.

    Raises:
        QwexError: the controller refuses, or cannot be reached; nothing was made.
    """
    key = await asyncio.to_thread(files.public_key, files.ssh_folder(settings.folder))
    spec = {**wanted.spec, "keys": [key, *(wanted.spec.get("keys") or ())]}
    async with AsyncClient(settings) as client:
        record = await client.create_machine(spec)
        return {"machine": record.as_dict(), "note": await _known(client)}


async def known(settings: Settings) -> str:
    """Have ssh on this server know the user's machines; what keeps it from that, in a sentence, else empty."""
    async with AsyncClient(settings) as client:
        return await _known(client)


async def _known(client: AsyncClient) -> str:
    records = await client.machines("me")
    try:
        return await asyncio.to_thread(know, files.ssh_folder(client.settings.folder), records)
    except ConfigError as error:
        return str(error)
