"""Short requests to the API server, for the harness itself; a start of kubectl takes longer than most of them."""

from __future__ import annotations

import base64
import http.client
import json
import ssl
import tempfile
import urllib.parse
from typing import TYPE_CHECKING, Any

import yaml

from harness.errors import ClusterError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["ApiServer"]


class ApiServer:
    """JSON in, JSON out, with the certificate of a kubeconfig that holds one."""

    def __init__(self, kubeconfig: Path) -> None:
        config = yaml.safe_load(kubeconfig.read_text())
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        self.url: str = cluster["server"]
        self._address = urllib.parse.urlsplit(self.url)
        authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
        self._ssl = ssl.create_default_context(cadata=authority)
        # The ssl module reads a pair from files only.
        with tempfile.NamedTemporaryFile() as pair:
            pair.write(base64.b64decode(user["client-certificate-data"]))
            pair.write(base64.b64decode(user["client-key-data"]))
            pair.flush()
            self._ssl.load_cert_chain(pair.name)

    def get(self, path: str) -> dict[str, Any] | None:
        """The object; None when there is none."""
        status, body = self.request("GET", path)
        if status == 404:
            return None
        return _ok(status, body, path)

    def create(self, path: str, thing: Mapping[str, Any]) -> None:
        """Create it; one of that name that is there already is left as it is."""
        status, body = self.request("POST", path, thing)
        if status != 409:
            _ok(status, body, path)

    def merge(self, path: str, patch: Mapping[str, Any]) -> None:
        """Patch it."""
        _ok(*self.request("PATCH", path, patch, "application/merge-patch+json"), path)

    def ready(self) -> bool:
        """Whether all its parts are up."""
        return self.request("GET", "/readyz")[0] == 200

    def request(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, kind: str = "application/json"
    ) -> tuple[int, bytes]:
        """Status and body.

        Raises:
            OSError: it cannot be reached.
        """
        host, port = self._address.hostname or "", self._address.port
        connection = http.client.HTTPSConnection(host, port, context=self._ssl, timeout=30)
        try:
            data = json.dumps(body) if body is not None else None
            connection.request(method, path, data, {"Content-Type": kind, "Accept": "application/json"})
            answer = connection.getresponse()
            return answer.status, answer.read()
        except http.client.HTTPException as error:
            raise ConnectionError(repr(error)) from error
        finally:
            connection.close()


def _ok(status: int, body: bytes, path: str) -> dict[str, Any]:
    if status >= 300:
        raise ClusterError(f"{path}: {status} {body[:500].decode(errors='replace')}")
    found: dict[str, Any] = json.loads(body)
    return found
