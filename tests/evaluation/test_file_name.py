"""Evaluations with other settings lie in other files."""

import itertools

from iodine.evaluation import file_name

USUAL = {"dataset": "a/b", "split": "test", "num_images": 320, "num_slots": None}


def test_the_usual_evaluation_has_the_plain_name():
    assert file_name.stem(USUAL, USUAL) == "evaluation"
    assert file_name.stem(USUAL, USUAL, "evaluation_restart") == "evaluation_restart"


def test_other_settings_are_named_in_their_order():
    settings = {**USUAL, "num_slots": 5, "dataset": "c/../d e"}
    assert file_name.stem(settings, USUAL) == "evaluation-dataset_c_.._d_e-num_slots_5"


def test_different_settings_have_different_names():
    values = {"dataset": ("a/b", "c"), "split": ("test", "train"), "num_images": (320, 3)}
    names = {
        file_name.stem({**USUAL, **dict(zip(values, chosen, strict=True))}, USUAL)
        for chosen in itertools.product(*values.values())
    }
    assert len(names) == 8
