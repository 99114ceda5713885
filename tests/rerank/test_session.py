import os
import subprocess
import sys
from pathlib import Path

import pytest

from rerank.errors import BundleError
from rerank.session import Session, SessionOptions, choose_providers, has_vnni

CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"


def test_the_gpu_goes_first_where_there_is_one() -> None:
    assert choose_providers([CPU, CUDA, "TensorrtExecutionProvider"]) == [CUDA, CPU]
    assert choose_providers(["AzureExecutionProvider", CPU]) == [CPU]


def test_a_wish_is_followed_or_refused() -> None:
    assert choose_providers([CUDA, CPU], [CPU]) == [CPU]
    with pytest.raises(BundleError, match=CUDA):
        choose_providers([CPU], [CUDA, CPU])


def test_what_is_no_model_is_refused(tmp_path: Path) -> None:
    model = tmp_path / "model.onnx"
    model.write_bytes(b"no model")
    with pytest.raises(BundleError, match=r"cannot load .*model\.onnx"):
        Session(model, SessionOptions())


@pytest.mark.parametrize(
    ("flags", "expected"), [("flags : avx2 avx512_vnni", True), ("flags : avx2", False), ("Features : asimddp", True)]
)
def test_whether_bytes_are_multiplied_whole_is_read_from_the_cpus_flags(
    tmp_path: Path, flags: str, expected: bool
) -> None:
    (tmp_path / "cpuinfo").write_text(flags)
    assert has_vnni(tmp_path / "cpuinfo") is expected


def test_an_unknown_cpu_gets_the_exact_way(tmp_path: Path) -> None:
    assert has_vnni(tmp_path / "none") is False


def test_nothing_is_collected_about_who_uses_it(tmp_path: Path) -> None:
    code = "from rerank.embedder import load_embedder; load_embedder().embed_queries(['a cup'])"
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("XDG_", "ORT_", "HOME"))}
    subprocess.run([sys.executable, "-c", code], env={**kept, "HOME": str(tmp_path)}, check=True, timeout=120)
    assert list(tmp_path.rglob("*")) == []
