"""A controller of one's own with a bucket: inputs go there, jobs read them from presigned addresses."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys

import pytest

from qwex.cli import main
from qwex.client import Client
from qwex.errors import QwexError

pytestmark = pytest.mark.timeout(600)


@pytest.fixture
def configured(home, gateway, bucket, monkeypatch):
    """Variables as they would stand in the environment of a person; the keys under their usual names."""
    monkeypatch.setenv("QWEX_ARTIFACTS", f"s3://{bucket}/artifacts")
    settings = gateway.settings()
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", settings.pop("access_key_id"))
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", settings.pop("secret_access_key"))
    for name, value in settings.items():
        monkeypatch.setenv(f"QWEX_S3__{name.upper()}", str(value).lower() if value is True else value)
    return gateway.folder / "data" / bucket / "artifacts"


def blobs(folder):
    return [path for path in folder.rglob("*") if path.is_file() and "blobs" in path.parts]


def test_a_large_input_goes_through_the_bucket(configured):
    client = Client()
    data = os.urandom(2_000_000)
    digest = client.put_blob(data)
    assert client.put_blob(data) == digest == f"sha256:{hashlib.sha256(data).hexdigest()}"
    (stored,) = blobs(configured)
    assert stored.read_bytes() == data
    source = {"kind": "cell", "text": "import hashlib; y = hashlib.sha256(x).hexdigest(); print(y)"}
    value = {"digest": digest, "size": len(data), "format": "bytes"}
    job = client.submit({"source": source, "inputs": {"x": value}, "outputs": ["y"]})
    job.wait(60)
    assert "".join(job.logs()).strip() == digest.removeprefix("sha256:")


def test_a_job_does_not_get_other_bytes_than_were_sent(configured):
    client = Client()
    digest = client.put_blob(bytes(2_000_000))
    (stored,) = blobs(configured)
    stored.write_bytes(b"1" * 2_000_000)
    value = {"digest": digest, "size": 2_000_000, "format": "bytes"}
    job = client.submit({"source": {"kind": "cell", "text": "len(x)"}, "inputs": {"x": value}})
    with pytest.raises(QwexError, match="its bytes are not those that were stored"):
        job.result(60)


def test_a_wrong_key_keeps_nothing_else_from_working(configured, monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another")
    client = Client()
    with pytest.raises(QwexError, match="the secret key is not the one of that access key"):
        client.put_blob(bytes(10))
    job = client.submit({"source": {"kind": "cell", "text": "print(1); y = 2"}, "outputs": ["y"]})
    job.wait(60)
    assert "".join(job.logs()) == "1\n"
    assert job.value("y") == 2


def test_the_section_is_shown_without_its_secrets(configured, monkeypatch, capsys):
    monkeypatch.setenv("QWEX_S3__SECRET_ACCESS_KEY", "s3cret")
    monkeypatch.setenv("QWEX_S3__SESSION_TOKEN", "s3cret")
    assert main(["config", "s3", "--json"]) == 0
    said = capsys.readouterr().out
    rows = {row["setting"]: row["value"] for row in json.loads(said)["settings"]}
    assert rows["s3.region"] == "us-east-1"
    assert rows["s3.path_style"] is True
    assert "s3cret" not in said


def test_the_library_is_imported_with_the_store_alone():
    code = "import sys, qwex.plugins as p; p.load(); print([n for n in ('obstore', 'fsspec') if n in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"
