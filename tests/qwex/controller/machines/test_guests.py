"""Keys that are let in and kept out one by one."""

from __future__ import annotations

import pytest

from qwex.controller.machines.guests import with_guests
from qwex.controller.machines.keys import key_name
from qwex.errors import InvalidSpec

ADA, BOB, BARE = "ssh-ed25519 AAAA ada@laptop", "ssh-ed25519 BBBB bob", "ssh-ed25519 CCCC"


@pytest.mark.parametrize(
    ("changes", "keys"),
    [
        ({"add_keys": [BOB]}, [ADA, BARE, BOB]),
        ({"add_keys": ["ssh-ed25519 AAAA ada"]}, [BARE, "ssh-ed25519 AAAA ada"]),
        ({"remove_keys": ["ada@laptop"]}, [BARE]),
        ({"remove_keys": [key_name("ssh-ed25519 AAAA")]}, [BARE]),
        ({"remove_keys": [key_name(BARE)]}, [ADA]),
        ({"remove_keys": [ADA], "add_keys": [BOB]}, [BARE, BOB]),
        ({"keys": [BOB], "remove_keys": ["bob"]}, []),
    ],
)
def test_the_keys_after_a_change(changes, keys):
    assert with_guests([ADA, BARE], {**changes, "idle": "2h"}) == {"keys": keys, "idle": "2h"}


def test_other_changes_leave_them_alone():
    assert with_guests([ADA], {"idle": "2h"}) == {"idle": "2h"}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"add_keys": ["ssh-ed25519 BBBB ada@laptop"]}, "is let in already"),
        ({"add_keys": "ssh-ed25519"}, "a list"),
        ({"remove_keys": ["ada@laptp"]}, "Did you mean 'ada@laptop'"),
        ({"remove_keys": [7]}, "a list"),
    ],
)
def test_what_is_refused(changes, said):
    with pytest.raises(InvalidSpec, match=said):
        with_guests([ADA], changes)


def test_of_two_with_a_name_the_fingerprint_says_which():
    with pytest.raises(InvalidSpec, match=r"2 keys are named 'x'.*SHA256:"):
        with_guests(["ssh-ed25519 AAAA x", "ssh-ed25519 BBBB x"], {"remove_keys": ["x"]})
