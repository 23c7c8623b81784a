"""Sums up what llvm-cov exports: `coverage.py LINES.lcov REGIONS.json FLOOR_LINES FLOOR_REGIONS`.

The code of the tests themselves is left out: what stands behind `#[cfg(test)]` at the foot of a file, and the files
that are tests as a whole. Prints a line for each file and each folder, then every line that nothing runs, and exits
with 1 where a folder is below a floor.
"""

import json
import re
import sys
from collections import defaultdict
from pathlib import Path

# Modules that `#[cfg(test)]` brings in from the file above them.
TEST_MODULE = re.compile(r"^\s*#\[cfg\(.*\btest\b.*\)\]\n(?:\s*#\[.*\n)*\s*(?:pub(?:\(\w+\))? )?mod (\w+);", re.M)
FOOT = re.compile(r"^#\[cfg\(test\)\]\n(?:#\[.*\n)*mod \w+ \{", re.M)
CODE_REGION = 0


def test_modules(sources):
    """The paths, without their ending, of modules that only tests have."""
    return {path.with_suffix("") / name for path in sources for name in TEST_MODULE.findall(path.read_text())}


def foot(path):
    """The line from which on a file has tests, or one behind its end."""
    text = path.read_text()
    match = FOOT.search(text)
    return text[: match.start()].count("\n") + 1 if match else text.count("\n") + 2


def read_lines(lcov):
    lines, path = defaultdict(dict), None
    for entry in lcov.read_text().splitlines():
        kind, _, rest = entry.partition(":")
        if kind == "SF":
            path = Path(rest)
        elif kind == "DA":
            line, count = rest.split(",")[:2]
            lines[path][int(line)] = int(count) > 0
    return lines


def read_regions(export):
    """Regions by where they stand: one that any instance of a generic function runs is run."""
    regions = defaultdict(dict)
    for function in json.loads(export.read_text())["data"][0]["functions"]:
        for *span, count, file, _, kind in function["regions"]:
            if kind == CODE_REGION:
                path = Path(function["filenames"][file])
                regions[path][tuple(span)] = regions[path].get(tuple(span), False) or count > 0
    return regions


def percent(covered):
    return 100 * sum(covered) / len(covered) if covered else 100.0


def folder_of(path):
    inside = path.parts[path.parts.index("src") + 1 :]
    return inside[0].removesuffix(".rs")


def main():
    lines, regions = read_lines(Path(sys.argv[1])), read_regions(Path(sys.argv[2]))
    least = float(sys.argv[3]), float(sys.argv[4])
    of_tests = test_modules(lines)
    folders, missed = defaultdict(lambda: ([], [])), []
    for path in sorted(path for path in lines if of_tests.isdisjoint([path.with_suffix(""), *path.parents])):
        end = foot(path)
        of_lines = {line: run for line, run in lines[path].items() if line < end}
        of_regions = [run for span, run in regions[path].items() if span[0] < end]
        folder = folders[folder_of(path)]
        folder[0].extend(of_lines.values())
        folder[1].extend(of_regions)
        name = "/".join(path.parts[path.parts.index("src") + 1 :])
        print(f"{name:32} {percent(list(of_lines.values())):6.2f} % of lines {percent(of_regions):6.2f} % of regions")
        text = path.read_text().splitlines()
        missed += [f"{name}:{line}: {text[line - 1].strip()}" for line, run in sorted(of_lines.items()) if not run]
    is_below = False
    for name, (of_lines, of_regions) in sorted(folders.items()):
        found = percent(of_lines), percent(of_regions)
        print(f"coverage of {name}: {found[0]:.2f} % of {len(of_lines)} lines, {found[1]:.2f} % of {len(of_regions)} regions")
        is_below |= found[0] < least[0] or found[1] < least[1]
    print("not run:", *missed, sep="\n  ")
    if is_below:
        sys.exit(f"tests/coverage: below {least[0]} % of lines or {least[1]} % of regions")


main()
