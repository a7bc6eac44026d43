"""The doors of the user's machines, kept where the process that ssh starts finds them without asking anybody."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from qwex.client.ssh import config, files
from qwex.client.ssh.proxy import kept
from qwex.errors import ConfigError, NotFound
from qwex.machines import host_alias

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from qwex.machines import MachineRecord

__all__ = [
    "GROUP",
    "elsewhere",
    "forget",
    "held",
    "joined",
    "keep",
    "leave",
    "looked_after",
    "names",
    "place_of",
    "put",
    "take",
]

#: The group of entry points of the functions that open doors.
GROUP = "qwex.doors"
_KINDS = ("json", "pub", "identity")


def keep(folder: Path, records: Iterable[MachineRecord], controller: str = "") -> list[str]:
    """Ssh knows these machines, each by its present door and host key, and no others of that controller.

    They are all that the user has there. ``controller`` is its URL, nothing for the user's own. Those of other
    controllers, and those that others share, stay. A machine whose name one of them has is left out, and a sentence
    says so.

    Raises:
        ConfigError: the folder cannot be written.
    """
    listed = {record.name: record for record in records}
    there = {file.stem for file in (folder / "machines").glob("*.*")} - listed.keys()
    gone = [name for name in there if _is_of(kept(str(folder), name), controller)]
    return _sync(folder, listed, gone, controller)


def put(folder: Path, record: MachineRecord, controller: str = "") -> list[str]:
    """Ssh knows this machine by its present door and host key, whatever others it knows; else a sentence, as above.

    Raises:
        ConfigError: the folder cannot be written.
    """
    return _sync(folder, {record.name: record}, (), controller)


def forget(folder: Path, name: str, controller: str = "") -> None:
    """Ssh does not know that controller's machine of that name.

    Raises:
        ConfigError: the folder cannot be written.
    """
    _sync(folder, {}, (name,) if _is_of(kept(str(folder), name), controller) else (), controller)


def leave(folder: Path, name: str) -> None:
    """Ssh knows no machine by that name, whosever it was.

    Raises:
        ConfigError: the folder cannot be written.
    """
    _sync(folder, {}, (name,), "")


def take(folder: Path, record: MachineRecord, name: str) -> None:
    """Ssh knows this machine of somebody else's, by that name.

    Raises:
        ConfigError: the folder cannot be written.
    """
    _sync(folder, {name: record}, (), None)


def held(folder: Path, name: str, controller: str = "") -> str:
    """A sentence where ssh knows a machine by that name which is not that controller's; else nothing."""
    found = kept(str(folder), name)
    return "" if _is_of(found, controller) else _held(name, found)


def elsewhere(folder: Path, controller: str = "") -> dict[str, str]:
    """The user's machines of other controllers: these, by the names that ssh has for them."""
    known = {name: kept(str(folder), name) for name in names(folder)}
    others = {name: found for name, found in known.items() if not found.get("user")}
    return {name: found["controller"] for name, found in others.items() if not _is_of(found, controller)}


def joined(folder: Path) -> dict[str, str]:
    """The machines that others share with this user: whose they are, by the names that ssh has for them."""
    known = {name: kept(str(folder), name) for name in names(folder)}
    return {name: found["user"] for name, found in known.items() if found.get("user")}


@contextmanager
def looked_after(folder: Path, name: str) -> Iterator[None]:
    """Say of a machine that somebody else shares, and that the controller does not know, whose it is.

    Raises:
        NotFound: as the controller does, or with that.
    """
    try:
        yield
    except NotFound:
        if (user := joined(folder).get(name)) is None:
            raise
        raise NotFound(
            f"{name} is {user}'s machine, which you joined: ssh {host_alias(name)} leads there. Only {user} can see "
            f"how it stands, start it and stop it. Have ssh forget it with: qwex machine leave {name}"
        ) from None


def names(folder: Path) -> list[str]:
    """The machines that ssh knows."""
    return sorted(file.stem for file in (folder / "machines").glob("[!.]*.json"))


def _sync(folder: Path, records: dict[str, MachineRecord], gone: Iterable[str], controller: str | None) -> list[str]:
    """Put these and take those away; a sentence for each that was left out. No ``controller`` is somebody else's."""
    files.prepare(folder)
    said = []
    try:
        with files.locked(folder):
            openers = _Openers()
            for name, record in records.items():
                before = kept(str(folder), name)
                if controller is None or _is_of(before, controller) or _is_same(before, record):
                    _put(folder, name, record, openers, controller)
                else:
                    said.append(_held(name, before))
            for name in gone:
                for kind in _KINDS:
                    files.machine_file(folder, name, kind).unlink(missing_ok=True)
            config.write(folder)
    except OSError as error:
        raise ConfigError(f"what ssh needs cannot be kept in {folder}: {error.strerror or error}") from None
    return said


def _is_of(found: Mapping[str, Any], controller: str) -> bool:
    """Whether what is kept is that controller's, or nobody's that is known."""
    return not found.get("user") and found.get("controller", controller) == controller


def _is_same(found: Mapping[str, Any], record: MachineRecord) -> bool:
    """Whether that is one of the user's own whose controller has another address by now."""
    same = (found["id"], found.get("host_key")) == (record.id, record.host_key)
    return same and bool(record.host_key) and not found.get("user")


def place_of(controller: str) -> str:
    """A controller in words, by its URL."""
    return f"the controller at {controller}" if controller else "your controller here"


def _held(name: str, found: Mapping[str, Any]) -> str:
    own = f"your machine of {place_of(found.get('controller', ''))}"
    whose = f"{found['user']}'s machine" if found.get("user") else own
    return (
        f"ssh {host_alias(name)} is {whose}, so one of that name here is not reached by it. "
        f"Choose another name, or have ssh forget that one: qwex machine leave {name}"
    )


class _Openers(dict[str, str]):
    """The openers of providers, each looked up once."""

    def __missing__(self, provider: str) -> str:
        self[provider] = _opener(provider)
        return self[provider]


def _put(folder: Path, name: str, record: MachineRecord, openers: _Openers, controller: str | None) -> None:
    before = kept(str(folder), name)
    opener = before.get("opener", "")
    now = {"id": record.id, "name": record.name, "provider": record.provider, "host_key": record.host_key}
    now |= {"user": record.user} if controller is None else {"controller": controller}
    if not opener or (before["provider"], before["door"]) != (record.provider, record.door):
        opener = openers[record.provider]
    # The key is first: who connects between the two is refused, never let in to what the old key was for.
    public = files.machine_file(folder, name, "pub")
    if record.host_key:
        _forget_identity(folder, name, f"{record.host_key}\n".encode())
        files.write(public, f"{record.host_key}\n".encode())
    else:
        public.unlink(missing_ok=True)
    text = json.dumps({**now, "opener": opener, "door": record.door}, indent=1)
    files.write(files.machine_file(folder, name, "json"), text.encode())


def _forget_identity(folder: Path, name: str, host_key: bytes) -> None:
    """A machine made anew is not shown the key that was given for the one before."""
    public, door = (files.machine_file(folder, name, kind) for kind in ("pub", "json"))
    if not door.exists() or (public.exists() and public.read_bytes() != host_key):
        files.machine_file(folder, name, "identity").unlink(missing_ok=True)


def _opener(provider: str) -> str:
    """``module:function`` of the provider; empty where it is not installed here."""
    import importlib.metadata

    return next((point.value for point in importlib.metadata.entry_points(group=GROUP, name=provider)), "")
