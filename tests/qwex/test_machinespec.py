"""What a dev machine may be asked to be, and what is refused by its field."""

from __future__ import annotations

import pytest

from qwex.errors import InvalidSpec
from qwex.machinespec import MachineSpec
from qwex.spec import validated


@pytest.mark.parametrize("name", ["A", "_a1", "HF_TOKEN", "NVIDIA_DRIVER_CAPABILITIES"])
def test_variables_are_what_a_shell_can_export(name: str) -> None:
    assert MachineSpec(name="train", env={name: 'a "b" $c \u00e9'}).env == {name: 'a "b" $c \u00e9'}


@pytest.mark.parametrize("field", ["idle", "max_age", "grace", "home", "resources.gpu", "resources.cpu"])
def test_yes_is_no_amount(field: str) -> None:
    part, _, name = field.partition(".")
    with pytest.raises(InvalidSpec, match=f"{field}: True is not "):
        validated(MachineSpec, **{"name": "train", part: {name: True} if name else True})


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("A.B", "1", "letters, digits"),
        ("my-var", "1", "letters, digits"),
        ("1A", "1", "letters, digits"),
        ("A\n", "1", "letters, digits"),
        ("a};touch here;#", "1", "letters, digits"),
        ("QWEX_ONCE", "1", "qwex's own"),
        ("OPTIND", "x", "the shell's own, and nobody could log in; take another name"),
        ("UID", "1000", "the shell's own"),
        ("PPID", "1", "the shell's own"),
        ("SHELLOPTS", "noexec", "the shell's own"),
        ("SSH_ORIGINAL_COMMAND", "true", "the shell's own"),
        ("A", "two\nlines", "more than one line"),
    ],
)
def test_other_variables_are_refused_by_field(name: str, value: str, words: str) -> None:
    with pytest.raises(InvalidSpec, match=words) as refused:
        validated(MachineSpec, name="train", env={name: value})
    assert [field.partition(".")[0] for field, _ in refused.value.problems] == ["env"]


def test_a_kept_machine_with_a_variable_that_is_refused_by_now_is_known_without_it() -> None:
    kept = MachineSpec(name="train", env={"A": "1"}, keys=("ssh-ed25519 AAAA ada",), idle="2h")
    text = kept.model_dump_json()
    assert MachineSpec.kept(text) == kept
    assert MachineSpec.kept(text.replace('"A":"1"', '"A":"1","UID":"1000"')) == kept
