"""Pull: a bundle or a torch model from a model hub, at one commit, with the hash of every file."""

import json
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rerank.bundle import MANIFEST, PICKLES, file_hash, load_bundle, refuse_foreign_folder
from rerank.errors import BundleError

PULLED = "pulled.json"
SKIPPED = PICKLES | {".py", ".msgpack", ".h5", ".ot", ".tflite", ".gguf"}
"""Kinds that are not fetched: code, pickles, and weights for other programs."""


@dataclass(frozen=True, slots=True)
class Pulled:
    """A folder from the hub: the commit it is of, and what it is (`bundle` or `torch model`)."""

    path: Path
    repository: str
    commit: str
    kind: str
    files: dict[str, str]


def pull(
    repository: str,
    out: Path,
    *,
    revision: str | None = None,
    fingerprint: str | None = None,
    advance: Callable[[str], None] = lambda _: None,
) -> Pulled:
    """Fetch a repository whole or not at all; nothing in it is run.

    What was fetched before the hub was lost lies in `.OUT.pull`, and the next pull of the same commit goes on from it.

    Args:
        repository: `owner/name`.
        out: the new folder.
        revision: commit, tag or branch; None takes the main branch. The commit found is written into `pulled.json`
            with the sha256 of each file, unless it is a bundle, whose manifest holds them.
        fingerprint: what the bundle's fingerprint must be.
        advance: is told each file before it is fetched.

    Raises:
        BundleError: the hub, repository or revision cannot be reached, a file's sha256 is not what the hub or the
            bundle says, the fingerprint differs, or `out` is taken.
    """
    from huggingface_hub import HfApi, hf_hub_download

    refuse_foreign_folder(out)
    endpoint = os.environ.get("HF_ENDPOINT")
    work = out.with_name(f".{out.name}.pull")
    try:
        info = HfApi(endpoint=endpoint).model_info(repository, revision=revision, files_metadata=True)
        names = _wanted([item.rfilename for item in info.siblings or []])
        folder = _folder(work, str(info.sha))
        for name in names:
            advance(name)
            hf_hub_download(repository, name, revision=info.sha, local_dir=folder, endpoint=endpoint)
    except Exception as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        kept = "; run it again to go on" if work.is_dir() else ""
        raise BundleError(f"cannot pull {repository} at {revision or 'main'}: {reason}{kept}") from error
    try:
        _drop_cache(folder)
        files = {str(path.relative_to(folder)): file_hash(path) for path in sorted(folder.rglob("*")) if path.is_file()}
        _compare(repository, files, {item.rfilename: item.lfs.sha256 for item in info.siblings or [] if item.lfs})
        kind = _check(folder, repository, fingerprint)
        pulled = Pulled(out, repository, str(info.sha), kind, files)
        if kind == "torch model":
            note = {"repository": repository, "commit": pulled.commit, "files": files}
            (folder / PULLED).write_text(json.dumps(note, indent=2) + "\n", encoding="utf-8")
        if out.exists():
            os.replace(out, work / "old")
        os.replace(folder, out)
        return pulled
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _folder(work: Path, commit: str) -> Path:
    """Return the folder of a commit; what was fetched of other commits is dropped."""
    for other in work.glob("*"):
        if other.name != commit:
            shutil.rmtree(other)
    (work / commit).mkdir(parents=True, exist_ok=True)
    return work / commit


def _compare(repository: str, found: Mapping[str, str], wanted: Mapping[str, str]) -> None:
    """Compare the files with the sha256 that the hub has of its large ones."""
    for name, expected in wanted.items():
        if name in found and found[name] != expected:
            raise BundleError(
                f"{name} of {repository} came with a sha256 that starts {found[name][:12]}, the hub says "
                f"{expected[:12]}; nothing was written, pull it again"
            )


def _wanted(names: list[str]) -> list[str]:
    """Leave out what could run code, hidden files, and everything that would leave the folder."""
    return [
        name
        for name in names
        if Path(name).suffix.lower() not in SKIPPED
        and not name.startswith((".", "/"))
        and ".." not in Path(name).parts
        and "\\" not in name
    ]


def _check(folder: Path, repository: str, fingerprint: str | None) -> str:
    if not (folder / MANIFEST).is_file():
        if fingerprint is not None:
            raise BundleError(f"{repository} is no bundle (it has no {MANIFEST}), so it has no fingerprint to check")
        if not any(folder.rglob("*.safetensors")):
            raise BundleError(f"{repository} holds neither a bundle nor safetensors weights; nothing was written")
        return "torch model"
    found = load_bundle(folder).fingerprint
    if fingerprint is not None and found != fingerprint:
        raise BundleError(f"{repository} has the fingerprint {found}, not {fingerprint}; nothing was written")
    return "bundle"


def _drop_cache(folder: Path) -> None:
    """Remove the client's own notes, which lie in `.cache`."""
    cache: Any = folder / ".cache"
    for path in sorted(cache.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    if cache.is_dir():
        cache.rmdir()
