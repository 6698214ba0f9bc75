"""A rotary base for more tokens than the model was trained on: exact attention's perplexity with a
few bases, on a text that figure3 does not report."""
import os

import tables
from perplexities import KEY, expected_seconds, measure
from shared import numbers, words
from store import Store
from work import Job, run_all


def add_options(parser):
    parser.add_argument("--bases", type=numbers, default=[200000, 300000, 500000, 1000000])
    parser.add_argument("--tokens", type=numbers, default=[16384])
    parser.add_argument("--text", type=words, default=["shakespeare"])


def quick(options):
    options.bases, options.tokens = [100000, 300000], [1024]


def one(tool, store, where):
    (run,) = measure(tool, store, where, [])
    return (f"{where['text']}, {where['tokens']} tokens, base {where['base']}: "
            f"{run['perplexity']:.4f}, last 2,048 {run['perplexity_last_2048']}")


def run(tool, options):
    store = Store(os.path.join(options.out, "rope.jsonl"), KEY)
    places = [{"text": text, "tokens": tokens, "layers": "all", "base": base}
              for text in options.text for tokens in options.tokens for base in options.bases]
    left = [where for where in places
            if not store.has(**where | {"layers": "none"}, method="exact")]
    failed = 0
    if not options.draw:
        failed = run_all([Job(expected_seconds(where["tokens"]),
                              lambda where=where: one(tool, store, where)) for where in left],
                         "rope", options.minutes)
    if store.records:
        tables.write(options.out, "rope", store.records, tables.rope(store.records))
    return failed
