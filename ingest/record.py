"""What is left of a run: its manifest, one JSON file, and metrics that a Prometheus node exporter picks up."""

import heapq
import json
import os
import resource
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, Gauge, write_to_textfile

from ingest.errors import OK, PARTIAL, IngestError, exit_code_of
from ingest.report import Tally
from rerank.errors import PolyrankError
from rerank.home import polyrank_home

KIB_A_MIB = 1024
MANIFESTS = 100
"""So many manifests of earlier runs are looked at."""

KEPT_MANIFESTS = 1000
"""So many of an alias are kept below `polyrank_home()`: a year of a cron job that runs three times a day."""


class RunRecord:
    """Collects what a run was and did while it goes on; `write` puts it down, whatever its end."""

    def __init__(
        self, alias: str, feeds: tuple[str, ...], manifest: Path | None = None, metrics: Path | None = None
    ) -> None:
        """`manifest` None: below `polyrank_home()/runs/ALIAS`; `metrics` None: no file."""
        self.tally = Tally()
        self.fingerprints: Mapping[str, Any] = {}
        self._alias = alias
        self._feeds = feeds
        self._begun = datetime.now(UTC)
        self._clock = time.perf_counter()
        self._cpu = time.process_time()
        self._index: str | None = None
        self._version = 0
        self._manifest = manifest or runs_folder(alias) / f"{self._begun:%Y%m%dT%H%M%S}.{os.getpid()}.json"
        self._rotates = manifest is None
        self._metrics = metrics

    def started(self, index: str, version: int) -> None:
        """Note the index and the version of what this run writes."""
        self._index, self._version = index, version

    def as_json(self, exit_code: int, error: str | None, details: Mapping[str, Any]) -> dict[str, Any]:
        """Return the manifest of a run that ends now. `cost` is what it took of this machine."""
        tally = self.tally
        return {
            "alias": self._alias,
            "index": self._index,
            "version": self._version,
            "polyrank": version("polyrank"),
            "begun": self._begun.isoformat(timespec="milliseconds"),
            "ended": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "exit_code": exit_code,
            "error": error,
            "feeds": list(self._feeds),
            "fingerprints": dict(self.fingerprints),
            "counts": tally.counts(),
            "reasons": dict(tally.reasons.most_common()),
            "problems": dict(tally.problems.most_common()),
            "languages": dict(tally.languages.most_common()),
            "translated": dict(tally.translated.most_common()),
            "stage_seconds": {stage: round(spent, 3) for stage, spent in tally.seconds.items()},
            "cost": {
                "seconds": round(time.perf_counter() - self._clock, 3),
                "cpu_seconds": round(time.process_time() - self._cpu, 3),
                "peak_rss_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // KIB_A_MIB,
            },
            **details,
        }

    def write(self, exit_code: int, error: str | None = None, details: Mapping[str, Any] | None = None) -> Path:
        """Write manifest and metrics, each at once or not at all; return the manifest's path. Of manifests below
        `polyrank_home()` the oldest go when there are more than `KEPT_MANIFESTS`.

        Raises:
            IngestError: one of them cannot be written.
        """
        found = self.as_json(exit_code, error, details or {})
        try:
            write_whole(self._manifest, json.dumps(found, indent=2, ensure_ascii=True))
            if self._rotates:
                _drop_oldest(self._manifest.parent)
            if self._metrics is not None:
                self._metrics.parent.mkdir(parents=True, exist_ok=True)
                write_to_textfile(str(self._metrics), registry(self._alias, found))
        except OSError as failure:
            raise IngestError(f"cannot write the record of the run: {failure}; see --manifest, --metrics") from failure
        return self._manifest


@contextmanager
def failures_recorded(record: RunRecord) -> Iterator[None]:
    """Write the record of a run that one of our errors ends, and let the error go on."""
    try:
        yield
    except PolyrankError as error:
        record.write(exit_code_of(error), str(error))
        raise


def recorded(feeds: Sequence[Path], given: Mapping[str, Any]) -> AbstractContextManager[None]:
    """Record that feeds could not be opened, as a run records its failures: cron has nobody to tell.

    Args:
        feeds: as the command line names them.
        given: its options: `alias`, `manifest`, `metrics`.
    """
    names = tuple(map(str, feeds))
    return failures_recorded(RunRecord(given["alias"], names, given["manifest"], given["metrics"]))


def _drop_oldest(folder: Path) -> None:
    manifests = sorted(folder.glob("*.json"))  # their names begin with the time
    for path in manifests[: max(len(manifests) - KEPT_MANIFESTS, 0)]:
        path.unlink(missing_ok=True)


def runs_folder(alias: str) -> Path:
    """Return where manifests of an alias are kept."""
    return polyrank_home() / "runs" / alias


def last_schemas(alias: str, feeds: Iterable[str]) -> dict[str, Any]:
    """Return what feeds looked like in the last run that read them to their end.

    Manifests are read from the newest on, until one was found of each feed; of a feed that the last `MANIFESTS` do not
    tell of there is none.

    Args:
        alias: that the runs wrote to.
        feeds: by `ingest.run.feed_key`.
    """
    wanted = set(feeds)
    found: dict[str, Any] = {}
    for path in heapq.nlargest(MANIFESTS, runs_folder(alias).glob("*.json")):  # their names begin with the time
        if not wanted:
            break
        try:
            told = json.loads(path.read_text(encoding="utf-8")).get("schemas", {})
        except (OSError, ValueError, AttributeError):
            continue  # not ours, or of another version
        if isinstance(told, dict):
            found |= {name: told[name] for name in wanted & told.keys()}
            wanted -= told.keys()
    return found


def write_whole(path: Path, text: str) -> None:
    """Write a file so that a reader finds all of it or the one before. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)


def registry(alias: str, manifest: Mapping[str, Any]) -> CollectorRegistry:
    """Return a run's manifest as metrics, all gauges: each run replaces those of the one before."""
    found = CollectorRegistry()

    def gauge(name: str, help_text: str, values: Mapping[str, float], label: str = "") -> None:
        labels = ["alias", *([label] if label else [])]
        metric = Gauge(f"polyrank_ingest_{name}", help_text, labels, registry=found)
        for key, value in values.items():
            metric.labels(alias, *([key] if label else [])).set(value)

    code = manifest["exit_code"]
    gauge("exit_code", "Exit code of the last run.", {"": code})
    gauge("end_timestamp_seconds", "When the last run ended.", {"": time.time()})
    if code in (OK, PARTIAL):
        gauge("success_timestamp_seconds", "When a run last got through, dead letters or not.", {"": time.time()})
    gauge("documents", "Records and documents of the last run by what became of them.", manifest["counts"], "result")
    if "dead_letters_waiting" in manifest:
        waiting = manifest["dead_letters_waiting"]
        gauge("dead_letters_waiting", "Dead letters of this and of earlier runs that are not indexed.", {"": waiting})
    gauge("stage_seconds", "Seconds by stage; stages overlap.", manifest["stage_seconds"], "stage")
    gauge("seconds", "Wall-clock seconds of the last run.", {"": manifest["cost"]["seconds"]})
    gauge("cpu_seconds", "CPU seconds of the last run.", {"": manifest["cost"]["cpu_seconds"]})
    gauge("peak_rss_bytes", "Most memory of the last run.", {"": manifest["cost"]["peak_rss_mib"] << 20})
    return found
