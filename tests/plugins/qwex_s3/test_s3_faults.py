"""Whatever goes wrong is said in a sentence, tried again where that helps, and leaves nothing half."""

from __future__ import annotations

import asyncio
import hashlib
import os
import socket
import sys

import pytest
from s3servers.proxy import answer, corrupted, cut, dripping, lost

from qwex.artifacts import StoreContext, chunks_of
from qwex.controller.artifacts import Artifacts
from qwex.controller.blobs import Blobs
from qwex.errors import ArtifactsUnavailable, ConfigError, Damaged, NotFound

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(600)]

MIB = 1 << 20


async def chunks(data, size=MIB):
    for start in range(0, len(data), size):
        yield data[start : start + size]


async def read(store, key):
    return b"".join([chunk async for chunk in store.get(key)])


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"secret_access_key": "nope"}, r"the secret key is not the one of that access key; check \[s3\] secret_acc"),
        ({"access_key_id": "nobody"}, r"the access key is not known there; check \[s3\] access_key_id"),
        ({"name": "no-such-bucket"}, "there is no bucket 'no-such-bucket'; create it, or name another in 'artifacts'"),
    ],
    ids=["secret", "key", "bucket"],
)
async def test_what_is_wrong_is_said_at_the_start(store, more, says):
    with pytest.raises(ConfigError, match=says):
        await store(**more).start()


async def test_no_right_to_write(gateway, store):
    with pytest.raises(ConfigError, match="these keys have no right to do that; ask for the right to list, read"):
        await store(**gateway.user()).start()


async def test_nobody_listens(store):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(ArtifactsUnavailable, match=f"cannot be reached at {endpoint}; is it up"):
            await store(endpoint=endpoint, patience=0.3).start()


@pytest.mark.parametrize(
    ("status", "code", "error", "says"),
    [
        (403, "RequestTimeTooSkewed", ConfigError, "clock and the server's differ too much; set the clock"),
        (403, "ExpiredToken", ConfigError, "the session token has expired"),
        (301, "PermanentRedirect", ConfigError, "the bucket is in another region; set 'region'"),
        (507, "InsufficientStorage", ArtifactsUnavailable, r"is full \(507 InsufficientStorage\); make room"),
        (500, "InternalError", ArtifactsUnavailable, r"fails \(500 InternalError\), also when asked again for 1 s"),
        (503, "SlowDown", ArtifactsUnavailable, r"fails \(503 SlowDown\)"),
        (501, "NotImplemented", ConfigError, r"without If-None-Match, set \[s3\] conditional_put = false"),
        (418, "", ArtifactsUnavailable, r"does not take the request \(418\)"),
    ],
)
async def test_answers_as_sentences(proxy, through, status, code, error, says):
    proxy.fault(answer(status, code))
    with pytest.raises(error, match=says):
        await through().put("x", chunks(b"x"))


async def test_a_head_brings_no_code(proxy, through):
    proxy.fault(answer(403))
    with pytest.raises(ConfigError, match=r"refuses these keys \(403\); check \[s3\] and their rights"):
        await through().stat("x")


@pytest.mark.parametrize(
    "fault", [answer(500, "InternalError"), answer(503, "SlowDown"), cut], ids=["500", "503", "cut"]
)
@pytest.mark.parametrize("size", [10, 20 * MIB], ids=["whole", "parts"])
async def test_what_fails_now_and_then_is_tried_again(proxy, through, fault, size):
    store, data = through(patience=30), bytes(range(251)) * (size // 251 + 1)
    for method in ("PUT", "POST", "HEAD", "GET"):
        proxy.fault(fault, method, times=1)
    assert await store.put("x", chunks(data))
    assert (await store.stat("x")).size == len(data)
    assert await read(store, "x") == data


@pytest.mark.parametrize("size", [10, 20 * MIB], ids=["whole", "parts"])
async def test_bytes_that_change_on_their_way_are_not_stored(proxy, through, size):
    store = through()
    proxy.fault(corrupted, "PUT")
    with pytest.raises(ArtifactsUnavailable, match=r"does not take the request \(400 \w*SHA256Mismatch\)"):
        await store.put("x", chunks(bytes(size)))
    assert await store.stat("x") is None


async def test_bytes_that_change_on_their_way_back_are_no_blob(proxy, through, tmp_path):
    data = bytes(100)
    digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
    blobs = Blobs(Artifacts(lambda _: through(), StoreContext("s3://x", tmp_path)))
    await blobs.put("ada", digest, chunks(data))
    proxy.fault(corrupted, "GET")
    with pytest.raises(Damaged, match="are others than those that were stored"):
        await anext(blobs.get("ada", digest))


async def test_a_lost_answer_is_not_two_objects(proxy, through):
    store = through(patience=30)
    proxy.fault(lost, "PUT", times=1)
    await store.put("x", chunks(b"once"))
    assert await read(store, "x") == b"once"


async def test_an_upload_whose_parts_the_server_has_forgotten_says_nothing_of_the_object(proxy, through):
    """``NotFound`` would be a word on what was to be stored."""
    proxy.fault(answer(404, "NoSuchUpload"), "POST", "uploadId=")
    with pytest.raises(ArtifactsUnavailable):
        await through().put("x", chunks(bytes(20 * MIB)))


async def test_an_upload_that_is_said_to_be_whole_and_is_not_there(proxy, through):
    proxy.fault(answer(404), "HEAD")
    with pytest.raises(ArtifactsUnavailable, match="does not have x as it was just written"):
        await through().put("x", chunks(bytes(20 * MIB)), replace=True)


@pytest.mark.skipif(sys.version_info < (3, 11), reason="obstore 0.12, which takes back the parts, needs Python 3.11")
async def test_cut_in_the_middle_of_the_parts(gateway, bucket, proxy, through):
    """Nothing whole is there, no part is left behind, and it can be put again."""
    store, data = through(), bytes(30 * MIB)
    proxy.fault(answer(500, "InternalError"), "PUT", "partNumber=3")
    with pytest.raises(ArtifactsUnavailable, match="fails"):
        await store.put("x", chunks(data))
    assert await store.stat("x") is None
    assert gateway.parts(bucket) == []
    proxy.mend()
    assert await store.put("x", chunks(data))
    assert await read(store, "x") == data


async def test_a_sender_that_is_cancelled_leaves_no_parts(gateway, bucket, store):
    there, begun = store(), asyncio.Event()

    async def endless():
        for _ in range(20):
            yield bytes(MIB)
        begun.set()
        await asyncio.Event().wait()

    sending = asyncio.create_task(there.put("x", endless()))
    await begun.wait()
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending
    assert await there.stat("x") is None
    assert gateway.parts(bucket) == []


async def test_a_server_that_drips_is_given_up(proxy, store, through):
    await store().put("x", chunks(bytes(8 * MIB)))
    proxy.fault(dripping, "GET")
    with pytest.raises(ArtifactsUnavailable, match=r"did not answer in 0.5 s; on a slow line raise \[s3\] timeout"):
        await read(through(timeout=0.5), "x")


async def test_sixteen_writers_one_wins_all_succeed(proxy, through):
    store = through()
    puts = (store.put("x", chunks(b"%02d" % number)) for number in range(16))
    (winner,) = [number for number, first in enumerate(await asyncio.gather(*puts)) if first]
    assert await read(store, "x") == b"%02d" % winner


async def test_a_server_that_knows_no_conditions_is_asked_first(proxy, through):
    store = through(conditional_put=False)
    assert await store.put("x", chunks(b"first"))
    assert not await store.put("x", chunks(b"second"))
    assert [asked.method for asked in proxy.asked] == ["HEAD", "PUT", "HEAD"]
    assert await read(store, "x") == b"first"


async def test_an_upload_of_many_goes_on_where_it_was_cut(proxy, through, tmp_path):
    files = {f"x/{number:03}": tmp_path / f"{number}" for number in range(200)}
    for number, path in enumerate(files.values()):
        path.write_bytes(b"%d" % number * 100)
    files["x/large"] = tmp_path / "large"
    files["x/large"].write_bytes(bytes(20 * MIB))
    store = through()
    proxy.fault(answer(507, "InsufficientStorage"), "POST", "large")
    with pytest.raises(ArtifactsUnavailable, match="is full"):
        await store.put_files(files)
    there = {found.key async for found in store.list("x")}
    assert there == files.keys() - {"x/large"}
    proxy.mend()
    proxy.asked.clear()
    assert await store.put_files(files) == {"x/large"}
    sent = [asked for asked in proxy.asked if asked.method in ("PUT", "POST") and "large" not in asked.path]
    assert sent == []
    proxy.asked.clear()
    assert await store.put_files(files) == set()
    assert {asked.method for asked in proxy.asked} == {"HEAD"}


async def test_an_object_that_is_replaced_while_it_is_read(store):
    there = store()
    await there.put("x", chunks(bytes(40 * MIB)))
    reading = there.get("x")
    await anext(reading)
    await there.put("x", chunks(b"1" * 40 * MIB), replace=True)
    with pytest.raises(ArtifactsUnavailable, match=r"was replaced in s3://.* while it was read; read it again"):
        async for _ in reading:
            pass


async def test_fetching_is_all_or_nothing_for_each_file(proxy, store, through, tmp_path):
    there = store()
    source = tmp_path / "source"
    source.write_bytes(bytes(20 * MIB))
    await there.put("x", chunks_of(source))
    proxy.fault(answer(500, "InternalError"), "GET", times=10**9)
    with pytest.raises(ArtifactsUnavailable):
        await through().get_files({"x": tmp_path / "back" / "x"})
    assert list((tmp_path / "back").iterdir()) == []
    with pytest.raises(NotFound, match="has no nowhere"):
        await there.get_files({"nowhere": tmp_path / "back" / "x"})


async def test_no_keys_at_all(store, monkeypatch):
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_METADATA_ENDPOINT", "http://127.0.0.1:1")  # where a cloud's machine has its role
    with pytest.raises(ConfigError, match=r"no keys for the artifact store s3://.*: none in \[s3\] or the environment"):
        await store(access_key_id="", secret_access_key="", patience=0.3).start()
