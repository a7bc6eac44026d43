"""The controller's process: ``python -m qwex.controller.daemon --home FOLDER [--ready-fd N]``.

Imports are in an order: backends start first, so that they prepare (a process to fork jobs from) while the server and
the store are still being imported.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import errno
import gc
import importlib
import logging
import os
import resource
import sys
from typing import TYPE_CHECKING, Any

from qwex import config
from qwex.controller.listening import AlreadyRunning, announce, lock, tcp_socket, unix_socket
from qwex.controller.reserve import Reserve
from qwex.errors import ConfigError, QwexError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from qwex.config import Settings
    from qwex.controller.auth import Tokens
    from qwex.controller.backends import Backends

__all__ = ["ALREADY_RUNNING", "main", "serve"]

log = logging.getLogger(__name__)

#: Exit code when another controller holds the home.
ALREADY_RUNNING = 3
#: Open files to allow where the system lets this user.
_FILES = 65_536


def main(argv: Sequence[str] | None = None) -> int:
    """Run until idle or told to end; the exit code."""
    gc.disable()  # until everything is imported, which is most of a start
    parser = argparse.ArgumentParser(prog="qwex.controller.daemon", description=__doc__)
    parser.add_argument("--home", help="folder of the store, the logs and the socket")
    parser.add_argument("--ready-fd", type=int, help="gets the line 'ready', or 'error: …'")
    given = parser.parse_args(argv)
    say = _teller(given.ready_fd)
    try:
        settings = config.load(home=given.home)
        config.own_folder(settings.folder)
        _run(settings, None, None, lambda: say("ready"))
    except AlreadyRunning:
        return ALREADY_RUNNING
    except QwexError as error:
        return _refused(error.message, say)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        return _refused(f"the disk of {given.home or 'its home'} is full; make space and try again", say)
    return 0


def _refused(why: str, say: Callable[[str], None]) -> int:
    say(f"error: {why}")
    sys.stderr.write(f"{why}\n")
    return 1


def serve(
    settings: Settings,
    *,
    host: str = "127.0.0.1",
    port: int = 8787,
    token_file: Path | None = None,
    reload: bool = False,
    on_ready: Callable[[], None] = lambda: None,
) -> None:
    """A shared controller, on a port as well as on the Unix socket; it does not end when idle.

    Raises:
        ConfigError: without tokens nobody could use it, or a setting is wrong.
        AlreadyRunning: another controller holds the home.
    """
    from qwex.controller.auth import Tokens

    if token_file is None:
        raise ConfigError("who may ask? Name a file of lines user:token with --token-file.")
    tokens = Tokens.read(token_file)
    settings.values["idle_timeout"] = config.Value(0.0, "argument")
    _run(settings, (host, port), tokens, on_ready, reload=reload)


def _run(
    settings: Settings,
    address: tuple[str, int] | None,
    tokens: Tokens | None,
    on_ready: Callable[[], None],
    *,
    reload: bool = False,
) -> None:
    level = settings.log_level.upper()
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s", level=level)
    _allow_files()
    with lock(settings.folder):
        Reserve(settings.folder / "reserve").use()  # a start writes some files, also on a full disk
        again = asyncio.run(_serve(settings, address, tokens, on_ready, reload=reload))
    if again:
        os.execv(sys.executable, sys.orig_argv)  # noqa: S606 - the same command, with the changed code


async def _serve(
    settings: Settings,
    address: tuple[str, int] | None,
    tokens: Tokens | None,
    on_ready: Callable[[], None],
    *,
    reload: bool,
) -> bool:
    """Serve until told to end; True when the code has changed since."""
    backends = await _backends(settings)
    # On a thread, so that what the backend prepares goes on meanwhile.
    await asyncio.to_thread(importlib.import_module, "qwex.controller.app")
    from qwex.controller.app import App
    from qwex.controller.idle import Idle
    from qwex.controller.server import Server
    from qwex.controller.service import Service

    sockets = [tcp_socket(*address)] if address else []
    service = Service(settings, backends)
    service.start()
    sockets.insert(0, unix_socket(settings.folder))
    path = sockets[0].getsockname()
    bound = os.stat(path).st_ino

    def ready() -> None:
        announce(settings.folder, sockets[0])
        gc.freeze()
        gc.enable()
        on_ready()

    idle = Idle(settings.idle_timeout, lambda: service.is_working, lambda: server.stop())
    service.on_end = idle.touch
    server = Server(App(service, settings, idle, tokens), ready, service.close_streams)
    idle.start()
    try:
        return await _until_stopped(server, sockets, reload=reload)
    finally:
        idle.stop()
        await service.close()
        with contextlib.suppress(OSError):
            if os.stat(path).st_ino == bound:  # else another controller's, after the home was removed
                os.unlink(path)


async def _until_stopped(server: Any, sockets: list[Any], *, reload: bool) -> bool:
    if not reload:
        await server.serve(sockets)
        return False
    from qwex.controller.reload import code_changed

    changed = asyncio.create_task(code_changed())
    changed.add_done_callback(lambda task: task.cancelled() or server.stop())
    await server.serve(sockets)
    if changed.done():
        return True
    changed.cancel()
    return False


async def _backends(settings: Settings) -> Backends:
    """Plugins loaded, the default backend started; one that cannot be started now is tried again when it is needed.

    Raises:
        ConfigError: its settings are wrong. A library that it lacks keeps only its own jobs from running.
    """
    from qwex.controller.backends import Backends
    from qwex.controller.registry import Registry
    from qwex.plugins import load

    backends = Backends(load(settings.plugins), settings, Registry())
    try:
        await backends.get(None)
    except Exception as error:
        if isinstance(error, ConfigError) and not isinstance(error.__cause__, ImportError):
            raise
        log.warning("the backend %s is not ready: %s", settings.default_backend, error)
    return backends


def _allow_files() -> None:
    """Each follower and each running job costs some file descriptors: raise the soft limit as far as is allowed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _FILES if hard == resource.RLIM_INFINITY else min(hard, _FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _teller(fd: int | None) -> Callable[[str], None]:
    def say(line: str) -> None:
        if fd is not None:
            with contextlib.suppress(OSError):
                os.write(fd, f"{line}\n".encode())
                os.close(fd)

    return say


if __name__ == "__main__":
    sys.exit(main())
