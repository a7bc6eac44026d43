"""The kit catches what it must: each broken backend fails the scenario that names its fault, and passes another."""

from __future__ import annotations

import pytest
from broken import CAUGHT_BY

pytest_plugins = ["pytester"]

#: A broken backend makes the kit wait for this long, an intact one never.
LIMIT = 10
SUITE = """
    import pytest
    from broken import {broken} as Broken
    from qwex.backend import BackendContext
    from qwex.testing import BackendContract

    class TestBroken(BackendContract):
        backend_class = Broken
        limit = {limit}

        @pytest.fixture
        def unreachable(self, tmp_path):
            (tmp_path / "folder").touch()
            return Broken(BackendContext(tmp_path / "folder"))
"""


@pytest.mark.parametrize("broken", CAUGHT_BY, ids=lambda broken: broken.__name__)
def test_broken_backend_is_caught(pytester: pytest.Pytester, broken: type) -> None:
    caught_by, still_passes = CAUGHT_BY[broken]
    pytester.makepyfile(SUITE.format(broken=broken.__name__, limit=LIMIT))
    run = pytester.inline_run("-k", f"{caught_by} or {still_passes}", "-p", "no:timeout", "-p", "no:cacheprovider")
    passed, _, failed = run.listoutcomes()
    assert {_scenario(report.nodeid) for report in failed} == {caught_by}
    assert {_scenario(report.nodeid) for report in passed} == {still_passes}


def _scenario(nodeid: str) -> str:
    """``test_1a`` of ``…::TestBroken::test_1a_same_answer[…]``."""
    return "_".join(nodeid.rpartition("::")[2].split("_")[:2])
