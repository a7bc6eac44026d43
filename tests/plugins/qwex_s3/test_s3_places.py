"""From a URL and a section to a store, or a sentence on what is wrong with them."""

from __future__ import annotations

import os
import sys
import time

import pytest
from qwex_s3.fsspecstore import FsspecStore
from qwex_s3.places import AzureStore, GoogleStore, S3Store

from qwex.artifacts import StoreContext
from qwex.errors import ConfigError

KEY = "a2V5" * 8


def made(kind, url, folder, **settings):
    return kind(StoreContext(url, folder, settings))


@pytest.mark.parametrize(
    ("kind", "url", "settings", "says"),
    [
        (S3Store, "s3://", {}, r"names no bucket; write s3://bucket/folder"),
        (
            S3Store,
            "s3://b",
            {"endpoint": "http://x"},
            r"sent in the open; use https://, or set \[s3\] allow_http = true",
        ),
        (S3Store, "s3://b", {"endpoint": "x", "timeout": "soon"}, r"\[s3\] timeout: .*; endpoint: "),
        (S3Store, "s3://b", {"ca_file": "/nowhere"}, r"ca_file /nowhere cannot be read: No such file"),
        (GoogleStore, "gs://b", {"service_account": "/nowhere"}, r"the artifact store b cannot be set up"),
        (AzureStore, "az://c", {}, r"the artifact store c cannot be set up: .*[Aa]ccount"),
        (FsspecStore, "nowhere://x", {}, r"artifacts = 'nowhere://x': Protocol not known: nowhere"),
        (FsspecStore, "sftp://host/x", {}, r"artifacts = 'sftp://host/x': .*paramiko"),
    ],
)
def test_what_is_wrong_is_said(tmp_path, kind, url, settings, says):
    with pytest.raises(ConfigError, match=says):
        made(kind, url, tmp_path, **settings)


@pytest.mark.parametrize(("kind", "library"), [(S3Store, "obstore"), (FsspecStore, "fsspec")])
def test_a_library_that_is_missing(tmp_path, monkeypatch, kind, library):
    for name in [name for name in sys.modules if name.partition(".")[0] == library]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(ConfigError, match=rf"needs? {library} .*; run: pip install 'qwex\[s3\]'"):
        made(kind, f"{kind.schemes[0]}://x", tmp_path)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("kind", "url", "settings", "address"),
    [
        (S3Store, "s3://b/f", {"region": "eu-west-1"}, "https://s3.eu-west-1.amazonaws.com/b/f/x?"),
        (S3Store, "s3a://b", {"endpoint": "https://s3.example.org"}, "https://s3.example.org/b/x?"),
        (S3Store, "s3://b", {"endpoint": "https://s3.x.org", "path_style": False}, "https://b.s3.x.org/x?"),
        (S3Store, "s3://b", {"path_style": False}, "https://b.s3.us-east-1.amazonaws.com/x?"),
        (AzureStore, "az://c/f", {"account_name": "me", "account_key": KEY}, "https://me.blob.core.windows.net/c/f/x?"),
    ],
)
async def test_where_an_object_is(tmp_path, monkeypatch, kind, url, settings, address):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "me")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    assert (await made(kind, url, tmp_path, **settings).url("x", 60)).startswith(address)


@pytest.mark.anyio
async def test_what_a_killed_process_left_goes_when_it_is_old(tmp_path):
    store = made(FsspecStore, f"local://{tmp_path}/store", tmp_path)
    await store.start()
    await store.tidy()
    for name, age in (("old", 90_000), ("new", 0)):
        part = tmp_path / "store" / "parts~" / name
        part.write_bytes(b"half")
        os.utime(part, (time.time() - age,) * 2)
    await store.tidy()
    assert [path.name for path in (tmp_path / "store" / "parts~").iterdir()] == ["new"]
