"""Which layers can be replaced: perplexity with one layer's attention by a method, exact in the rest."""
import os

import pictures
import tables
from perplexities import KEY, expected_seconds, measure
from shared import numbers, words
from store import Store
from work import Job, run_all

METHODS = ["hyper(always=true)", "sink(4)+window(512)"]


def add_options(parser):
    parser.add_argument("--layers", type=numbers, default=list(range(30)))
    parser.add_argument("--tokens", type=numbers, default=[2048])
    parser.add_argument("--text", type=words, default=["wikitext"])
    parser.add_argument("--method", action="append", help="instead of the list; repeat for several")


def quick(options):
    options.layers, options.tokens = [0, 1, 15, 29], [1024]


def pending(options, store):
    """(where, methods): exact alone, once, then a command for each layer."""
    for text in options.text:
        for tokens in options.tokens:
            at = {"text": text, "tokens": tokens, "base": None}
            if not store.has(**at, layers="none", method="exact"):
                yield at | {"layers": "all"}, ["exact"]
            for layer in options.layers:
                where = at | {"layers": f"{layer}-{layer}"}
                left = [m for m in options.method or METHODS if not store.has(**where, method=m)]
                if left:
                    yield where, left


def one(tool, store, where, methods):
    runs = measure(tool, store, where, methods, beside_exact=methods == ["exact"])
    parts = "; ".join(f"{run['method']} {run['perplexity']:.4g}" for run in runs)
    return f"{where['text']}, {where['tokens']} tokens, layers {where['layers']}: {parts}"


def job_of(tool, store, where, methods):
    return Job(expected_seconds(where["tokens"]) * len(methods),
               lambda: one(tool, store, where, methods))


def with_exact(records):
    """Records of single layers, each with its layer and the perplexity over exact's, less 1."""
    exact = {(r["text"], r["tokens"]): r["perplexity"] for r in records if r["layers"] == "none"}
    return [r | {"layer": int(r["layers"].split("-")[0]),
                 "excess": r["perplexity"] / exact[r["text"], r["tokens"]] - 1}
            for r in records if r["layers"] != "none"]


def run(tool, options):
    store = Store(os.path.join(options.out, "layers.jsonl"), KEY)
    failed = 0
    if not options.draw:
        jobs = [job_of(tool, store, *command) for command in pending(options, store)]
        failed = run_all(jobs, "layers", options.minutes)
    records = with_exact(store.records)
    if records:
        tables.write(options.out, "layers", records, tables.layers(records))
        pictures.layers(records, options.out)
    return failed
