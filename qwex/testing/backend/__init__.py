"""The conformance kit of a backend: seven groups of scenarios, numbered as in plugins/README.md.

    class TestPbs(BackendContract):
        backend_class = PbsBackend

The docstring of each scenario is the sentence of the contract that it tests.
"""

from __future__ import annotations

from qwex.testing.backend.cancel import CancelScenarios
from qwex.testing.backend.capabilities import CapabilityScenarios
from qwex.testing.backend.outcomes import OutcomeScenarios
from qwex.testing.backend.output import OutputScenarios
from qwex.testing.backend.render import RenderScenarios
from qwex.testing.backend.status import StatusScenarios
from qwex.testing.backend.unreachable import UnreachableScenarios

__all__ = ["BackendContract"]


# pytest runs the scenarios of the last base first.
class BackendContract(
    UnreachableScenarios,
    CapabilityScenarios,
    OutputScenarios,
    StatusScenarios,
    CancelScenarios,
    OutcomeScenarios,
    RenderScenarios,
):
    """Everything a backend must do. Subclass it, set ``backend_class``, override the fixtures your place needs."""
