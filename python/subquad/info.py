"""What a spec can name, and what the library and the machine are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, List, Tuple

from . import _subquad


@dataclass(frozen=True)
class Parameter:
    """Of a part: ``name=value`` in a spec; ``fallback`` is the value without one."""

    name: str
    fallback: str
    range: str


@dataclass(frozen=True)
class Part:
    """What a spec can name. ``kind``: exact, heavy, light, heavy and light, recipe or correction."""

    name: str
    kind: str
    summary: str
    source: str
    parameters: Tuple[Parameter, ...]


def specs() -> List[Part]:
    """All parts, in the order of docs/guide/specs.md."""
    return [
        Part(*(*fields[:4], tuple(Parameter(*parameter) for parameter in fields[4])))
        for fields in _subquad.method_parts()
    ]


def build_info() -> Dict[str, Any]:
    """version, compiler, isa_compiled, isa_supported, isa (in use) and threads (used where 0 are asked for)."""
    return dict(_subquad.build_info())


def select_isa(name: str) -> None:
    """Lowers the instruction set ("avx3", "avx2", ..), "" restores it. Call it when nothing else is running."""
    _subquad.select_isa(name)


def measure_fma_gflops(threads: int = 0, seconds: float = 0.2) -> float:
    """Sustained f32 multiply-add rate of a register-only loop, in GFLOP/s."""
    return _subquad.measure_fma_gflops(threads, seconds)


def release_scratch() -> None:
    """Gives scratch memory kept for reuse back to the system. Call it when no attention is running."""
    _subquad.release_scratch()
