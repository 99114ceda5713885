"""How long work on many items shows its progress: a context manager that yields a function taking the items done."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

Advance = Callable[[int], None]


@contextmanager
def silent(description: str, total: int) -> Iterator[Advance]:
    """Show nothing."""
    yield lambda done: None


@contextmanager
def bar(description: str, total: int) -> Iterator[Advance]:
    """Show a bar of items on stderr while the block runs."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as shown:
        task = shown.add_task(description, total=total)
        yield lambda done: shown.update(task, advance=done)
