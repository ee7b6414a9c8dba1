"""Every command of the package that a page tells its reader is run, with its sizes reduced.

In the order of a reader: data first, then trainings, then what looks at them, in one folder. What
a page leaves to the reader (`RUN`, `FOLDER`, `N`) is put in. Commands of other programs are looked
at by `test_documented_commands`; `.ci/run` runs `make quickstart`, `make test` and `make docs`.
"""

import shutil

import documented
import numpy as np
import pytest
from PIL import Image

ROOT = documented.ROOT
OURS = [command for command in documented.commands() if command.module]
pytestmark = pytest.mark.slow

# What stands in a page for what the reader has.
PUT_IN = {
    **{"RUN": "runs/tiny", "runs/mine": "runs/tiny", "FOLDER": "pictures", "STUDY": "sample"},
    **{"DIR": "data", "D": "data", "NAME": "tetrominoes/generated", "VARIANT": "plain"},
    **{"N": "3", "S": "0", "T": "2", "B": "2", "P": "tetrominoes_small", "...": "shapes/generated"},
    **{"PRESET": "tetrominoes_small", "iodine/pretrained/tetrominoes_small": "output/weights"},
    **{"docs/scene.png": str(ROOT / "docs" / "scene.png"), "--artifact=NAME": "--artifact=figure4"},
}
# Flags that reduce a command, or complete one that a sentence only names; later ones decide.
SCENES = ("--num_train=8", "--num_validation=2", "--num_test=60")
TINY = (
    *("--config.train.batch_size=2", "--steps=1", "--config.train.num_iterations=0"),
    *("--config.model.num_iterations=1", "--config.model.decoder.channels=(4,)"),
    *("--config.model.refinement.channels=(4,)",),
)
TINY_CLIPS = tuple(f for f in TINY if "num_iterations" not in f)
FIRST = {
    "data": ("--data_dir=data",),
    "train": ("--data_dir=data",),
    "evaluate": ("--data_dir=data", "--run=runs/tiny"),
    "analyze": ("--data_dir=data", "--run=runs/tiny"),
    "decompose": ("--run=runs/tiny",),
}
LAST = {
    "evaluate": ("--num_images=2",),
    "reproduce": ("--budget=smoke",),
    "benchmark": ("--repetitions=1", "--batch_size=2", "--nomemory", "--preset=tetrominoes_small"),
}
# Why a command is run nowhere, or not here.
ELSEWHERE = {
    "--dataset=imagenet/": "a download of 150 GB; tests/datasets/test_imagenet.py has the format",
    "--checkpoint=model.ckpt": "the authors' file; tests/launch/test_import_run.py writes one",
    "--artifact=figure7,figure19": "weights of 35 x 35, data of 8 x 8 at smoke; test_reproduce.py",
    "--sweep=": "twenty processes of minutes; tests/launch/test_benchmark.py",
    "--list": "test_documented_commands runs all that only tell something",
}


def elsewhere(command):
    text = " ".join(command.words)
    return next((why for mark, why in ELSEWHERE.items() if mark in text), None)


def filled(word):
    """A word with the reader's own things put in."""
    name, equals, value = word.partition("=")
    if word in PUT_IN or not equals:
        return PUT_IN.get(word, word)
    return f"{name}={','.join(PUT_IN.get(part, part) for part in value.split(','))}"


def words_of(command, number):
    """The command as it is run here."""
    words = [filled(word) for word in command.words[1:] if word != "..."]
    module = command.module
    given = {word.partition("=")[0] for word in words}
    first = [word for word in FIRST.get(module, ()) if word.partition("=")[0] not in given]
    last = list(LAST.get(module, ()))
    text = " ".join(words)
    if module == "data":
        if "--dataset" not in given:
            has_frames = "--num_frames" in given
            first.append(f"--dataset=tetrominoes/{'moving_' * has_frames}generated")
        last += [] if "image_folder" in text else SCENES
        if given & {"--seed", "--num_frames"}:  # not what the others need
            last.append("--data_dir=other_data")
    elif module == "train":
        last += TINY_CLIPS if "moving" in text else TINY if "monet" not in text else TINY[:2]
        last.append(f"--run=runs/{number}")
        if "--preset=clevr6" in words:  # its own data have to be downloaded or rendered
            last += ["--config.data.dataset=image_folder/mine", "--config.data.image_size=64"]
    elif module == "decompose":
        first += [] if {"--image", "--data_dir"} & given else ["--data_dir=data"]
        last += [] if "--image" in given else ["--num_images=2"]
    elif module == "analyze":
        last += ["--num_images=60" if "probe" in words else "--num_images=2", "--num_runs=4"]
        if not set(words) & {"probe", "sample", "reread"}:
            words.append("sample")
    elif module == "reproduce":
        last.append("--data_dir=small_data")  # other sizes
        if "--notrain" in given:  # its runs are of 35 x 35, the stimulus at this budget of 8 x 8
            words = [word.replace(",figure10,", ",") for word in words]
    if "--control" in given:
        last.append("--run=runs/clips")
    if module in ("export", "decompose", "analyze") and "--output" not in given:
        last.append(f"--output=output/{number}")
    return module, [*first, *words, *last]


ORDER = (
    *("data", "train", "import_run", "export", "evaluate"),
    *("decompose", "analyze", "benchmark", "reproduce"),
)
# Pages that tell the same share a test.
ONCE = {str(words_of(command, 0)): command for command in OURS if not elsewhere(command)}
RUN_HERE = sorted(ONCE.values(), key=lambda command: ORDER.index(command.module))


@pytest.fixture(scope="module")
def desk(program, tmp_path_factory):
    """The reader's folder: pictures with label maps, all data, a run, and one of clips."""
    folder = tmp_path_factory.mktemp("desk")
    (folder / "pictures" / "labels").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for number in range(20):
        labels = np.zeros((70, 90), np.uint8)
        labels[number : number + 20, 30:60] = 1
        colours = rng.integers(0, 256, (2, 3), np.uint8)
        Image.fromarray(colours[labels]).save(folder / "pictures" / f"{number}.png")
        Image.fromarray(labels).save(folder / "pictures" / "labels" / f"{number}.png")
    shutil.copytree(ROOT / "iodine" / "pretrained" / "tetrominoes_fast", folder / "runs" / "tiny")
    clips = ROOT / "iodine" / "pretrained" / "moving_tetrominoes_fast"
    shutil.copytree(clips, folder / "runs" / "clips")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for command in RUN_HERE:  # made once; whether they were is what the tests ask
            if command.module == "data" and "--measure" not in command.words:
                program("data", *words_of(command, 0)[1])
    return folder


@pytest.mark.parametrize("command", RUN_HERE, ids=str)
def test_command_runs(program, desk, monkeypatch, command):
    monkeypatch.chdir(desk)
    module, words = words_of(command, OURS.index(command))
    if module == "export":
        shutil.rmtree(desk / "output" / "weights", ignore_errors=True)
    outcome = program(module, *words)
    assert outcome.code == 0, f"{words}\n{outcome.err}"
    assert outcome.out


def test_what_is_not_run_here_is_told_somewhere():
    told = [" ".join(command.words) for command in OURS]
    assert [mark for mark in ELSEWHERE if not any(mark in text for text in told)] == []
