# The compiled module, over include/subquad. Arrays are NumPy's or have DLPack.
from typing import Any, Dict, List, Optional, Sequence, Tuple, overload

class Error(ValueError): ...
class FailedError(Error): ...

class Problem:
    def __init__(
        self,
        query: Any,
        key: Any,
        value: Any,
        scale: Optional[float],
        causal: str,
        window: Tuple[int, int, str],
        mask: Any,
        sink_logits: Sequence[float],
        query_offsets: Sequence[int],
        key_offsets: Sequence[int],
    ) -> None: ...
    def validate(self) -> None: ...

class Given:
    @overload
    def __init__(self, offsets: Sequence[int], keys: Sequence[int]) -> None: ...
    @overload
    def __init__(
        self, offsets: Sequence[int], pairs: Sequence[int], query_block_size: int, key_block_size: int
    ) -> None: ...

class LinearState:
    def __init__(
        self,
        batch: int,
        kv_heads: int,
        head_dim: int,
        value_dim: int,
        feature_map: str,
        scale: Optional[float],
    ) -> None: ...
    def append(self, keys: Any, values: Any, threads: int) -> None: ...
    def attend(self, queries: Any, out: Any, threads: int) -> int: ...
    @property
    def sums(self) -> Any: ...

def attend(
    problem: Problem,
    method: str,
    out: Any,
    lse: Any,
    row_error: Any,
    given: Sequence[Given],
    seed: int,
    threads: int,
) -> Any: ...
def attend_backward(
    problem: Problem,
    method: str,
    out: Any,
    lse: Any,
    grad_out: Any,
    grad_lse: Any,
    grad_query: Any,
    grad_key: Any,
    grad_value: Any,
    given: Sequence[Given],
    seed: int,
    threads: int,
) -> Any: ...
def certify(
    problem: Problem, out: Any, rows: int, share: float, confidence: float, seed: int, threads: int
) -> Any: ...
def softmax_norms(problem: Problem, threads: int) -> List[float]: ...
def measure_errors(
    problem: Problem,
    approx: Any,
    exact: Any,
    operator_norm: bool,
    norms: Sequence[float],
    threads: int,
) -> Any: ...
def probe_alpha(
    problem: Problem, skip_columns: int, rows: int, seed: int, threads: int
) -> Any: ...
def probe_kappa(problem: Problem, heavy: str, seed: int, threads: int) -> Any: ...
def probe_stable_rank(problem: Problem, threads: int) -> Any: ...
def kernel_sums(
    query: Any,
    key: Any,
    value: Any,
    bandwidth: float,
    method: str,
    out: Any,
    seed: int,
    threads: int,
) -> Any: ...
def read(path: str) -> Tuple[List[Tuple[str, str, Any]], Dict[str, str]]: ...
def write(path: str, tensors: List[Any], metadata: Dict[str, str]) -> None: ...
def build_info() -> Dict[str, Any]: ...
def method_parts() -> Any: ...
def measure_fma_gflops(threads: int, seconds: float) -> float: ...
def select_isa(name: str) -> None: ...
def release_scratch() -> None: ...
