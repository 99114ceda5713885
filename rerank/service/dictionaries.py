"""Compile dictionaries in a process of its own, so that neither time nor memory is taken from queries.

A machine does it once; until then queries do without what is not there yet.
"""

import os
import subprocess
import sys

from rerank.resources import load_resources
from rerank.translation.load import load_translators

NICENESS = 10


def start_compiling(languages: tuple[str, ...], read: tuple[str, ...]) -> subprocess.Popen[bytes]:
    """Start compiling what translates between `languages` and those the models `read`; does not wait."""
    command = [sys.executable, "-m", "rerank.service.dictionaries", ",".join(languages), ",".join(read)]
    return subprocess.Popen(command, stdin=subprocess.DEVNULL)


def compile_dictionaries(languages: tuple[str, ...], read: tuple[str, ...]) -> None:
    """Compile, giving way to everything else on the machine.

    Raises:
        ResourceError: a dictionary cannot be read.
    """
    if hasattr(os, "nice"):
        os.nice(NICENESS)
    translators = load_translators(load_resources())
    for language in languages:
        translators.prepare((language, *read))


if __name__ == "__main__":
    compile_dictionaries(tuple(sys.argv[1].split(",")), tuple(sys.argv[2].split(",")))
