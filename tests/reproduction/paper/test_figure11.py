"""Figure 11: what is said of scores that exist, and of those that do not."""

from iodine.reproduction.framework import tasks
from iodine.reproduction.paper import figure11


def row(task, fg_ari, mse, left_out=0):
    scores = {"fg_ari": fg_ari, "mse": mse}
    return {"data set": task, **scores, "images without foreground": left_out}


def test_scores_are_told_as_far_as_they_exist():
    assert figure11._comparison(row(tasks.TEXTURED_MNIST, 0.25, 0.01, 3)) == (
        "Textured MNIST: foreground ARI 0.250 (3 images without foreground left out), mean squared "
        "error 0.0100; in the paper the digits are not captured"
    )
    assert figure11._comparison(row(tasks.IMAGENET, None, None)).startswith(
        "ImageNet: mean squared error not finite; in the paper regions"
    )
