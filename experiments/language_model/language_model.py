#!/usr/bin/env python3
"""SmolLM2-135M with other attention than exact: perplexity and speed against the number of replaced
layers (figure3) and layer by layer (layers), what HyperAttention assumes of its layers (figure5), the
rotary base beyond its context (rope), and other programs on the same file (peers)."""
import argparse
import os
import subprocess
import sys

import figure3
import figure5
import peers
import rope
import single_layers
from shared import ROOT
from tool import Tool

COMMANDS = {"figure3": figure3, "layers": single_layers, "figure5": figure5, "rope": rope,
            "peers": peers}


def add_common(parser):
    parser.add_argument("--subquad", default="build/release/tools/subquad/subquad")
    parser.add_argument("--model", help="default: $SUBQUAD_TEST_GGUF, else scripts/fetch_model")
    parser.add_argument("--texts", default="../shared/data/texts", help="folder of the texts")
    parser.add_argument("--out", default="out/language_model")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--minutes", type=float, default=0,
                        help="stop before a measurement that would end later; 0: no limit")
    parser.add_argument("--quick", action="store_true",
                        help="little and short, into OUT/quick, to see that it works")
    parser.add_argument("--draw", action="store_true",
                        help="only write tables and pictures of what was measured")


def read_options(words=None):
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, module in COMMANDS.items():
        command = commands.add_parser(name, description=module.__doc__,
                                      formatter_class=argparse.ArgumentDefaultsHelpFormatter)
        add_common(command)
        module.add_options(command)
    options = parser.parse_args(words)
    if options.quick:
        options.out = os.path.join(options.out, "quick")
        COMMANDS[options.command].quick(options)
    return options


def find_model(given):
    """The path of the model's file; ends the program, saying what to do, where there is none."""
    path = given or os.environ.get("SUBQUAD_TEST_GGUF")
    if path:
        if not os.path.isfile(path):
            sys.exit(f"language_model: {path}: no such file (--model or SUBQUAD_TEST_GGUF)")
        return path
    found = subprocess.run([os.path.join(ROOT, "scripts", "fetch_model")], capture_output=True,
                           text=True)
    if found.returncode != 0:
        sys.exit(f"{found.stderr.strip()}\nlanguage_model: no model: put its path into "
                 "SUBQUAD_TEST_GGUF or --model")
    return found.stdout.strip()


def main():
    options = read_options()
    if not options.draw:
        options.model = find_model(options.model)
    os.makedirs(options.out, exist_ok=True)
    failed = COMMANDS[options.command].run(Tool(options), options)
    print(f"results in {options.out}" + (f"; {failed} measurements failed" if failed else ""))
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
