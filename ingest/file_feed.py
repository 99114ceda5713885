"""What all feeds of a text file have in common: a name and how far they were read."""

from ingest.text_file import TextFile


class FileFeed:
    """Reads one file."""

    def __init__(self, file: TextFile) -> None:
        self._file = file

    @property
    def name(self) -> str:
        """The file's path as it was given, or the name that stands for it."""
        return self._file.name

    def progress(self) -> float:
        """Return the share of bytes read."""
        return self._file.progress()
