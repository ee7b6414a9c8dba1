"""Damaged and hostile files of every format: refused in one line, or read; never anything else.

`pytest -m slow -s tests/test_hostile_input.py` reads 10,000 of them, in processes of their own.
"""

import ast
import collections
import dataclasses
import pathlib
import pickle
import random
import subprocess
import time

import hostile_reader
import hostile_subjects
import hostile_watch
import pytest

ROOT = pathlib.Path(__file__).parents[1]
FEW = {"configuration": 120, "run": 6, "training": 4, "weights": 4, "released checkpoint": 60,
       "released TFRecord": 8, "data set": 2, "picture": 120, "folder of pictures": 6, "video": 20,
       "MNIST": 30, "zip file": 40, "TF_CONFIG": 40}  # fmt: skip
NUM_CASES, NUM_PROCESSES = 10_000, 2
PATIENCE = (
    hostile_watch.PATIENCE_SECONDS + 20
)  # seconds until a process counts as hung in native code
START_PATIENCE = 120  # TensorFlow is imported meanwhile


@pytest.fixture(scope="module")
def subjects(tmp_path_factory):
    scratch = tmp_path_factory.mktemp("sound")
    return hostile_subjects.all_subjects(scratch)


def check(outcome):
    assert outcome.verdict in ("refused", "accepted"), outcome
    if outcome.verdict == "refused":
        assert outcome.detail


@pytest.mark.parametrize("name", FEW)
def test_sound_input_is_read(subjects, tmp_path, name):
    """Else all that is refused below would prove nothing."""
    undamaged = dataclasses.replace(subjects[name], damages={"": lambda content, _: content},
                                    is_folder=False)  # fmt: skip
    for seed in range(2):
        outcome = hostile_watch.run_case(undamaged, seed, tmp_path / "cases")
        if name != "zip file":  # its members want to leave the folder, or are links
            assert outcome.verdict == "accepted", outcome
        check(outcome)


@pytest.mark.parametrize("name", FEW)
def test_some_damaged_input(subjects, tmp_path, name):
    outcomes = [hostile_watch.run_case(subjects[name], seed, tmp_path / "cases")
                for seed in range(FEW[name])]  # fmt: skip
    for outcome in outcomes:
        check(outcome)
    assert any(outcome.verdict == "refused" for outcome in outcomes)


def test_every_format_has_its_share(subjects):
    assert subjects.keys() == FEW.keys()
    assert sum(subject.share for subject in subjects.values()) == 100


@dataclasses.dataclass
class Loads:
    """Runs a function when it is unpickled."""

    argument: str

    def __reduce__(self):
        return pathlib.Path, (self.argument,)


def unpickle(folder):
    pickle.loads(pickle.dumps(Loads(str(folder))))


def escape(folder):
    (folder.parent / "escaped").write_bytes(b"")


def escape_and_hide(folder):
    path = folder.parent / "hidden"
    path.touch()
    path.unlink()


def compute(_):
    while True:
        pass


def wait(_):
    while True:
        time.sleep(0.01)


def devour(_):
    kept = bytearray(30_000_000)
    kept[::4096] = bytes(len(kept[::4096]))


def start_a_program(_):
    subprocess.run(["true"], check=True)


@pytest.mark.parametrize(
    ("read", "found"),
    [
        (unpickle, "pickle.find_class"),
        (escape, "open "),
        (escape, "was written beside the folder"),
        (escape_and_hide, "os.remove "),
        (compute, "still at it: "),
        (wait, "still at it: "),
        (devour, " MB"),
        (start_a_program, "subprocess.Popen"),
        (lambda _: [][0], "IndexError"),
        (lambda _: hostile_watch.failures.nothing, "AttributeError"),
    ],
)
def test_the_watch_finds(subjects, tmp_path, monkeypatch, read, found):
    monkeypatch.setattr(hostile_watch, "MAX_SECONDS", 0.1 if read is compute else 10)
    monkeypatch.setattr(hostile_watch, "PATIENCE_SECONDS", 0.1 if read is wait else 60)
    monkeypatch.setattr(hostile_watch, "MAX_MEGABYTES", 20)
    bad = dataclasses.replace(subjects["TF_CONFIG"], read=read)
    outcome = hostile_watch.run_case(bad, 0, tmp_path / "cases")
    assert outcome.verdict == "crashed"
    assert found in outcome.detail


def test_the_package_knows_no_format_that_runs_code():
    forbidden = {"pickle", "cPickle", "dill", "joblib", "marshal", "shelve", "torch", "cloudpickle"}
    found = []
    for path in sorted(p for room in ("iodine", "datasets", "launch")
                       for p in (ROOT / room).rglob("*.py")):  # fmt: skip
        for node in ast.walk(ast.parse(path.read_text())):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            elif isinstance(node, ast.Call):
                called = ast.unparse(node.func).rpartition(".")[2]
                names = [called] if called in ("eval", "exec", "unsafe_load", "full_load") else []
                names += [k.arg for k in node.keywords if k.arg == "allow_pickle"]
            bad = forbidden | {"eval", "exec", "unsafe_load", "full_load", "allow_pickle"}
            found += [f"{path}: {n}" for n in names if n.split(".")[0] in bad]
    assert found == []


@pytest.mark.slow
def test_ten_thousand_damaged_inputs(subjects, tmp_path):
    from concurrent.futures import ThreadPoolExecutor

    cases = [(name, seed) for name, subject in subjects.items()
             for seed in range(NUM_CASES * subject.share // 100)]  # fmt: skip
    assert len(cases) == NUM_CASES
    random.Random(0).shuffle(cases)
    began, done = time.monotonic(), collections.Counter()

    def say(outcome):
        done["cases"] += 1
        if outcome.verdict == "crashed":
            print(outcome, flush=True)
        if done["cases"] % 500 == 0:
            print(f"{time.monotonic() - began:6.0f} s  {done['cases']:,} read", flush=True)

    with ThreadPoolExecutor(NUM_PROCESSES) as pool:
        parts = pool.map(
            lambda i: list(
                hostile_reader.read_all(cases[i::NUM_PROCESSES], tmp_path / f"reader_{i}", say)
            ),
            range(NUM_PROCESSES),
        )
        outcomes = [outcome for part in parts for outcome in part]
    verdicts = ("refused", "accepted", "crashed")
    print(f"\n{'':20}" + "".join(f"{v:>10}" for v in (*verdicts, "most s", "most MB")))
    for name in [*subjects, "all"]:
        own = [o for o in outcomes if name in (o.subject, "all")]
        counts = "".join(f"{sum(o.verdict == v for o in own):10,}" for v in verdicts)
        most = max(o.seconds for o in own), max(o.megabytes for o in own)
        print(f"{name:20}{counts}{most[0]:10.2f}{most[1]:10.0f}")
    print(f"in {time.monotonic() - began:.0f} s")
    assert len(outcomes) == NUM_CASES
    assert [outcome for outcome in outcomes if outcome.verdict == "crashed"] == []
