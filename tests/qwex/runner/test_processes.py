"""What is said of processes while they end."""

from __future__ import annotations

import os

import pytest

from qwex.runner import processes

ME, CHILD, ORPHAN = os.getpid(), 7, 8
#: Who has which children, before the child ends and after that: its own come to this process.
BEFORE, AFTER = {ME: [CHILD], CHILD: [ORPHAN]}, {ME: [CHILD, ORPHAN], CHILD: []}


@pytest.mark.parametrize("looks", range(3))
def test_whom_a_child_leaves_behind_as_it_ends_is_not_missed(monkeypatch, looks):
    """It ends after so many looks."""
    views = iter([BEFORE] * looks + [AFTER] * 2)
    monkeypatch.setattr(processes, "_children", lambda pid: next(views)[pid])
    assert processes.has_other_children(CHILD)


def test_one_that_leaves_nobody_behind_is_alone(monkeypatch):
    monkeypatch.setattr(processes, "_children", {ME: [CHILD], CHILD: []}.__getitem__)
    assert not processes.has_other_children(CHILD)
