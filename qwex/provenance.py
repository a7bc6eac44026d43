"""Where a job's code comes from: its repository as git shows it. Absent wherever git or a repository is."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["LONGEST_DIFF", "Provenance", "of_folder"]

#: Characters of a diff that are kept.
LONGEST_DIFF = 1_000_000
#: Seconds that git may take; a repository on a slow disk goes without.
_SECONDS = 10.0
_MOST_UNTRACKED = 1000
_PASSWORD = re.compile(r"(?<=://)[^/@]*@")


@dataclass(frozen=True)
class Provenance:
    """A repository at one moment."""

    #: Its folder.
    root: str
    #: 40 hexadecimal digits; empty before the first commit.
    commit: str
    #: Empty where none is checked out.
    branch: str
    #: Where it was cloned from, without user and password.
    remote: str
    #: Whether files differ from the commit, or are in none.
    dirty: bool
    #: ``git diff HEAD``; cut where it is too long, and says so.
    diff: str = ""
    #: Files that are in no commit, as far as .gitignore does not name them.
    untracked: tuple[str, ...] = ()


def of_folder(folder: str | Path) -> Provenance | None:
    """The repository around ``folder``, or None. Blocks for some milliseconds."""
    try:
        status = _git(folder, "status", "--porcelain=v2", "--branch", "-z")
        entries = status.split("\0")
        head = {words[1]: words[2] for entry in entries if entry.startswith("# ") and (words := entry.split(" ", 2))}
        changed = [entry for entry in entries if entry[:2] in ("1 ", "2 ", "u ")]
        untracked = [entry[2:] for entry in entries if entry.startswith("? ")]
        commit = head.get("branch.oid", "")
        commit = "" if commit == "(initial)" else commit
        branch = head.get("branch.head", "")
        return Provenance(
            _git(folder, "rev-parse", "--show-toplevel").strip(),
            commit,
            "" if branch == "(detached)" else branch,
            _remote(folder),
            bool(changed or untracked),
            _cut(_git(folder, "diff", "HEAD", "--no-color", "--no-ext-diff")) if commit and changed else "",
            tuple(untracked[:_MOST_UNTRACKED]),
        )
    except (OSError, subprocess.SubprocessError):
        return None


def _remote(folder: str | Path) -> str:
    try:
        return _PASSWORD.sub("", _git(folder, "config", "--get", "remote.origin.url").strip())
    except subprocess.CalledProcessError:
        return ""


def _git(folder: str | Path, *words: str) -> str:
    environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}
    done = subprocess.run(
        ["git", "-C", str(folder), *words],
        capture_output=True,
        check=True,
        stdin=subprocess.DEVNULL,
        timeout=_SECONDS,
        env=environment,
    )
    return done.stdout.decode("utf-8", "replace")


def _cut(diff: str) -> str:
    over = len(diff) - LONGEST_DIFF
    return diff if over <= 0 else f"{diff[:LONGEST_DIFF]}\n[{over:,} more characters left out]\n"
