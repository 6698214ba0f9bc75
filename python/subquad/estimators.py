"""Kernel methods in scikit-learn's and SciPy's conventions over ``kernel_sums``.

The Gaussian kernel is exp(-|x - y|^2 / (2 bandwidth^2)): scikit-learn's "rbf" with gamma = 1 / (2 bandwidth^2).
Points have at most 512 features. Sums are float32 by the method's error; what is not positive is computed
again in double.
"""

from __future__ import annotations

from typing import Any, List, Optional

import numpy as np
from scipy.sparse.linalg import LinearOperator, cg
from sklearn.base import BaseEstimator, DensityMixin, RegressorMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from ._problem import number
from ._subquad import Error
from .kernel import kernel_sums
from .reports import KernelReport

_MOST_COLUMNS = 512


def _spec(method: str, rel_error: Optional[float]) -> str:
    """``far`` with the error that the estimator asks for; a full spec stays as it is."""
    return f"far(error={number('rel_error', rel_error, float):g})" if method == "far" and rel_error else method


def _positive_bandwidth(bandwidth: Any) -> float:
    sigma = float(number("bandwidth", bandwidth, float))
    if not 0 < sigma < np.inf:
        raise Error(f"bandwidth: {bandwidth}, must be positive")
    return sigma


def _exact_log_sums(queries: Any, points: Any, weights: Any, bandwidth: float) -> Any:
    """log sum_k w_k exp(-|q - k|^2 / 2 sigma^2) in double, a row at a time."""
    logs = np.empty(len(queries))
    for i, query in enumerate(queries):
        terms = -((query - points) ** 2).sum(axis=1) / (2 * bandwidth**2)
        largest = terms.max()
        with np.errstate(divide="ignore"):
            logs[i] = largest + np.log((weights * np.exp(terms - largest)).sum())
    return logs


def _centred(name: str, points: Any, center: Any = None) -> Any:
    """The center, and the points less it as float32: far from the origin float32 would lose their distances."""
    if np.iscomplexobj(points):
        raise Error(f"{name}: complex numbers are not supported")
    points = np.asarray(points, np.float64)
    if points.ndim != 2:
        raise Error(f"{name}: {points.ndim} dimensions, must have 2")
    if center is None:
        center = points.mean(axis=0) if len(points) else np.zeros(points.shape[1])
    with np.errstate(over="ignore", invalid="ignore"):
        moved = np.asarray(points - center, np.float32)
    if not np.isfinite(moved).all():
        raise Error(f"{name}: holds NaN, infinity, or what float32 cannot hold")
    return center, moved


def _in_range(x: Any) -> Any:
    """Columns as float32 of at most 1, and what they were divided by."""
    if np.iscomplexobj(x):
        raise Error("x: complex numbers are not supported")
    x = np.asarray(x, np.float64)
    scale = np.abs(x).max(axis=0) if len(x) else np.ones(x.shape[1])
    scale = np.where((scale > 0) & np.isfinite(scale), scale, 1.0)
    return np.ascontiguousarray(x / scale, np.float32), scale


class KernelDensity(DensityMixin, BaseEstimator):
    """Gaussian kernel density estimate.

    bandwidth: sigma. method: "exact", "boxes" (few features; an error bound for each density), "far"
    (asked for ``rel_error``, a relative Frobenius error of all densities together: single small ones, such as
    those far from all points, may be off by orders of magnitude) or any spec of kernel_sums. Cost of
    score_samples: exact 2 m n D flops; the others: docs/guide/kernel_sums.md.

    Attributes: n_features_in_; report_, the KernelReport of the last score_samples.
    """

    def __init__(self, bandwidth: float = 1.0, method: str = "exact", rel_error: float = 0.01) -> None:
        self.bandwidth = bandwidth
        self.method = method
        self.rel_error = rel_error

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> "KernelDensity":
        """X: (n, features) points; sample_weight: (n,) positive, or None for equal ones."""
        _positive_bandwidth(self.bandwidth)
        X = validate_data(self, X, dtype=np.float64)
        weights = np.ones(len(X)) if sample_weight is None else np.asarray(sample_weight, np.float64)
        if weights.shape != (len(X),) or not (weights >= 0).all() or not 0 < weights.sum() < np.inf:
            raise Error(f"sample_weight: must be {len(X)} finite numbers, none negative and not all zero")
        self.points_ = X
        self.weights_ = weights / weights.sum()
        self.center_ = X.mean(axis=0)
        return self

    def score_samples(self, X: Any) -> Any:
        """Log-density of each row of X, (m,)."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float64, reset=False)
        # Weights near 1 keep the sums in float32's range.
        weights = (self.weights_ * len(self.weights_)).astype(np.float32)
        queries, points = (np.asarray(x - self.center_, np.float32) for x in (X, self.points_))
        sums, self.report_ = kernel_sums(
            queries, points, weights[:, None], self.bandwidth, _spec(self.method, self.rel_error)
        )
        sums = sums[:, 0].astype(np.float64) / len(weights)
        positive = sums > np.finfo(np.float32).tiny
        logs = np.log(np.where(positive, sums, 1.0))
        rest = np.flatnonzero(~positive)
        logs[rest] = _exact_log_sums(X[rest], self.points_, self.weights_, self.bandwidth)
        return logs - X.shape[1] * np.log(self.bandwidth * np.sqrt(2 * np.pi))

    def score(self, X: Any, y: Any = None) -> float:
        """Sum of the log-densities."""
        return float(np.sum(self.score_samples(X)))

    def sample(self, n_samples: int = 1, random_state: Any = None) -> Any:
        """(n_samples, features) draws from the density."""
        check_is_fitted(self)
        random = check_random_state(random_state)
        chosen = random.choice(len(self.points_), size=n_samples, p=self.weights_)
        return random.normal(self.points_[chosen], self.bandwidth)


class KernelOperator(LinearOperator):
    """The kernel matrix between queries (m, D) and points (n, D) as a SciPy LinearOperator, never formed.

    queries None: the points themselves. method: "exact", or a spec such as "far(error=0.01)", whose
    products are not exactly linear: what it fits and opens depends on the vector. ``report``: of the last
    product. Products of more than 512 columns are computed in pieces.
    """

    def __init__(
        self, points: Any, bandwidth: float, queries: Any = None, method: str = "exact", threads: int = 0
    ) -> None:
        center, self._points = _centred("points", points)
        self._queries = self._points if queries is None else _centred("queries", queries, center)[1]
        self._bandwidth = _positive_bandwidth(bandwidth)
        self._method, self._threads = method, threads
        self.report: Optional[KernelReport] = None
        super().__init__(np.dtype(np.float64), (len(self._queries), len(self._points)))

    def _product(self, rows: Any, columns: Any, x: Any) -> Any:
        pieces: List[Any] = []
        for start in range(0, x.shape[1], _MOST_COLUMNS):
            piece, scale = _in_range(x[:, start : start + _MOST_COLUMNS])
            y, self.report = kernel_sums(
                rows, columns, piece, self._bandwidth, self._method, threads=self._threads
            )
            pieces.append(y.astype(np.float64) * scale)
        return np.concatenate(pieces, axis=1) if pieces else np.zeros((len(rows), 0))

    def _matmat(self, X: Any) -> Any:
        return self._product(self._queries, self._points, np.asarray(X))

    def _matvec(self, x: Any) -> Any:
        return self._matmat(np.asarray(x).reshape(-1, 1))[:, 0]

    def _rmatmat(self, X: Any) -> Any:
        return self._product(self._points, self._queries, np.asarray(X))

    def _rmatvec(self, x: Any) -> Any:
        return self._rmatmat(np.asarray(x).reshape(-1, 1))[:, 0]


class KernelRidge(RegressorMixin, BaseEstimator):
    """Kernel ridge regression: (K + alpha I) c = y by conjugate gradients, never forming K.

    alpha: positive. bandwidth: sigma. method: of predict; the system is solved with exact products (a
    product by ``far`` is not linear). tol: relative residual, not below 1e-6 in float32 products; max_iter:
    of the conjugate gradients. Cost: 2 n^2 D flops an iteration, memory O(n D).

    Attributes: dual_coef_ (n,) or (n, outputs); n_iter_, the largest number of iterations.
    Raises ``Error`` where the iteration does not converge.
    """

    def __init__(
        self,
        alpha: float = 1.0,
        bandwidth: float = 1.0,
        method: str = "exact",
        tol: float = 1e-5,
        max_iter: int = 1000,
    ) -> None:
        self.alpha = alpha
        self.bandwidth = bandwidth
        self.method = method
        self.tol = tol
        self.max_iter = max_iter

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    def _solve(self, system: Any, target: Any) -> Any:
        steps = [0]
        solution, failed = cg(
            system, target, rtol=self.tol, maxiter=self.max_iter,
            callback=lambda _: steps.__setitem__(0, steps[0] + 1),
        )  # fmt: skip
        if failed:
            raise Error(f"max_iter: {self.max_iter} steps do not reach tol = {self.tol}; a larger alpha would")
        return solution, steps[0]

    def fit(self, X: Any, y: Any) -> "KernelRidge":
        """X: (n, features); y: (n,) or (n, outputs)."""
        if not 0 < number("alpha", self.alpha, float) < np.inf:
            raise Error(f"alpha: {self.alpha}, must be positive and finite")
        if not 0 < number("tol", self.tol, float) < 1:
            raise Error(f"tol: {self.tol}, must be above 0 and below 1")
        if not number("max_iter", self.max_iter, int) >= 1:
            raise Error(f"max_iter: {self.max_iter}, must be 1 or more")
        X, y = validate_data(self, X, y, dtype=np.float64, multi_output=True, y_numeric=True)
        self.center_, self.points_ = _centred("X", X)
        kernel = KernelOperator(self.points_, self.bandwidth)
        system = LinearOperator(
            kernel.shape, matvec=lambda x: kernel.matvec(x) + self.alpha * x, dtype=np.float64
        )
        targets = np.asarray(y, np.float64).reshape(len(X), -1)
        solved = [self._solve(system, column) for column in targets.T]
        self.n_iter_ = max(steps for _, steps in solved)
        self.dual_coef_ = np.stack([solution for solution, _ in solved], axis=1)
        if y.ndim == 1:
            self.dual_coef_ = self.dual_coef_[:, 0]
        return self

    def predict(self, X: Any) -> Any:
        """(m,) or (m, outputs)."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float64, reset=False)
        queries = np.asarray(X - self.center_, np.float32)
        kernel = KernelOperator(self.points_, self.bandwidth, queries, self.method)
        return kernel @ self.dual_coef_
