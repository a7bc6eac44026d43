"""Dev machines made through a Jupyter server: its user can log in to them from there."""

from __future__ import annotations

import json
import shutil

import pytest
from upstreams import whole

RECORD = {"id": "train-abcdef", "name": "train", "user": "me", "provider": "place", "state": "RUNNING"} | {
    "created_at": 1.0, "host_key": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGJ1", "door": {"path": "/train"},
}  # fmt: skip

pytestmark = pytest.mark.skipif(not shutil.which("ssh-keygen"), reason="needs OpenSSH's ssh-keygen")


@pytest.fixture
def controller(upstream):
    """One that makes every machine."""

    async def answer(asked, reader, writer):
        made = RECORD if asked.method == "POST" else {"machines": [RECORD]}
        await whole(json.dumps(made).encode())(asked, reader, writer)

    upstream.answer = answer
    return upstream


async def test_it_lets_in_the_key_of_the_servers_user_and_ssh_knows_it(controller, post, home, jp_home_dir):
    status, said = await post("qwex/machines", {"spec": {"name": "train", "idle": "2h"}})
    assert (status, said["machine"]["id"], said["note"]) == (201, "train-abcdef", "")
    asked = json.loads(controller.asked[0].body)["spec"]
    public = (home / "ssh" / "id_ed25519.pub").read_text().strip()
    assert (asked["name"], asked["idle"], asked["keys"]) == ("train", "2h", [public])
    assert "Host qwex-train" in (home / "ssh" / "config").read_text()
    assert str(home / "ssh") in (jp_home_dir / ".ssh" / "config").read_text()


async def test_a_refusal_names_the_field(controller, post):
    problem = {"code": "invalid-spec", "detail": "spec.idle: soon", "status": 400}
    body = json.dumps({**problem, "problems": [{"field": "spec.idle", "message": "soon"}]}).encode()
    controller.answer = whole(body, status="400 Bad Request", media_type="application/problem+json")
    status, said = await post("qwex/machines", {"spec": {"name": "train", "idle": "soon"}})
    assert (status, said["problems"]) == (400, [{"field": "spec.idle", "message": "soon"}])


async def test_one_that_is_made_is_there_though_ssh_cannot_be_told(controller, post, home, jp_home_dir):
    (jp_home_dir / ".ssh").mkdir()
    (jp_home_dir / ".ssh" / "config").mkdir()
    status, said = await post("qwex/machines", {"spec": {"name": "train"}})
    assert (status, said["machine"]["name"]) == (201, "train")
    assert "Include" in said["note"]
    status, again = await post("qwex/machines/ssh", {})
    assert (status, again["note"]) == (200, said["note"])
