"""What is written to a cluster that refuses, fails or has things already: by a server that answers as it is told."""

from __future__ import annotations

import base64
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from objects_as_the_api_has_them import job
from qwex_kueue import writer as writer_module
from qwex_kueue.errors import ApiError
from qwex_kueue.manifests import KueueRequest
from qwex_kueue.run import Run
from qwex_kueue.writer import Writer

from qwex.errors import BackendUnavailable, InvalidSpec, NotAuthorized

pytestmark = pytest.mark.anyio
AWAY = BackendUnavailable("the API server does not answer")
DENIED = NotAuthorized("Kubernetes refuses: you may not")
JOBS, CORE = "/jobs", "/core"


class Server:
    """Answers of creates and deletes by path, one after the other; the last one again and again, all well without."""

    namespace, jobs, core = "team", JOBS, CORE

    def __init__(self, **answers):
        self.answers = {name: list(given) for name, given in answers.items()}
        self.there = {}
        self.calls = []

    async def create(self, path, body, **query):
        kind = path.rpartition("/")[2]
        self._answer(f"create {kind}", body["metadata"]["name"])
        self.there[f"{path}/{body['metadata']['name']}"] = body
        return {**body, "metadata": {**body["metadata"], "uid": "uid-1"}}

    async def get(self, path, **query):
        return self.there[path]

    async def delete(self, path, body=None):
        kind, name = path.split("/")[-2:]
        self._answer(f"delete {kind}", name)
        self.there.pop(path, None)

    def _answer(self, call, name):
        self.calls.append(f"{call} {name}")
        answers = self.answers.get(call.replace(" ", "_"), [None])
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if answer is not None:
            raise answer


def request(attempt=1, run_id="train-abc"):
    labels = {"qwex.dev/run-id": run_id, "qwex.dev/controller": "me"}
    metadata = {"name": run_id if attempt == 1 else f"{run_id}--{attempt}", "labels": labels}
    return KueueRequest(run_id, attempt, "default", {"metadata": metadata}, {"metadata": metadata, "data": {}})


def writer(server):
    return Writer(server, "qwex-runner-1", b"zip", "me")


class Nothing:
    """A journal that knows of nothing."""

    def handed(self, run_id):
        return None

    def pods(self, run_id):
        return []


def run(*jobs):
    found = Run("train-abc", 1, Nothing())
    for each in jobs:
        found.take_job(each)
    return found


async def test_a_job_and_its_secret():
    server, heard = Server(), []
    await writer(server).create(request(), heard.append)
    assert server.calls == ["create configmaps qwex-runner-1", "create jobs train-abc", "create secrets train-abc"]
    (owner,) = server.there["/core/secrets/train-abc"]["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["uid"]) == ("Job", "uid-1")
    assert heard[0]["metadata"]["uid"] == "uid-1"


async def test_a_secret_that_cannot_be_made_now_leaves_the_job_in_doubt():
    server = Server(create_secrets=[AWAY])
    with pytest.raises(BackendUnavailable) as caught:
        await writer(server).create(request(), lambda made: None)
    assert caught.value.in_doubt
    assert "/jobs/train-abc" in server.there


async def test_a_secret_that_is_refused_takes_the_job_with_it():
    server = Server(create_secrets=[ApiError(422, "Invalid", "too long")])
    with pytest.raises(InvalidSpec, match=r"the cluster refuses the Secret train-abc.*too long"):
        await writer(server).create(request(), lambda made: None)
    assert "/jobs/train-abc" not in server.there


async def test_a_job_that_is_there_from_a_create_whose_answer_was_lost_gets_its_secret():
    server = Server(create_jobs=[ApiError(409, "AlreadyExists", "")], create_secrets=[ApiError(409, "", ""), None])
    there = {"name": "train-abc", "uid": "uid-0", "labels": request().job["metadata"]["labels"]}
    server.there["/jobs/train-abc"] = {"metadata": there}
    heard = []
    await writer(server).create(request(), heard.append)
    assert heard[0]["metadata"]["uid"] == "uid-0"
    assert server.calls[-2:] == ["delete secrets train-abc", "create secrets train-abc"]


@pytest.mark.parametrize(
    ("controller", "run_id"),
    [pytest.param("them", "train-abc", id="another controller's"), pytest.param("me", "train", id="another job's")],
)
async def test_a_job_of_that_name_that_is_another_is_not_taken_for_this_one(controller, run_id):
    server = Server(create_jobs=[ApiError(409, "AlreadyExists", "")])
    labels = {"qwex.dev/run-id": run_id, "qwex.dev/controller": controller}
    server.there["/jobs/train-abc"] = {"metadata": {"name": "train-abc", "uid": "uid-0", "labels": labels}}
    with pytest.raises(InvalidSpec, match="another job has a Job train-abc"):
        await writer(server).create(request(), lambda made: None)


@pytest.fixture
def impatient(monkeypatch):
    """Nothing is waited for before it is tried again."""
    monkeypatch.setattr(writer_module, "_AT_LAST", (0.0,))
    monkeypatch.setattr(writer_module, "REFUSED_AGAIN", (0.0, 0.0))


async def test_a_secret_that_is_not_permitted_yet_is_tried_again(impatient):
    server = Server(create_secrets=[DENIED, DENIED, None])
    await writer(server).create(request(), lambda made: None)
    assert server.calls[2:] == ["create secrets train-abc"] * 3
    assert "/jobs/train-abc" in server.there


async def test_jobs_are_deleted_at_last_and_what_keeps_them_is_said_once(impatient, caplog):
    server = Server(delete_jobs=[AWAY, AWAY, DENIED, DENIED, None])
    await writer(server).delete_at_last(run(job()))
    assert server.calls == ["delete jobs train-abc"] * 5
    assert [str(record.args[1]) for record in caplog.records] == [str(AWAY), str(DENIED)]


async def test_a_job_that_came_meanwhile_is_not_deleted(impatient):
    given_up = run(job())

    class Slow(Server):
        def _answer(self, call, name):
            given_up.take_job(job(attempt=2, name="train-abc--2"))
            super()._answer(call, name)

    server = Slow(delete_jobs=[AWAY, None])
    await writer(server).delete_at_last(given_up)
    assert server.calls == ["delete jobs train-abc"] * 2


async def test_the_next_pod_is_told_its_number_at_last(impatient):
    server = Server(create_secrets=[AWAY, DENIED, None])
    await writer(server).number_next(run(job()))
    assert server.calls == ["create secrets train-abc--attempt"] * 3


async def test_a_pod_whose_attempt_is_over_is_not_told_its_number(impatient):
    waiting = run(job())

    class Slow(Server):
        def _answer(self, call, name):
            waiting.attempt += 1
            super()._answer(call, name)

    server = Slow(create_secrets=[AWAY])
    await writer(server).number_next(waiting)
    assert server.calls == ["create secrets train-abc--attempt"]


async def test_a_pod_is_not_told_its_number_for_ever(impatient):
    server = Server(create_secrets=[DENIED])
    await writer(server).number_next(run(job()))
    assert len(server.calls) == writer_module._TELLINGS


def renewal(**more):
    return replace(request(), secret={**request().secret, "data": {"job.json": "bmV3"}}, **more)


async def test_what_is_renewed_lies_beside_the_secret_of_the_job(tmp_path):
    (tmp_path / "later.json").write_bytes(b"{}")
    server = Server()
    asked = renewal(blobs={"blob-1": "https://gone.test"}, files={"startup-0.py": "/gone"})
    await writer(server).renew(replace(asked, later=str(tmp_path / "later.json")), job())
    assert server.calls == ["create secrets train-abc--renewed"]
    made = server.there["/core/secrets/train-abc--renewed"]
    assert made["data"] == {"job.json": "bmV3", "later.json": "e30="}
    (owner,) = made["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["name"], owner["uid"]) == ("Job", "train-abc", job().uid)


async def test_variables_that_have_not_come_are_not_taken_from_the_pod_that_may_have_them(tmp_path):
    server = Server()
    await writer(server).renew(renewal(later=str(tmp_path / "later.json")), job())
    assert server.there["/core/secrets/train-abc--renewed"]["data"] == {"job.json": "bmV3"}


async def test_a_renewal_that_is_cut_short_leaves_the_job_its_own_secret():
    server = Server(create_secrets=[None, ApiError(409, "AlreadyExists", ""), AWAY])
    await writer(server).create(request(), lambda made: None)
    with pytest.raises(BackendUnavailable):
        await writer(server).renew(renewal(), job())
    assert server.calls[-2:] == ["delete secrets train-abc--renewed", "create secrets train-abc--renewed"]
    assert "/core/secrets/train-abc" in server.there


class Inputs(BaseHTTPRequestHandler):
    """An artifact store that gives one object."""

    def do_GET(self):
        self.send_response(200 if self.path == "/there?signature=s3cret" else 403)
        self.send_header("content-length", "5")
        self.end_headers()
        self.wfile.write(b"bytes")

    def log_message(self, *_):
        pass


@pytest.fixture
def inputs():
    with ThreadingHTTPServer(("127.0.0.1", 0), Inputs) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


async def test_inputs_are_read_from_the_artifact_store(inputs):
    server = Server()
    asked = replace(request(), blobs={"blob-1": f"{inputs}/there?signature=s3cret"})
    await writer(server).create(asked, lambda made: None)
    assert base64.b64decode(server.there["/core/secrets/train-abc"]["data"]["blob-1"]) == b"bytes"


async def test_an_input_that_cannot_be_read_now_starts_nothing_and_shows_no_signature(inputs):
    server = Server()
    asked = replace(request(), blobs={"blob-1": f"{inputs}/gone?signature=s3cret"})
    with pytest.raises(
        BackendUnavailable, match=r"the artifact store at 127.0.0.1 does not give an input: .*403"
    ) as said:
        await writer(server).create(asked, lambda made: None)
    assert "s3cret" not in str(said.value)
    assert server.calls == []


async def test_an_address_that_pods_have_no_way_to():
    asked = replace(request(), blobs={"blob-1": "ftp://host/x?signature=s3cret"})
    with pytest.raises(InvalidSpec, match=r"a pod cannot read ftp://host$"):
        await writer(Server()).create(asked, lambda made: None)
