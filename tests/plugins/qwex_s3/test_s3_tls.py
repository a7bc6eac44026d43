"""A server whose certificate only its site trusts."""

from __future__ import annotations

import subprocess

import pytest
from harness.pki import Authority
from harness.progress import silent
from s3servers import build, versity

from qwex.errors import ConfigError

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(600)]


@pytest.fixture
def authority(tmp_path):
    authority = Authority(tmp_path / "pki")
    authority.create()
    return authority


@pytest.fixture
def served(gateway, authority, tmp_path):
    """Like ``gateway``, over HTTPS."""
    certificate, key = tls = (tmp_path / "s3.crt", tmp_path / "s3.key")
    signed = ["-CA", authority.certificate("ca"), "-CAkey", authority.key("ca"), "-days", "2", "-subj", "/CN=s3"]
    # Rust's TLS takes no authority's certificate for a server's own.
    added = ["-addext", "subjectAltName=IP:127.0.0.1", "-addext", "basicConstraints=critical,CA:FALSE"]
    made = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", key, "-out", certificate]
    subprocess.run(["openssl", "req", "-x509", *made, *signed, *added], check=True, capture_output=True)
    running = versity.started(build.gateway(silent), tmp_path / "tls", tls=tls)
    yield running
    running.stop()


async def test_whom_to_trust_is_said_and_asked_for(served, authority, store):
    name, settings = served.bucket(), served.settings(allow_http=False, patience=0.5)
    with pytest.raises(ConfigError, match=rf"the certificate of {served.endpoint} is not trusted; name .* ca_file"):
        await store(name, **settings).start()
    there = store(name, **settings, ca_file=str(authority.certificate("ca")))
    await there.start()
    assert await there.stat("qwex-store")
