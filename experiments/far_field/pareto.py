#!/usr/bin/env python3
"""Error against time of every option on real layers: runs `subquad compare` once for each option
(exact is part of every such run), writes a CSV and a picture for each layer."""
import argparse
import csv
import json
import os
import subprocess
import sys

import methods
import picture
from layers import find_layers

UNMASKED = ["deit_tiny_1024_block00", "deit_tiny_1024_block05", "deit_tiny_1024_block11",
            "deit_tiny_2048_block05"]
CAUSAL = ["stories260k_layer0", "stories260k_layer2", "stories260k_layer4"]
MEASURED = ["path", "seq", "median_s", "exact_median_s", "rel_fro", "max_over_vmax",
            "rows_over_1pct", "rows_over_5pct", "rows_over_20pct", "scored_entries",
            "fallback_rows", "peak_extra_bytes"]
NUMBERS = ["share_of_exact", *MEASURED[1:]]
FIELDS = ["layer", "family", "method", "share_of_exact", *MEASURED, "on_front", "failure"]


def compare(options, path, method):
    """The record of the method on all heads, or why there is none."""
    command = [options.subquad, "compare", path, "--method", method, "--json", "-",
               "--no-operator-norm", "--repeats", str(options.repeats), "--seeds",
               str(options.seeds), "--threads", str(options.threads)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        return {"failure": done.stderr.strip().splitlines()[-1] if done.stderr.strip() else
                f"exit code {done.returncode}"}
    runs = [r for r in json.loads(done.stdout)["runs"] if r["head"] == "all"]
    return {name: runs[-1][name] for name in MEASURED}


def measure(options, path, family, method):
    row = {"layer": os.path.splitext(os.path.basename(path))[0], "family": family,
           "method": method} | compare(options, path, method)
    if "failure" not in row:
        row["share_of_exact"] = row["median_s"] / row["exact_median_s"]
    return row


def report(row, done, total):
    head = f"[{done}/{total}] {row['layer']}  {row['method']}: "
    if "failure" in row:
        print(head + row["failure"], flush=True)
        return
    print(head + f"error {row['rel_fro']:.3g}, {1 / row['share_of_exact']:.2f} times as fast as "
                 f"exact [{row['path']}]", flush=True)


def plan(options):
    """(path, family, method) of everything to run."""
    names = options.layers.split(",") if options.layers else (
        UNMASKED[:1] if options.quick else UNMASKED + CAUSAL)
    for path in find_layers(options.data, names):
        causal = "stories" in os.path.basename(path)
        chosen = methods.causal() if causal else methods.unmasked()
        for family, specs in (methods.quick() if options.quick else chosen).items():
            yield from ((path, family, spec) for spec in specs)


def mark_front(rows):
    for layer in {row["layer"] for row in rows}:
        for row in picture.pareto_front([r for r in rows if r["layer"] == layer]):
            row["on_front"] = 1


def run_all(options, name):
    """Measures everything; the CSV grows as it does."""
    planned, rows = list(plan(options)), []
    with open(name + ".part", "w", newline="") as file:
        writer = csv.DictWriter(file, FIELDS)
        writer.writeheader()
        for done, (path, family, method) in enumerate(planned, 1):
            rows.append(measure(options, path, family, method) | {"on_front": 0})
            report(rows[-1], done, len(planned))
            writer.writerow(rows[-1])
            file.flush()
    mark_front(rows)
    return rows


def write_csv(rows, name):
    with open(name, "w", newline="") as file:
        writer = csv.DictWriter(file, FIELDS)
        writer.writeheader()
        writer.writerows(rows)
    if os.path.exists(name + ".part"):
        os.remove(name + ".part")


def read_csv(name):
    with open(name, newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        row |= {key: float(row[key]) if row[key] else None for key in NUMBERS}
    return rows


def read_options():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--subquad", default="build/release/tools/subquad/subquad")
    parser.add_argument("--data", default="../shared/data/qkv", help="folder of the layers")
    parser.add_argument("--out", default="out/far_field", help="folder for CSV and pictures")
    parser.add_argument("--layers", default="", help="names, comma-separated; default: all")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--seeds", type=int, default=3, help="errors are medians over so many")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--quick", action="store_true",
                        help="a few options, one round, one seed, the first layer")
    parser.add_argument("--draw", action="store_true", help="only draw the CSV of an earlier run")
    options = parser.parse_args()
    if options.quick:
        options.repeats = options.seeds = 1
    return options


def main():
    options = read_options()
    os.makedirs(options.out, exist_ok=True)
    name = os.path.join(options.out, "pareto.csv")
    rows = read_csv(name) if options.draw else run_all(options, name)
    if not options.draw:
        write_csv(rows, name)
    picture.draw_all(rows, options.out)
    failed = sum(bool(row.get("failure")) for row in rows)
    print(f"wrote {name} and the pictures" + (f"; {failed} options failed" if failed else ""))
    sys.exit(1 if failed and not options.draw else 0)


if __name__ == "__main__":
    main()
