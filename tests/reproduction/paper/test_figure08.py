"""Figure 8 from values that are made up, so that what it says is known."""

import json

import numpy as np
import pytest

from iodine.config import override
from iodine.reproduction.framework import tasks
from iodine.reproduction.framework.budgets import Budget
from iodine.reproduction.framework.context import Run
from iodine.reproduction.paper import figure08 as iterations
from iodine.training import run_folder as runs

CPU = Budget("cpu")


def values(ari, mse, num_images=5):
    """Every image has the same figures."""
    ari, mse = (np.repeat(np.array(x)[:, np.newaxis], num_images, axis=1) for x in (ari, mse))
    return {"fg_ari": ari, "mse": mse, "kl": 10 + mse, "neg_elbo": 100 * mse}


def test_the_papers_numbers_of_iterations_count_refinements():
    trainings = iterations.FIGURE8.trainings(Budget("paper"))
    assert [t.label for t in trainings] == ["T = 1", "T = 2", "T = 4", "T = 6"]
    assert [t.config.train.num_iterations for t in trainings] == [1, 2, 4, 6]
    assert {t.config.preset for t in trainings} == {"clevr6"}
    assert [iterations.trained_with(Run(t, "", t.config)) for t in trainings] == [1, 2, 4, 6]


def test_without_a_number_of_its_own_a_training_has_the_models():
    training = CPU.training("x", tasks.TETRIS)
    config = runs.read_config(runs.resolve("pretrained:tetrominoes_small"))
    run = Run(
        training, "pretrained:tetrominoes_small", override(config, {"train.num_iterations": 0})
    )
    assert iterations.trained_with(run) == config.model.num_iterations


class Evaluated:
    """Stands for a context whose models have made-up figures for every decoding."""

    def evaluate(self, run, num_iterations, may_diverge):
        assert may_diverge
        return values(
            np.linspace(0, 1, num_iterations + 1), np.linspace(1, 0.5, num_iterations + 1)
        )


def test_the_curves_begin_after_the_first_refinement():
    found = iterations._refined(Evaluated(), None, 5)
    np.testing.assert_allclose(found["fg_ari"][:, 0], [0.2, 0.4, 0.6, 0.8, 1.0])
    record = iterations.curve(found, trained=2)
    rows = iterations._rows("T = 2", record)
    assert [row["test iteration"] for row in rows] == [1, 2, 3, 4, 5]
    assert rows[0]["fg_ari median"] == pytest.approx(0.2)
    assert record["gain_ari"] == pytest.approx(0.6)  # from t = 2 on


def test_images_without_foreground_do_not_count_for_the_ari_alone():
    made = values([0.0, 1.0], [0.2, 0.1])
    made["fg_ari"][:, :2] = np.nan
    made["mse"][1, 0] = 0.7
    found = iterations.curve(made, trained=1)
    assert found["without_foreground"] == 2
    np.testing.assert_allclose(found["fg_ari"][:, 1], 1.0)
    assert found["not_finite"].tolist() == [0, 0]
    np.testing.assert_allclose(found["mse"][:, 1], 0.1)
    assert iterations._sentence(found).endswith("(2 images without foreground left out)")


def test_convergence_is_where_a_twentieth_of_the_improvement_is_left():
    costs = np.array([2.0, 1.5, 1.06, 1.04, 1.0, 1.03])
    assert iterations.converged_at(costs) == 4
    assert iterations.diverges_at(costs) is None
    assert iterations.converged_at(np.array([1.0, 2.0])) == 1
    assert iterations.converged_at(np.array([np.inf, np.inf])) == 1


def test_divergence_is_after_the_last_good_iteration():
    assert iterations.diverges_at(np.array([2.0, 1.0, 1.5, 1.04, 1.06, 1.3])) == 5
    assert iterations.diverges_at(np.array([2.0, 1.0, np.inf])) == 3
    assert iterations.diverges_at(np.array([2.0, np.inf, 1.0])) is None
    assert iterations.diverges_at(np.array([1.0, 1.1])) == 2
    assert iterations.diverges_at(np.array([np.inf, np.inf])) == 1


def test_what_a_curve_says():
    found = iterations.curve(
        values([0.0, 0.5, 0.8, 1.0, 0.9], [1.0, 0.3, 0.2, 0.1, 0.5]), trained=3
    )
    assert found["converged"] == 4
    assert found["diverges"] == 5
    assert found["gain_ari"] == pytest.approx(0.2)
    assert found["gain_mse"] == pytest.approx(0.5)
    assert found["not_finite"].tolist() == [0] * 5


def test_quartiles_of_some_diverging_images():
    made = values([0.0, 1.0], [0.2, 0.1], num_images=4)
    made["neg_elbo"][1, 0] = np.nan
    made["mse"][1] = [np.nan, 0.1, 0.3, 0.2]
    found = iterations.curve(made, trained=2)
    # By rank 0.1, 0.2, 0.3, not finite.
    np.testing.assert_allclose(found["mse"][:, 1], [0.175, 0.25, np.inf])
    np.testing.assert_allclose(found["fg_ari"][:, 1], [-np.inf, 1.0, 1.0])
    assert found["not_finite"].tolist() == [0, 1]


def test_the_figure_draws_the_medians_and_where_training_ended():
    made = iterations.curve(values([0.0, 0.5, 1.0], [1.0, 0.03, 0.01]), trained=2)
    figure = iterations.draw({"T = 2": made}, {"T = 9": "why"})
    for axis, metric in zip(figure.axes, ("fg_ari", "mse", "kl"), strict=True):
        line, dot = axis.lines[:2]
        np.testing.assert_allclose(line.get_xdata(), [1, 2, 3])
        np.testing.assert_allclose(line.get_ydata(), made[metric][1])
        np.testing.assert_allclose(dot.get_xydata(), [[2, made[metric][1][1]]])
    assert figure.axes[1].get_yscale() == "log"
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    assert texts == ["T = 2", "T = 9: not run"]


@pytest.mark.filterwarnings("error")
def test_models_that_diverge_at_once_are_told_and_drawn():
    bad = values([0.0, 0.0], [np.nan, np.nan])
    found = iterations.curve(bad, trained=1)
    assert found["diverges"] == 1
    figure = iterations.draw({"T = 1": found}, {})
    figure.canvas.draw()
    (text,) = figure.legends[0].get_texts()
    assert text.get_text() == "T = 1 (5 of 5 images not finite)"
    assert "5 of 5 images not finite" in iterations._sentence(found)
    json.dumps(iterations._as_json(found), allow_nan=False)
