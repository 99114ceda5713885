"""The ONNX Runtime session: the one place, beside quantization, that names onnxruntime."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from rerank.batching import Inputs
from rerank.errors import BundleError

PREFERRED_PROVIDERS = ("CUDAExecutionProvider", "CPUExecutionProvider")


@dataclass(frozen=True, slots=True)
class SessionOptions:
    """How to run a model.

    `threads` within one operator, 0 for ONNX Runtime's choice; `providers` None for the best installed.
    `spinning` lets idle threads wait in a busy loop: a little faster, but it burns the cores the search
    engine needs.
    """

    threads: int = 1
    providers: tuple[str, ...] | None = None
    spinning: bool = False


def choose_providers(available: Sequence[str], wanted: Sequence[str] | None = None) -> list[str]:
    """Return the execution providers to use, best first: CUDA when onnxruntime-gpu is there, else the CPU.

    Raises:
        BundleError: a wanted provider is not installed.
    """
    if wanted is None:
        return [name for name in PREFERRED_PROVIDERS if name in available]
    if missing := [name for name in wanted if name not in available]:
        raise BundleError(f"ONNX Runtime has no {', '.join(missing)} here, only {', '.join(available)}")
    return list(wanted)


class Session:
    """A loaded model. Thread-safe; takes padded inputs and returns the first output as float32."""

    def __init__(self, model: Path, options: SessionOptions | None = None) -> None:
        """Load the model.

        Raises:
            BundleError: it is no model that this ONNX Runtime can run.
        """
        options = options or SessionOptions()
        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads = options.threads
        settings.log_severity_level = 3
        settings.add_session_config_entry("session.intra_op.allow_spinning", "1" if options.spinning else "0")
        providers = choose_providers(onnxruntime.get_available_providers(), options.providers)
        try:
            self._session: Any = onnxruntime.InferenceSession(str(model), settings, providers=providers)
        except Exception as error:
            raise BundleError(f"ONNX Runtime cannot load {model}: {error}") from error
        self._inputs = frozenset(item.name for item in self._session.get_inputs())
        self.providers: tuple[str, ...] = tuple(self._session.get_providers())

    def run(self, inputs: Inputs) -> NDArray[np.float32]:
        """Run one padded batch; inputs that the graph does not declare are left out."""
        declared = {name: value for name, value in inputs.items() if name in self._inputs}
        output: NDArray[np.float32] = self._session.run(None, declared)[0]
        return output.astype(np.float32, copy=False)
