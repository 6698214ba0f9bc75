#!/usr/bin/env python3
"""Softmax against linear attention ("Superiority of Softmax", figures 3, 4, 5 and 7): runs every
sweep, writes sweeps.csv, a picture for each figure, and table.md, expected against measured."""
import argparse
import multiprocessing
import os
import sys

import figures
import library
import networks
import progress
import records
import simulate
import sweeps
import table

FIELDS = ["figure", "panel", "variant", "swept", "x_value", "tau", "repetitions", "successes",
          "ratio", "probability", *simulate.PARTS, "max_difference", "decisions_differ", "model",
          "x", "n", "d", "m", "a0", "a1", "b", "c"]
worker = {}


def read_options():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", required=True, help="folder for the results")
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--library", help="libsubquad.so: attention in float32 by the library")
    where.add_argument("--double", action="store_true", help="attention in float64 by NumPy")
    where.add_argument("--draw", action="store_true", help="pictures and table of an earlier run")
    parser.add_argument("--quick", action="store_true", help="3 points a line, 10 repetitions")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="processes")
    options = parser.parse_args()
    if options.seed < 0 or options.jobs < 1:
        parser.error("--seed must be at least 0 and --jobs at least 1")
    return options


def start_worker(path, seed):
    worker["attention"] = library.attention_of(path) if path else networks.DOUBLE
    worker["seed"] = seed


def work(point):
    return simulate.run_point(point, worker["attention"], worker["seed"])


def cost(point):
    """Numbers handled, about; what every point needs counts as 5e6."""
    wide = point["m"] if point["model"] == "regression" else point["n"]
    return point["repetitions"] * point["n"] * wide + 5e6


def run_all(options):
    """The records of every point; the same for any number of processes."""
    points = sweeps.quick(sweeps.all_points()) if options.quick else sweeps.all_points()
    points.sort(key=lambda point: -cost(point))  # the last ones are short
    bar = progress.Bar(sum(map(cost, points)), "softmax_superiority")
    found = {}
    with multiprocessing.Pool(options.jobs, start_worker, (options.library, options.seed)) as pool:
        for point, of_point in zip(points, pool.imap(work, points)):
            found[point["index"]] = of_point
            bar.advance(cost(point))
    bar.close()
    return [record for index in sorted(found) for record in found[index]]


def run(options):
    if options.library:
        library.open_library(options.library)  # a bad path is an error here, not in every worker
    os.makedirs(options.out, exist_ok=True)
    name = os.path.join(options.out, "sweeps.csv")
    if not options.draw:
        records.write_csv(run_all(options), name, FIELDS)
    measured = records.read_csv(name, texts=("figure", "panel"))
    figures.draw_all(measured, options.out)
    text = table.markdown(measured)
    with open(os.path.join(options.out, "table.md"), "w") as file:
        file.write(text)
    print(text, end="")
    return 1 if table.disagrees(measured) else 0


def main():
    try:
        return run(read_options())
    except (OSError, RuntimeError) as error:
        print(f"superiority.py: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
