"""Builds the part that CONTRIBUTING.md shows, from its files and its one row alone, and runs it in every pair.

Usage: new_part_test.py ROOT WORK COMPILE..     COMPILE: the command that compiles and links, given sources
and flags after it: compiler, include folders, the library's archive and what it needs.
"""
import pathlib
import re
import subprocess
import sys

MARKER = "// A new part is its files and one row here.\n"

LISTED = """
#include <gtest/gtest.h>

#include "subquad/parts.h"

TEST(NewPart, IsListed) {
  int found = 0;
  for (const subquad::PartInfo& part : subquad::method_parts())
    found += part.name == "every" && part.parameters.at(0).fallback == "64" ? 1 : 0;
  EXPECT_EQ(found, 1);
}
"""


def blocks(page):
    """[(path or None for the row, code)]"""
    found = re.findall(r"<!-- (?:file: (\S+)|row) -->\n```cpp\n(.*?)```", page, re.S)
    return [(path or None, code) for path, code in found]


def write_sources(root, work):
    """Writes the part's files and a registry with its row. Returns the sources to compile."""
    sources = []
    registry = (root / "src/methods/registry.cc").read_text(encoding="utf-8")
    for path, code in blocks((root / "CONTRIBUTING.md").read_text(encoding="utf-8")):
        if path:
            file = work / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(code, encoding="utf-8")
            header = path.removeprefix("src/")
            if file.suffix == ".h":
                registry = f'#include "{header}"\n' + registry
            else:
                sources.append(file)
        else:
            before, rows = registry.split(MARKER)
            registry = before + MARKER + rows.replace("{\n", "{\n" + code, 1)
    if len(sources) != 1:
        sys.exit("CONTRIBUTING.md: the worked example has lost its files")
    file = work / "src/methods/registry.cc"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(registry, encoding="utf-8")
    listed = work / "listed_test.cc"
    listed.write_text(LISTED, encoding="utf-8")
    return sources + [file, listed]


def main():
    root, work = (pathlib.Path(argument).resolve() for argument in sys.argv[1:3])
    sources = write_sources(root, work)
    test = work / "new_part"
    # Ours come first: the archive's registry is then not drawn in.
    command = [sys.argv[3], "-std=c++20", "-O1", f"-I{work / 'src'}", "-o", test, *sources,
               root / "tests/property/registry_test.cc", *sys.argv[4:]]
    subprocess.run(command, check=True)
    done = subprocess.run([test], capture_output=True, text=True, check=False)
    if done.returncode != 0 or "PASSED" not in done.stdout:
        sys.exit(done.stdout + done.stderr)
    print(done.stdout.splitlines()[-1])


if __name__ == "__main__":
    main()
