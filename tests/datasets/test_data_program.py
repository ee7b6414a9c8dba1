"""`iodine-data` as a program."""

import os
import signal
import subprocess
import sys
import time

import pytest
from absl import flags
from absl.testing import flagsaver
from PIL import Image

from iodine.datasets import catalogue, listing, reading_benchmark
from iodine.datasets.scene_builder import SceneConfig
from iodine.launch import data

SMALL = "tetrominoes/generated_small"


def iodine_data(*arguments):
    command = [sys.executable, "-m", "iodine.launch.data", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def call_main(**values):
    if not flags.FLAGS.is_parsed():
        flags.FLAGS(["test"])
    with flagsaver.flagsaver(**values):
        data.main()


def error_line(result):
    assert "Traceback" not in result.stderr
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert result.stderr.splitlines()[-1] == line
    return line


def test_makes_shows_and_finds_again(tmp_path):
    sheet = tmp_path / "sheet.png"
    arguments = [
        f"--dataset={SMALL}",
        f"--data_dir={tmp_path / 'data'}",
        "--num_train=20",
        "--num_validation=2",
        "--num_test=3",
        "--seed=4",
        f"--show={sheet}",
        "--num_shown=3",
    ]
    result = iodine_data(*arguments)
    assert result.returncode == 0, result.stderr
    folder = tmp_path / "data" / SMALL / "1.0.0"
    scenes = f"{SMALL}: 20 train, 2 validation, 3 test scenes, seed 4"
    assert result.stdout.splitlines() == [
        f"{scenes}, made in {folder}",
        f"3 scenes of {SMALL} shown in {sheet}",
    ]
    assert f"{SMALL}: 25 of 25 scenes, " in result.stderr
    assert sheet.read_bytes().startswith(b"\x89PNG")


def test_existing_data_are_shown_at_once(small_data, tmp_path, capsys):
    sizes = {"num_train": 50, "num_validation": 7, "num_test": 11, "seed": 5}
    call_main(dataset=SMALL, data_dir=small_data, show=str(tmp_path / "sheet.png"), **sizes)
    output = capsys.readouterr()
    assert ", already in " in output.out
    assert "8 scenes of" in output.out
    assert output.err == ""


def test_clips_of_ones_own_videos_are_made_and_shown(tmp_path):
    frames = [Image.new("RGB", (40, 40), (9 * number, 0, 0)) for number in range(12)]
    (tmp_path / "videos").mkdir()
    frames[0].save(tmp_path / "videos" / "a.gif", save_all=True, append_images=frames[1:])
    arguments = [
        *("--dataset=video_folder/mine", f"--source={tmp_path / 'videos'}", "--num_frames=4"),
        *(f"--data_dir={tmp_path / 'data'}", f"--show={tmp_path / 'sheet.png'}"),
    ]
    result = iodine_data(*arguments)
    assert result.returncode == 0, result.stderr
    assert "1 train, 1 validation, 1 test scenes, made in" in result.stdout
    assert len(result.stderr.splitlines()) == 1  # the progress
    sheet = Image.open(tmp_path / "sheet.png")
    reds = [sheet.getpixel((4 + 132 * frame + 60, 60))[0] for frame in range(4)]
    assert reds == [72, 81, 90, 99]
    arguments[2] = "--num_frames=13"
    assert "a.gif has 12 frames, fewer than the 13 of a clip" in error_line(
        iodine_data(*arguments[:3], f"--data_dir={tmp_path / 'other'}")
    )


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--dataset=nothing", "--data_dir=/tmp/x"], 1, "unknown data set 'nothing'; known: "),
        (["--num_train=0"], 2, "flag --num_train=0: 0 is not a positive integer"),
        (["--num_frames=1"], 2, "flag --num_frames=1: 1 is not integer >= 2"),
    ],
)
def test_usage_errors(arguments, code, message):
    result = iodine_data(*arguments)
    assert result.returncode == code
    assert message in error_line(result)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "--dataset is missing; known: .*tetrominoes/generated, "),
        ({"dataset": SMALL}, "--data_dir is missing"),
        (
            {"dataset": "tetrominoes/released", "data_dir": "/tmp/x", "source": "/nowhere"},
            "no such file: /nowhere",
        ),
    ],
)
def test_incomplete_flags(values, message):
    with pytest.raises(data.UserError, match=message):
        call_main(**values)


def test_sheet_that_cannot_be_written(small_data, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(data.UserError, match="check --show"):
        data.show(SMALL, small_data, str(tmp_path / "file" / "sheet.png"), 2)


def test_the_folder_of_a_sheet_is_made(small_data, tmp_path):
    data.show(SMALL, small_data, str(tmp_path / "new" / "sheet.png"), 2)
    assert Image.open(tmp_path / "new" / "sheet.png").height == 4 + 2 * 100


def test_sheet_of_fewer_scenes_than_asked_for(small_data, tmp_path, capsys):
    data.show(SMALL, small_data, str(tmp_path / "sheet.png"), 100)
    assert capsys.readouterr().out.startswith("11 scenes of")
    assert Image.open(tmp_path / "sheet.png").height == 4 + 11 * 100


def test_listing_names_sizes_and_licences():
    lines = listing.table().splitlines()
    (line,) = [line for line in lines if line.startswith("tetrominoes/generated ")]
    for word in ("35 x 35", "60,000", "320", "5,000", "Apache 2.0"):
        assert word in line
    names = [line.split()[0] for line in lines[1:]]
    for name, (_, config) in catalogue.entries().items():
        assert (name in names) == (not config.variant_of)
    assert all(len(line) < 300 for line in lines)


def test_listing_gathers_variants(monkeypatch):
    base = SceneConfig(name="base", description="the base", image_size=(4, 5), num_frames=3)
    endings = ("_d", "_b_c", "_b_c_d", "_a", "_a_d", "_a_b_c", "_a_b_c_d", "_e", "_e_d")
    variants = [SceneConfig(name=f"base{ending}", variant_of="base") for ending in endings]
    some = type("Some", (), {"BUILDER_CONFIGS": (base, *variants)})
    entries = {f"some/{config.name}": (some, config) for config in some.BUILDER_CONFIGS}
    monkeypatch.setattr(catalogue, "entries", lambda: entries)
    _, first, options = listing.table().splitlines()
    assert first.split() == ["some/base", "3", "x", "4", "x", "5", "-", "-", "-", "the", "base"]
    assert options.endswith("one or several of these endings, in this order: _a|_e _b_c _d")
    assert catalogue.names() == "some/base"


@pytest.mark.parametrize(
    "number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)]
)
def test_stopped_while_making(tmp_path, number):
    """As a terminal does it: the signal goes to all processes of the group."""
    command = [
        *(sys.executable, "-m", "iodine.launch.data", "--dataset=tetrominoes/generated"),
        *(f"--data_dir={tmp_path}", f"--num_workers={2 if number == signal.SIGINT else 1}"),
    ]
    process = subprocess.Popen(
        command,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # A shell's background job, which the tests may be, hands down that it ignores SIGINT.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    deadline = time.monotonic() + 120
    while not list(tmp_path.rglob("*.count")) and time.monotonic() < deadline:
        time.sleep(0.05)
    os.killpg(process.pid, number) if number == signal.SIGINT else process.send_signal(number)
    _, err = process.communicate()
    assert process.returncode == 128 + number
    assert "Traceback" not in err
    num_files = 30 + 1 + 3
    finished = len(list(tmp_path.rglob("*.count")))
    assert finished
    assert err.splitlines()[-1] == (
        f"stopped; {finished} of {num_files} files are finished and kept; run the same command to "
        "go on"
    )


def test_beam_that_is_not_installed(monkeypatch):
    monkeypatch.setitem(sys.modules, "apache_beam", None)
    for module in ("making_on_beam", "beam_flags"):
        monkeypatch.delitem(sys.modules, f"iodine.datasets.{module}", raising=False)
    with pytest.raises(data.UserError, match="Beam is asked for but not installed; pip install"):
        data.beam_config("DirectRunner", [])


@pytest.mark.parametrize(
    ("runner", "options", "message"),
    [
        ("NoRunner", [], "--beam_runner=NoRunner cannot be used here: .*DirectRunner, "),
        ("DirectRunner", ["direct_num_worker=2"], "no option .*; did you mean direct_num_workers"),
        ("DirectRunner", ["direct_num_workers=x"], "--direct_num_workers: invalid int value: 'x'"),
        ("DataflowRunner", [], "--beam_options: .* Missing required option: region"),
    ],
)
def test_beam_flags_that_are_wrong(runner, options, message):
    pytest.importorskip("apache_beam")
    with pytest.raises(data.UserError, match=message):
        data.beam_config(runner, options)


def test_beam_flags():
    pytest.importorskip("apache_beam")
    assert data.beam_config(None, []) is None
    config = data.beam_config(None, ["direct_num_workers=2", "streaming"])
    assert config.beam_runner == "DirectRunner"
    options = config.beam_options.get_all_options(drop_default=True)
    assert (options["direct_num_workers"], options["streaming"]) == (2, True)


def test_measuring(small_data, capsys, monkeypatch):
    quick = reading_benchmark.Effort(num_passes=1, seconds=0.01)
    monkeypatch.setattr(reading_benchmark, "EFFORT", quick)
    sizes = {"num_train": 50, "num_validation": 7, "num_test": 11, "seed": 5}
    call_main(dataset=SMALL, data_dir=small_data, measure=True, needed=2.5, **sizes)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[1] for line in lines[3:]] == [
        "released format",
        "converted",
        "training takes",
    ]
