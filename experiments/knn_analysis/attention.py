"""Attention of several heads by libsubquad: one thread, float32, with its CPU time."""
import time

import numpy as np

import shared  # noqa: F401
import library

TOP_LEFT = 1


def attend(lib, spec, query, key, value, scale, causal=False, seed=1):
    """(heads, n, d) arrays -> the output and the CPU seconds of the call."""
    arrays = [np.ascontiguousarray(x, np.float32) for x in (query, key, value)]
    out = np.empty(query.shape[:2] + value.shape[2:], np.float32)
    tensors = [lib.subquad_dense(x.ctypes.data, 0, 1, *x.shape) for x in arrays + [out]]
    problem = lib.subquad_problem_default()
    problem.query, problem.key, problem.value = tensors[:3]
    problem.has_scale, problem.scale = 1, scale
    problem.causal = TOP_LEFT if causal else 0
    start = time.process_time()
    status = lib.subquad_attend(problem, spec.encode(), tensors[3], None, None, 1, seed, None)
    seconds = time.process_time() - start
    if status != 0:
        raise RuntimeError(f"{spec}: {lib.subquad_last_error().decode()}")
    return out, seconds


def relative_error(approximate, exact):
    return float(np.linalg.norm(approximate.astype(float) - exact) / np.linalg.norm(exact))
