"""Who hears of which changes, and how much of them."""

from __future__ import annotations

import pytest

from qwex.controller.auth import Caller
from qwex.controller.showing import showing
from qwex.machines import MachineGone, MachineRecord, MachineState
from qwex.record import JobRecord
from qwex.state import JobState

JOB = JobRecord("a-1", "a", "ada", "command", JobState.QUEUED, "local", 0.0)
MACHINE = MachineRecord(
    "train-abcdef", "train", "ada", "place", MachineState.RUNNING, 0.0, doing=("python3",), door={"pod": "train"}
)
GONE = MachineGone("train-abcdef", "train", "ada")
BOTH = frozenset({"job", "machine"})


@pytest.mark.parametrize(
    ("kinds", "heard"), [({"job"}, [JOB]), ({"machine"}, [MACHINE, GONE]), (BOTH, [JOB, MACHINE, GONE])]
)
def test_only_of_what_was_asked_for(kinds, heard):
    shown = showing(None, frozenset(kinds), Caller("ada"))
    assert [change for each in (JOB, MACHINE, GONE) if (change := shown(each))] == heard


def test_of_one_user():
    assert [showing("bob", BOTH, Caller("ada"))(each) for each in (JOB, MACHINE, GONE)] == [None, None, None]


def test_the_way_in_is_its_owners_and_the_administrators():
    assert showing(None, BOTH, Caller("root", is_local=True))(MACHINE) == MACHINE
    others = showing(None, BOTH, Caller("bob"))(MACHINE)
    assert (others.name, others.state, others.door, others.doing) == ("train", MachineState.RUNNING, {}, ())
