"""The contract of an artifact store: content-addressed bytes over an fsspec URL."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

__all__ = ["ArtifactStore"]


class ArtifactStore(ABC):
    """Keeps blobs by the sha256 of their bytes."""

    name: ClassVar[str]
    #: URL schemes this store serves, such as ``s3``.
    schemes: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    async def exists(self, digest: str) -> bool:
        """Whether the blob is stored whole."""

    @abstractmethod
    async def put(self, digest: str, chunks: AsyncIterator[bytes]) -> None:
        """Store the blob; after return it is whole and durable, after a raise it is not there.

        Raises:
            InvalidSpec: the bytes do not have that digest.
        """

    @abstractmethod
    def get(self, digest: str) -> AsyncIterator[bytes]:
        """The blob's bytes.

        Raises:
            NotFound: no such blob.
        """

    @abstractmethod
    async def url(self, digest: str) -> str:
        """Where a job can read the blob: ``file://…`` on the same machine, a presigned ``https://…`` elsewhere.

        Raises:
            NotFound: no such blob.
        """
