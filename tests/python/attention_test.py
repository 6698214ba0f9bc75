"""attend and attend_backward against a plain double loop, argument by argument."""
import numpy as np
import pytest

import reference
import subquad

RNG = np.random.default_rng


def draw(seed, batch=2, heads=4, kv_heads=2, queries=13, keys=17, dim=8, value_dim=5, dtype=np.float32):
    random = RNG(seed)
    shapes = ((heads, queries, dim), (kv_heads, keys, dim), (kv_heads, keys, value_dim))
    return tuple(random.standard_normal((batch, *shape)).astype(dtype) for shape in shapes)


ARGUMENTS = {
    "plain": {},
    "top_left": {"causal": "top_left"},
    "bottom_right": {"causal": "bottom_right"},
    "scale": {"scale": 0.3},
    "boolean mask": {"mask": RNG(1).random((2, 4, 13, 17)) < 0.6},
    "padding": {"mask": RNG(2).random((2, 1, 1, 17)) < 0.6},
    "additive mask": {"mask": RNG(3).standard_normal((13, 17)).astype(np.float32)},
    "mask of rows": {"mask": RNG(4).random((2, 1, 13, 1)) < 0.6},
    "window": {"window": (3, 2)},
    "half window": {"window": (3, None), "causal": "bottom_right"},
    "sinks": {"sinks": np.array([0.5, -1.0, 2.0, 0.0])},
}


@pytest.mark.parametrize("name", ARGUMENTS)
def test_every_argument(name):
    q, k, v = draw(0)
    arguments = ARGUMENTS[name]
    out, lse, report = subquad.attend(q, k, v, "exact", return_lse=True, **arguments)
    expected, expected_lse = reference.attention(q, k, v, **arguments)
    np.testing.assert_allclose(out, expected, atol=2e-6)
    np.testing.assert_allclose(lse, expected_lse, atol=2e-6)
    assert (report.rows, report.notes, out.dtype) == (2 * 4 * 13, (), np.float32)


def test_window_alignment():
    q, k, v = draw(5)
    out, _ = subquad.attend(q, k, v, "exact", window=(2, 1), window_alignment="bottom_right")
    np.testing.assert_allclose(out, reference.attention(q, k, v, window=(2, 1), alignment="bottom_right")[0], atol=2e-6)


def test_missing_dimensions_in_front():
    q, k, v = (x[0] for x in draw(6))
    three, _ = subquad.attend(q, k, v, "exact")
    assert three.shape == (4, 13, 5)
    two, lse, _ = subquad.attend(q[0], k[0], v[0], "exact", return_lse=True)
    assert (two.shape, lse.shape) == ((13, 5), (13,))
    np.testing.assert_array_equal(two, three[0])


def test_packed_sequences():
    q, k, v = draw(7, batch=1, queries=12, keys=12)
    out, _ = subquad.attend(q, k, v, "exact", causal="top_left", offsets=[0, 5, 12])
    for start, end in ((0, 5), (5, 12)):
        part = tuple(x[:, :, start:end] for x in (q, k, v))
        np.testing.assert_allclose(out[:, :, start:end], reference.attention(*part, causal="top_left")[0], atol=2e-6)
    apart, _ = subquad.attend(q, k, v, "exact", offsets=([0, 4, 12], np.array([0, 7, 12])))
    np.testing.assert_allclose(
        apart[:, :, :4], reference.attention(q[:, :, :4], k[:, :, :7], v[:, :, :7])[0], atol=2e-6
    )


def test_given_entries():
    q, k, v = draw(8, batch=1)
    lists = [[0, 3, 5], [1], *([[2, 16]] * 11)]
    mask = np.zeros((13, 17), bool)
    for i, row in enumerate(lists):
        mask[i, row] = True
    offsets = np.cumsum([0, *map(len, lists)])
    given = subquad.given_rows(offsets, np.concatenate(lists))
    out, _ = subquad.attend(q, k, v, "given(0)", given=[given])
    np.testing.assert_allclose(out, reference.attention(q, k, v, mask=mask)[0], atol=2e-6)
    blocks = subquad.given_blocks([(0, 0), (1, 1), (3, 4), (2, 0)], 4, 4)
    mask = np.zeros((13, 17), bool)
    for i, j in ((0, 0), (1, 1), (3, 4), (2, 0)):
        mask[4 * i : 4 * i + 4, 4 * j : 4 * j + 4] = True
    out, _ = subquad.attend(q, k, v, "given(0)", given=[blocks])
    np.testing.assert_allclose(out, reference.attention(q, k, v, mask=mask)[0], atol=2e-6)


@pytest.mark.parametrize("method", ["far(error=0.03)", "sink(4)+window(64)+uniform(m=64)", "topk(k=64)"])
def test_methods_say_what_they_did(method):
    q, k, v = draw(9, batch=1, queries=1024, keys=1024, dim=16, value_dim=16)
    q, v = 0.3 * q, v + 2  # outputs that are not near 0
    exact, _ = subquad.attend(q, k, v, "exact")
    out, report = subquad.attend(q, k, v, method, seed=3, threads=1)
    again, same = subquad.attend(q, k, v, method, seed=3, threads=2)
    np.testing.assert_array_equal(out, again)
    assert same.path == report.path and report.rows == 4096 and report.scored_entries > 0
    assert reference.relative(out, exact) < 0.5
    if method.startswith("far"):
        assert reference.relative(out, exact) < 0.06


def test_certificates():
    q, k, v = draw(10, batch=1, queries=512, keys=512)
    out, report = subquad.attend(q, k, v, "uniform(m=64)")
    exact, _ = subquad.attend(q, k, v, "exact")
    certificate = subquad.certify(q, k, v, out, rows=4 * 512)
    assert certificate.rows == certificate.total_rows == 2048 and report.certificate is None
    assert certificate.rel_fro == pytest.approx(reference.relative(out, exact), rel=1e-4)
    errors = np.linalg.norm(out - exact, axis=-1) / np.linalg.norm(exact, axis=-1)
    assert certificate.largest_row_error == pytest.approx(errors.max(), rel=1e-4)
    assert errors[certificate.worst] == pytest.approx(errors.max(), rel=1e-4)


def test_row_errors():
    q, k, v = draw(11, batch=1, queries=256, keys=256)
    _, lse, row_error, _ = subquad.attend(q, k, v, "uniform(m=32)", return_lse=True, return_row_error=True)
    assert lse.shape == row_error.shape == (1, 4, 256) and (row_error > 0).all()


@pytest.mark.parametrize("method", ["exact", "window(4)+uniform(m=4)"])
def test_gradients(method):
    q, k, v = draw(12, batch=1, heads=2, kv_heads=1, queries=5, keys=6, dim=3, value_dim=2)
    weight = RNG(13).standard_normal((1, 2, 5, 2))
    lse_weight = RNG(14).standard_normal((1, 2, 5))
    out, lse, _ = subquad.attend(q, k, v, method, return_lse=True, seed=5)

    def loss(*tensors):
        if method == "exact":
            one, two = reference.attention(*tensors)
        else:  # what was drawn is the same for the same seed
            one, two, _ = subquad.attend(*(np.float32(x) for x in tensors), method, return_lse=True, seed=5)
        return (np.float64(one) * weight).sum() + (np.float64(two) * lse_weight).sum()

    step, tolerance = (1e-5, 1e-5) if method == "exact" else (1e-2, 3e-3)
    gradients = subquad.attend_backward(
        q, k, v, out, lse, np.float32(weight), method, grad_lse=np.float32(lse_weight), seed=5
    )
    for i in range(3):
        tensors = [q, k, v]
        expected = reference.gradient(lambda x: loss(*tensors[:i], x, *tensors[i + 1 :]), tensors[i], step)
        np.testing.assert_allclose(gradients[i], expected, atol=tolerance)


BAD = {
    "key": lambda q, k, v: subquad.attend(q, k[..., :4], v),
    "value": lambda q, k, v: subquad.attend(q, k, v[:, :, :9]),
    "query": lambda q, k, v: subquad.attend(q[0, 0, 0], k, v),
    "query: dtype": lambda q, k, v: subquad.attend(q.astype(np.int32), k, v),
    "query: no array": lambda q, k, v: subquad.attend([[1.0], [2.0, 3.0]], k, v),
    "causal": lambda q, k, v: subquad.attend(q, k, v, causal=True),
    "causal: 'left'": lambda q, k, v: subquad.attend(q, k, v, causal="left"),
    "scale": lambda q, k, v: subquad.attend(q, k, v, scale="1"),
    "scale: ": lambda q, k, v: subquad.attend(q, k, v, scale=float("nan")),
    "window": lambda q, k, v: subquad.attend(q, k, v, window=5),
    "window: ": lambda q, k, v: subquad.attend(q, k, v, window=(-2, 0)),
    "window_alignment": lambda q, k, v: subquad.attend(q, k, v, window=(2, 0), window_alignment="left"),
    "mask": lambda q, k, v: subquad.attend(q, k, v, mask=np.ones((5, 17), bool)),
    "mask: dtype": lambda q, k, v: subquad.attend(q, k, v, mask=np.ones((13, 17), int)),
    "sinks": lambda q, k, v: subquad.attend(q, k, v, sinks="none"),
    "sink": lambda q, k, v: subquad.attend(q, k, v, sinks=[0.0]),
    "offsets": lambda q, k, v: subquad.attend(q[:1], k[:1], v[:1], offsets=[0.0, 13.0]),
    "query_offsets": lambda q, k, v: subquad.attend(q[:1], k[:1], v[:1], offsets=[0, 5]),
    "seed": lambda q, k, v: subquad.attend(q, k, v, seed=-1),
    "threads": lambda q, k, v: subquad.attend(q, k, v, threads=1.5),
    "method": lambda q, k, v: subquad.attend(q, k, v, method=3),
    "nosuch": lambda q, k, v: subquad.attend(q, k, v, "nosuch(3)"),
    "out": lambda q, k, v: subquad.attend(q, k, v, out=np.empty((2, 4, 13, 6), np.float32)),
    "out: cannot": lambda q, k, v: subquad.attend(q, k, v, out=np.empty((2, 4, 13, 5))),
    "rows": lambda q, k, v: subquad.certify(q, k, v, np.zeros((2, 4, 13, 5), np.float32), rows=-1),
    "given": lambda q, k, v: subquad.attend(q, k, v, "given(0)"),
    "pairs": lambda q, k, v: subquad.given_blocks([(1, 2, 3)], 4, 4),
}


@pytest.mark.parametrize("name", BAD)
def test_errors_name_the_argument(name):
    with pytest.raises(subquad.Error, match=f"^.*{name}") as caught:
        BAD[name](*draw(0))
    assert isinstance(caught.value, ValueError) and "\n" not in str(caught.value)


def test_nothing_to_do():
    q, k, v = draw(0, queries=0)
    assert subquad.attend(q, k, v, "exact")[0].shape == (2, 4, 0, 5)
    q, k, v = draw(0, keys=0)
    out, lse, _ = subquad.attend(q, k, v, "exact", return_lse=True)
    assert (out == 0).all() and np.isneginf(lse).all()


def test_compare_and_diagnose():
    q, k, v = draw(20, batch=1, heads=2, queries=256, keys=256, dim=16)
    exact, _ = subquad.attend(q, k, v, "exact")
    methods = ["uniform(m=64)", "exact"]
    first, second = subquad.compare(q, k, v, methods, rounds=2, operator_norm=True)
    approx, _ = subquad.attend(q, k, v, "uniform(m=64)")
    assert first.method == "uniform(m=64)" and first.speedup > 0
    assert first.rel_fro == pytest.approx(reference.relative(approx, exact), rel=1e-4)
    assert 0 < first.op_rel < 1 and second.rel_fro == 0 and first.report.rows == 512
    p = np.exp(np.einsum("bhid,bhjd->bhij", q, k.repeat(1, axis=1)).astype(np.float64) / 4)
    p /= p.sum(axis=-1, keepdims=True)
    for diagnosis in subquad.diagnose(q, k, heavy="sortlsh(block=32)"):
        weights = p[0, diagnosis.head]
        squares = (weights**2).sum(axis=0)
        assert diagnosis.alpha == pytest.approx(256 * squares.max(), rel=1e-4)
        assert diagnosis.column == squares.argmax() and diagnosis.log10_kappa > 0
        norm = np.linalg.norm(weights, 2)
        assert diagnosis.stable_rank == pytest.approx((weights**2).sum() / norm**2, rel=2e-2)
