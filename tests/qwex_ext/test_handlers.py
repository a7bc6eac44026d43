"""Who may ask: Jupyter's login, its protection against forged requests and its authorizer, on every route and verb."""

from __future__ import annotations

import json
import warnings

import pytest
from jupyter_server.auth import Authorizer
from jupyter_server.utils import JupyterServerAuthWarning
from upstreams import whole

from qwex_ext.proxy import ProxyHandler

VERBS = [("GET", None), ("HEAD", None), ("POST", b"{}"), ("PUT", b"{}"), ("DELETE", None)]
ROUTES = [*(("qwex/api/jobs", *verb) for verb in VERBS), ("qwex/feed", "POST", b"{}"), ("qwex/submit", "POST", b"{}")]
CHANGING = [route for route in ROUTES if route[1] not in ("GET", "HEAD")]


@pytest.mark.parametrize(("target", "method", "body"), [*ROUTES, ("qwex/submit?path=a.ipynb", "GET", None)])
async def test_who_is_not_logged_in(upstream, ask, target, method, body):
    answer = await ask(target, method, body, headers={})
    assert answer.code == 403
    assert upstream.asked == []


@pytest.mark.parametrize(("target", "method", "body"), CHANGING)
async def test_a_request_that_another_page_could_have_sent(upstream, ask, jp_auth_header, target, method, body):
    seen = await ask("api/status", headers=jp_auth_header)
    cookies = [value.split(";")[0] for value in seen.headers.get_list("Set-Cookie")]
    xsrf = next((cookie.partition("=")[2] for cookie in cookies if cookie.startswith("_xsrf=")), "")
    login = {"Cookie": "; ".join(cookies)}
    answer = await ask(target, method, body, headers=login)
    assert answer.code == 403
    assert "_xsrf" in json.loads(answer.body)["message"]
    assert upstream.asked == []
    assert (await ask("qwex/api/jobs", headers=login)).code == 200
    assert xsrf == "" or (await ask(target, method, body, headers={**login, "X-XSRFToken": xsrf})).code != 403


class ReadOnly(Authorizer):
    """Lets everybody read, and nobody change anything of qwex's."""

    def is_authorized(self, handler, user, action, resource):
        return resource != "qwex" or action == "read"


class TestAReader:
    """Verbs are told apart, whichever was asked for first."""

    @pytest.fixture
    def jp_server_config(self, jp_server_config):
        jp_server_config["ServerApp"]["authorizer_class"] = ReadOnly
        return jp_server_config

    async def test_may_read_only(self, upstream, ask):
        for target, method, body in [*ROUTES, *reversed(ROUTES)]:
            answer = await ask(target, method, body)
            assert answer.code == (200 if method in ("GET", "HEAD") else 403), (target, method)
        assert {asked.method for asked in upstream.asked} == {"GET", "HEAD"}


async def test_no_route_is_open(jp_configurable_serverapp):
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always", JupyterServerAuthWarning)
        server = jp_configurable_serverapp()
    assert server.extension_manager.linked_extensions["qwex_ext"]
    assert not [str(warning.message) for warning in warned if "qwex" in str(warning.message)]


async def test_an_open_route_would_be_warned_of(jp_configurable_serverapp, monkeypatch):
    """The test above can fail."""

    async def get(self, path):
        """Open to all."""

    monkeypatch.setattr(ProxyHandler, "get", get)
    with pytest.warns(JupyterServerAuthWarning, match="GET of ProxyHandler"):
        jp_configurable_serverapp()


async def test_what_is_asked_in_the_background_is_no_activity(upstream, ask, jp_serverapp):
    upstream.answer = whole(b"{}")
    settings = jp_serverapp.web_app.settings
    before = settings.get("api_last_activity")
    await ask("qwex/api/jobs")
    await ask("qwex/feed", "POST", b"{}")
    assert settings.get("api_last_activity") == before
    await ask("qwex/submit", "POST", b"{}")
    assert settings["api_last_activity"] != before


async def test_an_idle_server_may_be_culled(jp_serverapp):
    assert not jp_serverapp.extension_manager.any_activity()
