"""The flags of ``machine create``, ``start`` and ``set``, the same in a terminal and in a notebook, and what they say.

Cheap to import: the command line reads them for each of its commands.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from qwex.errors import Conflict, InvalidSpec
from qwex.machines import MachineState

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from qwex.machines import MachineRecord

__all__ = [
    "CREATE",
    "DETACH",
    "LIMITS",
    "PURGE",
    "SIZE",
    "MachineFlag",
    "changes",
    "check_unused",
    "flag_of",
    "limits",
    "resources",
    "spec_of",
]


class MachineFlag(NamedTuple):
    """One option; each front end makes its own kind of flag of it."""

    name: str
    long: str
    help: str
    metavar: str = ""
    short: str = ""
    #: str or int; bool for a switch, which takes no value.
    kind: type = str
    many: bool = False
    #: What the shell completes.
    complete: str = ""


#: Of a machine that there is they are as they were, where no flag says otherwise.
SIZE = (
    MachineFlag("gpu", "--gpu", "GPUs: 1, A100:2; any of several with commas: H100,A100", "GPU"),
    MachineFlag("cpu", "--cpu", "CPU cores", "CORES"),
    MachineFlag("mem", "--mem", "memory: 4Gi", "SIZE"),
    MachineFlag("image", "--image", "container image, any with sh", "IMAGE"),
)
LIMITS = (
    MachineFlag("idle", "--idle", "stop it when nobody has used it for so long: 2h", "TIME"),
    MachineFlag("max_age", "--max-age", "stop it when it has run for so long: 3d", "TIME"),
)
DETACH = MachineFlag("detach", "--detach", "do not wait until it takes ssh", short="-d", kind=bool)
PURGE = MachineFlag("purge", "--purge", "with its home and all that is in it", kind=bool)
#: Of a new one.
_DEFAULTS = {"cpu": " (default 1)", "image": " (default the site's)"}
CREATE = (
    *(flag._replace(help=flag.help + _DEFAULTS.get(flag.name, "")) for flag in SIZE),
    MachineFlag("queue", "--queue", "queue to stand in", "NAME", "-q", complete="queue"),
    MachineFlag("priority", "--priority", "higher goes first (default 0)", "N", kind=int),
    MachineFlag("home", "--home", "size of the home (default 10Gi)", "SIZE"),
    MachineFlag("storage_class", "--storage-class", "of the home (default the place's)", "NAME"),
    *LIMITS,
    MachineFlag("pre_stop", "--pre-stop", "command to run in the home before it stops", "COMMAND"),
    MachineFlag("env", "--env", "variable that sessions see", "NAME=VALUE", "-e", many=True),
    MachineFlag("provider", "--on", "where (default the backend for jobs)", "PROVIDER"),
    DETACH,
)

_LIMITED = ("idle", "max_age")
#: Where a machine's fields come from: its flags, some of them by other names, and those that a terminal alone has.
_FLAGS = {flag.name: flag.long for flag in CREATE if flag.kind is not bool} | {
    "memory": "--mem",
    "password": "--password",
    **dict.fromkeys(("keys", "add_keys"), "--key"),
    "remove_keys": "--remove",
}
#: Flags that are fields of the spec as they stand.
_PLAIN = ("image", "queue", "priority", "home", "storage_class", *_LIMITED, "pre_stop", "provider")


def flag_of(field: str) -> str:
    """``--mem`` of ``spec.resources.memory``, ``--env`` of ``env.A``; the field where no flag of a machine sets it."""
    if field == "spec.name":
        return "NAME"
    path = field.removeprefix("spec.").removeprefix("changes.")
    return _FLAGS.get(path.removeprefix("resources.").partition(".")[0], path)


def spec_of(given: Mapping[str, Any], keys: Sequence[str]) -> dict[str, Any]:
    """The spec, as far as the flags say it.

    Raises:
        InvalidSpec: a variable is not of the form NAME=VALUE, or a limit has no unit.
    """
    spec = {name: given[name] for name in _PLAIN if given.get(name) is not None}
    _check_limits(spec)
    env = _pairs(given.get("env") or ())
    return {**spec, "name": given["name"], "resources": resources(given), "env": env, "keys": [*keys]}


def resources(given: Mapping[str, Any]) -> dict[str, str]:
    """The resources that were given."""
    asked = {"cpu": given.get("cpu"), "memory": given.get("mem"), "gpu": given.get("gpu")}
    return {name: value for name, value in asked.items() if value is not None}


def changes(given: Mapping[str, Any]) -> dict[str, Any]:
    """What a start is to change of the machine."""
    found: dict[str, Any] = {"resources": asked} if (asked := resources(given)) else {}
    return found | ({"image": given["image"]} if given.get("image") else {})


def check_unused(record: MachineRecord) -> None:
    """See that a start which changes the machine ends no shell without a word: it is made anew.

    Raises:
        Conflict: it runs.
    """
    if record.state is MachineState.RUNNING:
        raise Conflict(
            f"{record.name} runs: to change it would end its shells and all that runs in it. Stop it first: "
            f"qwex machine stop {record.name}"
        )


def limits(given: Mapping[str, Any]) -> dict[str, str | None]:
    """The limits that were given, None for one that is taken away.

    Raises:
        InvalidSpec: there is none, or it has no unit.
    """
    found = {name: given[name] for name in _LIMITED if given.get(name) is not None}
    _check_limits(found)
    if not found:
        raise InvalidSpec.of("idle", "say what to change: --idle 2h, --max-age 3d, or none to take a limit away")
    return {name: None if value == "none" else value for name, value in found.items()}


def _check_limits(given: Mapping[str, Any]) -> None:
    """See that nobody who means hours has a machine that stops after seconds.

    Raises:
        InvalidSpec: one has no unit.
    """
    from qwex.quantities import has_unit

    for name in _LIMITED:
        if name in given and not has_unit(given[name]):
            raise InvalidSpec.of(name, f"{given[name]!r} has no unit; write for example 90s, 30m, 2h or 3d")


def _pairs(words: Sequence[str]) -> dict[str, str]:
    found = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals:
            raise InvalidSpec.of("env", f"{word!r}: write NAME=VALUE")
        found[name] = value
    return found
