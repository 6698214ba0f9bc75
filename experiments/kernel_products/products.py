"""Kernel products by kmv on planted clusters: failures over seeds, and the time's growth with n.

`failures`: over 200 seeds each of x normal, one-hot, all ones and heavy-tailed, |y - Kx|_2 against
eps |x|_2. `growth`: n doubles from 2^15, D = 64, clusters of 16 whose kernels satisfy Assumption A; exact
sums of 1,024 queries beside each run, scaled to n and labelled; the error over those queries.
"""
import argparse
import csv
import json
import math
import os
import subprocess
import time

import numpy

SEEDS = 200


def clustered(n, dim, cluster, spread, seed):
    """Clusters of points with kernels of about 0.8 inside, far from each other; bandwidth 1."""
    rng = numpy.random.default_rng(seed)
    centers = spread * rng.standard_normal(((n + cluster - 1) // cluster, dim), dtype=numpy.float32)
    within = 0.45 / math.sqrt(dim)
    points = numpy.repeat(centers, cluster, axis=0)[:n]
    points = points + within * rng.standard_normal((n, dim), dtype=numpy.float32)
    return rng.permutation(points).astype(numpy.float32)


def vectors(n, seed):
    rng = numpy.random.default_rng(seed)
    one_hot = numpy.zeros(n, numpy.float32)
    one_hot[n // 3] = 1
    return {"normal": rng.standard_normal(n, dtype=numpy.float32), "one-hot": one_hot,
            "ones": numpy.ones(n, numpy.float32),
            "heavy-tailed": rng.standard_t(1.5, n).astype(numpy.float32)}


class Products:
    def __init__(self, subquad, folder):
        self.subquad, self.folder = subquad, folder
        os.makedirs(folder, exist_ok=True)

    def save(self, name, values):
        numpy.save(os.path.join(self.folder, name + ".npy"), values)

    def run(self, queries, method, seed=0, out="y"):
        """y, seconds of the library call, path."""
        path = {name: os.path.join(self.folder, name + ".npy") for name in (queries, "k", "x", out)}
        result = os.path.join(self.folder, "run.json")
        subprocess.run([self.subquad, "kernel", "--queries", path[queries], "--keys", path["k"],
                        "--x", path["x"], "--bandwidth", "1", "--method", method, "--seed", str(seed),
                        "--out", path[out], "--json", result], check=True, stdout=subprocess.DEVNULL)
        with open(result) as file:
            record = json.load(file)["runs"][0]
        return numpy.load(path[out]), record


def failures(products, out):
    rows = []
    eps, delta = 0.1, 0.1
    points = clustered(4096, 8, 8, 1.9, 1)
    products.save("k", points)
    for name, x in vectors(len(points), 2).items():
        products.save("x", x)
        exact, _ = products.run("k", "exact")
        errors = []
        for seed in range(SEEDS):
            y, record = products.run("k", f"kmv(eps={eps},delta={delta},always=true)", seed)
            errors.append(float(numpy.linalg.norm(y - exact) / numpy.linalg.norm(x)))
        rows.append({"x": name, "n": len(points), "eps": eps, "delta": delta, "seeds": SEEDS,
                     "failures": sum(e > eps for e in errors), "largest": max(errors),
                     "rms": math.sqrt(sum(e * e for e in errors) / SEEDS), "path": record["path"]})
        print(rows[-1], flush=True)
    write(rows, os.path.join(out, "failures.csv"))


def growth(products, out, max_n):
    rows, n = [], 1 << 15
    while n <= max_n:
        points = clustered(n, 64, 16, 1.0, 3)
        x = vectors(n, 4)["normal"]
        picked = numpy.random.default_rng(5).choice(n, 1024, replace=False)
        products.save("k", points)
        products.save("x", x)
        products.save("q", points[picked])
        exact, reference = products.run("q", "exact", out="e")
        y, record = products.run("k", "kmv(eps=0.1)")
        error = numpy.linalg.norm(y[picked] - exact) * math.sqrt(n / 1024) / numpy.linalg.norm(x)
        row = {"n": n, "exact_s_scaled": reference["median_s"] * n / 1024, "exact_rows": 1024,
               "kmv_s": record["median_s"], "error_over_x": float(error), "path": record["path"],
               "entries_a_row": record["scored_entries"] / n,
               "peak_extra_bytes": record["peak_extra_bytes"]}
        row["times_exact"] = row["exact_s_scaled"] / row["kmv_s"]
        rows.append(row)
        print(row, flush=True)
        n *= 2
    if len(rows) > 1:
        exponent = math.log(rows[-1]["kmv_s"] / rows[0]["kmv_s"]) / math.log(rows[-1]["n"] / rows[0]["n"])
        print(f"growth exponent {exponent:.2f}")
    write(rows, os.path.join(out, "growth.csv"))


def write(rows, name):
    with open(name, "w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["failures", "growth"])
    parser.add_argument("--subquad", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--max-n", type=int, default=1 << 20)
    options = parser.parse_args()
    products = Products(options.subquad, os.path.join(options.out, "points"))
    start = time.time()
    if options.what == "failures":
        failures(products, options.out)
    else:
        growth(products, options.out, options.max_n)
    print(f"{options.what}: {time.time() - start:.0f} s")


if __name__ == "__main__":
    main()
