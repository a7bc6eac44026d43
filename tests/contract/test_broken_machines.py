"""The kit catches what it must: each broken provider fails the scenario that names its fault, and passes another."""

from __future__ import annotations

import re

import pytest
from broken_machines import CAUGHT_BY
from local_machines import needs_sshd

from qwex.testing import MachineContract

pytest_plugins = ["pytester"]

#: A broken provider makes the kit wait for this long, an intact one never.
LIMIT = 5
SUITE = """
    import pytest
    from broken_machines import {broken} as Broken
    from local_machines import LocalFixtures
    from qwex.testing import MachineContract

    class TestBroken(LocalFixtures, MachineContract):
        provider_class = Broken
        limit = {limit}

        @pytest.fixture
        def opener(self):
            return Broken.opener
"""


@needs_sshd
@pytest.mark.parametrize("broken", CAUGHT_BY, ids=lambda broken: broken.__name__)
def test_broken_provider_is_caught(pytester: pytest.Pytester, broken: type) -> None:
    caught_by, still_passes = CAUGHT_BY[broken]
    pytester.makepyfile(SUITE.format(broken=broken.__name__, limit=LIMIT))
    run = pytester.inline_run("-k", f"{caught_by} or {still_passes}", "-p", "no:timeout", "-p", "no:cacheprovider")
    passed, _, failed = run.listoutcomes()
    assert {_scenario(report.nodeid) for report in failed} == {caught_by}
    assert {_scenario(report.nodeid) for report in passed} == {still_passes}


def test_every_scenario_has_a_provider_that_it_catches() -> None:
    scenarios = {_scenario(name) for name in dir(MachineContract) if re.match(r"test_m", name)}
    assert {caught_by for caught_by, _ in CAUGHT_BY.values()} == scenarios


def _scenario(nodeid: str) -> str:
    """``test_m1a`` of ``…::TestBroken::test_m1a_same_answer[…]``."""
    return "_".join(nodeid.rpartition("::")[2].split("_")[:2])
