"""attn_implementation="subquad" in models of random weights. Skips without torch and transformers."""
import copy

import pytest

import subquad

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
from subquad.torch import huggingface, last_report  # noqa: E402

SIZES = {
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "vocab_size": 100,
    "max_position_embeddings": 256,
}


def llama(**more):
    return transformers.LlamaConfig(**SIZES, num_key_value_heads=2, **more)


def build(config, kind=transformers.AutoModelForCausalLM, theirs="sdpa"):
    """The same weights with another attention and with ours."""
    models = []
    for name in (theirs, "subquad"):
        torch.manual_seed(0)
        models.append(kind.from_config(copy.deepcopy(config), attn_implementation=name).eval())
    assert [model.config._attn_implementation for model in models] == [theirs, "subquad"]
    return models


def tokens(batch=2, length=40, seed=1):
    return torch.randint(3, 100, (batch, length), generator=torch.Generator().manual_seed(seed))


def padded():
    mask = torch.ones(2, 40, dtype=torch.long)
    mask[0, :7] = 0
    return mask


CONFIGS = {
    "grouped": (llama, transformers.AutoModelForCausalLM),
    "sliding": (
        lambda: transformers.MistralConfig(**SIZES, num_key_value_heads=2, sliding_window=8),
        transformers.AutoModelForCausalLM,
    ),
    "encoder": (lambda: transformers.BertConfig(**SIZES), transformers.AutoModel),
}


@pytest.mark.parametrize("mask", [None, padded()], ids=["whole", "padded"])
@pytest.mark.parametrize("name", CONFIGS)
def test_the_same_as_sdpa(name, mask):
    make, kind = CONFIGS[name]
    config = make()
    config.subquad = {"method": "exact"}
    theirs, ours = build(config, kind)
    with torch.no_grad():
        expected = theirs(tokens(), attention_mask=mask)[0]
        out = ours(tokens(), attention_mask=mask)[0]
    seen = torch.ones(2, 40, dtype=torch.bool) if mask is None else mask.bool()
    torch.testing.assert_close(out[seen], expected[seen], atol=2e-5, rtol=0)
    assert last_report().path.startswith("exact")


@pytest.mark.parametrize("cache", ["dynamic", "static"])
@pytest.mark.parametrize("name", ["grouped", "sliding"])
def test_generation_with_a_cache(name, cache):
    config = CONFIGS[name][0]()
    config.subquad = {"method": "exact"}
    theirs, ours = build(config)
    arguments = {
        "max_new_tokens": 6, "do_sample": False, "pad_token_id": 0, "attention_mask": padded(),
        "output_scores": True, "return_dict_in_generate": True,
    }  # fmt: skip
    if cache == "static":
        arguments["cache_implementation"] = "static"
        arguments["disable_compile"] = True
    expected, out = (model.generate(tokens(), **arguments) for model in (theirs, ours))
    assert torch.equal(out.sequences, expected.sequences)
    for one, two in zip(out.scores, expected.scores):
        torch.testing.assert_close(one, two, atol=1e-4, rtol=0)


def test_sinks():
    config = transformers.GptOssConfig(
        **SIZES, num_key_value_heads=2, head_dim=16, sliding_window=8, num_local_experts=2, num_experts_per_tok=1
    )
    config.subquad = {"method": "exact"}
    theirs, ours = build(config, theirs="eager")
    for layer in theirs.model.layers:
        torch.nn.init.normal_(layer.self_attn.sinks)
    ours.load_state_dict(theirs.state_dict())
    with torch.no_grad():
        torch.testing.assert_close(ours(tokens()).logits, theirs(tokens()).logits, atol=2e-5, rtol=0)


def test_gradients():
    config = llama()
    config.subquad = {"method": "exact"}
    gradients = []
    for model in build(config):
        model(tokens(), labels=tokens()).loss.backward()
        gradients.append(torch.cat([p.grad.flatten() for p in model.parameters()]))
    torch.testing.assert_close(gradients[1], gradients[0], atol=1e-5, rtol=0)


def test_each_layer_has_its_method(monkeypatch):
    config = llama()
    config.subquad = {"method": "window(4)", "layers": {"1": "topk(k=8)"}, "decode": "exact"}
    model = build(config)[1]
    methods = []
    attend = huggingface.attend
    monkeypatch.setattr(huggingface, "attend", lambda *a, **k: methods.append(a[3]) or attend(*a, **k))
    model.generate(tokens(), max_new_tokens=2, do_sample=False, pad_token_id=0)
    assert methods == ["window(4)", "topk(k=8)", "exact", "exact"]
    assert type(config).from_dict(config.to_dict()).subquad == config.subquad


def test_a_causal_method_stays_causal():
    config = llama()
    config.subquad = {"method": "uniform(m=8)"}
    model = build(config)[1]
    one, two = tokens(), tokens()
    two[:, 30:] = 5
    with torch.no_grad():
        before, after = (model(x, attention_mask=padded()).logits[:, :30] for x in (one, two))
    assert torch.equal(before[1], after[1]) and torch.equal(before[0, 7:], after[0, 7:])


BAD = {
    "unknown key 'metod'": {"metod": "exact"},
    "neither a layer nor a range": {"layers": {"first": "exact"}},
    "nosuch": {"method": "nosuch"},
}


@pytest.mark.parametrize("name", BAD)
def test_errors(name):
    config = llama()
    config.subquad = BAD[name]
    with pytest.raises(subquad.Error, match=name):
        build(config)[1](tokens())


def test_dropout_is_refused():
    model = build(llama(attention_dropout=0.1))[1].train()
    with pytest.raises(subquad.Error, match="^dropout"):
        model(tokens())
