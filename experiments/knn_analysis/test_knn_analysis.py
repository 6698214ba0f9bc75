"""The experiment's models and measures against plain loops. SUBQUAD_LIBRARY=PATH of libsubquad.so
adds what runs the library."""
import math
import os
import tempfile
import types
import unittest

import numpy as np

import shared  # noqa: F401
import attention
import candidates
import composition
import layers
import lemma2
import lemma3
import library
import measure
import records
import tables

PATH = os.environ.get("SUBQUAD_LIBRARY")


class SilentBar:
    def __init__(self, total, title):
        self.total, self.done = total, 0

    def advance(self, amount):
        self.done += amount

    def close(self):
        assert math.isclose(self.done, self.total), (self.done, self.total)


def small_layer(seed, n=300, d=8, heads=2):
    layer = object.__new__(measure.Layer)
    rng = np.random.default_rng(seed)
    layer.tensors = [rng.standard_normal((heads, n, d)).astype(np.float32) for _ in range(3)]
    layer.name, layer.scale, layer.causal, layer.length = "small", 0.5, False, n
    return layer


class Lemma2(unittest.TestCase):
    def test_assumption_2(self):
        _, labels, means = lemma2.draw(1.0, 1, 7)
        gram = means @ means.T
        own = labels[:, None] == labels
        np.testing.assert_allclose(gram, own.astype(float), atol=1e-12)
        np.testing.assert_allclose(np.abs(means).max(1) * np.sqrt(lemma2.D), 1, rtol=1e-12)
        self.assertEqual(set(np.bincount(labels)), {lemma2.SIZE})

    def test_condition_is_met_with_equality(self):
        for sigma in lemma2.SIGMAS:
            w = lemma2.largest_w(sigma)
            psi = 2 * sigma * w * math.sqrt(2 * math.log(100)) + 2 * sigma**2 * w * math.log(6400)
            self.assertAlmostEqual(3 * (psi + w), math.sqrt(lemma2.D), places=12)

    def test_the_printed_bound_fails_without_noise(self):
        """sigma = 0, k1 = k: every kept token is the centre, the distance 0, the bound below."""
        self.assertLess(lemma2.printed_bound(0.0, lemma2.largest_w(0.0), 10, 1.0), -1)

    def test_own_shares_by_loops(self):
        tokens, labels, _ = lemma2.draw(2.0, 1, 3)
        found = lemma2.own_shares(tokens, labels, (1, 40))
        total = 0
        for i, x in enumerate(tokens[0]):
            best = sorted(zip(-(tokens[0] @ x), labels))[:40]
            total += sum(label == labels[i] for _, label in best)
        self.assertAlmostEqual(found[40], total / 40 / lemma2.TOKENS, places=12)
        self.assertEqual(found[1], 1.0)  # itself


class Lemma3(unittest.TestCase):
    def test_keys(self):
        keys = lemma3.draw_keys(np.random.default_rng(1), 900, 512, 0.4)
        np.testing.assert_allclose(keys.mean(1), 0, atol=1e-12)
        np.testing.assert_allclose((keys**2).mean(1), 1, rtol=1e-12)
        group = round(512**0.4)
        gram = keys @ keys.T / 512
        within = np.arange(900)[:, None] // group == np.arange(900) // group
        np.fill_diagonal(within, False)
        self.assertAlmostEqual(gram[within].mean(), lemma3.RHO, delta=0.01)
        apart = ~within & ~np.eye(900, dtype=bool)
        self.assertAlmostEqual(gram[apart].mean(), 0, delta=0.01)

    def test_counts_by_loops(self):
        rng = np.random.default_rng(2)
        keys = lemma3.draw_keys(rng, 60, 16, 0.0)
        queries, relevant = lemma3.draw_queries(rng, keys, 3)
        scores = queries @ keys.T
        counts, smallest = lemma3.count_above(scores, relevant)
        for q, ids, count in zip(queries, relevant, counts):
            dots = [sum(a * b for a, b in zip(q, key)) for key in keys]
            limit = min(dots[i] for i in ids)
            self.assertEqual(count, sum(x >= limit - 1e-9 for x in dots))
        self.assertTrue((counts <= lemma3.proof_counts(scores, smallest) + 1e-9).all())

    def test_gaussian_counts_agree(self):
        """Means of 800 queries; 6 standard errors and 3 % for keys that are not quite Gaussian."""
        rng = np.random.default_rng(3)
        r = lemma3.run_point("n", 500, 64, 0.25, 0.0, 25, rng)
        self.assertLess(abs(r["mean"] - r["gaussian"]), 6 * r["standard_error"] + 0.03 * r["mean"])


class Tables(unittest.TestCase):
    def test_slope(self):
        line = [{"x": x, "y": 3 * x**-0.5} for x in (1, 4, 9)]
        self.assertAlmostEqual(tables.slope(line, "x", "y"), -0.5, places=12)

    def test_csv(self):
        with tempfile.TemporaryDirectory() as folder:
            lines = [{"a": 1.5, "b": "text", "c": None}]
            records.write_csv(lines, folder + "/x.csv")
            self.assertEqual(records.read_csv(folder + "/x.csv"), lines)
            self.assertEqual(records.read_csv(folder + "/x.csv", texts=("a",))[0]["a"], "1.5")
            records.write_csv([{"a": 1, "d": 2}], folder + "/x.csv", ["a", "c"])
            self.assertEqual(records.read_csv(folder + "/x.csv"), [{"a": 1, "c": None}])


@unittest.skipUnless(PATH, "SUBQUAD_LIBRARY is not set")
class Library(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.lib = library.open_library(PATH)

    def test_held_keys_are_the_top_k(self):
        layer = small_layer(1)
        values = candidates.unit_values(layer, 5)
        found = candidates.held(self.lib, layer, "topk(k=9)", values, 1)
        query, key, _ = layer.tensors
        for h in range(2):
            best = np.argsort(-(query[h].astype(float) @ key[h].T), axis=1)[:, :9]
            kept = np.zeros((300, 300), bool)
            np.put_along_axis(kept, best, True, 1)
            np.testing.assert_array_equal(found[h], kept @ (values[h] > 0))

    def test_recall_of_a_window(self):
        """All keys have the same score: the top k are the first ones, a window holds what it meets."""
        layer = small_layer(2)
        layer.tensors[1][:] = layer.tensors[1][:, :1]
        values = np.tile(np.eye(300, dtype=np.float32), (2, 1, 1))
        true = candidates.held(self.lib, layer, "topk(k=6)", values, 1)
        self.assertTrue(true[:, :, :6].all() and not true[:, :, 6:].any())
        found = candidates.held(self.lib, layer, "sink(3)", values, 1)
        self.assertEqual(candidates.recall(true, found), 0.5)

    def test_distances_of_top_k_by_loops(self):
        tokens, _, means = lemma2.draw(1.0, 1, 4)
        found = lemma2.distances(self.lib, "topk(k=5)", tokens, means, 0.7)[0]
        for i in (0, 500, 1023):
            scores = 0.7 * tokens[0] @ tokens[0][i]
            best = np.argsort(-scores)[:5]
            weights = np.exp(scores[best] - scores[best].max())
            out = weights @ tokens[0][best] / weights.sum()
            self.assertAlmostEqual(found[i], np.abs(out - means[i]).max() * 8, places=4)

    def test_errors_and_rounds(self):
        layer, steps = small_layer(3), []
        samples = measure.run_rounds(self.lib, layer, ["topk(k=300)", "topk(k=20)"], 2,
                                     lambda: steps.append(1))
        self.assertEqual(len(steps), 6)
        self.assertEqual(samples["exact"].errors, [0, 0])
        self.assertLess(samples["topk(k=300)"].errors[0], 1e-6)
        self.assertGreater(samples["topk(k=20)"].errors[0], 0.05)

    def test_parts_on_a_file(self):
        layer = small_layer(4)
        metadata = {"scale": "0.5", "softmax": "over keys, non-causal"}
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, measure.DEIT[1] + ".safetensors")
            layers.write_layer(path, dict(zip("qkv", layer.tensors)), metadata)
            options = types.SimpleNamespace(quick=True, data=folder, rounds=1)
            for part in (candidates, composition):
                measured = part.run(self.lib, options, SilentBar)
                self.assertIn(measure.DEIT[1], tables.TABLES[part.__name__](measured))

    def test_names_what_is_wrong(self):
        x = np.ones((1, 2, 3), np.float32)
        with self.assertRaisesRegex(RuntimeError, "nonsense"):
            attention.attend(self.lib, "nonsense", x, x, x, 1.0)


if __name__ == "__main__":
    unittest.main()
