"""Where a node's files can lie so that its user can read them, and who that user is.

OpenSearch refuses to run as root. Started by root, a node runs as the owner of the polyrank home, or as `nobody` when
root owns it; and where that user cannot enter the home (root's own home folder, a private temporary folder), the
node's files go to a folder of the home's own below /var/tmp. Everything else stays in the home.
"""

import hashlib
import os
import pwd
import shutil
import stat
from dataclasses import dataclass
from pathlib import Path

import psutil

from plugin.errors import NodeError

_OPEN_PLACE = Path("/var/tmp")
_PREFIX = "polyrank-"
_MARKER = "polyrank-home"


@dataclass(frozen=True, slots=True)
class User:
    """The unprivileged user that nodes run as."""

    name: str
    uid: int
    gid: int


@dataclass(frozen=True, slots=True)
class Ground:
    """`folder` holds `distribution/`, `java/` and `nodes/`; `user` is who nodes run as, None for the caller.

    `moved` says that the folder is not the polyrank home, because the user cannot enter that.
    """

    folder: Path
    user: User | None
    moved: bool = False

    def reaches(self, path: Path) -> bool:
        """Say whether the nodes' user may enter `path` (a folder that exists, or will be made with mode 755)."""
        return self.user is None or can_enter(path, self.user)

    def subfolder(self, name: str) -> Path:
        """Return the folder `name` of the ground, made if absent, that everybody may enter and only we may change."""
        path = self.folder / name
        path.mkdir(exist_ok=True)
        path.chmod(0o755)
        return path

    def give(self, path: Path) -> None:
        """Make the nodes' user the owner of `path`."""
        if self.user is not None:
            os.chown(path, self.user.uid, self.user.gid)


def ground_for(home: Path, *, make: bool = True) -> Ground:
    """Find the ground for a polyrank home; with `make`, make both folders when they are not there.

    Raises NodeError when root has no unprivileged user to run nodes as, or the place below /var/tmp is not ours.
    """
    if make:
        home.mkdir(parents=True, exist_ok=True)
    if os.geteuid() != 0:
        return Ground(home, None)
    user = _unprivileged_user(home)
    if can_enter(home, user):
        return Ground(home, user)
    place = _OPEN_PLACE / f"{_PREFIX}{hashlib.sha256(os.fsencode(home)).hexdigest()[:12]}"
    if make:
        _claim(place, home)
    return Ground(place, user, moved=True)


def can_enter(path: Path, user: User) -> bool:
    """Say whether `user` may pass through every existing folder from the root to `path`, by mode bits."""
    resolved = path.resolve()
    for folder in (resolved, *resolved.parents):
        if not folder.exists():
            continue
        status = folder.stat()
        if status.st_uid == user.uid:
            needed = stat.S_IXUSR
        elif status.st_gid == user.gid:
            needed = stat.S_IXGRP
        else:
            needed = stat.S_IXOTH
        if not status.st_mode & needed:
            return False
    return True


def sweep_abandoned() -> list[Path]:
    """Remove places below /var/tmp whose polyrank home is gone and that no process uses; return what was removed."""
    if os.geteuid() != 0:
        return []
    removed = []
    for place in _OPEN_PLACE.glob(f"{_PREFIX}*"):
        marker = place / _MARKER
        ours = not place.is_symlink() and place.stat().st_uid == 0 and marker.is_file()
        if ours and not Path(os.fsdecode(marker.read_bytes())).exists() and not _in_use(place):
            shutil.rmtree(place)
            removed.append(place)
    return removed


def _unprivileged_user(home: Path) -> User:
    owner = home.stat().st_uid if home.exists() else 0
    try:
        entry = pwd.getpwuid(owner) if owner != 0 else pwd.getpwnam("nobody")
    except KeyError as error:
        raise NodeError(
            "OpenSearch does not run as root and this machine has no user 'nobody'; run the command as another user, "
            f"or make another user the owner of {home}"
        ) from error
    return User(entry.pw_name, entry.pw_uid, entry.pw_gid)


def _claim(place: Path, home: Path) -> None:
    try:
        place.mkdir(mode=0o755)
        place.chmod(0o755)
    except FileExistsError:
        status = place.lstat()
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != 0 or status.st_mode & 0o022:
            raise NodeError(
                f"{place} should be a folder that only root can write to, and is not; look at it, remove it, and run "
                "the command again, or set POLYRANK_HOME to a folder that any user can enter"
            ) from None
    (place / _MARKER).write_bytes(os.fsencode(home))


def _in_use(place: Path) -> bool:
    for process in psutil.process_iter(["cmdline"]):
        if any(str(place) in argument for argument in process.info["cmdline"] or ()):
            return True
    return False
