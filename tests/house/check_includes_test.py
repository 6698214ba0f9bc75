"""scripts/check_includes passes this tree and fails on every kind of include that it forbids."""
import pathlib
import shutil
import subprocess
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDERS = ("include", "src", "models", "tools")


class CheckIncludes(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)
        for name in FOLDERS:
            shutil.copytree(ROOT / name, self.root / name)

    def run_check(self):
        return subprocess.run([ROOT / "scripts/check_includes", self.root], capture_output=True,
                              text=True, check=False)

    def plant(self, file, included):
        with open(self.root / file, "a", encoding="utf-8") as text:
            text.write(f'#include "{included}"\n')

    def expect_fault(self, words):
        done = self.run_check()
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn(words, done.stdout)

    def test_this_tree_passes(self):
        done = self.run_check()
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))

    def test_upward(self):
        self.plant("src/kernels/gemm.cc", "rows/partial.h")
        self.expect_fault("kernels may not include rows")

    def test_family_to_family(self):
        self.plant("src/far/multipole.cc", "heavy/pattern/sink.h")
        self.expect_fault("far may not include heavy")

    def test_within_a_family(self):
        self.plant("src/heavy/topk/topk.cc", "heavy/pattern/sink.h")
        self.expect_fault("heavy/topk and heavy/pattern are strangers")

    def test_circle(self):
        self.plant("src/rows/head_problem.h", "rows/row_block.h")
        self.expect_fault("a circle: ")

    def test_public_header(self):
        self.plant("include/subquad/problem.h", "rows/partial.h")
        self.expect_fault("a public header includes only public headers")

    def test_models(self):
        self.plant("models/vit/model.cc", "run/call.h")
        self.expect_fault("models may not include run")

    def test_unknown_module(self):
        (self.root / "src/attic").mkdir()
        self.plant("src/attic/old.h", "core/rng.h")
        self.expect_fault("attic is no module")

    def test_missing_file(self):
        self.plant("src/core/rng.cc", "core/nowhere.h")
        self.expect_fault("there is no such file")


if __name__ == "__main__":
    unittest.main()
