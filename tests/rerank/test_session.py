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
