"""The stores of qwex_s3 keep the contract: over two real S3 servers, and over fsspec."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

import pytest
from qwex_s3.fsspecstore import FsspecStore
from qwex_s3.places import S3Store

from qwex.artifacts import StoreContext
from qwex.testing import ArtifactStoreContract

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from s3servers.swift import Swift
    from s3servers.versity import Gateway


@pytest.mark.timeout(600)  # the first test may have to build the server
class TestVersity(ArtifactStoreContract):
    exclusive = False  # v1.7.0 looks for If-None-Match and then writes

    @pytest.fixture
    def store_factory(self, gateway: Gateway, tmp_path: Path) -> Callable[[], S3Store]:
        url = f"s3://{gateway.bucket()}/some/folder"
        return lambda: S3Store(StoreContext(url, tmp_path, gateway.settings()))

    @pytest.fixture
    def unusable(self, gateway: Gateway, tmp_path: Path) -> S3Store:
        return S3Store(StoreContext("s3://no-such-bucket", tmp_path, gateway.settings()))


@pytest.mark.slow
@pytest.mark.timeout(600)
class TestSwift(ArtifactStoreContract):
    exclusive = False  # 2.38.3 too

    @pytest.fixture
    def store_factory(self, swift: Swift, tmp_path: Path) -> Callable[[], S3Store]:
        url = f"s3://{swift.bucket()}/some/folder"
        return lambda: S3Store(StoreContext(url, tmp_path, swift.settings()))

    @pytest.fixture
    def unusable(self, swift: Swift, tmp_path: Path) -> S3Store:
        return S3Store(StoreContext("s3://no-such-bucket", tmp_path, swift.settings()))


class TestMemory(ArtifactStoreContract):
    @pytest.fixture
    def store_factory(self, tmp_path: Path) -> Callable[[], FsspecStore]:
        url = f"memory://{secrets.token_hex(8)}"
        return lambda: FsspecStore(StoreContext(url, tmp_path))


class TestFsspec(ArtifactStoreContract):
    """A scheme that qwex does not know; fsspec's ``local`` is a folder."""

    @pytest.fixture
    def store_factory(self, tmp_path: Path) -> Callable[[], FsspecStore]:
        return lambda: FsspecStore(StoreContext(f"local://{tmp_path}/store", tmp_path))

    @pytest.fixture
    def unusable(self, tmp_path: Path) -> FsspecStore:
        (tmp_path / "taken").write_text("no folder")
        return FsspecStore(StoreContext(f"local://{tmp_path}/taken/store", tmp_path))
