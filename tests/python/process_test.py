"""The package among threads, processes and on the command line."""
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

import subquad

PACKAGE = Path(subquad.__file__).parent


def draw(n):
    return tuple(np.random.default_rng(0).standard_normal((3, 1, 2, n, 64)).astype(np.float32))


def test_other_threads_run_meanwhile():
    # With a switch interval of minutes, this thread gets the lock inside the call or after the end.
    before = sys.getswitchinterval()
    state, started = [], threading.Lock()
    tensors = draw(2048)

    def work():
        state.append("inside")
        started.release()
        subquad.attend(*tensors, "exact", threads=1)
        state.append("over")

    started.acquire()
    worker = threading.Thread(target=work)
    sys.setswitchinterval(300)
    try:
        worker.start()
        started.acquire()
        seen = list(state)
    finally:
        sys.setswitchinterval(before)
        worker.join()
    assert seen == ["inside"]


def test_calls_at_once():
    tensors = draw(256)
    expected, _ = subquad.attend(*tensors, "uniform(m=32)", seed=1)
    results = [None] * 4

    def work(i):
        for _ in range(5):
            results[i], _ = subquad.attend(*tensors, "uniform(m=32)", seed=1)

    workers = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    for result in results:
        np.testing.assert_array_equal(result, expected)


FORK = """
import os, sys, numpy as np, subquad
tensors = np.random.default_rng(0).standard_normal((3, 1, 4, 512, 32)).astype(np.float32)
expected, _ = subquad.attend(*tensors, "exact", threads=2)
children = []
for _ in range(3):
    child = os.fork()
    if child == 0:
        same = all((subquad.attend(*tensors, "exact", threads=2)[0] == expected).all() for _ in range(3))
        os._exit(0 if same else 1)
    children.append(child)
sys.exit(max(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children))
"""


def run(*arguments, **options):
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE.parent)}
    return subprocess.run(
        [sys.executable, *arguments], env=environment, capture_output=True, text=True, timeout=120, **options
    )


def test_forked_children_compute_the_same():
    result = run("-c", FORK)
    assert result.returncode == 0, result.stderr


def test_the_module_is_the_command():
    if not (PACKAGE / "bin" / "subquad").exists():
        pytest.skip("built without the command-line tool")
    assert run("-m", "subquad", "--version").stdout.split()[-1] == subquad.__version__
    assert run("-m", "subquad", "specs").returncode == 0
    assert run("-m", "subquad", "nosuch").returncode == 2


def test_importing_brings_nothing_else():
    program = "import sys, subquad; print([m for m in ('scipy', 'sklearn', 'torch', 'ml_dtypes') if m in sys.modules])"
    assert run("-c", program).stdout.strip() == "[]"


def test_the_types_check(tmp_path):
    pytest.importorskip("mypy")
    source = Path(__file__).resolve().parents[2]
    options = ["--config-file", str(source / "pyproject.toml"), "--cache-dir", str(tmp_path)]
    result = run("-m", "mypy", *options, str(source / "python" / "subquad"), cwd=source)
    assert result.returncode == 0, result.stdout + result.stderr
