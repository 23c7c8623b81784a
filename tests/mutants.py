"""Sums up what cargo-mutants found: `mutants.py OUT...`, each a `mutants.out`. With `--iterate`, what was caught before
stands in `previously_caught.txt`. Exits with 1 where more is missed than the bar allows."""

import re
import sys
from collections import Counter, defaultdict
from pathlib import Path

NONE_MISSED = {"crypto", "format"}
MOST_MISSED_ELSEWHERE = 0.05
CAUGHT = ["caught", "previously_caught", "timeout"]


def main():
    found, missed = defaultdict(Counter), []
    for out in map(Path, sys.argv[1:]):
        for kind in [*CAUGHT, "missed", "unviable"]:
            path = out / f"{kind}.txt"
            for mutant in path.read_text().splitlines() if path.exists() else []:
                folder = re.match(r"vault-core/src/(\w+)", mutant)[1]
                found[folder]["caught" if kind in CAUGHT else kind] += 1
                missed += [mutant] if kind == "missed" else []
    is_over = False
    for folder, count in sorted(found.items()):
        most = 0 if folder in NONE_MISSED else MOST_MISSED_ELSEWHERE * (count["caught"] + count["missed"])
        is_over |= count["missed"] > most
        print(f"mutants of {folder}: {count['caught']} caught, {count['missed']} missed, {count['unviable']} do not compile")
    print("missed:", *(missed or ["none"]), sep="\n  ")
    if is_over or not found:
        sys.exit("tests/mutants: more is missed than the bar allows")


main()
