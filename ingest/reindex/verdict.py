"""What the gate says: one line a check, with the figures it judged by."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Check:
    """One question and its answer; `detail` gives the figures for people, `figures` for programs."""

    name: str
    passed: bool
    detail: str
    figures: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether an index may take another's place."""

    alias: str
    old: str
    new: str
    checks: Sequence[Check]

    @property
    def passed(self) -> bool:
        """Whether every check passed."""
        return all(check.passed for check in self.checks)

    @property
    def failed(self) -> tuple[str, ...]:
        """The names of the checks that did not."""
        return tuple(check.name for check in self.checks if not check.passed)

    @property
    def exit_code(self) -> int:
        """0, or 3 when a check did not pass."""
        return 0 if self.passed else 3

    def as_json(self) -> dict[str, Any]:
        """Return it as `--json` prints it."""
        return {
            "alias": self.alias,
            "old": self.old,
            "new": self.new,
            "passed": self.passed,
            "checks": {one.name: {"passed": one.passed, "detail": one.detail, **one.figures} for one in self.checks},
        }

    def lines(self) -> list[str]:
        """Return it for people."""
        told = [f"{'ok  ' if check.passed else 'FAIL'} {check.name}: {check.detail}" for check in self.checks]
        last = (
            f"{self.new} may take the place of {self.old}: ingest reindex swap --index {self.alias}"
            if self.passed
            else f"{self.new} must not take the place of {self.old}; mend what failed, build or verify again"
        )
        return [*told, last]
