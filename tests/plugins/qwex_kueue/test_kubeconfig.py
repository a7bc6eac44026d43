"""Credentials from a program of the kubeconfig's user, and how often it is asked."""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from qwex_kueue import kubeconfig
from qwex_kueue.apiserver import ApiServer
from qwex_kueue.settings import KueueSettings

from qwex.errors import BackendUnavailable, NotAuthorized

pytestmark = pytest.mark.anyio


@pytest.fixture
def user_with(tmp_path):
    """Settings of a user whose credentials a program prints."""

    def make(code, server="https://127.0.0.1:1", command=sys.executable, **more):
        plugin = {"apiVersion": "client.authentication.k8s.io/v1", "command": command, "args": ["-c", code], **more}
        file = tmp_path / "kubeconfig"
        content = {
            "current-context": "here",
            "contexts": [{"name": "here", "context": {"cluster": "c", "user": "ada", "namespace": "team"}}],
            "clusters": [{"name": "c", "cluster": {"server": server}}],
            "users": [{"name": "ada", "user": {"exec": plugin}}],
        }
        file.write_text(json.dumps(content))
        return KueueSettings(kubeconfig=str(file))

    return make


def printing(**status):
    return f"print({json.dumps({'apiVersion': 'v1', 'kind': 'ExecCredential', 'status': status})!r})"


async def test_a_token_and_a_certificate_are_taken(user_with):
    code = "import os, json; json.loads(os.environ['KUBERNETES_EXEC_INFO']); assert os.environ['A'] == 'b'\n"
    read, namespace = await kubeconfig.read(user_with(code + printing(token="t"), env=[{"name": "A", "value": "b"}]))
    assert (read.api_key["BearerToken"], namespace) == ("Bearer t", "team")
    read, _ = await kubeconfig.read(user_with(printing(clientCertificateData="certificate", clientKeyData="key")))
    assert [Path(file).read_text() for file in (read.cert_file, read.key_file)] == ["certificate", "key"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"command": "not-there"}, r"cannot be run \(No such file or directory\). Install it"),
        ({"command": "not-there", "installHint": "pip install it"}, "cannot be run .* pip install it"),
        ({"code": "import sys; sys.exit('the login has expired')"}, "failed with exit code 1: the login has expired."),
        ({"code": "print('hello')"}, "answered no ExecCredential"),
        ({"code": printing(expirationTimestamp="2026-11-26T00:00:00Z")}, "answered no ExecCredential"),
        ({"code": "import time; time.sleep(60)"}, "gave no answer in 0.5 s"),
    ],
)
async def test_a_program_that_gives_no_credentials_is_named_with_what_it_says(user_with, monkeypatch, given, said):
    monkeypatch.setattr(kubeconfig, "_PLUGIN", 0.5 if "sleep" in str(given) else 60.0)
    command = given.get("command", sys.executable)
    with pytest.raises(BackendUnavailable, match=rf"'{command}', which gives its user 'ada' credentials, {said}"):
        await kubeconfig.read(user_with(**{"code": "", **given}))


@asynccontextmanager
async def serving(good):
    """An API server that knows one token, and answers nobody before five have come."""
    come, crowd = [], asyncio.Event()

    async def answer(request):
        come.append(request)
        if len(come) == 5:
            crowd.set()
        await crowd.wait()
        known = request.headers["authorization"] == f"Bearer {good}"
        return web.json_response({} if known else {"message": "who?"}, status=200 if known else 401)

    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


#: Prints how often it was asked as the token.
COUNTING = """
import json, pathlib
file = pathlib.Path({file!r})
token = str(len(file.read_text()) if file.exists() else 0)
file.write_text("x" * (int(token) + 1))
print(json.dumps(dict(status=dict(token=token))))
"""


@pytest.mark.parametrize("outcome", ["accepted", "failed"])
async def test_all_that_were_refused_with_the_same_credentials_share_one_renewal(user_with, tmp_path, outcome):
    file = tmp_path / "asked"
    code = COUNTING.format(file=str(file)) + ("" if outcome == "accepted" else "if token != '0': raise SystemExit(1)")
    async with serving(good="1") as address:
        server = await ApiServer.connect(user_with(code, address))
        answers = await asyncio.gather(*(server.get(f"/{n}") for n in range(5)), return_exceptions=True)
        await server.close()
    assert answers == [{}] * 5 if outcome == "accepted" else {type(each) for each in answers} == {BackendUnavailable}
    assert len(file.read_text()) == 2


async def test_credentials_that_stay_refused_are_told_after_one_renewal(user_with, tmp_path):
    async with serving(good="never") as address:
        server = await ApiServer.connect(user_with(COUNTING.format(file=str(tmp_path / "asked")), address))
        answers = await asyncio.gather(*(server.get(f"/{n}") for n in range(5)), return_exceptions=True)
        await server.close()
    assert {type(each) for each in answers} == {NotAuthorized}
    assert len((tmp_path / "asked").read_text()) == 2


async def test_an_error_says_what_names_the_file_and_what_to_do(user_with, tmp_path, monkeypatch):
    settings = user_with(printing(token="t")).model_copy(update={"context": "her"})
    with pytest.raises(
        BackendUnavailable, match=r"context in \[kueue\] is 'her'.* Did you mean 'here'\? There is: here"
    ):
        await kubeconfig.read(settings)
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "absent"))
    named = r"absent. The file is named by \$KUBECONFIG: mend it, or name another with kubeconfig in \[kueue\]"
    with pytest.raises(BackendUnavailable, match=named):
        await kubeconfig.read(KueueSettings())
    with pytest.raises(BackendUnavailable, match=r"The file is named by kubeconfig in \[kueue\]"):
        await kubeconfig.read(KueueSettings(kubeconfig=str(tmp_path / "absent")))


async def test_a_program_without_the_version_of_its_answer_is_told_which_is_usual(user_with):
    said = "the exec entry of its user 'ada' has no apiVersion; most have apiVersion: client.authentication"
    with pytest.raises(BackendUnavailable, match=said):
        await kubeconfig.read(user_with(printing(token="t"), apiVersion=None))
