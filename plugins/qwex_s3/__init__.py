"""Artifacts in object stores: S3 and what speaks like it, Google Cloud Storage, Azure; fsspec for every other URL."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qwex.hookspecs import hookimpl

if TYPE_CHECKING:
    from qwex.artifacts import ArtifactStore
    from qwex.hookspecs import Register

__all__ = ["qwex_register_artifact_stores"]


@hookimpl
def qwex_register_artifact_stores(register: Register[ArtifactStore]) -> None:
    """Bring the stores ``s3``, ``gs``, ``az`` and ``fsspec``; their libraries are imported when one is made."""
    from qwex_s3.fsspecstore import FsspecStore
    from qwex_s3.places import AzureStore, GoogleStore, S3Store

    for store in (S3Store, GoogleStore, AzureStore, FsspecStore):
        register(store)
