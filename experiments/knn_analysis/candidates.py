"""Top-k through candidates: recall against time.

Recall is measured from outside: with values that are the unit vectors of 256 random keys, out[i, j] > 0
tells whether row i holds sampled key j. The share of the exact top-k's pairs that a method
holds too estimates its recall without bias, over about 256 k pairs a head, and needs no word of the
method's own. A rule without a ranking (sortlsh) holds all its candidates: the recall that a ranking of
them would have.
"""
import sys

import numpy as np

import attention
import layers
import measure

SAMPLED_KEYS = 256
KS = (16, 64, 256)
RULES = ("sortlsh(block=256)", "sortlsh(block=1024)", "sortlsh(block=256,rounds=4)",
         "sortlsh(block=256,rounds=4,norm=true)")
SEARCHES = ("lsh", "lsh,probes=4", "lsh,tables=32", "lsh,norm=true", "clusters", "clusters,probes=4",
            "clusters,probes=8", "clusters,probes=16", "clusters,probes=32",
            "clusters,cluster=kmeans,probes=16")
# recall_rows: the library's own measure of recall, whose time does not belong here.
RANKED = tuple(f"topk(k={{k}},candidates={search},recall_rows=0)" for search in SEARCHES)


def supported(lib, spec):
    """Whether the library knows the spec; says so if not."""
    x = np.eye(8, dtype=np.float32)[None]
    try:
        attention.attend(lib, spec, x, x, x, 1.0)
        return True
    except RuntimeError as error:
        print(f"{error}: skipped", file=sys.stderr)
        return False


def unit_values(layer, seed):
    """(heads, n, 256): unit vectors at random keys, zeros elsewhere."""
    rng = np.random.Generator(np.random.Philox(key=[seed, 0]))
    heads, n = layer.tensors[1].shape[:2]
    count = min(n, SAMPLED_KEYS)
    values = np.zeros((heads, n, count), np.float32)
    for h in range(heads):
        values[h, rng.choice(n, count, replace=False), np.arange(count)] = 1
    return values


def held(lib, layer, spec, values, seed):
    """Which of the sampled keys each row holds: (heads, n, 256) booleans."""
    query, key, _ = layer.tensors
    return attention.attend(lib, spec, query, key, values, layer.scale, layer.causal, seed)[0] > 0


def recall(true, found):
    return float((true & found).sum() / true.sum())


def recalls(lib, layer, rules, seed):
    """(rule, k) -> recall and share of all keys that the rule holds."""
    values, result = unit_values(layer, seed), {}
    known = {rule: held(lib, layer, rule, values, seed) for rule in RULES}
    for k in KS:
        true = held(lib, layer, f"topk(k={k})", values, seed)
        for rule in rules:
            found = known.get(rule)
            if found is None:
                found = held(lib, layer, rule.format(k=k), values, seed)
            result[rule, k] = recall(true, found), float(found.mean())
    return result


def records_of(layer, found, samples):
    exact = samples["exact"]
    for (rule, k), (share_of_true, share) in found.items():
        sample, full = samples[rule.format(k=k)], samples[f"topk(k={k})"]
        yield {"layer": layer.name, "n": layer.length, "rule": rule, "method": rule.format(k=k),
               "k": k, "recall": share_of_true, "share": share,
               "time_over_topk": measure.over(sample, full),
               "time_over_exact": measure.over(sample, exact),
               "error": float(np.mean(sample.errors)), "topk_error": float(np.mean(full.errors)),
               "exact_cpu_s": min(exact.seconds)}


def run(lib, options, progress):
    names = [measure.DEIT[1]] if options.quick else [*measure.DEIT, measure.LONG]
    chosen = [measure.Layer(path) for path in layers.find_layers(options.data, names)]
    rules = [*RULES, *(rule for rule in RANKED if supported(lib, rule.format(k=2)))]
    specs = list(dict.fromkeys([f"topk(k={k})" for k in KS]
                               + [rule.format(k=k) for rule in rules for k in KS]))
    counts = [1 if options.quick or layer.name == measure.LONG else options.rounds
              for layer in chosen]
    costs = [layer.length**1.5 for layer in chosen]
    total = sum(c * rounds for c, rounds in zip(costs, counts)) * (1 + len(specs))
    bar, records = progress(total, "candidates"), []
    for layer, rounds, cost in zip(chosen, counts, costs):
        found = recalls(lib, layer, rules, 1)
        samples = measure.run_rounds(lib, layer, specs, rounds, lambda: bar.advance(cost))  # noqa
        records += records_of(layer, found, samples)
    bar.close()
    return records
