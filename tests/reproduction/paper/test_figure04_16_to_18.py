"""Which scenes are shown, and what stands in the place of those that are not."""

import numpy as np

from iodine.reproduction.framework import shown_scenes, tasks
from iodine.reproduction.framework.budgets import Budget
from iodine.reproduction.framework.context import Context, Run
from iodine.reproduction.paper import figure04_16_to_18 as figure4


def test_parts_that_were_not_run_have_a_place():
    context = Context(Budget("cpu"), "nowhere", {}, dict.fromkeys(figure4.TASKS, "no data"))
    blocks, rows = figure4._blocks(context, 2)
    assert list(blocks) == list(figure4.TASKS)
    assert all(block.not_run == "no data" for block in blocks.values())
    assert rows == []


def test_shown_scenes_are_the_first_of_the_test_split(tiny_data):
    budget = Budget("smoke")
    training = budget.training("Tetris", tasks.TETRIS)
    run = Run(training, "pretrained:tetrominoes_small", training.config)
    missing = dict.fromkeys(set(figure4.TASKS) - {tasks.TETRIS}, "no data")
    blocks, rows = figure4._blocks(Context(budget, tiny_data, {"Tetris": run}, missing), 2)
    scenes = Context(budget, tiny_data, {}, {}).scenes(training.config.data.dataset, 2)
    for row, image in zip(blocks["Tetris"].rows, scenes["image"], strict=True):
        np.testing.assert_array_equal(row[0], image)
    assert [row["objects"] for row in rows] == [3, 3]
    words = shown_scenes.compare_by_task(rows)
    assert f"{sum(row['found'] for row in rows)} of 6 objects in 2 shown scenes" in words
