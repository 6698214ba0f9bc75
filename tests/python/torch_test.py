"""The PyTorch operator, SDPA's argument meanings, routing. Skips without torch."""
import numpy as np
import pytest

import reference
import subquad

torch = pytest.importorskip("torch")
import torch.nn.functional as functional  # noqa: E402

import subquad.torch as subquad_torch  # noqa: E402

sdpa = functional.scaled_dot_product_attention
EPSILON = {torch.float32: 5e-6, torch.float16: 5e-3, torch.bfloat16: 5e-2}


def draw(seed, batch=2, heads=4, kv_heads=4, queries=13, keys=17, dim=8, value_dim=5, dtype=torch.float32):
    random = torch.Generator().manual_seed(seed)
    shapes = ((heads, queries, dim), (kv_heads, keys, dim), (kv_heads, keys, value_dim))
    return tuple(torch.randn(batch, *shape, generator=random).to(dtype) for shape in shapes)


@pytest.mark.parametrize("dtype", EPSILON, ids=str)
def test_forward_and_backward(dtype):
    tensors = [x.requires_grad_() for x in draw(0, kv_heads=2, dtype=dtype)]
    out, lse = subquad_torch.attend(*tensors, "exact", causal="bottom_right", return_lse=True)
    assert out.dtype == dtype and lse.dtype == torch.float32 and subquad_torch.last_report().rows == 104
    weights = torch.randn(out.shape, generator=torch.Generator().manual_seed(1))
    ((out.float() * weights).sum() + lse.sum()).backward()

    plain = [x.detach().double().requires_grad_() for x in tensors]
    q, k, v = plain[0], plain[1].repeat_interleave(2, 1), plain[2].repeat_interleave(2, 1)
    scores = q @ k.transpose(-1, -2) * 8**-0.5
    scores = scores.masked_fill(~torch.ones(13, 17, dtype=torch.bool).tril(4), -torch.inf)
    expected = scores.softmax(-1) @ v
    ((expected * weights).sum() + scores.logsumexp(-1).sum()).backward()
    assert reference.relative(out.detach().float(), expected.detach().numpy()) < EPSILON[dtype]
    for x, y in zip(tensors, plain):
        assert x.grad.dtype == dtype
        assert reference.relative(x.grad.float(), y.grad.numpy()) < EPSILON[dtype]


def test_the_operator_is_well_formed():
    tensors = [x.requires_grad_() for x in draw(2, queries=9, keys=9)]
    mask = torch.rand(9, 9, generator=torch.Generator().manual_seed(3)) < 0.7
    for arguments in (
        (*tensors, None, None, "exact", "top_left", None, [-1, -1], 0, 0),
        (*tensors, mask, torch.zeros(4), "window(2)+uniform(m=4)", "none", 0.5, [3, 3], 5, 1),
    ):
        torch.library.opcheck(torch.ops.subquad.attend.default, arguments)


def test_the_same_as_on_arrays():
    q, k, v = draw(4, queries=512, keys=512, dim=16, value_dim=16)
    out = subquad_torch.attend(q, k, v, "uniform(m=32)", causal="top_left", window=(300, None), seed=9)
    arrays = (x.numpy() for x in (q, k, v))
    expected, report = subquad.attend(*arrays, "uniform(m=32)", causal="top_left", window=(300, None), seed=9)
    np.testing.assert_array_equal(out.numpy(), expected)
    assert subquad_torch.last_report().path == report.path
    assert subquad_torch.last_report().scored_entries == report.scored_entries


def test_arrays_take_tensors():
    q, k, v = draw(5, dtype=torch.bfloat16)
    out, report = subquad.attend(q, k, v, "exact", out=torch.empty(2, 4, 13, 5))
    assert reference.relative(out, sdpa(q.double(), k.double(), v.double()).numpy()) < 0.05
    with pytest.raises(subquad.Error, match="^query: requires a gradient"):
        subquad.attend(q.requires_grad_(), k, v)


GENERATOR = torch.Generator().manual_seed(6)
SDPA = {
    "plain": {},
    "causal": {"is_causal": True},
    "scale": {"scale": 0.2},
    "boolean": {"attn_mask": torch.rand(13, 17, generator=GENERATOR) < 0.6},
    "of batches": {"attn_mask": torch.rand(2, 1, 1, 17, generator=GENERATOR) < 0.6},
    "of rows": {"attn_mask": torch.randn(2, 4, 13, 1, generator=GENERATOR)},
    "additive": {"attn_mask": torch.randn(4, 13, 17, generator=GENERATOR)},
    "three": {},
    "broadcast": {},
    "grouped": {"enable_gqa": True},
    "five": {},
}


def sdpa_tensors(name):
    q, k, v = draw(7, kv_heads=2 if name == "grouped" else 4)
    if name == "three":
        return q[0], k[0], v[0]
    if name == "broadcast":
        return q, k[:1], v[:, :1]
    if name == "five":
        return q[:, None], k[:, None], v[:, None]
    return q, k, v


@pytest.mark.parametrize("name", SDPA)
def test_sdpa_means_the_same(name):
    tensors, arguments = sdpa_tensors(name), SDPA[name]
    if name == "five":
        with pytest.raises(subquad.Error, match="^query: 5 dimensions"):
            subquad_torch.scaled_dot_product_attention(*tensors)
        return
    out = subquad_torch.scaled_dot_product_attention(*tensors, **arguments, method="exact")
    torch.testing.assert_close(out, sdpa(*tensors, **arguments), atol=2e-6, rtol=0)


BAD = {
    "dropout_p": {"dropout_p": 0.5},
    "attn_mask": {"attn_mask": torch.ones(13, 17, dtype=torch.bool), "is_causal": True},
    "attn_mask: dtype": {"attn_mask": torch.ones(13, 17, dtype=torch.float64)},
}


@pytest.mark.parametrize("name", BAD)
def test_sdpa_errors(name):
    with pytest.raises(subquad.Error, match=name):
        subquad_torch.scaled_dot_product_attention(*draw(8), **BAD[name])


def test_bad_tensors():
    q, k, v = draw(8)
    with pytest.raises(subquad.Error, match="^query: dtype torch.float64"):
        subquad_torch.attend(q.double(), k, v)
    with subquad_torch.route_sdpa("exact") as report:
        sdpa(*(x.to("meta") for x in (q, k, v)))
    assert report.reasons == {"query: is on device meta, must be in the processor's memory": 1}
    with pytest.raises(subquad.Error, match="^mask: has no gradient"):
        subquad_torch.attend(q.requires_grad_(), k, v, mask=torch.zeros(13, 17, requires_grad=True))


def test_routing():
    q, k, v = draw(9)
    with subquad_torch.route_sdpa("exact", min_length=10) as report:
        out = functional.scaled_dot_product_attention(q, k, v)
        sdpa(q, key=k, value=v)  # held by another name
        functional.scaled_dot_product_attention(q.double(), k.double(), v.double())
        functional.scaled_dot_product_attention(q, k[:, :, :5], v[:, :, :5])
        functional.scaled_dot_product_attention(q, k, v, dropout_p=0.1)
    torch.testing.assert_close(out, sdpa(q, k, v), atol=2e-6, rtol=0)
    assert report.routed == 2 and report.calls[0].path.startswith("exact") and len(report.calls) == 5
    assert set(report.reasons.values()) == {1}
    words = " ".join(report.reasons)
    assert "torch.float64" in words and "fewer than 10 keys" in words and "dropout" in words
    assert functional.scaled_dot_product_attention is sdpa
    with pytest.raises(subquad.Error, match="dropout"):
        with subquad_torch.route_sdpa("exact", strict=True):
            sdpa(q, k, v, dropout_p=0.1)
    assert functional.scaled_dot_product_attention is sdpa


@pytest.mark.parametrize("training", [False, True])
def test_routing_of_modules(training):
    torch.manual_seed(0)
    layer = torch.nn.TransformerEncoderLayer(32, 4, 64, dropout=0.0, batch_first=True).train(training)
    x = torch.randn(2, 20, 32)
    expected = layer(x)
    with subquad_torch.route_sdpa("exact") as report:
        out = layer(x)
    assert report.routed == 1
    torch.testing.assert_close(out, expected, atol=1e-5, rtol=0)


def test_training_lowers_a_loss():
    torch.manual_seed(1)
    layer = torch.nn.MultiheadAttention(16, 2, batch_first=True)
    x, y = torch.randn(2, 4, 64, 16)
    optimizer = torch.optim.Adam(layer.parameters(), 0.02)
    losses = []
    with subquad_torch.route_sdpa("window(4)+uniform(m=8)", strict=True) as report:
        for _ in range(20):
            optimizer.zero_grad()
            loss = (layer(x, x, x, need_weights=False)[0] - y).square().mean()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    assert report.routed == 20 and losses[-1] < 0.9 * losses[0]
