"""The conformance kit of a provider of dev machines: seven groups of scenarios, numbered as in plugins/README.md.

    class TestPbsMachines(MachineContract):
        provider_class = PbsMachines

The docstring of each scenario is the sentence of the contract that it tests.
"""

from __future__ import annotations

from qwex.testing.machine.door import DoorScenarios
from qwex.testing.machine.home import HomeScenarios
from qwex.testing.machine.queue import QueueScenarios
from qwex.testing.machine.render import RenderScenarios
from qwex.testing.machine.start import StartScenarios
from qwex.testing.machine.status import StatusScenarios
from qwex.testing.machine.unreachable import UnreachableScenarios

__all__ = ["MachineContract"]


# pytest runs the scenarios of the last base first.
class MachineContract(
    UnreachableScenarios,
    QueueScenarios,
    DoorScenarios,
    StatusScenarios,
    HomeScenarios,
    StartScenarios,
    RenderScenarios,
):
    """Everything a provider must do. Subclass it, set ``provider_class``, override the fixtures your place needs."""
