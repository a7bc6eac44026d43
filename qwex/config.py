"""Settings, and where each value came from. Read when asked, never at import.

Order, later wins: defaults < ``~/.config/qwex/config.toml`` < ``qwex.toml`` in the working folder or above it <
``QWEX_*`` variables < arguments.
A section that has a plugin's name (``[local]``) is handed to that plugin unchecked.
"""

from __future__ import annotations

import contextlib
import os
import stat
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from qwex.errors import ConfigError, nearest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pydantic import BaseModel

__all__ = [
    "FIELDS",
    "SITE",
    "Field",
    "Settings",
    "Value",
    "config_file",
    "load",
    "masked",
    "own_folder",
    "read_section",
]

ModelT = TypeVar("ModelT", bound="BaseModel")


class Field(NamedTuple):
    """One setting: its kind is the type its text is read as."""

    name: str
    kind: type
    default: Any
    help: str
    #: "client" settings may stand in a project's qwex.toml; "controller" settings are read when the controller starts.
    scope: str = "client"
    secret: bool = False


FIELDS = (
    Field("url", str, "", "address of a shared controller, https://…; empty means your own on this machine"),
    Field("token", str, "", "what the shared controller knows you by", secret=True),
    Field("backend", str, "", "backend for jobs that name none; empty means the controller's choice"),
    Field("queue", str, "", "queue for jobs that name none; empty means the backend's default"),
    Field("home", str, "", "folder of your own controller: store, logs, jobs; empty means the user's data folder"),
    Field("default_backend", str, "local", "backend for jobs that name none", "controller"),
    Field("plugins", str, "", "only load these plugin modules, comma separated; empty means all", "controller"),
    Field("database", str, "", "SQLAlchemy URL of the store; empty means SQLite in home", "controller"),
    Field("artifacts", str, "", "URL of the artifact store; empty means a folder in home", "controller"),
    Field(
        "url_lifetime",
        float,
        604_800.0,
        "seconds for which what jobs are given to read and write in a bucket is signed, 60 at least and 604800 (a "
        "week) at most; renewed while they wait",
        "controller",
    ),
    Field("keep", str, "", "how long ended jobs are kept: 90d, 12h; empty means for ever", "controller"),
    Field("idle_timeout", float, 600.0, "seconds after which an idle controller of your own ends", "controller"),
    Field("max_body", int, 32_000_000, "bytes of one request's body", "controller"),
    Field("max_blob", int, 4_000_000_000, "bytes of one uploaded value", "controller"),
    Field(
        "max_log", int, 2_000_000_000, "bytes of one job's event log; what is over is dropped, and said", "controller"
    ),
    Field("max_jobs_per_user", int, 100_000, "jobs of one user that have not ended", "controller"),
    Field("log_level", str, "info", "debug, info, warning or error", "controller"),
)
_BY_NAME = {field.name: field for field in FIELDS}
#: Variables of a site, and the settings that they are where nothing else says them.
SITE = {
    "QWEX_NAMESPACE": ("kueue", "namespace"),
    "QWEX_SSH_IMAGE": ("kueue", "machine_image"),
    "QWEX_STORAGE_CLASS": ("kueue", "machine_storage_class"),
}


class Value(NamedTuple):
    """A value and where it came from: ``default``, a file's path or a variable's name."""

    value: Any
    origin: str


class Settings:
    """All settings as read once. Values are attributes; ``values`` says where each came from, too."""

    def __init__(self, values: dict[str, Value], sections: dict[str, dict[str, Value]]) -> None:
        self.values = values
        self.sections = sections

    def __getattr__(self, name: str) -> Any:
        try:
            return self.__dict__["values"][name].value
        except KeyError:
            raise AttributeError(name) from None

    def section(self, name: str) -> dict[str, Any]:
        """A plugin's own settings; nested tables as dictionaries."""
        return {key: value.value for key, value in self.sections.get(name, {}).items()}

    def check(self, section: str, known: Sequence[str]) -> None:
        """Refuse a section with a key that means nothing.

        Raises:
            ConfigError: names the file or variable, the section and the nearest key.
        """
        for key, (_, origin) in self.sections.get(section, {}).items():
            if key not in known:
                raise ConfigError(f"{origin}: [{section}] has no {key!r}.{nearest(key, known)} {_listed(known)}")

    @property
    def folder(self) -> Path:
        """The data folder of the user's own controller."""
        if self.home:
            return Path(self.home).expanduser().absolute()
        base = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
        return Path(base) / "qwex"


def own_folder(folder: Path) -> None:
    """The data folder of the user's own controller is there, and nobody else puts keys or sockets into it.

    What is in it is private by itself.

    Raises:
        ConfigError: it cannot be made, or others can write in it all the same.
    """
    others = stat.S_IWGRP | stat.S_IWOTH
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        there = folder.stat()
        # One that is everybody's, such as /tmp, is not qwex's to close, and a disk may take no change.
        if there.st_mode & others and there.st_uid == os.getuid() and not there.st_mode & stat.S_ISVTX:
            with contextlib.suppress(OSError):
                folder.chmod(stat.S_IMODE(there.st_mode) & ~others)
            there = folder.stat()
    except OSError as error:
        raise ConfigError(f"the folder {folder} cannot be used: {error.strerror}. Set QWEX_HOME to another.") from None
    if there.st_mode & others:
        raise ConfigError(
            f"others can write in the folder {folder}, where your keys would be. "
            f"Set QWEX_HOME to a folder of your own, such as {folder / 'qwex'}."
        )


def read_section(name: str, model: type[ModelT], section: Mapping[str, Any]) -> ModelT:
    """A plugin's section as its pydantic model.

    Raises:
        ConfigError: lists every problem, by the setting's name.
    """
    from pydantic import ValidationError

    try:
        return model.model_validate(dict(section))
    except ValidationError as error:
        problems = [(".".join(map(str, e["loc"])), e["msg"]) for e in error.errors(include_url=False)]
        lines = "; ".join(f"{field}: {message.removeprefix('Value error, ')}" for field, message in problems)
        raise ConfigError(f"[{name}] {lines}", problems=problems) from None


def config_file() -> Path:
    """The user's configuration file, whether it exists or not."""
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "qwex" / "config.toml"


def masked(name: str, value: Any) -> Any:
    """The value as it may be shown: hidden when it is a secret or is named like one, no password within a URL."""
    import re

    known = _BY_NAME.get(name)
    if value and (
        (known and known.secret) or re.search(r"token|secret|password|credential|(^|[._])key$", name, re.IGNORECASE)
    ):
        return "••••"
    return re.sub(r"(://[^/@:]*:)[^/@]*@", r"\1••••@", value) if isinstance(value, str) else value


def load(cwd: Path | None = None, **overrides: Any) -> Settings:
    """Settings as they are now; ``overrides`` (None means not given) win over everything.

    Raises:
        ConfigError: a file does not parse, a name is unknown, or a value has the wrong type.
    """
    values = {field.name: Value(field.default, "default") for field in FIELDS}
    sections: dict[str, dict[str, Value]] = {}
    for path in _files(cwd or Path.cwd()):
        _merge_file(path, values, sections)
    _merge_environment(values, sections)
    for name, given in overrides.items():
        if given is not None:
            values[name] = Value(given, "argument")
    return Settings(values, sections)


def _listed(known: Sequence[str]) -> str:
    return f"There is: {', '.join(known)}" if known else "It has none at all"


def _files(cwd: Path) -> list[Path]:
    candidates = [config_file()]
    candidates += [folder / "qwex.toml" for folder in (cwd, *cwd.parents) if (folder / "qwex.toml").is_file()][:1]
    return [path for path in candidates if path.is_file()]


def _merge_file(path: Path, values: dict[str, Value], sections: dict[str, dict[str, Value]]) -> None:
    for name, given in _read(path).items():
        if isinstance(given, dict):
            sections.setdefault(name, {}).update({key: Value(value, str(path)) for key, value in given.items()})
        elif name not in _BY_NAME:
            known = nearest(name, list(_BY_NAME))
            raise ConfigError(f"{path}: no setting {name!r}.{known} See them all with: qwex config")
        else:
            values[name] = Value(_typed(_BY_NAME[name], given, str(path)), str(path))


def _read(path: Path) -> dict[str, Any]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        return dict(tomllib.loads(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path}: {error}. Mend the file, or move it away to use the defaults.") from error


def _merge_environment(values: dict[str, Value], sections: dict[str, dict[str, Value]]) -> None:
    for variable, text in os.environ.items():
        name = variable.removeprefix("QWEX_").lower()
        if not variable.startswith("QWEX_"):
            continue
        section, double, key = name.partition("__")
        if double:
            sections.setdefault(section, {})[key] = Value(_literal(text), variable)
        elif name in _BY_NAME:
            values[name] = Value(_typed(_BY_NAME[name], text, variable), variable)
    for variable, (section, key) in SITE.items():
        if text := os.environ.get(variable, ""):
            sections.setdefault(section, {}).setdefault(key, Value(text, variable))


def _typed(field: Field, given: Any, origin: str) -> Any:
    try:
        if isinstance(given, bool) or not isinstance(given, (str, int, float)):
            raise ValueError(given)
        return field.kind(given)
    except ValueError:
        raise ConfigError(f"{origin}: {field.name} = {given!r} is not {_ARTICLE[field.kind]}") from None


_ARTICLE = {str: "a text", int: "a whole number", float: "a number"}


def _literal(text: str) -> Any:
    """A variable's text as TOML would read it, else as it stands."""
    if text in ("true", "false"):
        return text == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            pass
    return text
