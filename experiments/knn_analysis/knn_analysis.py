#!/usr/bin/env python3
"""k-NN attention (KVT): Lemmas 2 and 3, candidates and composition. Writes a CSV, a picture and a
table (Markdown) for each part."""
import argparse
import os
import sys

import shared  # noqa: F401
import candidates
import composition
import lemma2
import lemma3
import library
import pictures
import progress
import records
import tables

PARTS = {"lemma2": lemma2.run, "lemma3": lambda lib, options, bar: lemma3.run(options, bar),
         "candidates": candidates.run, "composition": composition.run}
NEED_LAYERS = ("candidates", "composition")


def read_options():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", help=f"of {', '.join(PARTS)}; default: all")
    parser.add_argument("--out", required=True, help="folder for the results")
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--library", help="libsubquad.so")
    where.add_argument("--draw", action="store_true", help="pictures and tables of an earlier run")
    parser.add_argument("--data", default="../shared/data/qkv", help="folder of the layers")
    parser.add_argument("--quick", action="store_true", help="few points, to see that it works")
    parser.add_argument("--seed", type=int, default=1, help="of the two lemmas")
    parser.add_argument("--rounds", type=int, default=3, help="of the layers; the seed counts up")
    options = parser.parse_args()
    options.parts = options.parts or list(PARTS)
    unknown = [part for part in options.parts if part not in PARTS]
    if unknown or options.seed < 0 or options.rounds < 1:
        parser.error(f"no part {unknown[0]}" if unknown else "--seed or --rounds is too small")
    return options


def skipped(part, options):
    if part in NEED_LAYERS and not os.path.isdir(options.data):
        print(f"no {options.data}: {part} skipped", file=sys.stderr)
        return True
    return False


def run_part(part, lib, options):
    name = os.path.join(options.out, part + ".csv")
    if not options.draw:
        records.write_csv(PARTS[part](lib, options, progress.Bar), name)
    measured = records.read_csv(name)
    pictures.draw(part, measured, options.out)
    text = tables.TABLES[part](measured)
    with open(os.path.join(options.out, part + ".md"), "w") as file:
        file.write(text)
    print(f"{part}\n\n{text}")


def main():
    options = read_options()
    try:
        lib = library.open_library(options.library) if options.library else None
        os.makedirs(options.out, exist_ok=True)
        for part in options.parts:
            if options.draw or not skipped(part, options):
                run_part(part, lib, options)
    except (OSError, RuntimeError) as error:
        print(f"knn_analysis.py: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
