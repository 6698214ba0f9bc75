"""HyperAttention's Figure 5 on SmolLM2-135M: alpha over n for every layer and head, with and without
the first 32 columns; kappa and the stable rank at one length."""
import os
import shutil

import pictures
import tables
from shared import numbers
from store import Store
from work import Job, run_all

KEY = ["text", "layer", "skip_columns", "probes", "lengths"]
SKIPPED = 32  # columns, as in the paper


def add_options(parser):
    parser.add_argument("--layers", type=numbers, default=list(range(30)))
    parser.add_argument("--lengths", type=numbers, default=[512, 1024, 2048, 4096, 8192])
    parser.add_argument("--rank-length", type=int, default=2048,
                        help="kappa and stable rank on so many positions; 0: not at all")
    parser.add_argument("--text", default="wikitext")
    parser.add_argument("--keep-layers", action="store_true",
                        help="leave the layers' files in the cache folder")


def quick(options):
    options.layers, options.lengths, options.rank_length = [0, 15, 29], [256, 512, 1024], 512


def plans(options):
    """(probes, lengths, skipped columns) of the commands for one layer, the most wanted first."""
    yield "alpha", options.lengths, SKIPPED
    yield "alpha", options.lengths, 0
    if options.rank_length:
        yield "kappa,stable_rank", [options.rank_length], 0


def pending(options, store):
    for probes, lengths, skip in plans(options):
        for layer in options.layers:
            key = {"text": options.text, "layer": layer, "skip_columns": skip, "probes": probes,
                   "lengths": ",".join(map(str, lengths))}
            if not store.has(**key):
                yield key


def lengths_of(key):
    return [int(n) for n in key["lengths"].split(",")]


def probe(tool, store, folder, key):
    path = os.path.join(folder, f"layer{key['layer']:02d}.safetensors")
    found = tool.diagnose(path, lengths_of(key), key["probes"].split(","), key["skip_columns"])
    heads = [p for p in found if p["head"] != "worst"]
    store.add(key | {"found": heads})
    last = [p for p in heads if p["seq"] == heads[-1]["seq"]]
    name = "alpha_over_n" if key["probes"] == "alpha" else "stable_rank"
    values = " ".join("-" if p[name] is None else f"{p[name]:.3g}" for p in last)
    return (f"layer {key['layer']}, without {key['skip_columns']} columns, n = {last[0]['seq']}: "
            f"{name} {values}")


def expected_seconds(key):
    share = 1.0 if key["probes"] == "alpha" else 30.0
    return share * sum((n / 8192) ** 2 for n in lengths_of(key))


def write_layers(tool, options, folder):
    """The layers' files of this text and length, kept from an earlier run where they are whole."""
    mark = os.path.join(folder, "complete")
    wanted = f"{options.text} {max(options.lengths)} {options.layers}"
    if os.path.exists(mark) and open(mark).read() == wanted:
        return "layers: those of an earlier run"
    shutil.rmtree(folder, ignore_errors=True)
    tool.write_layers(options.text, max(options.lengths), options.layers, folder)
    with open(mark, "w") as file:
        file.write(wanted)
    return f"layers written to {folder}"


def jobs_of(tool, options, store, folder):
    left = list(pending(options, store))
    if not left:
        return []
    dump = Job(20 * max(options.lengths) / 8192, lambda: write_layers(tool, options, folder))
    return [dump] + [Job(expected_seconds(key),
                         lambda key=key: probe(tool, store, folder, key)) for key in left]


def flat(records):
    """A record for each layer, head, length and number of skipped columns."""
    return [{"layer": r["layer"]} | {name: p[name] for name in p if name != "input"}
            for r in records for p in r["found"]]


def run(tool, options):
    store = Store(os.path.join(options.out, "figure5.jsonl"), KEY)
    folder = os.path.join(options.out, "cache", "layers")
    failed = 0
    if not options.draw:
        os.makedirs(os.path.dirname(folder), exist_ok=True)
        failed = run_all(jobs_of(tool, options, store, folder), "figure5", options.minutes)
        if not options.keep_layers and not list(pending(options, store)):
            shutil.rmtree(folder, ignore_errors=True)
    if store.records:
        probes = flat(store.records)
        tables.write(options.out, "figure5", probes, tables.figure5(probes))
        pictures.figure5(probes, options.out)
    return failed
