"""Where a controller listens: a Unix socket of the user's own, or a URL."""

from __future__ import annotations

from typing import NamedTuple

from qwex.errors import ConfigError

__all__ = ["Address"]

_PORTS = {"http": 80, "https": 443}


class Address(NamedTuple):
    """A Unix socket when ``path`` is set, else ``host`` and ``port``; ``prefix`` stands before every route."""

    path: str = ""
    host: str = "qwex"
    port: int = 0
    tls: bool = False
    prefix: str = ""

    @property
    def authority(self) -> str:
        """The Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port in (0, _PORTS["https" if self.tls else "http"]) else f"{host}:{self.port}"

    def __str__(self) -> str:
        return self.path or f"{'https' if self.tls else 'http'}://{self.authority}{self.prefix}"

    @classmethod
    def parse(cls, url: str) -> Address:
        """The address in a setting.

        Raises:
            ConfigError: not an http or https URL.
        """
        from urllib.parse import urlsplit

        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as error:
            raise ConfigError(f"url = {url!r}: {error}") from None
        if parts.scheme not in _PORTS or not parts.hostname:
            raise ConfigError(f"url = {url!r} is not of the form https://host:port")
        return cls("", parts.hostname, port or _PORTS[parts.scheme], parts.scheme == "https", parts.path.rstrip("/"))
