"""The parser without typer reads what typer reads, and leaves the rest to it."""

from __future__ import annotations

import pytest

from qwex.cli import app, commands, main, plain
from qwex.cli.exits import UsageError

PLAIN = [
    "list",
    "list --user me --status running",
    "list --status queued,running -s failed --limit 5 --json",
    "list --queue=gpu-team --all",
    "status train-7k3f9q",
    "logs train-7k3f9q --follow --offset 12",
    "cancel a-2b3c4d b-5e6f7g",
    "wait a-2b3c4d --timeout 15m",
    "submit train.py --gpu 1 -e A=1 --env B=2 --priority 3 --dry-run",
    "config local",
    "config",
    "queues --json",
    "controller logs --lines 3",
    "controller serve --port 80 --reload",
]
NOT_PLAIN = [
    "list --help",
    "list --limit many",
    "list --unknown",
    "list -qnight",
    "list stray",
    "list --json=yes",
    "list --user",
    "status",
    "status a b",
    "cancel",
    "submit --priority -3 train.py",
    "submit --name a --name b train.py",
    "submit train.py hello.py",
]


@pytest.mark.parametrize("line", PLAIN)
def test_reads_what_typer_reads(line: str) -> None:
    argv = line.split()
    found = commands.find(argv)
    assert found is not None
    command, words = found
    given = plain.parse(command, argv[words:])
    assert given is not None
    assert app.parse(argv) == (command, given)


@pytest.mark.parametrize("line", NOT_PLAIN)
def test_leaves_to_typer_what_is_not_plain(line: str) -> None:
    argv = line.split()
    found = commands.find(argv)
    assert found is not None
    command, words = found
    assert plain.parse(command, argv[words:]) is None


def test_commands_may_follow_each_other_in_one_process(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "--help"]) == 0
    assert main(("lst",)) == 2
    assert "no command 'lst'. Did you mean 'list'?" in capsys.readouterr().err


def test_typer_takes_a_negative_number() -> None:
    parsed = app.parse(["submit", "--priority", "-3", "train.py"])
    assert isinstance(parsed, tuple)
    assert parsed[1]["priority"] == -3


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("lst", "Did you mean 'list'?"),
        ("status", "ID"),
        ("list --limit many", "--limit"),
        ("list --usr me", "--user"),
        ("submit train.py --lr 0.1", "After -- come the arguments of the script"),
        ("submit train.py hello.py", "After -- come the arguments of the script"),
        ("controller stat", "See: qwex controller --help"),
    ],
)
def test_wrong_arguments_say_what_is_wrong_and_where_to_look(line: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        app.parse(line.split())
    assert said in caught.value.message
    assert "--help" in caught.value.message


@pytest.mark.parametrize("line", ["submit --name a --name b", "submit -n a --name=b", "list --limit 1 --limit 2"])
def test_what_may_be_given_once(line: str) -> None:
    with pytest.raises(UsageError, match="given twice"):
        app.parse(line.split())


def test_every_command_has_help_and_unique_spellings() -> None:
    for name in commands.NAMES:
        found = commands.load(name)
        for command in getattr(found, "commands", {name: found}).values():
            flags = command.all_flags()
            spellings = [spelling for flag in flags for spelling in (flag.long, flag.short) if spelling]
            assert len(set(spellings)) == len(spellings), name
            assert command.help
            assert all(item.help for item in (*flags, *command.words)), name
