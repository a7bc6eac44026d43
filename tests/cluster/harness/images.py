"""Container images made of files of this machine, without an image tool, and kept as archives.

==========================  ===========================================================================
``qwex.test/pause:1``       what holds a pod's namespaces
``qwex.test/machine:1``     an OpenSSH server, a shell and Python, for dev machines; of Debian's packages
``qwex.test/python:3.11``   bare Python of Debian's packages, where those are to be had
``qwex.test/python:X.Y``    bare Python of another minor version, where this machine has one
``qwex.test/ipython:X.Y``   the Python that runs the tests, with IPython, cloudpickle, numpy, matplotlib
==========================  ===========================================================================
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import io
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from packaging.requirements import Requirement

from harness import places
from harness.errors import ClusterError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["IPYTHON", "MACHINE", "PAUSE", "PYTHON", "Image", "closure", "make", "planned"]

PAUSE = "qwex.test/pause:1"
PYTHON = "qwex.test/python:3.11"
MACHINE = "qwex.test/machine:1"
IPYTHON = f"qwex.test/ipython:{sys.version_info.major}.{sys.version_info.minor}"

#: Seconds after which an archive that nobody has asked for is removed.
_UNUSED = 3 * 86400.0
_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_PACKAGES = ("ipython", "cloudpickle", "numpy", "matplotlib", "matplotlib-inline")
#: Of the standard library; of no use to a job, and most of its size.
_LEFT_OUT = ("test", "tests", "idlelib", "tkinter", "turtledemo", "ensurepip", "site-packages", "dist-packages")
#: Programs of this machine that an image of an interpreter gets.
_PROGRAMS = ("sh", "cat", "echo", "env", "id", "ls", "sleep", "true", "false")
#: What images of Debian's packages have of busybox, where a package does not bring it.
_APPLETS = (
    *("cat", "chmod", "cp", "date", "echo", "env", "false", "id", "ls", "mkdir", "mv", "nc", "rm", "sed", "sleep"),
    *("timeout", "touch", "true", "wget"),
)
_DEBIAN = (
    "libc6 libexpat1 zlib1g libssl3 libffi8 libbz2-1.0 liblzma5 libsqlite3-0 libncursesw6 libreadline8 libtinfo6 "
    "libuuid1 libdb5.3 libgcc-s1 libcrypt1 libstdc++6 media-types python3.11-minimal libpython3.11-minimal "
    "libpython3.11-stdlib python3.11 dash busybox-static"
)
#: What people log into: a server, and what they expect to find.
_SSH = (
    "openssh-server openssh-client openssh-sftp-server libpam0g libselinux1 libpcre2-8-0 libaudit1 libcap-ng0 "
    "libgssapi-krb5-2 libkrb5-3 libk5crypto3 libkrb5support0 libcom-err2 libkeyutils1 libsystemd0 libzstd1 liblz4-1 "
    "libgcrypt20 libgpg-error0 libcap2 libwrap0 libnsl2 libtirpc3 libedit2 libbsd0 libmd0 bash coreutils libacl1 "
    "libattr1 libgmp10 rsync libpopt0 libxxhash0 sed grep procps libproc2-0"
)
_PAUSE_SOURCE = r"""
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>
static void leave(int s) { _exit(0); }
static void reap(int s) { while (waitpid(-1, 0, WNOHANG) > 0) {} }
int main(void) { signal(SIGINT, leave); signal(SIGTERM, leave); signal(SIGCHLD, reap); for (;;) pause(); }
"""


@dataclass(frozen=True)
class Image:
    """A name, what decides over its contents, and what writes its files into a tar."""

    name: str
    inputs: str
    write: Callable[[tarfile.TarFile], None]
    entrypoint: tuple[str, ...] = ()


def planned() -> list[Image]:
    """The images that this machine can have, the smallest first."""
    found = [Image(PAUSE, _PAUSE_SOURCE, _write_pause, ("/pause",))]
    pythons = _pythons()
    if _is_bookworm():
        found.append(Image(PYTHON, _DEBIAN, lambda tar: _write_debian(tar, _DEBIAN)))
        found.append(Image(MACHINE, f"{_DEBIAN} {_SSH}", _write_machine))
    elif 11 in pythons:
        found.append(_bare(pythons[11]))
    own = _Interpreter.read(sys._base_executable)  # type: ignore[attr-defined]
    others = sorted(set(pythons) - {11, sys.version_info.minor})
    if others:
        found.append(_bare(pythons[others[-1]]))
    distributions = closure(_PACKAGES)
    versions = " ".join(f"{each.name}={each.version}" for each in distributions)
    found.append(Image(IPYTHON, f"{own!r} {versions}", lambda tar: _write_interpreter(tar, own, distributions)))
    return found


def make(image: Image, say: Callable[[str], None]) -> Path:
    """The archive of the image, made unless it is there."""
    key = places.digest([image.name, image.inputs, repr(image.entrypoint), Path(__file__).read_bytes()])
    folder = places.cache() / "images"
    stem = re.sub("[^a-z0-9.]", "-", image.name)
    archive = folder / f"{stem}-{key}.tar"
    with places.locked(archive.with_suffix(".lock"), lambda: say(f"{image.name}: another process makes it")):
        if not archive.exists():
            say(f"{image.name}: making the image")
            with tempfile.TemporaryDirectory(dir=folder) as scratch:
                layer, part = Path(scratch) / "layer.tar", Path(scratch) / "image.tar"
                with tarfile.open(layer, "w", format=tarfile.PAX_FORMAT) as tar:
                    _write_skeleton(tar)
                    image.write(tar)
                _pack(image, layer, part)
                part.replace(archive)
            _tidy(folder, stem)
        archive.touch()
    return archive


def _tidy(folder: Path, stem: str) -> None:
    """Remove what nobody has asked for in a while; another checkout may have images of its own."""
    for other in folder.glob(f"{stem}-*.tar"):
        with suppress(FileNotFoundError):
            if other.stat().st_mtime < time.time() - _UNUSED:
                other.unlink()


def _pack(image: Image, layer: Path, archive: Path) -> None:
    """An OCI image layout with one layer."""
    with layer.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest() if hasattr(hashlib, "file_digest") else _sha256(file)
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    config = {
        "architecture": machine,
        "os": "linux",
        "config": {"Entrypoint": list(image.entrypoint), "Env": [_PATH]},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
    }
    with tarfile.open(archive, "w") as tar:
        _put(tar, "oci-layout", b'{"imageLayoutVersion":"1.0.0"}')
        tar.add(layer, f"blobs/sha256/{digest}")
        described = _blob(tar, config, "application/vnd.oci.image.config.v1+json")
        kind = "application/vnd.oci.image.layer.v1.tar"
        manifest = {
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": described,
            "layers": [{"mediaType": kind, "digest": f"sha256:{digest}", "size": layer.stat().st_size}],
        }
        entry = _blob(tar, manifest, "application/vnd.oci.image.manifest.v1+json")
        tag = image.name.rpartition(":")[2]
        entry["annotations"] = {"io.containerd.image.name": image.name, "org.opencontainers.image.ref.name": tag}
        _put(tar, "index.json", json.dumps({"schemaVersion": 2, "manifests": [entry]}).encode())


def _blob(tar: tarfile.TarFile, content: dict[str, Any], kind: str) -> dict[str, Any]:
    data = json.dumps(content).encode()
    digest = hashlib.sha256(data).hexdigest()
    _put(tar, f"blobs/sha256/{digest}", data)
    return {"mediaType": kind, "digest": f"sha256:{digest}", "size": len(data)}


def _sha256(file: io.BufferedReader) -> str:
    found = hashlib.sha256()
    while block := file.read(1 << 20):
        found.update(block)
    return found.hexdigest()


def _write_skeleton(tar: tarfile.TarFile) -> None:
    """What programs expect of any system, and a home for user 1000."""
    for name, mode, owner in (("tmp", 0o1777, 0), ("etc", 0o755, 0), ("home/qwex", 0o755, 1000), ("root", 0o755, 0)):
        entry = tarfile.TarInfo(name)
        entry.type, entry.mode, entry.uid, entry.gid = tarfile.DIRTYPE, mode, owner, owner
        tar.addfile(entry)
    _put(tar, "etc/passwd", b"root:x:0:0:root:/root:/bin/sh\nqwex:x:1000:1000:qwex:/home/qwex:/bin/sh\n")
    _put(tar, "etc/group", b"root:x:0:\nqwex:x:1000:\n")
    _put(tar, "etc/nsswitch.conf", b"passwd: files\ngroup: files\nhosts: files dns\n")


def _write_pause(tar: tarfile.TarFile) -> None:
    with tempfile.TemporaryDirectory() as folder:
        source, program = Path(folder) / "pause.c", Path(folder) / "pause"
        source.write_text(_PAUSE_SOURCE)
        _run("gcc", "-static", "-Os", "-o", str(program), str(source))
        _put(tar, "pause", program.read_bytes(), 0o755)


def _write_machine(tar: tarfile.TarFile) -> None:
    """The packages; nobody but root is known there."""
    _write_debian(tar, f"{_DEBIAN} {_SSH}")
    _put(tar, "etc/passwd", b"root:x:0:0:root:/root:/bin/sh\n")
    _put(tar, "etc/group", b"root:x:0:\ntty:x:5:\n")


def _write_debian(tar: tarfile.TarFile, packages: str) -> None:
    """Unpack the packages; their scripts are not run."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "root"
        root.mkdir()
        # apt gives up its rights for a download, and must still write here.
        os.chmod(folder, 0o777)
        try:
            _run("apt-get", "download", "-qq", *packages.split(), cwd=folder)
        except ClusterError:
            _run("apt-get", "update", "-qq")
            _run("apt-get", "download", "-qq", *packages.split(), cwd=folder)
        for package in Path(folder).glob("*.deb"):
            _run("dpkg", "-x", str(package), str(root))
        for name, target in (("usr/bin/python3", "python3.11"), ("usr/bin/python", "python3.11"), ("bin/sh", "dash")):
            (root / name).unlink(missing_ok=True)
            (root / name).symlink_to(target)
        for program in _APPLETS:
            if not (root / "bin" / program).exists():
                (root / "bin" / program).symlink_to("busybox")
        for path in sorted(root.iterdir()):
            tar.add(path, path.name, filter=_owned_by_root)


@dataclass(frozen=True)
class _Interpreter:
    """A Python of this machine."""

    executable: str
    version: str
    stdlib: str
    platstdlib: str
    purelib: str

    @classmethod
    def read(cls, executable: str) -> _Interpreter:
        """Ask it."""
        code = (
            "import json,platform,sysconfig as s;"
            "print(json.dumps([platform.python_version(),*(s.get_path(n) for n in ('stdlib','platstdlib','purelib'))]))"
        )
        real = os.path.realpath(executable)
        done = subprocess.run([real, "-I", "-S", "-c", code], capture_output=True, text=True, check=True)
        return cls(real, *json.loads(done.stdout))

    @property
    def minor(self) -> str:
        """Such as 3.12."""
        return ".".join(self.version.split(".")[:2])


def _pythons() -> dict[int, _Interpreter]:
    """The Pythons of this machine from 3.10 on, one of each minor version."""
    paths = [*Path.home().glob(".pyenv/versions/3.*/bin/python3.*"), *Path("/usr/bin").glob("python3.*")]
    paths += [*Path("/usr/local/bin").glob("python3.*"), *Path("/opt").glob("*/bin/python3.*")]
    found: dict[int, _Interpreter] = {}
    for path in sorted(paths):
        name = re.fullmatch(r"python3\.(\d+)", path.name)
        if name and int(name[1]) >= 10 and int(name[1]) not in found:
            with suppress(OSError, subprocess.CalledProcessError):
                found[int(name[1])] = _Interpreter.read(str(path))
    return found


def _bare(python: _Interpreter) -> Image:
    return Image(f"qwex.test/python:{python.minor}", repr(python), lambda tar: _write_interpreter(tar, python))


def _is_bookworm() -> bool:
    """Whether apt has the packages of ``_DEBIAN``: other releases have other versions of them."""
    release = Path("/etc/os-release")
    return bool(shutil.which("apt-get")) and release.exists() and "VERSION_CODENAME=bookworm" in release.read_text()


def _write_interpreter(
    tar: tarfile.TarFile, python: _Interpreter, distributions: list[importlib.metadata.Distribution] | None = None
) -> None:
    """The interpreter where it is on this machine, what it links, and packages beside it."""
    writer = _Writer(tar)
    writer.add(Path(python.executable))
    for name in ("python3", "python", f"python{python.minor}"):
        writer.link(f"usr/local/bin/{name}", python.executable)
    for tree in dict.fromkeys((python.stdlib, python.platstdlib)):
        writer.add_tree(Path(tree))
    for distribution in distributions or ():
        for file in distribution.files or ():
            source = Path(str(distribution.locate_file(file)))
            if ".." not in file.parts and source.is_file() and not {"tests", "test"} & set(file.parts[:-1]):
                writer.add(source, Path(python.purelib, *file.parts))
    for program in _PROGRAMS:
        path = shutil.which(program)
        if path:
            writer.add(Path(path), Path("/bin", program))
    writer.add_libraries()


class _Writer:
    """Puts files of this machine into a layer, each once, readable by everybody."""

    def __init__(self, tar: tarfile.TarFile) -> None:
        self._tar = tar
        self._there: set[str] = {"tmp", "etc", "home", "root", "home/qwex"}
        self._binaries: list[Path] = []

    def add(self, source: Path, target: Path | None = None) -> None:
        """Add the file, and the folders it lies in; a link is followed."""
        name = str(target or source).strip("/")
        if name in self._there:
            return
        self._folders(Path(name).parent)
        self._there.add(name)
        data = source.read_bytes()
        entry = tarfile.TarInfo(name)
        # A compiled module is valid for the time of its source.
        entry.size, entry.mtime = len(data), int(source.stat().st_mtime)
        entry.mode = 0o755 if os.access(source, os.X_OK) and source.stat().st_mode & 0o111 else 0o644
        self._tar.addfile(entry, io.BytesIO(data))
        if data[:4] == b"\x7fELF":
            self._binaries.append(source)

    def add_tree(self, folder: Path) -> None:
        """Add a standard library, without what no job uses."""
        for path in _files(folder):
            self.add(path)

    def link(self, name: str, target: str) -> None:
        """Add a symbolic link."""
        self._folders(Path(name).parent)
        entry = tarfile.TarInfo(name)
        entry.type, entry.linkname = tarfile.SYMTYPE, target
        self._tar.addfile(entry)

    def add_libraries(self) -> None:
        """Add what the dynamic linker would load for all that was added, at the places where it finds it."""
        done = subprocess.run(["ldd", *map(str, self._binaries)], capture_output=True, text=True, check=False)
        for path in dict.fromkeys(re.findall(r"(?:=>|^)\s*(/\S+) \(0x", done.stdout, re.MULTILINE)):
            # Libraries that came with a package are found from where the package lies.
            if not path.startswith(sys.prefix + "/"):
                self.add(Path(path))

    def _folders(self, folder: Path) -> None:
        for parent in [*reversed(folder.parents), folder]:
            name = str(parent)
            if name not in (".", "") and name not in self._there:
                self._there.add(name)
                entry = tarfile.TarInfo(name)
                entry.type, entry.mode = tarfile.DIRTYPE, 0o755
                self._tar.addfile(entry)


def _files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if path.is_dir():
            if path.name not in _LEFT_OUT and not path.name.startswith("config-"):
                yield from _files(path)
        elif ".opt-" not in path.name and not path.name.endswith((".a", ".o")):
            yield path


def closure(names: tuple[str, ...]) -> list[importlib.metadata.Distribution]:
    """The distributions of these names, and all that they require."""
    found: dict[str, importlib.metadata.Distribution] = {}
    left = list(names)
    while left:
        name = re.sub(r"[-_.]+", "-", left.pop()).lower()
        if name in found:
            continue
        try:
            found[name] = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            raise ClusterError(f"{IPYTHON} holds {name}, which is not installed here. Run: make .venv/.test") from None
        for text in found[name].requires or ():
            requirement = Requirement(text)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                left.append(requirement.name)
    return [found[name] for name in sorted(found)]


def _put(tar: tarfile.TarFile, name: str, data: bytes, mode: int = 0o644) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(data), mode
    tar.addfile(entry, io.BytesIO(data))


def _owned_by_root(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    return entry


def _run(*words: str, cwd: str | None = None) -> None:
    done = subprocess.run(words, cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ClusterError(f"{' '.join(words)[:200]} failed:\n{done.stderr[-1000:]}")
