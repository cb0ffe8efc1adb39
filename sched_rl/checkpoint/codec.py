"""States as tensors and plain containers, which is all that torch's weights-only reader accepts.

NumPy arrays, NumPy scalars and long integers travel as tagged dicts and come back with their type and bits.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

import numpy as np

from sched_rl.errors import CheckpointError

if TYPE_CHECKING:
    import torch

_TAG = "__sched_rl__"
_MAX_DEPTH = 64
_INT64 = range(-(2**63), 2**63)
_ARRAY_KINDS = "biufcSUmM"


def encode(value: Any, place: str = "state", depth: int = 0) -> Any:
    """Turn a state into what the weights-only reader accepts; exact types only, so that none is lost.

    Args:
        value: torch tensors, NumPy arrays and scalars, int, float, bool, str, None, nested dict, list, tuple;
            keys are str or int. An OrderedDict comes back as a dict, a Parameter as a tensor.
        place: where the value lies, for messages.
        depth: how deep.

    Raises:
        CheckpointError: a value of another type; the message names its place.
    """
    if depth > _MAX_DEPTH:
        raise CheckpointError(f"{place[:60]}...: nested deeper than {_MAX_DEPTH}: does it hold itself?")
    kind = type(value)
    if value is None or kind in (bool, float, str) or (kind is int and value in _INT64):
        return value
    if kind is int:
        return {_TAG: "int", "hex": hex(value)}
    if kind in (dict, OrderedDict):
        for key in value:
            if type(key) not in (str, int) or key == _TAG:
                raise CheckpointError(f"{place}: key {key!r} cannot be saved; use str (not {_TAG!r}) or int")
        return {key: encode(item, f"{place}[{key!r}]", depth + 1) for key, item in value.items()}
    if kind in (list, tuple):
        return kind(encode(item, f"{place}[{index}]", depth + 1) for index, item in enumerate(value))
    if isinstance(value, np.generic):
        return _encode_array(np.asarray(value), "scalar", place)
    if kind is np.ndarray:
        return _encode_array(value, "array", place)
    return _encode_tensor(value, place)


def decode(value: Any, file_size: int) -> Any:
    """Undo `encode`, distrusting everything: the digest tells damage, not malice.

    Args:
        value: what the weights-only reader returned.
        file_size: bytes in the file. Every honest node takes at least one of them; more nodes than bytes mean
            a few lists that hold each other many times over.

    Raises:
        ValueError: or KeyError, TypeError, AttributeError, OverflowError: not what `encode` makes.
    """
    return _Decoder(file_size).decode(value, 0)


def _encode_array(array: np.ndarray[Any, Any], tag: str, place: str) -> dict[str, Any]:
    import torch

    if array.dtype.kind not in _ARRAY_KINDS:
        raise CheckpointError(f"{place}: cannot save an array of {array.dtype}; use numbers, bool or text")
    raw = bytearray(array.tobytes())
    data = torch.frombuffer(raw, dtype=torch.uint8) if raw else torch.empty(0, dtype=torch.uint8)
    return {_TAG: tag, "dtype": array.dtype.str, "shape": list(array.shape), "data": data}


def _encode_tensor(value: Any, place: str) -> torch.Tensor:
    import torch

    if type(value) not in (torch.Tensor, torch.nn.Parameter) or value.layout is not torch.strided:
        raise CheckpointError(
            f"{place}: cannot save a {type(value).__module__}.{type(value).__qualname__}; a state holds "
            "tensors, NumPy arrays, int, float, bool, str, None and nested dict, list, tuple"
        )
    tensor: torch.Tensor = value.detach().cpu()
    # torch.save writes a view's whole storage: a slice of a rollout buffer would bring the buffer along.
    return tensor.clone() if tensor.untyped_storage().nbytes() > tensor.nbytes else tensor


class _Decoder:
    def __init__(self, file_size: int) -> None:
        self._nodes_left = file_size

    def decode(self, value: Any, depth: int) -> Any:
        self._nodes_left -= 1
        if depth > _MAX_DEPTH or self._nodes_left < 0:
            raise ValueError("nested too deep or too often")
        if isinstance(value, dict):
            if _TAG in value:
                return _decode_tagged(value)
            return {key: self.decode(item, depth + 1) for key, item in value.items()}
        if isinstance(value, list):
            return [self.decode(item, depth + 1) for item in value]
        if isinstance(value, tuple):
            return tuple(self.decode(item, depth + 1) for item in value)
        return value


def _decode_tagged(node: dict[str, Any]) -> Any:
    if node[_TAG] == "int":
        return int(node["hex"], 16)
    dtype, shape, data = np.dtype(str(node["dtype"])), tuple(node["shape"]), node["data"]
    if dtype.kind not in _ARRAY_KINDS or any(type(size) is not int or size < 0 for size in shape):
        raise ValueError(f"array of dtype {dtype} and shape {shape}")
    raw = data.numpy()
    if raw.dtype != np.uint8 or raw.ndim != 1 or raw.size != dtype.itemsize * math.prod(shape):
        raise ValueError(f"array of {raw.size} bytes for dtype {dtype} and shape {shape}")
    array = raw.view(dtype).reshape(shape) if raw.size else np.empty(shape, dtype)
    return array[()] if node[_TAG] == "scalar" else array
