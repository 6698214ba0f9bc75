"""Attention by libsubquad through its C interface (include/subquad/subquad.h)."""
import ctypes
from ctypes import POINTER, Structure, c_char_p, c_float, c_int, c_int64, c_uint64, c_void_p

import numpy as np

SPECS = {"exp": b"exact", "lin": b"linear(map=none)"}


class Tensor(Structure):
    _fields_ = [("data", c_void_p), ("dtype", c_int), ("shape", c_int64 * 4),
                ("stride", c_int64 * 4)]


class Problem(Structure):
    _fields_ = [("query", Tensor), ("key", Tensor), ("value", Tensor), ("has_scale", c_int),
                ("scale", c_float), ("causal", c_int), ("window_left", c_int64),
                ("window_right", c_int64), ("window_bottom_right", c_int), ("mask_kind", c_int),
                ("mask", c_void_p), ("mask_shape", c_int64 * 4), ("mask_stride", c_int64 * 4),
                ("sink_logits", c_void_p), ("num_sink_logits", c_int64),
                ("query_offsets", c_void_p), ("key_offsets", c_void_p), ("num_offsets", c_int64)]


def open_library(path):
    library = ctypes.CDLL(path)
    library.subquad_problem_default.restype = Problem
    library.subquad_dense.restype = Tensor
    library.subquad_dense.argtypes = [c_void_p, c_int] + 4 * [c_int64]
    library.subquad_last_error.restype = c_char_p
    library.subquad_attend.argtypes = [POINTER(Problem), c_char_p] + 3 * [POINTER(Tensor)] + [
        c_int, c_uint64, c_void_p]
    return library


def attend(library, spec, query, key, value):
    """One head a repetition, scale 1, one thread, float32."""
    arrays = [np.ascontiguousarray(x, np.float32) for x in (query, key, value)]
    out = np.empty(query.shape[:2] + value.shape[2:], np.float32)
    tensors = [library.subquad_dense(x.ctypes.data, 0, x.shape[0], 1, x.shape[1], x.shape[2])
               for x in arrays + [out]]
    problem = library.subquad_problem_default()
    problem.query, problem.key, problem.value = tensors[:3]
    problem.has_scale, problem.scale = 1, 1.0
    if library.subquad_attend(problem, spec, tensors[3], None, None, 1, 0, None) != 0:
        raise RuntimeError(f"{spec.decode()}: {library.subquad_last_error().decode()}")
    return out


def attention_of(path):
    """As networks.DOUBLE, by the library."""
    library = open_library(path)

    def bound(spec):
        return lambda query, key, value: attend(library, spec, query, key, value)

    return {name: bound(spec) for name, spec in SPECS.items()}
