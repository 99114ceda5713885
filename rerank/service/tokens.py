"""Bearer tokens: made of 32 random bytes, kept as SHA-256 hashes in a file, looked at again when it changes.

A token has 256 bits of chance, so a plain hash cannot be searched backwards as that of a password could.
"""

import hashlib
import hmac
import json
import logging
import os
import re
import secrets
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from rerank.service.faults import Forbidden, ServiceError, Unauthorized

log = logging.getLogger("rerank.service")

Role = Literal["use", "admin"]
PREFIX = "pr_"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True, slots=True)
class Token:
    """One caller: `role` use may ask the models, admin may also load and unload them."""

    name: str
    role: Role
    sha256: str


def new_token(path: Path, name: str, role: Role) -> str:
    """Add a token to the file and return it; it is shown here and nowhere again.

    Raises:
        ServiceError: the name is taken or no plain name, or the file cannot be used.
    """
    if not _NAME.fullmatch(name):
        raise ServiceError(f"{name[:64]!r} cannot name a token: use letters, digits, points and dashes")
    known = read_tokens(path) if path.exists() else ()
    if any(token.name == name for token in known):
        raise ServiceError(f"{path} has a token named {name}; revoke it first, or take another name")
    secret = PREFIX + secrets.token_urlsafe(32)
    _write(path, (*known, Token(name, role, _hash(secret))))
    return secret


def revoke_token(path: Path, name: str) -> None:
    """Take a token out of the file; a running service notices at the next request.

    Raises:
        ServiceError: there is none of this name, or the file cannot be used.
    """
    known = read_tokens(path)
    if all(token.name != name for token in known):
        raise ServiceError(f"{path} has no token named {name}; it has {', '.join(token.name for token in known)}")
    _write(path, tuple(token for token in known if token.name != name))


def read_tokens(path: Path) -> tuple[Token, ...]:
    """Read a token file.

    Raises:
        ServiceError: it cannot be read or is no token file.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        return tuple(_token(item) for item in data["tokens"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ServiceError(f"{path} is no token file ({error}); make one with `rerank token new`") from error


class Guard:
    """Checks bearer tokens against the file; a file that breaks while it is edited leaves the last good one."""

    def __init__(self, path: Path) -> None:
        """Read the file.

        Raises:
            ServiceError: it is no token file.
        """
        self._path = path
        self._lock = threading.Lock()
        self._stamp, self._tokens = self._look(), read_tokens(path)

    def check(self, authorization: str | None, role: Role) -> Token:
        """Return the caller of an Authorization header.

        Raises:
            Unauthorized: there is no bearer token in it, or an unknown one.
            Forbidden: the token's role does not reach.
        """
        scheme, _, secret = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not secret.strip():
            raise Unauthorized("send `Authorization: Bearer TOKEN`; `rerank token new` makes one")
        given, found = _hash(secret.strip()), None
        for token in self._current():
            if hmac.compare_digest(token.sha256, given):
                found = token
        if found is None:
            raise Unauthorized("this token is not known; it may have been revoked")
        if role == "admin" and found.role != "admin":
            raise Forbidden(f"the token {found.name} has the role {found.role}; this needs admin")
        return found

    def _current(self) -> tuple[Token, ...]:
        with self._lock:
            stamp = self._look()
            if stamp != self._stamp:
                self._stamp = stamp
                try:
                    self._tokens = read_tokens(self._path)
                except ServiceError as error:
                    log.warning("%s; going on with the tokens of before", error)
            return self._tokens

    def _look(self) -> tuple[int, int] | None:
        try:
            status = self._path.stat()
        except OSError:
            return None
        return status.st_mtime_ns, status.st_ino


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()


def _token(item: Any) -> Token:
    name, role, digest = item["name"], item["role"], item["sha256"]
    if role not in get_args(Role) or not isinstance(name, str) or not re.fullmatch(r"[0-9a-f]{64}", digest):
        raise ValueError("an entry needs name, role (use or admin) and sha256")
    return Token(name, role, digest)


def _write(path: Path, tokens: tuple[Token, ...]) -> None:
    rows = [{"name": token.name, "role": token.role, "sha256": token.sha256} for token in tokens]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, staged = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # mode 0600
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump({"tokens": rows}, file, indent=2)
            file.write("\n")
        os.replace(staged, path)
    except OSError as error:
        raise ServiceError(f"cannot write the token file {path}: {error.strerror}") from error
