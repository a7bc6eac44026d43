"""qwex_local keeps the whole contract: no scenario is skipped but that of a place out of reach, which it is not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from qwex_local.backend import LocalBackend
from qwex_local.filestore import FileStore

from qwex.artifacts import StoreContext
from qwex.testing import ArtifactStoreContract, BackendContract

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


class TestLocal(BackendContract):
    backend_class = LocalBackend

    @pytest.fixture
    def settings(self) -> dict[str, Any]:
        return {"cpu": 2, "memory": "4Gi", "gpus": 1}

    @pytest.fixture
    def filling(self) -> dict[str, Any]:
        return {"resources": {"cpu": "2"}}


class TestFileStore(ArtifactStoreContract):
    @pytest.fixture
    def store_factory(self, tmp_path: Path) -> Callable[[], FileStore]:
        return lambda: FileStore(StoreContext((tmp_path / "store").as_uri(), tmp_path))

    @pytest.fixture
    def unusable(self, tmp_path: Path) -> FileStore:
        (tmp_path / "taken").write_text("no folder")
        return FileStore(StoreContext((tmp_path / "taken").as_uri(), tmp_path))
