"""Long-context tasks from real text, scored by likelihood. See README.md."""
import argparse
from pathlib import Path

from make import FAMILIES, make
from score import EXACT, score
from table import table
from texts import Tool

METHODS = ["sink(4)+window(512)", "sink(4)+window(512)+prefix(m=512)", "hyper", "topk(k=256)"]
# How choices are compared: log p summed where all are of one form, per token where lengths differ.
COMPARED_BY = {"single": "sum", "multi": "sum", "summary": "token", "few_shot": "sum", "passkey": "sum",
               "paragraph": "token", "code": "token"}


def parse():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("all", "make", "score", "table"))
    parser.add_argument("--subquad", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=2, help="1 chose the prompts; report another one")
    parser.add_argument("--families", nargs="+", default=list(FAMILIES), choices=FAMILIES)
    parser.add_argument("--lengths", nargs="+", type=int, default=[2048, 8192])
    parser.add_argument("--methods", nargs="*", default=METHODS, help=f"beside {EXACT}; none: {EXACT} alone")
    parser.add_argument("--layers", nargs="+", type=int, default=[10, 20, 30], help="the last so many")
    parser.add_argument("--contexts", type=int, default=7, help="of each family; 8 questions each")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=0, help="begin nothing new after these")
    return parser.parse_args()


def main():
    options = parse()
    tool = Tool(options.subquad, options.model)
    if options.what in ("all", "make", "score"):
        make(tool, options.out, options.seed, options.families, options.lengths,
             options.contexts)
    if options.what in ("all", "score"):
        score(tool, options.out, options.seed, options)
    if options.what in ("all", "table"):
        table(options.out, options.seed, options, COMPARED_BY)


if __name__ == "__main__":
    main()
