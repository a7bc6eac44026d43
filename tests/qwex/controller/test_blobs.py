"""Blobs: each user's apart, and never other bytes than their name says."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from qwex_local.filestore import FileStore
from qwex_s3.fsspecstore import FsspecStore

from qwex import config
from qwex.artifacts import StoreContext
from qwex.controller import artifacts
from qwex.controller.artifacts import Artifacts
from qwex.controller.blobs import Blobs, home_of
from qwex.errors import ArtifactsUnavailable, ConfigError, Damaged, InvalidSpec, NotFound
from qwex.plugins import load

pytestmark = pytest.mark.anyio

DATA = b"a" * 3_000_000


def digest_of(data):
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


DIGEST = digest_of(DATA)


async def chunks(*parts):
    for part in parts:
        yield part


async def read(blobs, user, digest):
    return b"".join([chunk async for chunk in blobs.get(user, digest)])


class Counted(FileStore):
    """Counts what is asked of it."""

    asked: list[str]

    async def stat(self, key):
        self.asked.append("stat")
        return await super().stat(key)

    async def put(self, key, chunks, *, replace=False):
        self.asked.append("put")
        return await super().put(key, chunks, replace=replace)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "store"


@pytest.fixture
def asked():
    Counted.asked = []
    return Counted.asked


@pytest.fixture
def blobs(folder, asked):
    return Blobs(Artifacts(Counted, StoreContext(folder.as_uri(), folder.parent / "own")))


def files(folder):
    return [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]


async def test_a_blob_comes_back_whole_and_lies_below_its_user(blobs, folder):
    assert not await blobs.exists("ada", DIGEST)
    await blobs.put("ada", DIGEST, chunks(DATA[:10], DATA[10:]))
    assert await blobs.exists("ada", DIGEST)
    assert await read(blobs, "ada", DIGEST) == DATA
    digits = DIGEST.removeprefix("sha256:")
    assert files(folder) == [f"users/ada/blobs/{digits[:2]}/{digits}"]
    url = await blobs.url("ada", DIGEST, 60)
    assert Path(url.removeprefix("file://")).read_bytes() == DATA


async def test_who_knows_the_digest_of_another_does_not_get_the_blob(blobs):
    await blobs.put("ada", DIGEST, chunks(DATA))
    assert not await blobs.exists("bob", DIGEST)
    with pytest.raises(NotFound):
        await read(blobs, "bob", DIGEST)
    with pytest.raises(NotFound, match="Upload it first"):
        await blobs.url("bob", DIGEST, 60)
    await blobs.share("ada", "bob", [DIGEST, digest_of(b"of nobody")])
    assert await read(blobs, "bob", DIGEST) == DATA


async def test_what_is_there_stays_as_it_is_when_other_bytes_are_sent(blobs):
    await blobs.put("ada", DIGEST, chunks(DATA))
    with pytest.raises(InvalidSpec, match="not sha256"):
        await blobs.put("ada", DIGEST, chunks(b"something else"))
    assert await read(blobs, "ada", DIGEST) == DATA


async def test_who_asks_with_a_wrong_size_is_the_only_one_who_is_told_that_it_is_not_there(blobs):
    await blobs.put("ada", DIGEST, chunks(DATA))
    assert not await blobs.holds("ada", DIGEST, 1)
    assert await blobs.holds("ada", DIGEST, len(DATA))
    assert await blobs.exists("ada", DIGEST)


async def test_a_blob_that_is_cut_short_is_mended_by_whoever_sends_it(blobs, folder):
    await blobs.put("ada", DIGEST, chunks(DATA))
    (file,) = files(folder)
    (folder / file).write_bytes(DATA[:-1])
    await blobs.put("ada", DIGEST, chunks(DATA))
    assert await read(blobs, "ada", DIGEST) == DATA


async def test_other_bytes_than_promised_leave_nothing(blobs, folder):
    with pytest.raises(InvalidSpec, match="not sha256"):
        await blobs.put("ada", DIGEST, chunks(b"wrong"))
    assert not await blobs.exists("ada", DIGEST)
    assert files(folder) == []


@pytest.mark.parametrize(
    "wrong", [b"b" + DATA[1:], DATA[:-1], DATA + b"x", b""], ids=["other", "short", "long", "none"]
)
async def test_a_damaged_blob_is_never_given_whole(blobs, folder, wrong):
    await blobs.put("ada", DIGEST, chunks(DATA))
    (file,) = files(folder)
    (folder / file).write_bytes(wrong)
    came = []

    async def take():
        async for chunk in blobs.get("ada", DIGEST):
            came.append(chunk)

    with pytest.raises(Damaged, match=rf"of {DIGEST} in file://.* \({file}\) are others .*; upload it again"):
        await take()
    assert len(b"".join(came)) < len(DATA)


@pytest.mark.parametrize("digest", ["../../etc/passwd", "sha256:../x", "md5:00", "", f"sha256:{'A' * 64}"])
async def test_a_digest_is_never_a_path(blobs, digest):
    for call in (blobs.exists("ada", digest), blobs.url("ada", digest, 60), read(blobs, "ada", digest)):
        with pytest.raises(InvalidSpec, match="sha256"):
            await call


@pytest.mark.parametrize(
    ("user", "home"),
    [
        ("ada", "users/ada"),
        ("ada.l-1_x", "users/ada.l-1_x"),
        ("ada@example.org", "users/ada=40example=2eorg"),
        ("Ada", "users/=41da"),
        ("..", "users/=2e=2e"),
        ("a/b", "users/a=2fb"),
        ("Åse", "users/=c3=85se"),
        ("a=40b", "users/a=3d40b"),
    ],
)
def test_users_have_folders_of_their_own(user, home):
    assert home_of(user) == home


async def test_a_place_without_addresses(tmp_path):
    blobs = Blobs(Artifacts(FsspecStore, StoreContext("memory://without-addresses", tmp_path / "own")))
    await blobs.put("ada", DIGEST, chunks(DATA))
    assert await read(blobs, "ada", DIGEST) == DATA
    with pytest.raises(InvalidSpec, match="jobs cannot read from memory://without-addresses; have 'artifacts' name"):
        await blobs.url("ada", DIGEST, 60)


async def test_a_store_is_started_once_and_again_after_it_failed(folder):
    class Late(FileStore):
        starts = 0

        async def start(self):
            Late.starts += 1
            if Late.starts == 1:
                raise ArtifactsUnavailable("not yet")
            await super().start()

    blobs = Blobs(Artifacts(Late, StoreContext(folder.as_uri(), folder.parent / "own")))
    with pytest.raises(ArtifactsUnavailable, match="not yet"):
        await blobs.exists("ada", DIGEST)
    await blobs.put("ada", DIGEST, chunks(DATA))
    assert await blobs.exists("ada", DIGEST)
    assert Late.starts == 2


def opened(home, **settings):
    return artifacts.opened(load(settings.pop("plugins", "")), config.load(home=str(home), **settings))


def test_the_setting_chooses_the_store(home):
    assert opened(home).place == (home / "artifacts").as_uri()
    assert opened(home, artifacts="s3://bucket/folder").place == "s3://bucket/folder"
    assert opened(home, plugins="qwex_kueue") is None


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        (
            {"artifacts": "s4://x", "plugins": "qwex_local"},
            r"no artifact store serves s4://\. There is: file://\. For s3",
        ),
        (
            {"artifacts": "/data", "plugins": "qwex_local"},
            r"artifacts = '/data' is no URL. The stores .* serve: file://",
        ),
    ],
)
def test_a_url_that_no_store_serves(home, settings, says):
    with pytest.raises(ConfigError, match=says):
        opened(home, **settings)


def test_a_key_that_means_nothing(home, monkeypatch):
    monkeypatch.setenv("QWEX_S3__REGIO", "x")
    with pytest.raises(ConfigError, match=r"QWEX_S3__REGIO: \[s3\] has no 'regio'. Did you mean 'region'"):
        opened(home, artifacts="s3://bucket")


class Elsewhere(FileStore):
    """A store that another machine reaches by address."""

    async def url(self, key, seconds, method="GET"):
        return f"https://store.test/{key}"


class Place:
    """A backend that puts values where it is told, or some others, or cannot."""

    def __init__(self, root, sends):
        self.root, self.sends, self.read = root, sends, 0

    async def send(self, native_id, attempt, name, url):
        if self.sends is not None:
            file = self.root / url.removeprefix("https://store.test/")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(self.sends)
        return self.sends is not None

    async def value(self, native_id, attempt, name):
        self.read += 1
        yield LARGE


LARGE = b"m" * 5_000_000
VALUE = {"name": "model", "attempt": 1, "size": len(LARGE), "digest": digest_of(LARGE)}


@pytest.mark.parametrize(("sends", "read"), [(LARGE, 0), (None, 1), (b"half", 1)])
async def test_a_large_value_comes_past_the_controller_where_it_can(tmp_path, sends, read):
    store = Artifacts(Elsewhere, StoreContext(tmp_path.as_uri(), tmp_path / "own"))
    store.place = "s3://bucket"
    blobs, place = Blobs(store), Place(tmp_path, sends)
    for _ in range(2):
        await blobs.fetch("ada", "one", VALUE, place)
    assert place.read == read
    assert b"".join([chunk async for chunk in blobs.get("ada", VALUE["digest"])]) == LARGE


async def test_a_value_whose_bytes_are_others_than_announced_is_refused(tmp_path):
    blobs = Blobs(Artifacts(FileStore, StoreContext(tmp_path.as_uri(), tmp_path / "own")))
    with pytest.raises(InvalidSpec):
        await blobs.fetch("ada", "one", {**VALUE, "digest": DIGEST}, Place(tmp_path, None))


async def test_a_damaged_blob_is_written_over_when_it_is_sent_again(blobs, folder):
    await blobs.put("ada", DIGEST, chunks(DATA))
    (file,) = [path for path in folder.rglob("*") if path.is_file()]
    file.write_bytes(DATA[:-1])
    assert await blobs.exists("ada", DIGEST)
    assert not await blobs.holds("ada", DIGEST, len(DATA)), "it has too few bytes"
    await blobs.put("ada", DIGEST, chunks(DATA))
    assert await blobs.holds("ada", DIGEST, len(DATA))
    file.write_bytes(b"b" * len(DATA))
    with pytest.raises(Damaged):
        await read(blobs, "ada", DIGEST)
    assert not await blobs.exists("ada", DIGEST)
    await blobs.put("ada", DIGEST, chunks(DATA))
    assert await read(blobs, "ada", DIGEST) == DATA
