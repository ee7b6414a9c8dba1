"""Which released variable goes where, and what is said of checkpoints that do not fit."""

import re

import numpy as np
import pytest
from parity_records import DATASETS, in_released_layout, load, released_trainer

from iodine.errors import UserError
from iodine.models.iodine import released_checkpoints

DECODER = "pixel_decoder/broadcast_conv/conv_net_2d/conv_2d_"
ENCODER = "encoder_net/cnn/conv_net_2d/conv_2d_"
NORM = "model/iodine/preprocess/layer_norm_"
REGRESSOR = "factor_evaluator/repres_content/predict_latents"
COUNTERS = {"global_step", "beta1_power", "beta2_power"}
# Written out from the released configuration, not derived from ours. Input channels of the
# decoder: 64 of z, a constant, 2 coordinates; of the encoder in the order of the released names:
# capacity 1, components 3, coordinates 2, counterfactual 1, dcomponents 3, dmask 1, image 3,
# log_prob 1, mask 1, posterior 1, pred_mask 1. Input of the LSTM: 256 of the encoder, dzp 128,
# flat_capacity 1, zp 128, and 256 of its own output. Factors: color 9, shape 4, size 3, position 3.
CLEVR6 = {
    "model/iodine/initial_sample_distribution": (128,),
    f"{DECODER}0/w": (3, 3, 67, 64),
    f"{DECODER}0/b": (64,),
    f"{DECODER}1/w": (3, 3, 64, 64),
    f"{DECODER}1/b": (64,),
    f"{DECODER}2/w": (3, 3, 64, 64),
    f"{DECODER}2/b": (64,),
    f"{DECODER}3/w": (3, 3, 64, 64),
    f"{DECODER}3/b": (64,),
    f"{DECODER}4/w": (3, 3, 64, 4),
    f"{DECODER}4/b": (4,),
    f"{NORM}log_prob/gamma": (1,),
    f"{NORM}log_prob/beta": (1,),
    f"{NORM}dmask/gamma": (1,),
    f"{NORM}dmask/beta": (1,),
    f"{NORM}dcomponents/gamma": (3,),
    f"{NORM}dcomponents/beta": (3,),
    f"{NORM}counterfactual/gamma": (1,),
    f"{NORM}counterfactual/beta": (1,),
    f"{NORM}dzp/gamma": (128,),
    f"{NORM}dzp/beta": (128,),
    f"{ENCODER}0/w": (3, 3, 18, 64),
    f"{ENCODER}0/b": (64,),
    f"{ENCODER}1/w": (3, 3, 64, 64),
    f"{ENCODER}1/b": (64,),
    f"{ENCODER}2/w": (3, 3, 64, 64),
    f"{ENCODER}2/b": (64,),
    f"{ENCODER}3/w": (3, 3, 64, 64),
    f"{ENCODER}3/b": (64,),
    "encoder_net/cnn/mlp/linear_0/w": (64, 256),
    "encoder_net/cnn/mlp/linear_0/b": (256,),
    "encoder_net/cnn/mlp/linear_1/w": (256, 256),
    "encoder_net/cnn/mlp/linear_1/b": (256,),
    "recurrent_net/lstm/lstm/w_gates": (769, 1024),
    "recurrent_net/lstm/lstm/b_gates": (1024,),
    "refinement_head/residual_head/linear/w": (256, 128),
    "refinement_head/residual_head/linear/b": (128,),
    f"{REGRESSOR}/w": (64, 19),
    f"{REGRESSOR}/b": (19,),
}
STATISTICS = {
    f"factor_evaluator/repres_content/position_mean_var/{part}": (3,)
    for part in ("total", "mean", "M2")
}
NO_LSTM_NAME = "recurrent_net/lstm/lstm/w_gates"


@pytest.fixture(scope="module")
def clevr6():
    return released_trainer("clevr6")


@pytest.fixture(scope="module")
def tetrominoes():
    return released_trainer("tetrominoes")


@pytest.fixture(scope="module", params=DATASETS)
def recorded(request, tetrominoes):
    """A trainer and the recorded variables of its data set."""
    dataset = request.param
    trainer = tetrominoes if dataset == "tetrominoes" else released_trainer(dataset)
    return trainer, load(f"{dataset}_weights")


def entries_of(trainer):
    return released_checkpoints.released_variables(trainer.model, trainer.regressor)


def arrays_of(shapes, seed=0):
    rng = np.random.default_rng(seed)
    return {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}


def without_numbers(name):
    return "".join("#" if c.isdigit() else c for c in name)


def message_of(trainer, arrays):
    """The error of `assign`; makes sure that it is one line and that nothing was assigned."""
    before = [v.numpy() for v in trainer.variables]
    with pytest.raises(UserError) as caught:
        released_checkpoints.assign(trainer, arrays)
    for variable, value in zip(trainer.variables, before, strict=True):
        np.testing.assert_array_equal(variable.numpy(), value)
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 2500
    return message


def test_clevr6_variables_are_those_of_the_released_configuration(clevr6):
    assert {name: entry.shape for name, entry in entries_of(clevr6).items()} == CLEVR6


def test_clevr6_follows_the_pattern_of_the_two_others(clevr6):
    pattern = {
        without_numbers(name)
        for dataset in DATASETS
        for name in load(f"{dataset}_weights")
        if name not in COUNTERS and "_mean_var/" not in name
    }
    assert {without_numbers(name) for name in entries_of(clevr6)} == pattern


def test_clevr6_is_imported_from_all_of_its_variables(clevr6):
    arrays = arrays_of(CLEVR6 | STATISTICS)
    moments = {f"{n}/Adam{s}": np.full(v, 0.5) for n, v in CLEVR6.items() for s in ("", "_1")}
    counters = {"global_step": np.int64(70), "beta1_power": 0.0, "beta2_power": 0.9}
    assert "moments" in released_checkpoints.assign(clevr6, arrays | moments | counters)
    assert clevr6.step == 70
    np.testing.assert_array_equal(clevr6.model.decoder.first.w, arrays[f"{DECODER}0/w"])
    np.testing.assert_array_equal(clevr6.regressor.predict_factors.b, arrays[f"{REGRESSOR}/b"])


def test_every_variable_has_one_place(recorded):
    trainer, arrays = recorded
    entries = entries_of(trainer)
    ours = [v for entry in entries.values() for v in entry.variables]
    assert sorted(map(id, ours)) == sorted(map(id, trainer.variables))
    for name, entry in entries.items():
        assert arrays[name].shape == entry.shape
        parts = entry.split(arrays[name])
        assert [p.shape for p in parts] == [tuple(v.shape) for v in entry.variables]
        np.testing.assert_array_equal(in_released_layout(entry, parts), arrays[name], err_msg=name)


def test_weights_alone_leave_the_optimizer_new(recorded):
    trainer, arrays = recorded
    assert "no optimizer state" in released_checkpoints.assign(trainer, arrays)
    assert trainer.step == 0
    names = set(entries_of(trainer))
    bare = {name: value for name, value in arrays.items() if name in names}
    assert len(bare) < len(arrays)
    assert f"{len(bare)} variables; " in released_checkpoints.assign(trainer, bare)


def test_missing_surplus_and_misshapen_variables_are_all_listed(recorded):
    trainer, arrays = recorded
    arrays = dict(arrays)
    arrays[f"{ENCODER}9/w"] = np.zeros([1])
    arrays["factor_evaluator/repres_content/mass_mean_var/mean"] = np.zeros([1])
    del arrays["encoder_net/cnn/mlp/linear_0/b"]
    arrays["model/iodine/initial_sample_distribution"] = np.zeros([3])
    arrays["factor_evaluator/repres_content/color_mean_var/mean"] = np.zeros([4])
    arrays[f"{DECODER}1/w"] = arrays[f"{DECODER}1/w"] + 1
    message = message_of(trainer, arrays)
    assert "missing: encoder_net/cnn/mlp/linear_0/b;" in message
    surplus = f"{ENCODER}9/w, factor_evaluator/repres_content/mass_mean_var/mean;"
    assert f"surplus: {surplus}" in message
    size = 2 * trainer.config.model.latent_size
    assert f"initial_sample_distribution (3,) instead of ({size},)" in message
    assert "color_mean_var/mean (4,) instead of (3,)" in message


def test_optimizer_state_is_complete_or_absent(tetrominoes):
    arrays = load("tetrominoes_weights")
    moments = {
        f"{name}/Adam{suffix}": np.zeros_like(arrays[name])
        for name in entries_of(tetrominoes)
        for suffix in ("", "_1")
    }
    for lost in (f"{REGRESSOR}/w/Adam_1", f"{DECODER}0/b/Adam", *COUNTERS):
        all_but_one = {n: v for n, v in (arrays | moments).items() if n != lost}
        message = message_of(tetrominoes, all_but_one)
        assert message.endswith(f"missing: {lost}")
    released_checkpoints.assign(tetrominoes, arrays | moments)


def test_statistics_are_complete_or_absent(tetrominoes):
    arrays = load("tetrominoes_weights")
    lost = "factor_evaluator/repres_content/position_mean_var/M2"
    del arrays[lost]
    assert message_of(tetrominoes, arrays).endswith(f"missing: {lost}")


def test_long_lists_are_cut_with_their_count(tetrominoes):
    names = list(entries_of(tetrominoes))
    message = message_of(tetrominoes, {})
    assert message.endswith(f"missing: {', '.join(names[:6])} and {len(names) - 6} more")
    message = message_of(tetrominoes, load("multi_dsprites_weights"))
    assert len(re.findall(r"(missing|surplus|misshapen): [^;]+ and \d+ more(;|$)", message)) == 2


def test_one_name_more_than_fits_is_counted(tetrominoes):
    arrays = load("tetrominoes_weights")
    extra = [f"extra_{i}" for i in range(7)]
    message = message_of(tetrominoes, arrays | dict.fromkeys(extra[:6], 0))
    assert message.endswith(f"surplus: {', '.join(extra[:6])}")
    message = message_of(tetrominoes, arrays | dict.fromkeys(extra, 0))
    assert message.endswith(f"surplus: {', '.join(extra[:6])} and 1 more")


def test_variables_that_the_released_code_lacks_are_refused():
    trainer = released_trainer("tetrominoes", model__refinement__lstm_size=128)
    message = message_of(trainer, load("tetrominoes_weights"))
    assert f"missing: {NO_LSTM_NAME}, " in message


def test_a_decoder_that_the_released_code_lacks_is_refused():
    trainer = released_trainer(
        "tetrominoes", model__decoder__kind="deconv", model__decoder__constant_input=None
    )
    message = message_of(trainer, load("tetrominoes_weights"))
    assert "the released code has no such variables as this configuration's " in message
    assert "deconv_0" in message or " more; start from a released --preset" in message


@pytest.fixture
def unpacked(tmp_path):
    """Folders as the authors' zip file has them, below one named as a data set."""
    folder = tmp_path / "tetrominoes" / "iodine_checkpoints"
    for name in ("clevr6", "multi_dsprites", "tetrominoes"):
        inner = folder / "iodine" / "checkpoints" / name
        inner.mkdir(parents=True)
        (inner / "model.ckpt-10.index").touch()
        (inner / "model.ckpt-10.data-00000-of-00001").touch()
    return folder


@pytest.mark.parametrize("name", ["clevr6", "multi_dsprites", "tetrominoes"])
def test_the_presets_checkpoint_is_found(unpacked, name):
    found = released_checkpoints.find_prefix(unpacked, f"{name}_released")
    assert found == str(unpacked / "iodine" / "checkpoints" / name / "model.ckpt-10")


def test_a_list_of_checkpoints_decides(unpacked):
    folder = unpacked / "iodine" / "checkpoints" / "clevr6"
    for step in (20, 9):
        (folder / f"model.ckpt-{step}.index").touch()
    with pytest.raises(UserError, match=r"holds 3 checkpoints; give one as --checkpoint=PREFIX: /"):
        released_checkpoints.find_prefix(unpacked, "clevr6_released")
    (folder / "checkpoint").write_text('model_checkpoint_path: "model.ckpt-20"\n')
    found = released_checkpoints.find_prefix(unpacked, "clevr6_released")
    assert found == str(folder / "model.ckpt-20")


def test_checkpoints_of_a_preset_that_is_not_there(unpacked):
    message = "0 folders of checkpoints for tetrominoes_small in .*; give --checkpoint=PREFIX"
    with pytest.raises(UserError, match=message):
        released_checkpoints.find_prefix(unpacked, "tetrominoes_small")


def test_every_way_to_name_a_checkpoint(unpacked):
    folder = unpacked / "iodine" / "checkpoints" / "clevr6"
    prefix = str(folder / "model.ckpt-10")
    for path in (prefix, f"{prefix}.index", f"{prefix}.data-00000-of-00001", str(folder)):
        assert released_checkpoints.resolve_prefix(path) == prefix
