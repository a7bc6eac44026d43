"""The section ``[mlflow]``, and which tracking server a job belongs to."""

from __future__ import annotations

import json
import os
from functools import lru_cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote, urlsplit

from pydantic import BaseModel, ConfigDict, Field

from qwex.errors import ConfigError
from qwex_mlflow.redacting import hidden

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["MlflowSettings", "Place", "here", "is_remote", "place_of"]


class MlflowSettings(BaseModel):
    """What a site or a user sets."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    enabled: bool = Field(True, description="whether jobs are recorded in MLflow")
    tracking_uri: str = Field(
        "", description="tracking server of jobs whose environment names none; empty means a store in home"
    )
    job_tracking_uri: str = Field("", description="the same server as jobs see it, where that is another address")
    ui_url: str = Field("", description="the same server as a browser sees it, where that is another address")
    experiment: str = Field(
        "", description="experiment of jobs that name none; empty means their notebook's or folder's name"
    )
    username: str = Field("", description="user for the tracking server")
    password: str = Field("", description="password for the tracking server")
    token: str = Field("", description="bearer token for the tracking server")
    insecure_tls: bool = Field(False, description="accept any certificate")
    ca_file: str = Field("", description="certificates to trust, as a PEM file")


class Place(NamedTuple):
    """A tracking server or store, with what it takes to be let in. Never shown or stored."""

    uri: str
    username: str = ""
    password: str = ""
    token: str = ""
    insecure_tls: bool = False
    ca_file: str = ""
    #: Whether the submitting side named it, so that jobs find it by themselves.
    inherited: bool = False


def is_remote(uri: str) -> bool:
    """Whether it is a server that is spoken to over HTTP."""
    return uri.startswith(("http://", "https://"))


def place_of(
    settings: MlflowSettings, env: Mapping[str, str], environment: Path | None, folder: Path, cwd: str = ""
) -> Place | None:
    """Where a job is recorded; None where it is not.

    The job's own variables come first, then those of the environment it was submitted in, the configuration, the
    controller's environment, and last a store of qwex's own, which needs MLflow beside qwex.

    Raises:
        ConfigError: a server is named by something that is no address.
    """
    if not settings.enabled:
        return None
    for variables, inherited in ((env, True), (_read(environment), True), (None, False), (os.environ, False)):
        if variables is None:
            if settings.tracking_uri:
                return _configured(settings)
        elif uri := variables.get("MLFLOW_TRACKING_URI"):
            if inherited and not is_remote(uri):
                # Of jobs elsewhere it means nothing here.
                return _on_this_machine(uri, cwd) if environment else None
            return _named(uri, _keys(uri, {**_read(environment), **env}) if inherited else os.environ, inherited)
    return Place(f"sqlite:///{folder / 'mlflow.db'}") if _has_store() else None


def _keys(uri: str, given: Mapping[str, str]) -> Mapping[str, str]:
    """The variables for a server that a job names: its own, or those of the controller for the controller's server.

    The controller's keys go nowhere else, and none of a job's variables says how they travel.
    """
    own = os.environ.get("MLFLOW_TRACKING_URI") == uri
    bare = not any(name.startswith("MLFLOW_TRACKING_") and name != "MLFLOW_TRACKING_URI" for name in given)
    return os.environ if own and bare else given


def here(variables: Mapping[str, str], cwd: str) -> Place | None:
    """The store on this machine that these variables of a process in ``cwd`` name; None where they name none."""
    uri = variables.get("MLFLOW_TRACKING_URI", "")
    return _on_this_machine(uri, cwd) if uri and not is_remote(uri) else None


def _on_this_machine(uri: str, cwd: str) -> Place | None:
    """A store by its address as it stands in that folder."""
    scheme, found, path = uri.partition(":///")
    if not found:
        return Place(uri, inherited=True)
    if not path.startswith("/") and not (path and cwd):
        return None
    return Place(f"{scheme}:///{os.path.join(cwd, path) if scheme == 'sqlite' else path}", inherited=True)


def _configured(settings: MlflowSettings) -> Place:
    names = ("username", "password", "token", "insecure_tls", "ca_file")
    return _without_user(Place(settings.tracking_uri, **{name: getattr(settings, name) for name in names}))


def _without_user(place: Place) -> Place:
    """The user and password of its address apart from it: addresses are shown.

    Raises:
        ConfigError: that is no address.
    """
    try:
        parts = urlsplit(place.uri)
        parts.port  # noqa: B018 - which is read only here
    except ValueError as error:
        raise ConfigError(f"the tracking server's address {hidden('', place.uri)} is none: {error}") from None
    if not is_remote(place.uri) or "@" not in parts.netloc:
        return place
    address = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    username, password = unquote(parts.username or ""), unquote(parts.password or "")
    return place._replace(uri=address, username=place.username or username, password=place.password or password)


def _named(uri: str, variables: Mapping[str, str], inherited: bool) -> Place:
    """With MLflow's own variables for what else is needed."""
    given = {name: variables.get(f"MLFLOW_TRACKING_{name.upper()}", "") for name in ("username", "password", "token")}
    insecure = variables.get("MLFLOW_TRACKING_INSECURE_TLS", "").lower() in ("1", "true")
    ca_file = variables.get("MLFLOW_TRACKING_SERVER_CERT_PATH", "")
    return _without_user(Place(uri, **given, insecure_tls=insecure, ca_file=ca_file, inherited=inherited))


def _read(environment: Path | None) -> Mapping[str, str]:
    try:
        return _variables(environment) if environment else {}
    except OSError:
        return {}


@lru_cache(maxsize=64)
def _variables(path: Path) -> dict[str, str]:
    """A file's name is the digest of its bytes, so that it needs to be read once; only MLflow's own are kept."""
    variables: dict[str, str] = json.loads(path.read_bytes())
    return {name: value for name, value in variables.items() if name.startswith("MLFLOW_")}


@lru_cache(maxsize=1)
def _has_store() -> bool:
    return find_spec("mlflow") is not None and find_spec("sqlalchemy") is not None
