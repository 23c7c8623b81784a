"""Tries the mutants of vault-core that cargo-mutants lists: `mutants.py [FILE...]`, those of some files or all.

Those that a switch can reach are built into one set of programs (`tests/mutant-switch`); the others, of constants above
all, are built one by one. `target/mutants/results.jsonl` has a line for each that was tried, with the first test that
failed. What is caught there is not tried again, so that an interrupted run goes on where it was. Exits with 1 where
more is missed than the bar allows, or something was not tried."""

import hashlib
import json
import os
import random
import re
import resource
import signal
import subprocess
import sys
import tempfile
import threading
from collections import Counter, defaultdict
from pathlib import Path

NONE_MISSED = {"crypto", "format"}
MOST_MISSED_ELSEWHERE = 0.05
FOLDER = Path("target/mutants").absolute()
RESULTS = FOLDER / "results.jsonl"
SWITCH = ["cargo", "run", "--quiet", "--locked", "--manifest-path=tests/mutant-switch/Cargo.toml"]
SWITCH += [f"--target-dir={FOLDER / 'switch'}", "--"]
BUILD = ["cargo", "test", "--locked", "--package=vault-core", "--profile=mutants", "--target-dir=../build", "--no-run"]
BUILD += ["--message-format=json"]
JOBS = int(os.environ.get("JOBS", os.cpu_count()))
UNIT_TESTS = "--lib"
OTHER_TESTS = ["dotenv_differential", "env_dialects", "keyring_real", "model", "store", "store_permissions", "vectors"]
OTHER_TESTS = [f"--test={name}" for name in OTHER_TESTS]
# Tests that take this many seconds are run after all the others.
SLOW = 0.3
# What ended is final; what was missed is tried again, for tests may have changed.
FINAL = {"caught", "timeout", "unviable"}


def main():
    listed = list_mutants(sys.argv[1:])
    results = Results()
    waiting = [mutant for mutant in listed if results.of(mutant) not in FINAL]
    try:
        if waiting:
            switched, alone, programs = build_switched(waiting, results)
            print(f"{len(switched)} mutants behind a switch, {len(alone)} to be built alone", flush=True)
            tests = measure(programs)
            in_parallel(fairly(switched), results, lambda mutant, _: try_mutant(mutant, FOLDER, programs, tests))
            in_parallel(fairly(alone), results, lambda mutant, job: try_alone(mutant, FOLDER / f"job-{job}", tests))
    except KeyboardInterrupt:
        pass
    report(listed, results)


def list_mutants(files):
    """Returns what cargo-mutants lists, each with a number, and a key that stays when lines above it come or go."""
    only = [f"--file={file}" for file in files]
    listed = json.loads(run("cargo", "mutants", "--list", "--json", "--package=vault-core", *only))
    for number, mutant in enumerate(listed, 1):
        change = re.sub(r"^@@.*", "", mutant["diff"], flags=re.M)
        key = hashlib.sha256(f"{mutant['file']}\n{change}".encode()).hexdigest()[:16]
        mutant.update(id=number, key=key, part=re.match(r"vault-core/src/(\w+)", mutant["file"])[1])
    return listed


class Results:
    """What was found, by key; each line also says what processor time has gone by since the one before it."""

    def __init__(self):
        RESULTS.touch()
        lines = RESULTS.read_text().splitlines()
        self.found = {line["key"]: line["result"] for line in map(json.loads, lines)}
        self.lock, self.spent, self.commit = threading.Lock(), 0, run("git", "rev-parse", "--short=12", "HEAD").strip()

    def of(self, mutant):
        return self.found.get(mutant["key"])

    def add(self, mutant, result, test=""):
        with self.lock, RESULTS.open("a") as file:
            usage = resource.getrusage(resource.RUSAGE_CHILDREN)
            spent, self.spent = self.spent, usage.ru_utime + usage.ru_stime
            line = dict(key=mutant["key"], name=mutant["name"], result=result, test=test, commit=self.commit)
            print(json.dumps(line | {"seconds": round(self.spent - spent, 2)}), file=file)
            self.found[mutant["key"]] = result


def run(*command):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def copy_sources(folder):
    """Makes the tree in a folder anew, but leaves what was built of it. Returns the tree."""
    tree = folder / "tree"
    subprocess.run(["rm", "-rf", tree], check=True)
    tree.mkdir(parents=True)
    files = "git ls-files --cached --others --exclude-standard -z"
    subprocess.run(f"{files} | tar --null -T - -c | tar -x -m -C '{tree}'", shell=True, check=True)
    # What `tests/install` brought, tests look for in there.
    (tree / "target").symlink_to(FOLDER.parent)
    return tree


def build(tree, *targets):
    """Builds tests; returns their programs by name, or none, and what the compiler said."""
    built = subprocess.run([*BUILD, *targets], cwd=tree, capture_output=True, text=True)
    said = [json.loads(line) for line in built.stdout.splitlines()]
    programs = {x["target"]["name"]: x["executable"] for x in said if x.get("executable")}
    errors = [x["message"] for x in said if x["reason"] == "compiler-message" and x["message"]["level"] == "error"]
    return (programs if built.returncode == 0 else {}), errors, built.stderr


def build_switched(waiting, results):
    """Builds the mutants into one set of programs, without those that do not compile, until it does. Returns those that
    are in, those that have to be built alone, and the programs."""
    # Where a function says only what its value implements, all its values have to be of one type.
    alone = [m for m in waiting if m["genre"] == "FnValue" and "impl " in m["function"]["return_type"]]
    left = {mutant["id"]: mutant for mutant in waiting if mutant not in alone}
    while True:
        tree = copy_sources(FOLDER)
        list_path = FOLDER / "list.json"
        list_path.write_text(json.dumps(list(left.values())))
        places = json.loads(run(*SWITCH, tree, list_path))
        programs, errors, said = build(tree, UNIT_TESTS, *OTHER_TESTS)
        if programs:
            break
        wrong = {place[3] for error in errors for place in places if is_within(error, place)}
        if not wrong:
            sys.exit("\n".join(error["rendered"] for error in errors) or said)
        for mutant in map(left.pop, wrong):
            # A value does not compile anywhere; an operator may fail only for the copy that it is in.
            results.add(mutant, "unviable") if mutant["genre"] == "FnValue" else alone.append(mutant)
    reached = {place[3] for place in places}
    alone += [mutant for id, mutant in left.items() if id not in reached]
    return [left[id] for id in reached], alone, programs


def is_within(error, place):
    """Returns whether an error is in the text of a mutant, or in what a macro makes of that."""
    file, start, end, _ = place
    for span in filter(lambda span: span["is_primary"], error["spans"]):
        while span:
            if span["file_name"] == file and start <= span["byte_start"] and span["byte_end"] <= end:
                return True
            span = (span["expansion"] or {}).get("span")
    return False


def measure(programs):
    """Runs all tests as no mutant. Returns them, with their seconds."""
    tests = []
    for program, path in programs.items():
        code, output = execute(FOLDER, path, ["--format=json", "--report-time"], 0)
        lines = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
        if code:
            failed = [x["name"] + x.get("stdout", "") for x in lines if x["event"] == "failed" and "name" in x]
            sys.exit("\n".join([f"the tests of {program} fail without a mutant:", *(failed or [output])]))
        passed = [x for x in lines if x["type"] == "test" and x["event"] == "ok"]
        tests += [dict(program=program, name=x["name"], seconds=x["exec_time"]) for x in passed]
    return tests


def fairly(mutants):
    """Orders mutants: crypto and format first, else in no order, so that a part is a fair sample."""
    mutants = random.Random(0).sample(mutants, len(mutants))
    return sorted(mutants, key=lambda mutant: mutant["part"] not in NONE_MISSED)


def in_parallel(mutants, results, attempt):
    """Tries mutants, a number of jobs at a time; `attempt` gets the mutant and the job's number."""
    todo = iter(mutants)

    def work(job):
        for mutant in todo:
            results.add(mutant, *attempt(mutant, job))

    jobs = [threading.Thread(target=work, args=[number], daemon=True) for number in range(JOBS)]
    for job in jobs:
        job.start()
    for job in jobs:
        job.join()


def try_mutant(mutant, folder, programs, tests):
    """Runs the tests until one fails, the likeliest first: those of its own file, of its folder, all others."""
    module = mutant["file"].removeprefix("vault-core/src/").removesuffix(".rs").replace("/", "::")

    def stage(test):
        is_other = test["program"] != "vault_core"
        path = f"{test['program']}::{test['name']}" if is_other else test["name"]
        far = (not path.startswith(mutant["part"]), not path.startswith(f"{module}::"))
        return (test["seconds"] > SLOW, *far, is_other, test["program"])

    stages = defaultdict(list)
    for test in tests:
        stages[stage(test)].append(test)
    for (*_, program), chosen in sorted(stages.items()):
        if program in programs and (found := run_tests(mutant, folder, programs[program], chosen)):
            return found
    return ("missed",)


def run_tests(mutant, folder, path, tests):
    """Returns that the mutant was caught, and by what, or that it took too long, or nothing."""
    limit = 10 + 5 * sum(test["seconds"] for test in tests)
    options = ["--fail-fast", "--exact", *(test["name"] for test in tests)]
    code, output = execute(folder, path, options, mutant["id"], limit)
    if code is None:
        return ("timeout",)
    name = re.search(r"^---- (\S+) stdout", output, re.M)
    return ("caught", name[1] if name else "") if code else None


def execute(folder, path, options, mutant, limit=None):
    """Runs tests as a mutant. Returns the exit code, or none where it took too long, and what they printed."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch, tempfile.TemporaryFile("w+") as output:
        # Some tests do something there as another user.
        os.chmod(scratch, 0o755)
        environment = os.environ | {"MUTANT": str(mutant), "TMPDIR": scratch}
        command = [path, "-Zunstable-options", "--test-threads=1", *options]
        process = subprocess.Popen(command, cwd=folder / "tree/vault-core", env=environment, stdin=subprocess.DEVNULL,
                                   stdout=output, stderr=subprocess.STDOUT, start_new_session=True)
        try:
            code = process.wait(limit)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            return None, ""
        output.seek(0)
        return code, output.read()


def try_alone(mutant, folder, tests):
    """Builds one mutant by itself, as cargo-mutants does."""
    tree = copy_sources(folder)
    path = tree / mutant["file"]
    source = path.read_text()
    start, end = (offset(source, mutant["span"][edge]) for edge in ("start", "end"))
    path.write_text(source[:start] + mutant["replacement"] + source[end:])
    for targets in [UNIT_TESTS], OTHER_TESTS:
        programs, *_ = build(tree, *targets)
        if not programs:
            return ("unviable",)
        if (found := try_mutant(mutant, folder, programs, tests)) != ("missed",):
            return found
    return ("missed",)


def offset(source, place):
    lines = source.splitlines(keepends=True)
    return sum(map(len, lines[:place["line"] - 1])) + place["column"] - 1


def report(listed, results):
    parts = defaultdict(Counter)
    for mutant in listed:
        parts[mutant["part"]][results.of(mutant) or "not tried"] += 1
    elsewhere = sum((found for part, found in parts.items() if part not in NONE_MISSED), Counter())
    rows = sorted(parts.items()) + [("all but " + " and ".join(sorted(NONE_MISSED)), elsewhere)]
    kinds = ["caught", "timeout", "missed", "unviable", "not tried"]
    print(f"{'mutants of':28}" + "".join(f"{kind:>11}" for kind in kinds))
    for part, found in rows:
        print(f"{part:28}" + "".join(f"{found[kind]:11}" for kind in kinds))
    print("missed:", *([m["name"] for m in listed if results.of(m) == "missed"] or ["none"]), sep="\n  ")
    most = MOST_MISSED_ELSEWHERE * sum(elsewhere[kind] for kind in ("caught", "timeout", "missed"))
    if elsewhere["missed"] > most or any(parts[part]["missed"] for part in NONE_MISSED):
        sys.exit("tests/mutants: more is missed than the bar allows")
    if any(found["not tried"] for found in parts.values()):
        sys.exit("tests/mutants: some mutants were not tried")


if __name__ == "__main__":
    main()
