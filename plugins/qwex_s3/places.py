"""From a URL and a section of the configuration to a store of obstore's."""

from __future__ import annotations

import importlib
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import urlsplit

from qwex.config import read_section
from qwex.errors import ConfigError
from qwex_s3.errors import Where
from qwex_s3.settings import AzureSettings, CloudSettings, GoogleSettings, S3Settings
from qwex_s3.store import CloudStore

if TYPE_CHECKING:
    from qwex.artifacts import StoreContext

__all__ = ["AzureStore", "GoogleStore", "S3Store"]

#: Seconds in which a server takes the connection.
_CONNECT = 10


class _Place(CloudStore):
    """A bucket, and a folder in it."""

    #: obstore's class, and the model of the section.
    kind: ClassVar[str]
    model: ClassVar[type[CloudSettings]]

    def __init__(self, context: StoreContext) -> None:
        settings = read_section(self.name, self.model, context.settings)
        parts = urlsplit(context.url)
        if not parts.netloc:
            raise ConfigError(f"artifacts = {context.url!r} names no bucket; write {self.name}://bucket/folder")
        endpoint = str(getattr(settings, "endpoint", ""))
        _refuse_open_http(endpoint, settings, self.name)
        where = Where(context.url, parts.netloc, endpoint, self.name, settings.timeout, settings.patience)
        made = _made(self.kind, parts.netloc, parts.path.strip("/"), settings, self.config(settings, parts.netloc))
        super().__init__(context, made, where)

    @staticmethod
    def config(settings: Any, bucket: str) -> dict[str, Any]:
        """obstore's words for the section's; what is empty is left to the environment."""
        raise NotImplementedError


class S3Store(_Place):
    """``s3://bucket/folder``."""

    name: ClassVar[str] = "s3"
    schemes: ClassVar[tuple[str, ...]] = ("s3", "s3a")
    Settings = model = S3Settings
    kind = "S3Store"

    def __init__(self, context: StoreContext) -> None:
        super().__init__(context)
        self.creates = read_section(self.name, S3Settings, context.settings).conditional_put

    @staticmethod
    def config(settings: S3Settings, bucket: str) -> dict[str, Any]:
        """Keys and region as they are named there; the bucket within the endpoint where that is its style."""
        given = settings.model_dump(
            include={"endpoint", "region", "access_key_id", "secret_access_key", "session_token"}
        )
        if not settings.path_style:
            given |= {"endpoint": settings.endpoint.replace("://", f"://{bucket}.", 1)}
        return {**given, "virtual_hosted_style_request": not settings.path_style}


class GoogleStore(_Place):
    """``gs://bucket/folder``."""

    name: ClassVar[str] = "gs"
    schemes: ClassVar[tuple[str, ...]] = ("gs", "gcs")
    Settings = model = GoogleSettings
    kind = "GCSStore"

    @staticmethod
    def config(settings: GoogleSettings, bucket: str) -> dict[str, Any]:
        """Its endpoint is called base_url."""
        return {"service_account": settings.service_account, "base_url": settings.endpoint}


class AzureStore(_Place):
    """``az://container/folder``."""

    name: ClassVar[str] = "az"
    schemes: ClassVar[tuple[str, ...]] = ("az", "abfs")
    Settings = model = AzureSettings
    kind = "AzureStore"

    @staticmethod
    def config(settings: AzureSettings, bucket: str) -> dict[str, Any]:
        """An account, and what proves it."""
        return {
            "account_name": settings.account_name,
            "account_key": settings.account_key,
            "sas_key": settings.sas_token,
            "endpoint": settings.endpoint,
        }

    async def url(self, key: str, seconds: float, method: str = "GET") -> str | None:
        """To read; who writes a blob has to send a header of Azure's own."""
        return await super().url(key, seconds, method) if method == "GET" else None


def _made(kind: str, bucket: str, prefix: str, settings: CloudSettings, config: dict[str, Any]) -> Any:
    try:
        module = importlib.import_module("obstore.store")
    except ImportError as error:
        raise ConfigError(f"object stores need obstore ({error}); run: pip install 'qwex[s3]'") from error
    client: dict[str, Any] = {
        "allow_http": settings.allow_http,
        "connect_timeout": timedelta(seconds=_CONNECT),
        "timeout": timedelta(seconds=settings.timeout),
    }
    if settings.ca_file:
        client["root_certificate"] = _certificate(settings.ca_file)
    try:
        return getattr(module, kind)(
            bucket,
            prefix=prefix or None,
            config={name: value for name, value in config.items() if value != ""},
            client_options=client,
            retry_config={"retry_timeout": timedelta(seconds=settings.patience)},
        )
    except Exception as error:  # obstore says what it lacks: an account, a file that is there
        raise ConfigError(f"the artifact store {bucket} cannot be set up: {str(error).splitlines()[0]}") from error


def _certificate(file: str) -> bytes:
    try:
        return Path(file).expanduser().read_bytes()
    except OSError as error:
        raise ConfigError(f"ca_file {file} cannot be read: {error.strerror}") from error


def _refuse_open_http(endpoint: str, settings: CloudSettings, section: str) -> None:
    if endpoint.startswith("http://") and not settings.allow_http:
        raise ConfigError(
            f"[{section}] endpoint = {endpoint!r}: everything would be sent in the open; "
            f"use https://, or set [{section}] allow_http = true"
        )
