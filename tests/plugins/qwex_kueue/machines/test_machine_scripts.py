"""What runs before a machine: its user among those of the image, and the ssh server that comes along."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
import qwex_kueue.machines

SCRIPTS = Path(qwex_kueue.machines.__file__).parent / "scripts"
SSHD = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")


def run(name, **variables):
    given = {key: str(value) for key, value in variables.items()}
    environment = {"PATH": os.environ["PATH"], "HOME": "/home/dev", "QWEX_UID": "1000", **given}
    return subprocess.run(["sh", str(SCRIPTS / f"{name}.sh")], env=environment, capture_output=True, text=True)


@pytest.fixture
def made(tmp_path):
    """The users of a machine whose image has these."""
    image, secret, to = tmp_path / "image", tmp_path / "secret", tmp_path / "to"
    for folder in (image, secret):
        folder.mkdir()

    def passwd(users=None, groups=None, password=None):
        for name, text in (("passwd", users), ("group", groups)):
            if text is not None:
                (image / name).write_text(text)
        if password:
            (secret / "password").write_text(f"{password}\n")
        done = run("user", QWEX_ETC=image, QWEX_SECRET=secret, QWEX_TO=to)
        assert (done.returncode, done.stderr) == (0, "")
        return (to / "passwd").read_text().splitlines(), (to / "group").read_text().splitlines()

    return passwd


def test_the_users_of_an_image_stay_and_the_machines_comes_first(made):
    root, user = "root:x:0:0:root:/root:/bin/sh", "jovyan:x:1000:100::/home/jovyan:/bin/bash"
    users, groups = made(f"{root}\n{user}", "root:x:0:\nusers:x:100:\n")
    assert users[0].startswith("dev:x:1000:1000:dev:/home/dev:/bin/")
    assert users[1:] == [root, user]
    assert groups == ["dev:x:1000:", "root:x:0:", "users:x:100:"]


def test_the_shell_of_the_images_own_dev_is_kept(made):
    users, _ = made("dev:x:1234:1234::/elsewhere:/bin/sh\n", "")
    assert users == ["dev:x:1000:1000:dev:/home/dev:/bin/sh"]


def test_an_image_without_users(made):
    users, groups = made()
    assert (len(users), groups) == (1, ["dev:x:1000:"])


def test_a_password_is_where_a_server_without_root_finds_it(made):
    users, _ = made("root:x:0:0::/:/bin/sh\n", "", password="$2b$12$abc")
    assert users[0].split(":")[1] == "$2b$12$abc"


@pytest.mark.skipif(SSHD is None, reason="needs OpenSSH's server")
def test_a_server_that_is_brought_along_runs_by_its_own_loader(tmp_path):
    done = run("bring", QWEX_TO=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    words = [tmp_path / "sshd-loader", "--library-path", tmp_path / "lib", tmp_path / "sshd", "-r", "-t"]
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    checked = subprocess.run([*words, "-f", "/dev/null", "-h", key], capture_output=True, text=True)
    assert (checked.returncode, checked.stderr) == (0, "")


def test_a_machine_whose_home_cannot_be_written_does_not_start(tmp_path):
    words = tmp_path / "words"
    done = run("start", HOME=tmp_path / "home", QWEX_LAST_WORDS=words, QWEX_RUN=tmp_path / "run")
    assert done.returncode == 77
    assert f"its home {tmp_path / 'home'} cannot be written by user" in words.read_text()
    assert words.read_text() in done.stderr


def looked(folder, meanwhile):
    """The probe's answer where nobody listens at first; the program ``meanwhile`` stands for the time that passes."""
    (table := folder / "net" / "tcp").parent.mkdir()
    table.write_text("  sl  local_address rem_address   st\n")
    (sleep := folder / "bin" / "sleep").parent.mkdir()
    sleep.write_text(f"#!/bin/sh\ncd {folder}\n{meanwhile}\n")
    sleep.chmod(0o755)
    return run("ready", PATH=f"{sleep.parent}{os.pathsep}{os.environ['PATH']}", QWEX_PROC=folder).returncode


def test_a_server_that_is_not_there_yet_is_waited_for(tmp_path):
    assert looked(tmp_path, "echo '   0: 0100007F:08AE 00000000:0000 0A' >> net/tcp") == 0
    assert (tmp_path / "net" / "tcp").read_text().count("08AE") == 1


def test_one_that_never_is_is_waited_for_no_longer_than_the_kubelet_does(tmp_path):
    assert looked(tmp_path, "echo $1 >> slept") == 1
    assert sum(map(float, (tmp_path / "slept").read_text().split())) < 20
