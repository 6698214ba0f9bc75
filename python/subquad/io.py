"""Tensors in .npy, .npz and .safetensors files."""

from __future__ import annotations

import os
from typing import Any, Dict, Mapping, NamedTuple, Optional, Union

import numpy as np

from . import _subquad
from ._arrays import bfloat16, imported

_NAMES = {
    "bool": "bool", "uint8": "u8", "int8": "i8", "uint16": "u16", "int16": "i16", "uint32": "u32",
    "int32": "i32", "uint64": "u64", "int64": "i64", "float16": "f16", "bfloat16": "bf16",
    "float32": "f32", "float64": "f64",
}  # fmt: skip


class TensorFile(NamedTuple):
    """What a file holds: arrays by name, and safetensors' metadata (else empty)."""

    tensors: Dict[str, Any]
    metadata: Dict[str, str]


def _named(type_name: str, array: Any) -> Any:
    if type_name != "bf16":
        return array
    half = bfloat16()
    if half is None:
        raise _subquad.Error("a tensor is bfloat16, which NumPy has with the package ml_dtypes alone")
    return array.view(half)


def read(path: Union[str, "os.PathLike[str]"]) -> TensorFile:
    """All tensors of a file, as read-only arrays over one copy in memory. The format follows from the content.

    Raises ``Error`` that names the file and what is wrong with it.
    """
    tensors, metadata = _subquad.read(os.fspath(path))
    return TensorFile({name: _named(kind, array) for name, kind, array in tensors}, metadata)


def _entry(name: str, value: Any) -> Any:
    array = imported(name, value)
    if not isinstance(array, np.ndarray):
        raise _subquad.Error(f"{name}: bfloat16 tensors are written from NumPy arrays (ml_dtypes)")
    kind = _NAMES.get(array.dtype.name)
    if kind is None or not array.dtype.isnative:
        raise _subquad.Error(f"{name}: files hold no elements of type {array.dtype}")
    shape = array.shape
    array = np.ascontiguousarray(array).reshape(shape)
    return name, kind, array.view(np.uint16) if kind == "bf16" else array


def write(
    path: Union[str, "os.PathLike[str]"],
    tensors: Mapping[str, Any],
    metadata: Optional[Mapping[str, str]] = None,
) -> None:
    """Writes tensors by name; the extension (.npy: one tensor, .npz, .safetensors) is the format.

    The file is whole or absent. Metadata and bfloat16 are .safetensors' alone. Raises ``Error``.
    """
    entries = [_entry(name, value) for name, value in tensors.items()]
    _subquad.write(os.fspath(path), entries, dict(metadata or {}))
