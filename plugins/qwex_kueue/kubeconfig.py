"""The kubeconfig, or the account of the pod that this runs in: where the API server is, and who asks it."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kubernetes.aio import client, config
from kubernetes.aio.config.kube_config import FileOrData, KubeConfigLoader, KubeConfigMerger

from qwex.errors import BackendUnavailable, nearest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from qwex_kueue.settings import KueueSettings

__all__ = ["read"]

_DEFAULT = "~/.kube/config"
_EXAMPLE = "apiVersion: client.authentication.k8s.io/v1"
#: Where the account of a pod's own namespace stands.
_OWN_NAMESPACE = "/var/run/secrets/kubernetes.io/serviceaccount/namespace"
#: Seconds for a credential plugin's answer: one that waits for a person waits in vain.
_PLUGIN = 60.0


async def read(settings: KueueSettings) -> tuple[client.Configuration, str]:
    """The library's configuration, and the context's namespace.

    Raises:
        BackendUnavailable: names the file, which may be mended meanwhile, or says where it was looked for.
    """
    configuration = client.Configuration()
    files, origin = _files(settings)
    try:
        if not files:
            config.load_incluster_config(configuration)
            return configuration, _own_namespace()
        merged = KubeConfigMerger(os.pathsep.join(files)).config
        _check_context(settings, merged)
        loader: KubeConfigLoader = _Loader(merged, settings.context or None, config_base_path=None)  # type: ignore[no-untyped-call]
        await loader.load_and_set(configuration)
        return configuration, str(loader.current_context.get("context", {}).get("namespace") or "")
    except config.ConfigException as error:
        where = f"kubeconfig {files[0]}" if files else f"there is no {_DEFAULT}, and this is not a pod"
        raise BackendUnavailable(f"[kueue] {where}: {_sentence(error)}. {_next(origin)}") from error
    except Exception as error:  # the loader raises whatever a broken file makes it raise
        said = f"[kueue] kubeconfig {files[0]} cannot be used: {type(error).__name__}: {error}"
        raise BackendUnavailable(f"{said}. {_next(origin)}") from error


def _sentence(error: Exception) -> str:
    return str(error).rstrip(".")


def _next(origin: str) -> str:
    """Where the file was named, and what to do about what is wrong with it."""
    named = f"The file is named by {origin}" if origin != _DEFAULT else f"{_DEFAULT} is where it is by default"
    return f"{named}: mend it, or name another with kubeconfig in [kueue], or with $KUBECONFIG"


def _check_context(settings: KueueSettings, merged: Any) -> None:
    """Refuse a context that is not there; the library's own words name a list in the file, and nothing that is in it.

    Raises:
        ConfigException: lists those there are.
    """
    content = merged.value
    wanted = settings.context or content.get("current-context")
    known = [str(each["name"]) for each in content.get("contexts") or ()]
    if wanted and wanted not in known:
        named = "context in [kueue]" if settings.context else "its current-context"
        there_is = f"There is: {', '.join(known)}" if known else "It has none at all"
        raise config.ConfigException(
            f"{named} is {wanted!r}, which it does not have.{nearest(wanted, known)} {there_is}"
        )


class _Loader(KubeConfigLoader):
    """The library's own only logs that a credential plugin fails, and the server is then asked by nobody."""

    async def load_from_exec_plugin(self) -> bool:
        """Take what the plugin of the context's user answers."""
        user = self.current_context["context"]["user"]
        assert self._user is not None
        plugin = self._user["exec"].value
        if missing := [each for each in ("apiVersion", "command") if not plugin.get(each)]:
            example = f"; most have {_EXAMPLE}" if "apiVersion" in missing else ""
            raise config.ConfigException(
                f"the exec entry of its user {user!r} has no {' and no '.join(missing)}{example}"
            )
        try:
            status = await _credentials(plugin)
        except config.ConfigException as error:
            message = f"the program {plugin['command']!r}, which gives its user {user!r} credentials, {error}"
            raise config.ConfigException(message) from error
        if "token" in status:
            self.token = f"Bearer {status['token']}"
        else:
            self.cert_file = FileOrData(status, None, "clientCertificateData", base64_file_content=False).as_file()
            self.key_file = FileOrData(status, None, "clientKeyData", base64_file_content=False).as_file()
        return True


async def _credentials(plugin: Mapping[str, Any]) -> dict[str, str]:
    """The status of the ``ExecCredential`` that a plugin prints.

    https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins

    Raises:
        ConfigException: says of the plugin what is wrong with it.
    """
    try:
        code, printed, said = await asyncio.wait_for(_run(plugin), _PLUGIN)
    except asyncio.TimeoutError:
        message = f"gave no answer in {_PLUGIN:g} s. If it waits for a login, log in at a terminal first"
        raise config.ConfigException(message) from None
    except OSError as error:
        hint = plugin.get("installHint") or "Install it, and have it in the PATH of the controller"
        raise config.ConfigException(f"cannot be run ({error.strerror}). {hint}") from error
    if code:
        raise config.ConfigException(f"failed with exit code {code}: {said.strip()[-500:]}. If it is a login, renew it")
    try:
        status = json.loads(printed)["status"]
        if "token" in status or {"clientCertificateData", "clientKeyData"} <= status.keys():
            return dict(status)
    except (ValueError, LookupError, TypeError, AttributeError):
        pass
    raise config.ConfigException("answered no ExecCredential with a token, or a certificate and its key")


async def _run(plugin: Mapping[str, Any]) -> tuple[int | None, str, str]:
    """How it ended, and what it printed to stdout and stderr; nobody is there to be asked."""
    asked = {"apiVersion": plugin["apiVersion"], "kind": "ExecCredential", "spec": {"interactive": False}}
    variables = {each["name"]: each["value"] for each in plugin.get("env") or ()}
    process = await asyncio.create_subprocess_exec(
        plugin["command"],
        *(plugin.get("args") or ()),
        env={**os.environ, **variables, "KUBERNETES_EXEC_INFO": json.dumps(asked)},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        printed, said = await process.communicate()
    except asyncio.CancelledError:
        process.kill()
        await process.wait()
        raise
    return process.returncode, printed.decode(errors="replace"), said.decode(errors="replace")


def _files(settings: KueueSettings) -> tuple[list[str], str]:
    """The files there are, and what names them; none means the account of the pod that this runs in."""
    named = settings.kubeconfig or os.environ.get("KUBECONFIG", "")
    origin = "kubeconfig in [kueue]" if settings.kubeconfig else "$KUBECONFIG" if named else _DEFAULT
    files = [os.path.expanduser(each) for each in (named or _DEFAULT).split(os.pathsep) if each]
    found = [each for each in files if os.path.exists(each)]
    if named and not found:
        raise BackendUnavailable(f"[kueue] kubeconfig: there is no file {files[0]}. {_next(origin)}")
    return found, origin


def _own_namespace() -> str:
    return Path(_OWN_NAMESPACE).read_text(encoding="utf-8").strip()
