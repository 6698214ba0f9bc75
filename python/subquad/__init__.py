"""Softmax attention and Gaussian-kernel products in near-linear time on CPUs, with a stated error.

>>> import numpy as np, subquad
>>> q, k, v = (np.random.default_rng(0).standard_normal((1, 8, 1024, 64), np.float32) for _ in range(3))
>>> out, report = subquad.attend(q, k, v, "far(error=0.03)", causal="top_left")

The package docs/guide/python.md describes it; ``subquad.torch`` and ``subquad.estimators`` need PyTorch and
scikit-learn and are imported by name.
"""

from . import io
from ._problem import given_blocks, given_rows
from ._subquad import Error, FailedError
from .attention import attend, attend_backward, certify
from .info import Parameter, Part, build_info, measure_fma_gflops, release_scratch, select_isa, specs
from .kernel import kernel_sums
from .linear import LinearState
from .measures import Comparison, Diagnosis, compare, diagnose
from .reports import Certificate, KernelReport, Report

__version__: str = build_info()["version"]

__all__ = [
    "Certificate",
    "Comparison",
    "Diagnosis",
    "Error",
    "FailedError",
    "KernelReport",
    "LinearState",
    "Parameter",
    "Part",
    "Report",
    "attend",
    "attend_backward",
    "build_info",
    "certify",
    "compare",
    "diagnose",
    "given_blocks",
    "given_rows",
    "io",
    "kernel_sums",
    "measure_fma_gflops",
    "release_scratch",
    "select_isa",
    "specs",
]
