"""A folder as it is now, as one archive: for jobs that run where the folder is not.

In a git repository what git knows or would add; elsewhere all files. ``.qwexignore`` leaves out more, in the words of
.gitignore. Never ``.git``, ``.env`` files, virtual environments and caches. The same files give the same bytes.
"""

from __future__ import annotations

import fnmatch
import gzip
import io
import os
import subprocess
import tarfile
from typing import TYPE_CHECKING

from qwex.errors import InvalidSpec
from qwex.quantities import format_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["MOST_BYTES", "archived"]

#: Of all files together.
MOST_BYTES = 100_000_000
_MOST_FILES = 20_000
_NEVER = ("__pycache__", ".git", ".ipynb_checkpoints", ".venv", ".env", ".env.*", "node_modules", "*.pyc")
_SHOWN = 5
_SECONDS = 30.0


def archived(folder: Path) -> bytes:
    """The folder as a .tar.gz.

    Raises:
        InvalidSpec: there is no such folder, it is too large (names its largest files), or git does not tell what is
            ignored.
    """
    if not folder.is_dir():
        raise InvalidSpec.of("workdir", f"{folder} is no folder")
    ignored = _patterns(folder / ".qwexignore")
    paths = sorted(path for path in _candidates(folder) if not _is_left_out(path, ignored))
    _check_size(folder, paths)
    packed = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=packed, mode="wb", compresslevel=1, mtime=0) as zipped,
        tarfile.open(fileobj=zipped, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for path in paths:
            try:
                _add(archive, folder, path)
            except OSError as error:
                why = error.strerror or error  # tarfile's own has no number
                said = f"{folder / path} cannot be sent along: {why}; was it changed or removed meanwhile?"
                raise InvalidSpec.of("workdir", said) from None
    return packed.getvalue()


def _candidates(folder: Path) -> Iterator[str]:
    """Relative paths of files and links, as git sees them where there is a repository."""
    try:
        listed = _git(folder, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
        # Of a folder that its repository ignores as a whole git would list nothing.
        ignored = not listed and bool(_git(folder, "ls-files", "-z", "--others", "--ignored", "--exclude-standard"))
    except (OSError, subprocess.SubprocessError) as error:
        if _is_in_repository(folder) and not _is_denied(error):
            raise InvalidSpec.of("workdir", _refusal(folder, error)) from None
        ignored, listed = True, b""
    if ignored:
        yield from _walked(folder)
        return
    for name in set(listed.decode("utf-8", "surrogateescape").split("\0")) - {""}:
        if (folder / name).is_symlink() or (folder / name).is_file():  # not one that was deleted, nor a submodule
            yield name


def _git(folder: Path, *words: str) -> bytes:
    command, env = ["git", "-C", str(folder), *words], {**os.environ, "LC_ALL": "C"}
    done = subprocess.run(command, capture_output=True, check=True, timeout=_SECONDS, stdin=subprocess.DEVNULL, env=env)
    return done.stdout


def _is_in_repository(folder: Path) -> bool:
    whole = folder.resolve()
    return any((place / ".git").exists() for place in (whole, *whole.parents))


def _is_denied(error: Exception) -> bool:
    """Whether git says that there is no repository, whatever is named ``.git``."""
    said = error.stderr if isinstance(error, subprocess.CalledProcessError) else b""
    return b"not a git repository (or any" in said


def _refusal(folder: Path, error: Exception) -> str:
    """All files are not sent then: what .gitignore names may be secret, or huge."""
    todo = "Send a copy of the folder that is in no repository"
    if isinstance(error, subprocess.CalledProcessError):
        said = error.stderr.decode(errors="replace").strip()
        why = said.partition("\n")[0] or f"it ended with {error.returncode}"
        if "safe.directory" in said:
            todo = f"If you trust its owner: {said.splitlines()[-1].strip()}"
    elif isinstance(error, subprocess.TimeoutExpired):
        why = f"it took more than {_SECONDS:g} s"
    else:
        why, todo = f"it cannot be run ({getattr(error, 'strerror', error)})", f"Install it. {todo}"
    return f"{folder} is in a git repository, but git does not say what .gitignore leaves out: {why}. {todo}"


def _walked(folder: Path) -> Iterator[str]:
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not _is_named(name, _NEVER)]
        links = [name for name in folders if os.path.islink(os.path.join(place, name))]
        for name in [*names, *links]:
            path = os.path.join(place, name)
            if os.path.islink(path) or os.path.isfile(path):
                yield os.path.relpath(path, folder)


def _patterns(file: Path) -> tuple[str, ...]:
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except OSError:
        return ()
    return tuple(line.strip().rstrip("/") for line in lines if line.strip() and not line.startswith("#"))


def _is_left_out(path: str, ignored: tuple[str, ...]) -> bool:
    parts = path.split("/")
    if any(_is_named(part, _NEVER) for part in parts):
        return True
    above = ["/".join(parts[:count]) for count in range(1, len(parts) + 1)]
    for pattern in ignored:
        anchored = pattern.lstrip("/")
        if "/" in pattern and any(fnmatch.fnmatch(each, anchored) for each in above):
            return True
        if "/" not in pattern and any(fnmatch.fnmatch(part, pattern) for part in parts):
            return True
    return False


def _is_named(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatch.fnmatch(name, pattern) for pattern in patterns)


def _check_size(folder: Path, paths: list[str]) -> None:
    sizes = {path: _size(folder / path) for path in paths}
    total = sum(sizes.values())
    if total <= MOST_BYTES and len(paths) <= _MOST_FILES:
        return
    largest = sorted(sizes, key=lambda path: -sizes[path])[:_SHOWN]
    listed = ", ".join(f"{path} ({format_bytes(sizes[path])})" for path in largest)
    raise InvalidSpec.of(
        "workdir",
        f"{folder} has {len(paths):,} files with {format_bytes(total)}; at most {_MOST_FILES:,} with "
        f"{format_bytes(MOST_BYTES)} are sent along. The largest: {listed}. Leave some out in .qwexignore",
    )


def _size(path: Path) -> int:
    try:
        return path.lstat().st_size
    except OSError:  # removed since
        return 0


def _add(archive: tarfile.TarFile, folder: Path, path: str) -> None:
    """Without owner and times. Links that lead out of the folder are left out."""
    source = folder / path
    info = tarfile.TarInfo(path)
    if source.is_symlink():
        target = os.readlink(source)
        inside = os.path.normpath(os.path.join(os.path.dirname(path), target))
        if os.path.isabs(target) or inside.startswith(".."):
            return
        info.type, info.linkname = tarfile.SYMTYPE, target
        archive.addfile(info)
        return
    with source.open("rb") as file:
        status = os.fstat(file.fileno())
        info.size = status.st_size
        info.mode = 0o755 if status.st_mode & 0o100 else 0o644
        archive.addfile(info, file)
