"""A password for a machine: made here, shown once, and sent as its hash alone."""

from __future__ import annotations

import secrets

from qwex.errors import ConfigError

__all__ = ["made"]

#: Without letters that look alike.
_LETTERS = "abcdefghjkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"
_LENGTH = 16


def made() -> tuple[str, str]:
    """A new password of some 93 bits, and its hash as crypt(3) writes it (bcrypt).

    Raises:
        ConfigError: the library that makes the hash is missing.
    """
    try:
        import bcrypt
    except ImportError:
        raise ConfigError("--password needs bcrypt: pip install 'qwex[kueue]'") from None
    password = "".join(secrets.choice(_LETTERS) for _ in range(_LENGTH))
    return password, bcrypt.hashpw(password.encode(), bcrypt.gensalt()).decode()
