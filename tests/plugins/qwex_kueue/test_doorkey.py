"""The kubeconfig as the process reads it that ssh starts: the same as kubectl's, or a sentence that names the file."""

from __future__ import annotations

import base64
import json
import sys

import pytest
import yaml
from qwex_kueue import doorkey
from qwex_kueue.doorkey import access

from qwex.door import DoorError

CA = "-----BEGIN CERTIFICATE-----"


def config(**user):
    return {
        "current-context": "here",
        "contexts": [
            {"name": "here", "context": {"cluster": "c", "user": "ada"}},
            {"name": "there", "context": {"cluster": "d", "user": "ada"}},
        ],
        "clusters": [
            {"name": "c", "cluster": {"server": "https://here:6443/prefix", "certificate-authority": "ca.pem"}},
            {"name": "d", "cluster": {"server": "https://there", "insecure-skip-tls-verify": True}},
        ],
        "users": [{"name": "ada", "user": user}],
    }


@pytest.fixture
def kubeconfig(tmp_path):
    def write(content, name="config", form=yaml.safe_dump):
        (tmp_path / "ca.pem").write_text(CA)
        (tmp_path / name).write_text(form(content))
        return str(tmp_path / name)

    return write


@pytest.mark.parametrize("form", [yaml.safe_dump, json.dumps])
def test_server_authority_and_token_are_those_of_the_context(kubeconfig, form):
    found = access({"kubeconfig": kubeconfig(config(token="secret"), form=form)})
    assert (found.server, found.host, found.prefix) == ("https://here:6443/prefix", "here:6443", "/prefix")
    assert (found.token, found.authority, found.is_verified) == ("secret", CA, True)


def test_the_doors_context_counts_more_than_the_current_one(kubeconfig):
    found = access({"kubeconfig": kubeconfig(config()), "context": "there"})
    assert (found.server, found.is_verified) == ("https://there", False)


def test_another_current_context_does_not_lead_elsewhere(kubeconfig):
    assert access({"kubeconfig": kubeconfig(config()), "server": "https://there"}).server == "https://there"
    assert access({"kubeconfig": kubeconfig(config()), "server": "https://gone"}).server == "https://here:6443/prefix"


def test_the_file_of_a_controller_elsewhere_is_ones_own_here(kubeconfig, monkeypatch, tmp_path):
    monkeypatch.setenv("KUBECONFIG", kubeconfig(config(token="mine")))
    door = {"kubeconfig": str(tmp_path / "elsewhere"), "context": "its-own", "server": "https://there"}
    found = access(door)
    assert (found.server, found.token) == ("https://there", "mine")
    assert access({**door, "context": "here"}).server == "https://there"


@pytest.fixture
def pod(tmp_path, monkeypatch):
    """A pod with an account and no kubeconfig."""
    (tmp_path / "token").write_text("of the pod\n")
    (tmp_path / "ca.crt").write_text(CA)
    monkeypatch.setattr(doorkey, "_ACCOUNT", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "fd00::1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")


def test_in_a_pod_without_a_kubeconfig_it_is_the_pods_account(pod, monkeypatch):
    found = access({"kubeconfig": "", "context": "", "server": "https://[fd00::1]:443"})
    assert (found.server, found.token, found.authority) == ("https://[fd00::1]:443", "of the pod", CA)
    monkeypatch.setenv("KUBECONFIG", "/nowhere")
    with pytest.raises(DoorError, match="no kubeconfig /nowhere"):
        access({})


def test_a_certificate_is_taken_from_the_file_or_from_beside_it(kubeconfig, tmp_path):
    (tmp_path / "key.pem").write_text("key")
    user = {"client-certificate-data": base64.b64encode(b"certificate").decode(), "client-key": "key.pem"}
    assert access({"kubeconfig": kubeconfig(config(**user))}).certificate == (b"certificate", b"key")


def test_a_program_gives_the_token(kubeconfig):
    answer = {"status": {"token": "fresh"}}
    plugin = {"apiVersion": "v1", "command": sys.executable, "args": ["-c", f"print('{json.dumps(answer)}')"]}
    assert access({"kubeconfig": kubeconfig(config(exec=plugin))}).token == "fresh"


def test_several_files_are_one(kubeconfig, monkeypatch):
    whole = config(token="secret")
    first = kubeconfig({key: whole[key] for key in ("current-context", "contexts")}, "first")
    second = kubeconfig({key: whole[key] for key in ("clusters", "users")}, "second")
    monkeypatch.setenv("KUBECONFIG", f"{first}:{second}")
    assert access({}).token == "secret"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({}, "context"),
        ({**config(), "current-context": "gone"}, "gone"),
        ({**config(), "clusters": []}, "'c'"),
        (config(tokenFile="missing"), "missing"),
        (config(exec={"command": "no-such-program"}), "no-such-program"),
        (config(**{"client-certificate-data": "A"}), "cannot be used"),
        ({**config(), "users": [{"user": {}}]}, "'name'"),
        (["a list"], "cannot be used"),
    ],
)
def test_what_is_wrong_is_said(kubeconfig, content, said):
    with pytest.raises(DoorError, match=said):
        access({"kubeconfig": kubeconfig(content)})


def test_a_broken_file_is_named(kubeconfig):
    with pytest.raises(DoorError, match="/config cannot be used"):
        access({"kubeconfig": kubeconfig({}, form=lambda _: "{ no JSON")})
