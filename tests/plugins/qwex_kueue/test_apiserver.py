"""The connection to a cluster: a kubeconfig that cannot be used may be mended while the controller runs."""

from __future__ import annotations

import asyncio

import pytest
from qwex_kueue import settings
from qwex_kueue.apiserver import ApiServer

from qwex.errors import BackendUnavailable


@pytest.mark.parametrize(
    ("text", "said"), [(None, "there is no file"), (": [", "cannot be used"), ("{}", "kubeconfig")]
)
def test_a_kubeconfig_that_cannot_be_used_is_tried_again(tmp_path, text, said):
    path = tmp_path / "kubeconfig"
    if text:
        path.write_text(text)
    with pytest.raises(BackendUnavailable, match=said) as caught:
        asyncio.run(ApiServer.connect(settings.read({"kubeconfig": str(path)})))
    assert str(path) in str(caught.value)
