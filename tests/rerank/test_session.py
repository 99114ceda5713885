from pathlib import Path

import pytest

from rerank.errors import BundleError
from rerank.session import Session, SessionOptions, choose_providers

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
