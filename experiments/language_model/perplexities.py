"""Runs of `lm perplexity`: exact and other methods in one command, a record for each."""
import datetime

KEY = ["text", "tokens", "layers", "method", "base"]
KEPT = ["perplexity", "perplexity_last_2048", "attention_s", "total_s", "rope_base", "path",
        "scored_entries", "fallback_rows", "negative_rows", "exact_heads"]


def expected_seconds(tokens):
    """One exact run, 2 threads, 8,192 tokens in 25 s and half of that in attention."""
    return 12.5 * (tokens / 8192) + 12.5 * (tokens / 8192) ** 2


def is_exact(record):
    """Whether the method itself chose exact attention wherever it was asked for."""
    return all(part.split(":")[-1] == "exact" for part in record["path"].split("|"))


def record_of(run, exact, where, processor):
    """`exact`: its run in the same command. Speeds are over that one."""
    return where | {"method": run["method"]} | {name: run[name] for name in KEPT} | {
        "attention_speedup": exact["attention_s"] / run["attention_s"],
        "prefill_speedup": exact["total_s"] / run["total_s"],
        "exact_perplexity": exact["perplexity"], "exact_attention_s": exact["attention_s"],
        "exact_total_s": exact["total_s"], "processor": processor,
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M")}


def measure(tool, store, where, methods, beside_exact=True):
    """One command; adds a record for each method that has none, exact among them (layers: none)."""
    chosen = (["exact"] if beside_exact else []) + [m for m in methods if m != "exact"]
    runs, processor = tool.perplexity(where["text"], where["tokens"], chosen, where["layers"],
                                      where["base"])
    exact = runs[0]
    for run in runs:
        place = where | {"layers": "none"} if run["method"] == "exact" else where
        if not store.has(**place, method=run["method"]):
            store.add(record_of(run, exact, place, processor))
    return runs


def described(runs, where):
    exact = runs[0]
    parts = [f"{run['method']} {run['perplexity']:.4g} "
             f"({exact['attention_s'] / run['attention_s']:.2f}x, "
             f"{exact['total_s'] / run['total_s']:.2f}x)" for run in runs[1:]]
    head = f"{where['text']}, {where['tokens']} tokens, {where['layers']}: "
    return head + "; ".join([f"exact {exact['perplexity']:.4g}, {exact['total_s']:.1f} s", *parts])
