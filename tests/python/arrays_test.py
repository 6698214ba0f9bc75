"""What is read in place, what is converted and said, and every other entry point on arrays."""
import ast
import pickle
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

import reference
import subquad

RNG = np.random.default_rng


def draw(seed, shape=(2, 2, 33, 8)):
    return tuple(RNG(seed).standard_normal((3, *shape)).astype(np.float32))


VIEWS = {
    "transposed": lambda x: np.ascontiguousarray(x.transpose(0, 2, 1, 3)).transpose(0, 2, 1, 3),
    "backwards": lambda x: np.ascontiguousarray(x[:, :, ::-1])[:, :, ::-1],
    "every other": lambda x: np.repeat(x, 2, axis=2)[:, :, ::2],
    "cut": lambda x: np.concatenate([x, x], axis=3)[..., :8],
    "packed": lambda x: np.stack([x, x, x], axis=1)[:, 1],
}


@pytest.mark.parametrize("name", VIEWS)
def test_strides_are_read_in_place(name):
    q, k, v = draw(0)
    expected, _ = subquad.attend(q, k, v, "exact")
    out, report = subquad.attend(*(VIEWS[name](x) for x in (q, k, v)), "exact")
    np.testing.assert_array_equal(out, expected)
    assert report.notes == ()


def test_nothing_is_copied():
    # 32 MB that NumPy, which tells tracemalloc, would have to make.
    k = np.broadcast_to(np.ones((1, 8), np.float32), (1, 1, 2**20, 8))
    tracemalloc.start()
    try:
        out, report = subquad.attend(np.zeros((1, 1, 1, 8), np.float32), k, k, "exact")
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()
    assert (out == 1).all() and report.notes == ()


COPIES = {
    "float64": (lambda x: x.astype(np.float64), "float64 converted to float32"),
    "big-endian": (lambda x: x.astype(">f4"), "converted to float32"),
    "last stride": (lambda x: np.repeat(x, 2, axis=3)[..., ::2], "copied"),
    "unaligned": (lambda x: np.frombuffer(b"\0" + x.tobytes(), np.uint8)[1:].view(np.float32).reshape(x.shape), "copied"),
}


@pytest.mark.parametrize("name", COPIES)
def test_what_was_copied_is_said(name):
    q, k, v = draw(1)
    change, words = COPIES[name]
    expected, _ = subquad.attend(q, k, v, "exact")
    out, report = subquad.attend(q, change(k), v, "exact")
    np.testing.assert_array_equal(out, expected)
    assert len(report.notes) == 1 and report.notes[0].startswith("key: ") and words in report.notes[0]


def test_lists_and_buffers():
    q, k, v = draw(2, (4, 8))
    expected, _ = subquad.attend(q, k, v, "exact")
    out, report = subquad.attend(q.tolist(), memoryview(k), v, "exact")
    np.testing.assert_array_equal(out, expected)
    assert report.notes == ("query: float64 converted to float32",)


class Capsule:
    """A tensor that has DLPack and nothing else."""

    def __init__(self, array):
        self._array = array

    def __dlpack__(self, **arguments):
        return self._array.__dlpack__(**arguments)

    def __dlpack_device__(self):
        return self._array.__dlpack_device__()


def test_dlpack():
    q, k, v = draw(3)
    expected, _ = subquad.attend(q, k, v, "exact")
    out, report = subquad.attend(*(Capsule(x) for x in (q, k, v)), "exact")
    np.testing.assert_array_equal(out, expected)
    assert report.notes == ()


def test_results_go_where_they_are_asked_for():
    q, k, v = draw(4)
    expected, _ = subquad.attend(q, k, v, "exact")
    big = np.zeros((2, 33, 2, 8), np.float32)
    out, _ = subquad.attend(q, k, v, "exact", out=big.transpose(0, 2, 1, 3))
    assert np.shares_memory(out, big)
    np.testing.assert_array_equal(big.transpose(0, 2, 1, 3), expected)
    big.flags.writeable = False
    with pytest.raises(subquad.Error, match="^out: is read-only"):
        subquad.attend(q, k, v, "exact", out=big.transpose(0, 2, 1, 3))
    with pytest.raises(subquad.Error, match="out"):
        subquad.attend(q, k, v, "exact", out=q)


def test_references_are_given_back():
    q, k, v = draw(5)
    before = [sys.getrefcount(x) for x in (q, k, v)]
    for _ in range(3):
        subquad.attend(q, k, v, "exact", return_lse=True, mask=np.ones((33, 33), bool))
    assert [sys.getrefcount(x) for x in (q, k, v)] == before


def test_f16():
    q, k, v = (x.astype(np.float16) for x in draw(6))
    out, report = subquad.attend(q, k, v, "exact")
    assert out.dtype == np.float16 and report.notes == ()
    np.testing.assert_allclose(out, reference.attention(q, k, v)[0], atol=2e-3)


def test_bf16():
    half = pytest.importorskip("ml_dtypes").bfloat16
    q, k, v = (x.astype(half) for x in draw(7))
    out, lse, report = subquad.attend(q, k, v, "exact", return_lse=True)
    assert out.dtype == half and report.notes == ()
    expected, _ = reference.attention(*(x.astype(np.float64) for x in (q, k, v)))
    np.testing.assert_allclose(out.astype(np.float64), expected, atol=0.05)
    grads = subquad.attend_backward(q, k, v, out, lse, np.ones(out.shape, half), "exact")
    assert all(g.dtype == np.float32 and np.isfinite(g).all() for g in grads[:3])
    with pytest.raises(subquad.Error, match="^query: dtype uint16"):
        subquad.attend(q.view(np.uint16), k, v)
    mask = RNG(8).standard_normal((33, 33)).astype(half)
    masked, report = subquad.attend(*draw(7), "exact", mask=mask)
    expected, _ = reference.attention(*draw(7), mask=mask.astype(np.float64))
    np.testing.assert_allclose(masked, expected, atol=2e-6)
    assert "mask" in report.notes[0]


def test_kernel_sums():
    random = RNG(9)
    q, k, x = (random.standard_normal(shape).astype(np.float32) for shape in ((40, 3), (50, 3), (50, 2)))
    y, report = subquad.kernel_sums(q, k, x, 0.7, "exact")
    np.testing.assert_allclose(y, reference.kernel_sums(q, k, x, 0.7), atol=1e-5)
    assert report.path == "exact" and report.rows == 40 and report.estimated_error == 0
    points = random.standard_normal((3000, 2)).astype(np.float32)
    ones = np.ones((3000, 1))
    y, report = subquad.kernel_sums(points, points, ones, 1.0)
    assert report.notes == ("value: float64 converted to float32",)
    assert reference.relative(y, reference.kernel_sums(points, points, ones, 1.0)) < 0.02
    for bad in (0, "wide", float("nan")):
        with pytest.raises(subquad.Error, match="bandwidth"):
            subquad.kernel_sums(q, k, x, bad)


@pytest.mark.parametrize("feature_map", ["none", "elu", "relu"])
def test_linear_state(feature_map):
    q, k, v = (np.abs(x) for x in draw(10, (1, 2, 12, 4)))
    state = subquad.LinearState(4, 4, kv_heads=2, feature_map=feature_map)
    rows = []
    for i in range(12):
        state.append(k[:, :, i : i + 1], v[:, :, i : i + 1])
        rows.append(state.attend(q[:, :, i : i + 1]))
    expected, _ = subquad.attend(q, k, v, f"linear(map={feature_map})", causal="top_left")
    np.testing.assert_allclose(np.concatenate(rows, axis=2), expected, atol=1e-5)
    sums = state.sums
    assert sums.shape == (1, 2, 4, 5) and sums.dtype == np.float64
    del state
    assert np.isfinite(sums).all() and sums[0, 0, 0, 4] > 0  # it keeps its memory
    with pytest.raises(subquad.Error, match="feature_map"):
        subquad.LinearState(4, 4, feature_map="cubic")


@pytest.mark.parametrize("extension", ["npz", "safetensors"])
def test_files(tmp_path, extension):
    path = tmp_path / f"x.{extension}"
    tensors = {
        "a": RNG(11).standard_normal((2, 3)),
        "b": np.arange(5, dtype=np.int16)[::-1],
        "c": np.array(True),
        "e": np.zeros((0, 4), np.float16),
    }
    metadata = {"causal": "top_left"} if extension == "safetensors" else {}
    subquad.io.write(path, tensors, metadata)
    read, found = subquad.io.read(path)
    assert found == metadata and set(read) == set(tensors)
    for name, tensor in tensors.items():
        assert read[name].dtype == tensor.dtype
        np.testing.assert_array_equal(read[name], tensor)
    if extension == "npz":
        np.testing.assert_array_equal(np.load(path)["a"], tensors["a"])
    with pytest.raises(subquad.Error, match="nosuch"):
        subquad.io.read(tmp_path / "nosuch.npz")
    with pytest.raises(subquad.Error, match="^z: files hold no elements of type complex128"):
        subquad.io.write(path, {"z": np.zeros(2, complex)})


def test_bf16_files(tmp_path):
    half = pytest.importorskip("ml_dtypes").bfloat16
    x = RNG(12).standard_normal((3, 4)).astype(half)
    subquad.io.write(tmp_path / "x.safetensors", {"x": x})
    read = subquad.io.read(tmp_path / "x.safetensors").tensors["x"]
    assert read.dtype == half
    np.testing.assert_array_equal(read.astype(np.float32), x.astype(np.float32))


def test_errors_can_be_sent():
    error = pickle.loads(pickle.dumps(subquad.FailedError("disk: full")))
    assert type(error) is subquad.FailedError and isinstance(error, subquad.Error) and str(error) == "disk: full"


def test_the_stub_names_what_the_module_has():
    module = subquad.attention._subquad
    stub = Path(module.__file__).parent / "_subquad.pyi"
    named = {node.name for node in ast.parse(stub.read_text()).body if hasattr(node, "name")}
    assert named == {name for name in dir(module) if not name.startswith("_")}


def test_specs_and_info():
    parts = {part.name: part for part in subquad.specs()}
    assert {"far", "topk", "uniform", "exact"} <= set(parts)
    assert "error" in {parameter.name for parameter in parts["far"].parameters}
    info = subquad.build_info()
    assert info["isa"] in info["isa_supported"] and subquad.__version__ == info["version"]
    assert subquad.measure_fma_gflops(1, 0.01) > 0
    with pytest.raises(subquad.Error, match="cray"):
        subquad.select_isa("cray")
    subquad.release_scratch()
