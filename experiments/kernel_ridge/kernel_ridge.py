"""Kernel ridge regression with exact and approximate products.

The data files hold no targets, so: protein and shuttle predict one standardised column from the
others; kin40k's columns say nothing of each other, its target is a smooth function of its columns
with noise of standard deviation 0.1 (smooth_target). Points are standardised by the training rows,
sigma is a part of the median distance. Coefficients by `subquad solve`, predictions of both always
by exact `subquad kernel`: what differs is the coefficients alone.
"""
import argparse
import csv
import json
import pathlib
import subprocess

import numpy as np

# Data set, column that is predicted (None: smooth_target), sigma / median distance.
TASKS = {"kin40k": None, "protein": 0, "shuttle": 0}


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--subquad", required=True)
    parser.add_argument("--data", type=pathlib.Path, default=pathlib.Path("../shared/data/kde"))
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("out/kernel_ridge"))
    parser.add_argument("--train", type=int, default=20000)
    parser.add_argument("--test", type=int, default=4000)
    parser.add_argument("--ridge", type=float, default=1)
    parser.add_argument("--scale", type=float, default=0.5, help="sigma / median distance")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--deflate", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--method", action="append")
    parser.add_argument("--task", action="append", choices=list(TASKS))
    return parser.parse_args()


def smooth_target(points, rng):
    weights = rng.standard_normal((points.shape[1], 2)) / np.sqrt(points.shape[1])
    inner = points @ weights
    return np.sin(2 * inner[:, 0]) + inner[:, 1] ** 2 + 0.1 * rng.standard_normal(len(points))


def load(options, name):
    rng = np.random.default_rng(options.seed)
    rows = np.load(options.data / f"{name}.npy").astype(np.float64)
    rows = rows[rng.permutation(len(rows))[:options.train + options.test]]
    column = TASKS[name]
    train = slice(0, options.train)
    rows = (rows - rows[train].mean(0)) / rows[train].std(0)
    target = smooth_target(rows, rng) if column is None else rows[:, column]
    points = rows if column is None else np.delete(rows, column, axis=1)
    target = (target - target[train].mean()) / target[train].std()
    pairs = rng.integers(options.train, size=(2000, 2))
    median = np.median(np.linalg.norm(points[pairs[:, 0]] - points[pairs[:, 1]], axis=1))
    return points.astype(np.float32), target.astype(np.float32), options.scale * median


def call(options, *words):
    words = [options.subquad, *words, "--threads", str(options.threads), "--json", "-"]
    done = subprocess.run(words, capture_output=True, text=True)
    if done.returncode not in (0, 1) or not done.stdout:  # 1: solve has not converged, and says so in its JSON
        raise SystemExit(done.stderr)
    return json.loads(done.stdout)["runs"][0]


def measure(options, name, sigma, method, target):
    out = options.out
    run = call(options, "solve", "--points", str(out / "train.npy"), "--rhs", str(out / "y.npy"),
               "--bandwidth", str(sigma), "--ridge", str(options.ridge), "--deflate", str(options.deflate),
               "--tolerance", "1e-3", "--method", method, "--exact-residual", "--out", str(out / "a.npy"))
    call(options, "kernel", "--queries", str(out / "test.npy"), "--keys", str(out / "train.npy"),
         "--x", str(out / "a.npy"), "--bandwidth", str(sigma), "--out", str(out / "p.npy"))
    error = np.sqrt(np.mean((np.load(out / "p.npy") - target[options.train:]) ** 2))
    return [name, f"{sigma:.3g}", method, run["path"], run["iterations"], run["converged"],
            f"{run['residual']:.2g}", run["rounds"], f"{error:.4f}", f"{run['median_s']:.2f}", run["indefinite"]]


def main():
    options = arguments()
    options.out.mkdir(parents=True, exist_ok=True)
    header = ["data", "sigma", "method", "path", "iterations", "converged", "exact residual", "rounds",
              "test RMSE / std", "seconds", "indefinite"]
    print(*header, sep=", ")
    with open(options.out / "kernel_ridge.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        for name in options.task or TASKS:
            points, target, sigma = load(options, name)
            np.save(options.out / "train.npy", points[:options.train])
            np.save(options.out / "test.npy", points[options.train:])
            np.save(options.out / "y.npy", target[:options.train])
            for method in options.method or ["exact", "far", "far(fit=4096,clusters=1024)"]:
                row = measure(options, name, sigma, method, target)
                writer.writerow(row)
                print(*row, sep=", ", flush=True)


if __name__ == "__main__":
    main()
