"""The conformance kits: subclass one, name your class, and pytest tests that it keeps the contract.

Needs pytest; of plugins only anyio's own, which comes with qwex. The scenarios are numbered as in plugins/README.md.
"""

from __future__ import annotations

import pytest

# Before the modules below are imported, so that a failing scenario shows its values.
pytest.register_assert_rewrite(
    *(f"qwex.testing.{module}" for module in ("artifacts", "backend", "driver", "machine", "tracker"))
)

from qwex.testing.artifacts import ArtifactStoreContract  # noqa: E402
from qwex.testing.backend import BackendContract  # noqa: E402
from qwex.testing.driver import Driver  # noqa: E402
from qwex.testing.jobs import cell, command, script  # noqa: E402
from qwex.testing.machine import MachineContract  # noqa: E402
from qwex.testing.tracker import TrackerContract  # noqa: E402

__all__ = [
    "ArtifactStoreContract",
    "BackendContract",
    "Driver",
    "MachineContract",
    "TrackerContract",
    "cell",
    "command",
    "script",
]
