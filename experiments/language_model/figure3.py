"""HyperAttention's Figure 3 on SmolLM2-135M: perplexity and speed-up against the number of the last
layers whose attention is replaced. Exact attention runs in every command beside the methods."""
import os

import pictures
import tables
from perplexities import KEY, described, expected_seconds, measure
from shared import numbers, words
from store import Store
from work import Job, run_all

# Algorithm 4 as published (every row may depend on later tokens), then what keeps to earlier ones.
METHODS = ["far", "far(error=0.1)", "sink(4)+window(512)", "sink(4)+window(512)+prefix(m=512)", "hyper",
           "recursion", "recursion(bits=7,center=false,strict=false)", "topk(k=256)"]
COARSE = [30, 20, 10]  # before the other numbers of layers
CONTEXT = 8192  # that the model was trained on
LONG_BASE = 200000  # of the rotary embedding, beyond the context; `run rope` has the search


def add_options(parser):
    parser.add_argument("--last", type=numbers, default=[30, 20, 10, 25, 15, 5],
                        help="numbers of last layers, the most wanted first")
    parser.add_argument("--tokens", type=numbers, default=[8192, 4096, 2048, 16384],
                        help="lengths, the most wanted first")
    parser.add_argument("--text", type=words, default=["wikitext", "war_and_peace"],
                        help="names of shared.TEXTS or files, the most wanted first")
    parser.add_argument("--method", action="append", help="instead of the list; repeat for several")
    parser.add_argument("--also", action="append", default=[], help="a method more; repeat")
    parser.add_argument("--together", type=int, default=4, help="methods beside exact in a command")
    parser.add_argument("--long-base", type=int, default=LONG_BASE,
                        help=f"rotary base beyond {CONTEXT} tokens")


def quick(options):
    options.last, options.tokens, options.text = [30, 10], [1024], options.text[:1]


def base_of(tokens, options):
    """None: the model's own."""
    return options.long_base if tokens > CONTEXT else None


def cells(options):
    """(text, tokens, last), in the order to measure in."""
    ranked = []
    for t, text in enumerate(options.text):
        for n, tokens in enumerate(options.tokens):
            for k, last in enumerate(options.last):
                first = (t, n > 0) if last in COARSE else (t, 2)
                ranked.append(((*first, n, k), (text, tokens, last)))
    return [cell for _, cell in sorted(ranked)]


def pending(options, store):
    """(where, methods) of the commands that are left; at most `together` methods beside exact."""
    methods = (options.method or METHODS) + options.also
    for text, tokens, last in cells(options):
        where = {"text": text, "tokens": tokens, "layers": f"last:{last}",
                 "base": base_of(tokens, options)}
        left = [m for m in methods if not store.has(**where, method=m)]
        for i in range(0, len(left), options.together):
            yield where, left[i:i + options.together]


def one(tool, store, where, methods):
    """A command; where it fails, one for each method, so that only those that fail are left out."""
    try:
        return described(measure(tool, store, where, methods), where)
    except RuntimeError as error:
        if len(methods) == 1:
            raise RuntimeError(f"{where['tokens']} tokens, {methods[0]}: {error}") from error
    lines, failed = [], []
    for method in methods:
        try:
            lines.append(one(tool, store, where, [method]))
        except RuntimeError as error:
            failed.append(str(error))
    if failed:
        raise RuntimeError("; ".join(failed))
    return "; ".join(lines)


def job_of(tool, store, where, methods):
    return Job(expected_seconds(where["tokens"]) * (1 + len(methods)),
               lambda: one(tool, store, where, methods))


def last_of(record):
    return 0 if record["layers"] == "none" else int(record["layers"].split(":")[1])


def run(tool, options):
    store = Store(os.path.join(options.out, "figure3.jsonl"), KEY)
    failed = 0
    if not options.draw:
        jobs = [job_of(tool, store, *command) for command in pending(options, store)]
        failed = run_all(jobs, "figure3", options.minutes)
    if store.records:
        records = [r | {"last": last_of(r)} for r in store.records]
        tables.write(options.out, "figure3", records, tables.figure3(records))
        pictures.figure3(records, options.out)
    return failed
