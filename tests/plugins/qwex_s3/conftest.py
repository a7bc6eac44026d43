"""Stores over a real server, straight and through a proxy that misbehaves."""

from __future__ import annotations

import pytest
from qwex_s3.places import S3Store
from s3servers.proxy import Proxy

from qwex.artifacts import StoreContext


@pytest.fixture
def bucket(gateway):
    return gateway.bucket()


@pytest.fixture
def proxy(gateway):
    proxy = Proxy(gateway.port)
    yield proxy
    proxy.close()


@pytest.fixture
def store(gateway, bucket, tmp_path):
    """Makes a store; keywords change its settings."""

    def make(name=bucket, **more):
        return S3Store(StoreContext(f"s3://{name}/folder", tmp_path, {**gateway.settings(), **more}))

    return make


@pytest.fixture
def through(store, proxy):
    """The same through the proxy; impatient, so that what fails has failed soon."""
    return lambda **more: store(**{"endpoint": proxy.endpoint, "patience": 1, **more})
