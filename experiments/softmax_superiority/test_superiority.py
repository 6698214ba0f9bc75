"""The experiment against plain loops, the paper's lemmas and enumeration. SUBQUAD_LIBRARY=PATH of
libsubquad.so adds the library."""
import itertools
import math
import os
import unittest

import numpy as np

import datasets
import library
import models
import networks
import probability
import simulate
import sweeps


def small(model, **p):
    """A point small enough for loops: 3 columns of blocks, 4 blocks."""
    make = {"self": sweeps.self_attention, "cross": sweeps.cross_attention}[model]
    p = {"n": 12, "d": 5 if model == "self" else 4, "m": 3} | p
    return {"index": 0, "repetitions": 20, "swept": "n"} | (
        make("ones", **p) if model == "self" and "x" not in p else make(**p))


def plain_attention(name, query, key, value):
    """One repetition, lists of lists, by definition."""
    out = []
    for q in query:
        u = [sum(a * b for a, b in zip(q, k)) for k in key]
        u = [math.exp(s) for s in u] if name == "exp" else u
        sums = [sum(w * row[i] for w, row in zip(u, value)) for i in range(len(value[0]))]
        out.append([x / sum(u) for x in sums])
    return out


def plain_network(c, columns, tau):
    total = sum(max(sum(a * s for a, s in zip(row, y)) - tau, 0.0) for row in c for y in columns)
    return max(total, 0.0)


def plain_success(outputs, columns, tau):
    """E_success from the attention outputs {(name, which): c}."""
    value = {key: plain_network(c, columns, tau) for key, c in outputs.items()}
    return value["exp", 1] > 0 and value["lin", 1] == value["exp", 0] == value["lin", 0] == 0


def plain_outputs(inputs, repetition):
    return {(name, which): plain_attention(name, *(x[repetition].tolist() for x in inputs[which]))
            for name in ("exp", "lin") for which in (0, 1)}


def exponents(inputs, n):
    """log_n u_exp of the first repetition."""
    query, key, _ = inputs
    return query[0] @ key[0].T / math.log(n)


class Lemmas(unittest.TestCase):
    """The exponents of n that the lemmas state, on D1 with j3 = 7 (j2 = 2)."""

    def expect(self, got, wanted):
        np.testing.assert_allclose(got, wanted, rtol=1e-12, atol=1e-12)

    def test_d2(self):
        rows = datasets.self_attention(12, 5, 1.2, 0.3, 0.7, np.array([7]), "ones")
        weight = 1 + 1.2 * (np.arange(12) == 7)
        self.expect(exponents(rows, 12), np.outer(weight, weight))

    def test_e1(self):
        rows = datasets.self_attention(12, 5, 1.2, 0.3, 0.7, np.array([7]), "identity")
        i, j = np.indices((12, 12))
        wanted = 0.49 + 0.09 * (i % 3 == j % 3) + 1.44 * ((i == 7) & (j == 7))
        self.expect(exponents(rows, 12), wanted)

    def test_f2(self):
        rows = datasets.cross_attention(12, 4, 3.0, np.array([2]), np.array([7]))
        i, j = np.indices((12, 12))
        self.expect(exponents(rows, 12), 1 + 3.0 * ((i == 2) & (j == 7)))

    def test_definition_3_8(self):
        rng = np.random.default_rng(1)
        for large in (False, True):
            scores = datasets.regression(50, large, rng, 20) / math.log(50)
            high = scores > 1.4
            self.assertTrue((high.sum(1) == (1 if large else 0)).all())
            np.testing.assert_allclose(scores[high], 4.0, rtol=1e-12)
            self.assertTrue((scores >= 1).all())

    def test_rows_that_are_no_multiple(self):
        with self.assertRaisesRegex(ValueError, "n = 13 is not a multiple"):
            datasets.self_attention(13, 5, 1.2, 0.3, 0.7, np.array([7]), "ones")


class Simulation(unittest.TestCase):
    POINTS = [small("self"), small("self", x="identity", a1=2.0), small("cross"),
              small("cross", d=5)]

    def test_every_repetition_against_loops(self):
        outcomes = set()
        for p in self.POINTS:
            inputs, y = models.draw(p, np.random.default_rng(2), p["repetitions"])
            evaluated = simulate.evaluate(p, networks.DOUBLE, inputs, y)
            for tau in p["taus"].values():
                got = ~simulate.failures(evaluated, tau).any(0)
                wanted = [plain_success(plain_outputs(inputs, i), y[i].T.tolist(), tau)
                          for i in range(len(got))]
                self.assertEqual(got.tolist(), wanted)
                outcomes.update(wanted)
        self.assertEqual(outcomes, {True, False})

    def test_regression_against_loops(self):
        p = sweeps.regression(n=20, m=3)
        inputs, y = models.draw(p, np.random.default_rng(3), 20)
        evaluated = simulate.evaluate(p, networks.DOUBLE, inputs, y)
        got = ~simulate.failures(evaluated, 0.25).any(0)
        identity = np.eye(20)[None].repeat(20, 0)
        values = [(query, key, identity) for query, key, _ in inputs]
        wanted = [plain_success(plain_outputs(values, i), y[i].T.tolist(), 0.25) for i in range(20)]
        self.assertEqual(got.tolist(), wanted)
        self.assertEqual(set(wanted), {True, False})

    def test_chunks_hold_every_repetition(self):
        for p in sweeps.all_points():
            self.assertEqual(sum(simulate.chunk_sizes(p)), p["repetitions"])


class Probability(unittest.TestCase):
    def enumerate(self, p, tau):
        """The mean over all pairs of special keys and all sign vectors, m columns by counting."""
        vectors = list(itertools.product((-1, 1), repeat=p["d"]))
        total = 0.0
        for j3 in itertools.product(range(p["n"]), repeat=2):
            inputs = models.attention_inputs(p, np.ones((2, 1), int), np.array(j3)[:, None])
            outputs = plain_outputs(inputs, 0)
            above = {k: np.array([plain_network(c, [s], tau) > 0 for s in vectors])
                     for k, c in outputs.items()}
            bad = above["exp", 0] | above["lin", 0] | above["lin", 1]
            clean = np.mean(~bad)
            total += clean**p["m"] - np.mean(~bad & ~above["exp", 1])**p["m"]
        return total / p["n"]**2

    def test_against_enumeration(self):
        points = (small("self", n=6), small("self", n=6, x="identity", a1=2.0), small("cross", n=6))
        for p in points:
            for tau in p["taus"].values():
                got = probability.success(p, tau)
                self.assertAlmostEqual(got, self.enumerate(p, tau), places=12)

    def test_none_where_blocks_are_cut(self):
        self.assertIsNone(probability.success(small("cross", n=13), 0.9))


@unittest.skipUnless("SUBQUAD_LIBRARY" in os.environ, "SUBQUAD_LIBRARY is not set")
class Library(unittest.TestCase):
    def test_the_same_as_double_precision(self):
        attention = library.attention_of(os.environ["SUBQUAD_LIBRARY"])
        points = [p for p in sweeps.quick(sweeps.all_points()) if p["n"] <= 300]
        for p in points:
            for r in simulate.run_point(p, attention, seed=5):
                self.assertLess(r["max_difference"], 1e-4)  # exponents up to 85 in float32
                self.assertEqual(r["decisions_differ"], 0)

    def test_names_what_is_wrong(self):
        lib = library.open_library(os.environ["SUBQUAD_LIBRARY"])
        x = np.ones((1, 2, 3))
        with self.assertRaisesRegex(RuntimeError, "nonsense"):
            library.attend(lib, b"nonsense", x, x, x)


if __name__ == "__main__":
    unittest.main()
