"""How long work shows its progress: a context manager that yields a function taking the bytes done since last time."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

Advance = Callable[[int], None]
ProgressFactory = Callable[[str, int], AbstractContextManager[Advance]]


@contextmanager
def silent(description: str, total_bytes: int) -> Iterator[Advance]:
    """Show nothing."""
    yield lambda done: None


@contextmanager
def download_bar(description: str, total_bytes: int) -> Iterator[Advance]:
    """Show a bar of bytes on stderr while the block runs; where stderr is no terminal, one line at the start."""
    console = Console(stderr=True)
    if not console.is_terminal:
        console.print(f"{description} ({total_bytes / 1e6:.0f} MB) ...", highlight=False)
        yield lambda done: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as bar:
        task = bar.add_task(description, total=total_bytes)
        yield lambda done: bar.update(task, advance=done)
