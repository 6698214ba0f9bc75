"""Kernel methods in scikit-learn's conventions, against scikit-learn and SciPy."""
import numpy as np
import pytest

import reference
import subquad

pytest.importorskip("scipy")
pytest.importorskip("sklearn")
from sklearn.kernel_ridge import KernelRidge  # noqa: E402
from sklearn.neighbors import KernelDensity  # noqa: E402
from sklearn.utils.estimator_checks import estimator_checks_generator  # noqa: E402

from subquad import estimators  # noqa: E402


def points(seed, n, d):
    return np.random.default_rng(seed).standard_normal((n, d))


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("center", [0, 1e5])
def test_density(weighted, center):
    x, queries = points(0, 300, 3) + center, points(1, 50, 3) + center
    weights = np.random.default_rng(2).random(300) if weighted else None
    ours = estimators.KernelDensity(0.5, "exact").fit(x, sample_weight=weights)
    theirs = KernelDensity(bandwidth=0.5).fit(x, sample_weight=weights)
    np.testing.assert_allclose(ours.score_samples(queries), theirs.score_samples(queries), atol=1e-4)
    assert ours.score(queries) == pytest.approx(theirs.score(queries), abs=1e-3)


def test_density_far_away_is_not_lost():
    x = points(3, 100, 2)
    queries = np.array([[30.0, 0.0], [1e4, 1e4]])
    ours = estimators.KernelDensity(1.0).fit(x).score_samples(queries)
    np.testing.assert_allclose(ours, KernelDensity().fit(x).score_samples(queries), rtol=1e-6)


def test_density_by_far():
    x = points(4, 4000, 2)
    ours = estimators.KernelDensity(0.5, "far", rel_error=0.02).fit(x)
    exact = np.exp(KernelDensity(bandwidth=0.5, rtol=1e-8).fit(x).score_samples(x))
    assert reference.relative(np.exp(ours.score_samples(x)), exact) < 0.03
    assert ours.report_.path.startswith("far")
    assert ours.get_params() == {"bandwidth": 0.5, "method": "far", "rel_error": 0.02}


def test_density_samples():
    x = np.array([[0.0], [100.0]])
    drawn = estimators.KernelDensity(1.0).fit(x, sample_weight=[1, 3]).sample(4000, random_state=0)
    near = drawn[:, 0] > 50
    # Binomial (4000, 3/4) within 6 standard deviations, and a normal around each point.
    assert abs(near.sum() - 3000) < 6 * np.sqrt(4000 * 3 / 16)
    assert abs(drawn[near].mean() - 100) < 6 / np.sqrt(near.sum())


def test_operator():
    from scipy.sparse.linalg import eigsh

    x, queries = points(5, 60, 3), points(6, 40, 3)
    dense = reference.kernel_sums(queries, x, np.eye(60), 0.8)
    operator = estimators.KernelOperator(x, 0.8, queries)
    np.testing.assert_allclose(operator @ np.eye(60), dense, atol=1e-6)
    np.testing.assert_allclose(operator.T @ np.eye(40), dense.T, atol=1e-6)
    np.testing.assert_allclose(operator @ np.ones(60), dense.sum(axis=1), rtol=1e-5)
    wide = np.random.default_rng(7).standard_normal((60, 1000))
    np.testing.assert_allclose(operator @ wide, dense @ wide, atol=1e-4)
    square = reference.kernel_sums(x, x, np.eye(60), 0.8)
    values = eigsh(estimators.KernelOperator(x, 0.8), k=3, return_eigenvectors=False)
    np.testing.assert_allclose(np.sort(values), np.linalg.eigvalsh(square)[-3:], rtol=1e-5)


def test_operator_far_from_the_origin_and_of_any_scale():
    x = points(13, 60, 3)
    dense = reference.kernel_sums(x, x, np.eye(60), 0.8)
    vector = points(14, 60, 1)[:, 0]
    moved = estimators.KernelOperator(x + 1e8, 0.8)
    np.testing.assert_allclose(moved @ vector, dense @ vector, rtol=1e-4, atol=1e-4)
    for scale in (1e300, 1e-60):
        product = estimators.KernelOperator(x, 0.8) @ (vector * scale)
        np.testing.assert_allclose(product / scale, dense @ vector, rtol=1e-4, atol=1e-5)
    with pytest.raises(subquad.Error, match="complex"):
        estimators.KernelOperator(x, 0.8) @ (vector * 1j)
    with pytest.raises(subquad.Error, match="points"):
        estimators.KernelOperator(x * 1e300, 0.8)


def test_density_between_and_beyond_the_points():
    x = points(15, 4000, 2)
    grid = np.column_stack([np.linspace(-12, 12, 200), np.zeros(200)])
    ours = estimators.KernelDensity(0.3).fit(x).score_samples(grid)
    np.testing.assert_allclose(ours, KernelDensity(bandwidth=0.3).fit(x).score_samples(grid), atol=1e-3)


@pytest.mark.parametrize("outputs", [(), (2,)])
def test_ridge(outputs):
    x, queries = points(8, 200, 3) + 50, points(9, 30, 3) + 50
    y = np.random.default_rng(10).standard_normal((200, *outputs))
    ours = estimators.KernelRidge(alpha=0.1, bandwidth=1.2, tol=1e-6).fit(x, y)
    theirs = KernelRidge(alpha=0.1, kernel="rbf", gamma=1 / (2 * 1.2**2)).fit(x, y)
    expected = theirs.predict(queries)
    assert ours.predict(queries).shape == expected.shape
    np.testing.assert_allclose(ours.predict(queries), expected, atol=1e-3)
    assert ours.n_iter_ > 0


def test_ridge_says_when_it_does_not_converge():
    with pytest.raises(subquad.Error, match="max_iter"):
        estimators.KernelRidge(alpha=1e-9, max_iter=2).fit(points(11, 100, 2), points(12, 100, 1)[:, 0])


CHECKS = [*estimator_checks_generator(estimators.KernelDensity()), *estimator_checks_generator(estimators.KernelRidge())]


def name_of(check):
    return f"{type(check[0]).__name__}-{getattr(check[1], 'func', check[1]).__name__}"


@pytest.mark.parametrize("check", CHECKS, ids=name_of)
def test_conventions(check):
    estimator, function = check
    if name_of(check).endswith("check_methods_subset_invariance"):
        pytest.xfail("float32 sums are rounded by blocks of queries: within 1e-6, not 1e-7")
    function(estimator)


BAD = {
    "bandwidth": lambda: estimators.KernelDensity(0).fit(points(0, 9, 2)),
    "sample_weight": lambda: estimators.KernelDensity().fit(points(0, 9, 2), sample_weight=[1, 2]),
    "rel_error": lambda: estimators.KernelDensity(method="far", rel_error="low").fit(points(0, 9, 2)).score(points(0, 9, 2)),
    "sample_weight: must be 9 finite": lambda: estimators.KernelDensity().fit(
        points(0, 9, 2), sample_weight=[np.inf] * 9
    ),
    "tol": lambda: estimators.KernelRidge(tol=10).fit(points(0, 9, 2), np.ones(9)),
    "max_iter": lambda: estimators.KernelRidge(max_iter=0).fit(points(0, 9, 2), np.ones(9)),
    "alpha": lambda: estimators.KernelRidge(alpha=0).fit(points(0, 9, 2), np.ones(9)),
    "points": lambda: estimators.KernelOperator(np.ones(3), 1),
}


@pytest.mark.parametrize("name", BAD)
def test_errors_name_the_argument(name):
    with pytest.raises(subquad.Error, match=name):
        BAD[name]()
