"""The conformance kit on this backend: subclass it, name the class, done."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from qwex_example_backend import ExampleBackend

from qwex.backend import BackendContext
from qwex.testing import BackendContract

if TYPE_CHECKING:
    from pathlib import Path


class TestExample(BackendContract):
    """The seven groups of scenarios of plugins/README.md."""

    backend_class = ExampleBackend

    @pytest.fixture
    def unreachable(self, tmp_path: Path) -> ExampleBackend:
        """A file stands where the backend's folder should be, so no job can be put there."""
        (tmp_path / "folder").write_text("")
        return ExampleBackend(BackendContext(tmp_path / "folder"))
