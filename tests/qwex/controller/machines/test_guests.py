"""Keys that are let in and kept out one by one."""

from __future__ import annotations

import pytest

from qwex.controller.machines.guests import with_guests
from qwex.errors import InvalidSpec
from qwex.sshkeys import key_name

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
        ({"keys": None, "add_keys": [BOB]}, [BOB]),
        ({"keys": [], "add_keys": [BOB]}, [BOB]),
        ({"add_keys": None, "remove_keys": []}, [ADA, BARE]),
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
        ({"add_keys": "ssh-ed25519"}, "a valid list"),
        ({"remove_keys": ["ada@laptp"]}, "Did you mean 'ada@laptop'"),
        ({"remove_keys": [7]}, "a valid string"),
    ],
)
def test_what_is_refused(changes, said):
    with pytest.raises(InvalidSpec, match=said):
        with_guests([ADA], changes)


def test_of_two_with_a_name_the_fingerprint_says_which():
    with pytest.raises(InvalidSpec, match=r"2 keys are named 'x'.*SHA256:"):
        with_guests(["ssh-ed25519 AAAA x", "ssh-ed25519 BBBB x"], {"remove_keys": ["x"]})


@pytest.mark.parametrize("field", ["keys", "add_keys", "remove_keys"])
@pytest.mark.parametrize("odd", [5, 1.5, True, "", {}, {"a": 1}, [5], [None], [[ADA]], [{"a": 1}]])
def test_what_is_no_list_of_texts_is_refused_by_its_field(field, odd):
    other = "remove_keys" if field == "add_keys" else "add_keys"
    with pytest.raises(InvalidSpec) as refused:
        with_guests([ADA], {other: [], field: odd})
    assert {name.partition(".")[0] for name, _ in refused.value.problems} == {field}


@pytest.mark.parametrize("field", ["keys", "add_keys"])
@pytest.mark.parametrize("odd", ["", "x", "ssh-ed25519", "\u00f1", "ssh-ed25519 \u00f1", "a \u00f1 c", "a \ud800"])
def test_what_is_no_key_is_refused_by_its_field(field, odd):
    with pytest.raises(InvalidSpec, match="no public key") as refused:
        with_guests([ADA], {field: [BOB, odd], "remove_keys": ["ada@laptop"]})
    assert [name for name, _ in refused.value.problems] == [f"{field}.1"]


@pytest.mark.parametrize("odd", ["", "\u00f1", "ssh-ed25519 \u00f1", "\ud800"])
def test_a_name_that_no_key_can_have_is_none(odd):
    with pytest.raises(InvalidSpec, match="no key is named"):
        with_guests([ADA], {"remove_keys": [odd]})
