"""Collects `subquad vit --json` files into one CSV, and prints it as a Markdown table."""
import argparse
import csv
import json

FIELDS = ["resolution", "layers", "temperature", "method", "path", "images", "top1_images",
          "top5_images", "agree_top1", "logit_kl", "attention_s", "exact_attention_s", "total_s",
          "exact_total_s", "fallback_rows"]
HEADINGS = ["px", "layers", "T", "method", "top 1", "top 5", "agrees", "logit KL", "attention / exact"]


def read_runs(files):
    runs = []
    for name in files:
        with open(name) as file:
            runs += json.load(file)["runs"]
    return runs


def distinct(runs):
    """Each file has its own exact run: keep one for each resolution."""
    seen, kept = set(), []
    for run in sorted(runs, key=lambda r: (r["resolution"], r["layers"] != "none", r["layers"],
                                           r["temperature"])):
        key = (run["resolution"], run["layers"], run["temperature"], run["method"])
        if key not in seen:
            kept.append(run)
        seen.add(key)
    return kept


def cells(run):
    right = [f"{run[key]}/{run['images']}" for key in ("top1_images", "top5_images")]
    kl = "-" if run["logit_kl"] is None else f"{run['logit_kl']:.2g}"
    return [str(run["resolution"]), run["layers"], f"{run['temperature']:g}", f"`{run['method']}`",
            *right, f"{100 * run['agree_top1']:.0f} %", kl,
            f"{run['attention_s'] / run['exact_attention_s']:.2f}"]


def print_table(runs):
    print("| " + " | ".join(HEADINGS) + " |")
    print("|---" * len(HEADINGS) + "|")
    for run in runs:
        print("| " + " | ".join(cells(run)) + " |")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="+")
    parser.add_argument("--csv", required=True)
    options = parser.parse_args()
    runs = distinct(read_runs(options.files))
    with open(options.csv, "w", newline="") as file:
        writer = csv.DictWriter(file, FIELDS, extrasaction="ignore", restval="")
        writer.writeheader()
        for run in runs:
            writer.writerow({key: round(value, 3 + 3 * (key == "logit_kl"))
                             if isinstance(value, float) else value for key, value in run.items()})
    print_table(runs)


if __name__ == "__main__":
    main()
