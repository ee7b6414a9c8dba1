"""Figure 9 from values that are made up."""

import numpy as np
import pytest
from matplotlib.colors import to_hex

from iodine.reproduction.framework import providing, tasks
from iodine.reproduction.framework.budgets import Budget
from iodine.reproduction.paper import figure09 as slots

CPU = Budget("cpu")
TESTS = {"same": ("few", 4), "more": ("many", 6)}


def record(ari, mse, kl, num_images=8):
    """The boxes of values that spread by a tenth around a median."""
    factors = np.linspace(0.9, 1.1, num_images)
    values = {"fg_ari": ari * factors, "mse": mse * factors, "kl": kl * factors}
    values["neg_elbo"] = values["mse"]
    return slots.boxes_of({name: np.stack([value * 0, value]) for name, value in values.items()})


def test_the_presets_own_number_of_slots_is_the_plain_short_training():
    plain = CPU.training("all", tasks.CLEVR6, short=True, stand_in=True)
    by_label = {t.label: t.config for t in slots.FIGURE9.trainings(CPU)}
    assert by_label["K = 4"] == plain.config
    assert len({providing.folder_of(c, "runs") for c in by_label.values()}) == 4


def test_data_and_slots_of_the_tests():
    assert slots.conditions(CPU) == {
        "same": ("tetrominoes/generated", 4),
        "more": ("tetrominoes/more", 6),
    }
    assert slots.conditions(Budget("paper")) == {
        "same": ("clevr/released_max6", 7),
        "more": ("clevr/released_max9", 11),
    }
    assert list(slots.FIGURE9.datasets(CPU)) == ["tetrominoes/more"]


def test_boxes_are_those_of_the_last_iteration():
    found = record(0.8, 0.01, 100)
    factors = np.linspace(0.9, 1.1, 8)
    assert found["kl"]["med"] == pytest.approx(100)
    assert found["mse"]["q1"] == pytest.approx(0.01 * np.quantile(factors, 0.25))
    assert found["fg_ari"]["whishi"] == pytest.approx(0.88)
    assert found["not_finite"] == 0


def test_images_without_foreground_do_not_count_for_the_ari_alone():
    values = {name: np.tile([1.0, 2.0, 3.0, 4.0], (2, 1)) for name in ("mse", "kl", "neg_elbo")}
    values["fg_ari"] = np.tile([np.nan, 0.5, 0.7, 0.9], (2, 1))
    found = slots.boxes_of(values)
    assert found["fg_ari"]["med"] == pytest.approx(0.7)
    assert found["mse"]["med"] == pytest.approx(2.5)
    assert (found["not_finite"], found["without_foreground"]) == (0, 1)
    text = slots._comparison({"K = 4": {"same": found, "more": found}}, TESTS, {})
    assert "KL 2, 2 (2 images without foreground left out)" in text


def test_the_comparison_sets_enough_slots_against_too_few():
    boxes = {
        "K = 3": {"same": record(0.4, 0.02, 150), "more": record(0.3, 0.04, 200)},
        "K = 4": {"same": record(0.9, 0.01, 90), "more": record(0.8, 0.02, 120)},
        "K = 5": {"same": record(0.7, 0.01, 110), "more": record(0.6, 0.02, 130)},
    }
    text = slots._comparison(boxes, TESTS, {})
    assert "as many objects: ARI 0.800 if trained with 4 slots or more, 0.400 with fewer" in text
    assert "whose KL is 1.50 times as high" in text  # 150 / mean(90, 110)
    assert "more objects: ARI 0.700 if trained with 4 slots or more, 0.300 with fewer" in text
    assert "whose KL is 1.60 times as high" in text  # 200 / mean(120, 130)


def test_without_more_objects():
    boxes = {"K = 4": {"same": record(0.9, 0.01, 90)}}
    text = slots._comparison(boxes, TESTS, {"many": "it is not there"})
    assert "K = 4: ARI 0.900, MSE 0.0100, KL 90" in text
    assert "more objects not run: it is not there" in text
    figure = slots.draw(["K = 3", "K = 4"], boxes, TESTS, {"many": "it is not there"})
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert legend == ["4 slots on few", "6 slots on many: not run"]
    assert all([text.get_text() for text in axis.texts] == ["not run"] for axis in figure.axes)


@pytest.mark.filterwarnings("error")
def test_the_figure_draws_the_boxes():
    bad = slots.boxes_of(
        {name: np.full([2, 4], np.nan) for name in ("fg_ari", "mse", "kl", "neg_elbo")}
    )
    boxes = {"K = 4": {"same": record(0.9, 0.01, 90), "more": bad}}
    figure = slots.draw(["K = 4"], boxes, TESTS, {})
    for axis, metric in zip(figure.axes, ("fg_ari", "mse", "kl"), strict=True):
        medians = [line for line in axis.lines if to_hex(line.get_color()) == "#000000"]
        assert medians[0].get_ydata()[0] == pytest.approx(boxes["K = 4"]["same"][metric]["med"])
        end = axis.get_ylim()[0 if metric == "fg_ari" else 1]  # the worst
        assert medians[1].get_ydata()[0] == pytest.approx(end)
        assert [text.get_text() for text in axis.get_xticklabels()] == ["4*"]
    note = figure.legends[0].get_title().get_text()
    assert note == "* K = 4: 4 images not finite, counted as worst"
    figure.canvas.draw()
