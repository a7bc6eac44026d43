"""The extension as Jupyter loads it: what it costs, which settings win, what is shipped."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest
from upstreams import Upstream

import qwex_ext

#: What the first request may import, and a Jupyter server's start may not.
HEAVY = ("h11", "pydantic", "qwex.client", "qwex.config", "qwex.options", "qwex.spec", "qwex.controller", "sqlalchemy")
FOLDER = Path(qwex_ext.__file__).parent


def test_loading_is_light():
    code = "import sys, jupyter_server.serverapp; before = set(sys.modules)\n"
    code += "import qwex_ext; qwex_ext._jupyter_server_extension_points()\n"
    code += f"print([name for name in {HEAVY} if name in set(sys.modules) - before])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


def test_jupyter_is_told_to_load_it():
    said = json.loads((FOLDER / "jupyter-config" / "qwex_ext.json").read_text())
    assert said == {"ServerApp": {"jpserver_extensions": {"qwex_ext": True}}}
    assert qwex_ext._jupyter_labextension_paths() == [{"src": "labextension/built", "dest": "qwex"}]


async def test_its_events_have_schemas(jp_serverapp):
    known = {schema for schema in jp_serverapp.event_logger.schemas.schema_ids if "qwex" in schema}
    assert known == {f"https://schema.qwex.dev/jupyter/{kind}/v1" for kind in ("feed", "job", "machine")}


async def test_a_page_knows_where_its_files_lie(jp_serverapp, jp_root_dir):
    assert jp_serverapp.web_app.settings["page_config_data"]["qwexRoot"] == str(jp_root_dir)


class TestTheControllerOfTheConfiguration:
    """``c.QwexApp.controller_url`` wins over what qwex's own settings say; the token is theirs."""

    @pytest.fixture
    def shared(self, jp_asyncio_loop):
        """A controller at a URL."""
        found = Upstream()
        server = jp_asyncio_loop.run_until_complete(asyncio.start_server(found.serve, "127.0.0.1", 0))
        found.port = server.sockets[0].getsockname()[1]
        yield found
        server.close()
        jp_asyncio_loop.run_until_complete(found.end())

    @pytest.fixture
    def jp_server_config(self, jp_server_config, shared, monkeypatch):
        monkeypatch.setenv("QWEX_URL", "http://127.0.0.1:9")
        monkeypatch.setenv("QWEX_TOKEN", "of-the-user-alone")
        return {**jp_server_config, "QwexApp": {"controller_url": f"http://127.0.0.1:{shared.port}/team/api"}}

    async def test_is_asked_with_the_users_token(self, shared, ask):
        assert (await ask("qwex/api/jobs?state=RUNNING")).code == 200
        (asked,) = shared.asked
        assert asked.target == "/team/api/jobs?state=RUNNING"
        assert asked.headers["authorization"] == "Bearer of-the-user-alone"

    async def test_gets_the_files_too(self, shared, post, jp_root_dir):
        (jp_root_dir / "a.py").write_text("1")
        await post("qwex/submit", {"path": "a.py", "preview": True})
        assert [asked.target for asked in shared.asked] == ["/team/api/preflight"]
        assert "origin" not in json.loads(shared.asked[0].body)
