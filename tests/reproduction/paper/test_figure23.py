"""Figure 23: which decoders are compared, and the means that are shown."""

from iodine.reproduction.framework.budgets import Budget
from iodine.reproduction.paper import figure23
from iodine.reproduction.paper.figure23 import FIGURE23


def test_the_decoder_of_the_paper_and_of_two_cores():
    """C.1's table, and what the short runs of budget cpu are trained with."""
    deconv, broadcast = FIGURE23.trainings(Budget("paper"))
    decoder = deconv.config.model.decoder
    assert (decoder.kind, decoder.kernel_size) == ("deconv", 5)
    assert (decoder.channels, decoder.mlp_sizes) == ((64,) * 5, (512, 512))
    assert broadcast.config.model.decoder.kind == "broadcast"
    deconv, broadcast = FIGURE23.trainings(Budget("cpu"))
    decoder = deconv.config.model.decoder
    assert (decoder.channels, decoder.mlp_sizes) == ((32,) * 3, (128, 128))
    assert deconv.config.train == broadcast.config.train
    assert decoder.kernel_size == broadcast.config.model.decoder.kernel_size


def test_the_change_is_told_beside_the_papers():
    def row(decoder, fg_ari, left_out):
        values = {"fg_ari": fg_ari, "num_images": 320, "images without foreground": left_out}
        return {"decoder": decoder, **values, "fg_ari paper": figure23._PAPER[decoder]}

    text = figure23._comparison([row("deconv", 0.5, 0), row("broadcast", 0.875, 2)])
    assert "deconv decoder: foreground ARI 0.500 over 320 images, the paper's 0.67 +- 0.06" in text
    assert "over 320 images (2 images without foreground left out), the paper's 0.99" in text
    assert "without spatial broadcast -0.375 here (one seed each), -0.32 there" in text
