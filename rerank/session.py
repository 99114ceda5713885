"""The ONNX Runtime session: the one place, beside the conversion to fp16, that names onnxruntime."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from rerank.devices import CUDA
from rerank.errors import BundleError


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
        return [name for name in CUDA if name in available]
    if missing := [name for name in wanted if name not in available]:
        raise BundleError(f"ONNX Runtime has no {', '.join(missing)} here, only {', '.join(available)}")
    return list(wanted)


@lru_cache
def has_vnni(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    """Tell whether the CPU is known to add products of bytes in 32 bits (VNNI, or ARM's dot product).

    Others add pairs of them in 16 bits, which overflows with 8-bit weights unless ONNX Runtime is told to take its
    exact way: measured on a CPU with VNNI, that way takes 1.9 times as long and gives the same numbers. Weights of 7
    bits cannot overflow.
    """
    try:
        return "vnni" in (text := cpuinfo.read_text(encoding="utf-8")) or "asimddp" in text
    except OSError:
        return False


class Session:
    """A loaded model. Thread-safe; takes padded inputs and returns the first output as float32.

    `inputs` are the names that its graph declares, `providers` the execution providers it runs on.
    """

    def __init__(self, model: Path, options: SessionOptions | None = None, *, weight_bits: int = 8) -> None:
        """Load the model, whose int8 weights use `weight_bits` bits.

        Raises:
            BundleError: it is no model that this ONNX Runtime can run.
        """
        options = options or SessionOptions()
        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads = options.threads
        settings.log_severity_level = 3
        if weight_bits > 7 and not has_vnni():
            settings.add_session_config_entry("session.x64quantprecision", "1")
        settings.add_session_config_entry("session.intra_op.allow_spinning", "1" if options.spinning else "0")
        providers = choose_providers(onnxruntime.get_available_providers(), options.providers)
        try:
            self._session: Any = onnxruntime.InferenceSession(str(model), settings, providers=providers)
        except Exception as error:
            raise BundleError(f"ONNX Runtime cannot load {model}: {error}") from error
        self.inputs: frozenset[str] = frozenset(item.name for item in self._session.get_inputs())
        self.providers: tuple[str, ...] = tuple(self._session.get_providers())

    def run(self, inputs: Mapping[str, NDArray[Any]]) -> NDArray[np.float32]:
        """Run one batch, the first axis of each input; inputs that the graph does not declare are left out."""
        output: NDArray[np.float32] = self._session.run(None, self._declared(inputs))[0]
        return output.astype(np.float32, copy=False)

    def run_named(self, inputs: Mapping[str, NDArray[Any]], names: Sequence[str]) -> dict[str, NDArray[Any]]:
        """Run one padded batch and return the outputs of these names, as the graph gives them."""
        return dict(zip(names, self._session.run(list(names), self._declared(inputs)), strict=True))

    def _declared(self, inputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        return {name: value for name, value in inputs.items() if name in self.inputs}
