from pathlib import Path

import pytest

from rerank.resources import Resources
from rerank.translation.load import Translators, load_translators
from rerank.understanding.vocabulary import write_vocabulary
from tests.rerank.translation.small_dictionary import small_vocabulary, write_small_dictionaries


@pytest.fixture
def resources(tmp_path: Path) -> Resources:
    folder = tmp_path / "resources"
    write_vocabulary(folder, "shop", small_vocabulary())
    return Resources(folder, recheck_seconds=0.0)


@pytest.fixture
def translators(tmp_path: Path, resources: Resources) -> Translators:
    return load_translators(
        resources,
        dictionaries=write_small_dictionaries(tmp_path / "dictd"),
        compiled=tmp_path / "compiled",
    )
