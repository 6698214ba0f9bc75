"""Arguments as arrays that the module reads in place, and arrays for its results."""

from __future__ import annotations

from typing import Any, List, Sequence, Tuple

import numpy as np

from ._subquad import Error

_F32 = np.dtype(np.float32)
_F16 = np.dtype(np.float16)
_BITS = np.dtype(np.uint16)  # bfloat16's, which NumPy does not know


def bfloat16() -> Any:
    """NumPy's bfloat16 by ml_dtypes, None without that package."""
    try:
        import ml_dtypes
    except ImportError:
        return None
    return np.dtype(ml_dtypes.bfloat16)


def is_bfloat16(x: Any) -> bool:
    return "bfloat16" in str(getattr(x, "dtype", ""))


def _check_importable(name: str, x: Any) -> None:
    if getattr(x, "requires_grad", False):
        raise Error(f"{name}: requires a gradient; detach() it, or use subquad.torch")
    device = getattr(x, "device", None)
    if getattr(device, "type", "cpu") != "cpu":
        raise Error(f"{name}: is on device {device}, must be in the processor's memory")


def imported(name: str, x: Any) -> Any:
    """An array without a copy, where ``x`` has DLPack or the buffer protocol; bfloat16 tensors stay themselves."""
    if isinstance(x, np.ndarray):
        return x
    if hasattr(x, "__dlpack__"):
        _check_importable(name, x)
        if is_bfloat16(x):
            return x
    try:
        return np.from_dlpack(x) if hasattr(x, "__dlpack__") else np.asarray(x)
    except (BufferError, RuntimeError, TypeError, ValueError) as error:
        raise Error(f"{name}: no array can be made of this {type(x).__name__}: {error}") from None


def _in_place(x: Any) -> bool:
    """Whether the library can read it: elements aligned and a whole number apart, channels next to each other."""
    size = x.itemsize
    strides = x.strides
    if strides and strides[-1] != size and x.shape[-1] > 1:
        return False
    return bool(x.flags.aligned) and all(stride % size == 0 for stride in strides)


def readable(name: str, x: Any, notes: List[str]) -> Any:
    """``x`` as f32, f16 or bf16, in place if possible; what was not goes into ``notes``."""
    x = imported(name, x)
    if not isinstance(x, np.ndarray):
        return x
    dtype = x.dtype
    if dtype != _F32 and dtype != _F16:
        if dtype.name == "bfloat16":
            x = x.view(_BITS)
        elif dtype.kind == "f":
            notes.append(f"{name}: {dtype} converted to float32")
            x = x.astype(_F32)
        else:
            raise Error(f"{name}: dtype {dtype} is none of float32, float16, bfloat16 and float64")
    if not _in_place(x):
        notes.append(f"{name}: copied, its last stride or its alignment does not fit")
        x = x.copy(order="C")
    return x


def writable(name: str, x: Any, notes: List[str]) -> Any:
    """``x`` to be written in place, or an error."""
    copies: List[str] = []
    target = readable(name, x, copies)
    if copies:
        raise Error(f"{name}: cannot be written in place ({copies[0].partition(': ')[2]})")
    if isinstance(target, np.ndarray) and not target.flags.writeable:
        raise Error(f"{name}: is read-only")
    return target


def readable_mask(x: Any, keys: int, notes: List[str]) -> Any:
    """A mask of bool or f32, its last axis dense and of ``keys`` elements where it was 1."""
    x = imported("mask", x)
    if not isinstance(x, np.ndarray):
        notes.append("mask: bfloat16 converted to float32")
        x = _widened("mask", x)
    if x.dtype != np.bool_:
        x = readable("mask", x, notes)
        if x.dtype != _F32:
            notes.append("mask: 16-bit floats converted to float32")
            x = bits_to_f32(x) if x.dtype == _BITS else x.astype(_F32)
    if x.ndim and x.shape[-1] == 1 and keys > 1:
        x = np.broadcast_to(x, x.shape[:-1] + (keys,))
    return x if _in_place(x) else x.copy(order="C")


def bits_to_f32(bits: Any) -> Any:
    return (bits.astype(np.uint32) << 16).view(_F32)


def _widened(name: str, x: Any) -> Any:
    if not hasattr(x, "float"):
        raise Error(f"{name}: bfloat16 of a {type(x).__name__} is not supported; use float32")
    return np.from_dlpack(x.float())


def empty_like_query(query: Any, shape: Tuple[int, ...], notes: List[str]) -> Tuple[Any, Any]:
    """An array for results in the query's dtype: what the module writes, and what the caller gets."""
    if isinstance(query, np.ndarray) and query.dtype != _BITS:
        out = np.empty(shape, query.dtype)
        return out, out
    half = bfloat16()
    if half is None:
        notes.append("out: float32, as NumPy has no bfloat16 without the package ml_dtypes")
        out = np.empty(shape, _F32)
        return out, out
    out = np.empty(shape, _BITS)
    return out, out.view(half)


def integers(name: str, values: Any) -> List[int]:
    """A list of the integers in a sequence or array of one dimension."""
    array = np.asarray(values)
    if array.ndim != 1 or (array.size > 0 and array.dtype.kind not in "iu"):
        raise Error(f"{name}: must be a sequence of integers")
    return [int(value) for value in array]


def floats(name: str, values: Any) -> Sequence[float]:
    array = np.asarray(values)
    if array.ndim != 1 or array.dtype.kind not in "iuf":
        raise Error(f"{name}: must be a sequence of numbers")
    return [float(value) for value in array]
