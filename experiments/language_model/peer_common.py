"""What the scripts of the other programs share: their options, a record, the perplexity."""
import argparse
import json
import math
import time


def read_options(description, modes=()):
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--model", required=True, help="a GGUF file")
    parser.add_argument("--ids", required=True, help="JSON: the tokens")
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--score", action="store_true", help="also the perplexity")
    parser.add_argument("--mode", choices=modes or None)
    options = parser.parse_args()
    with open(options.ids) as file:
        options.ids = json.load(file)
    return options


class Watch:
    def __init__(self):
        self.start = time.perf_counter()

    def seconds(self):
        return time.perf_counter() - self.start


def perplexity(losses):
    return math.exp(sum(losses) / len(losses))


def report(prefill_s, note, score_s=None, value=None):
    print(json.dumps({"prefill_s": prefill_s, "score_s": score_s, "perplexity": value,
                      "note": note}))
