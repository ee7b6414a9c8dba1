"""TensorBoard's own HParams backend reads what runs and sweep wrote."""

import linear_slots
import numpy as np
import pytest
from tensorboard.backend.event_processing import data_provider, plugin_event_multiplexer
from tensorboard.context import RequestContext
from tensorboard.plugins import base_plugin
from tensorboard.plugins.hparams import api_pb2, backend_context, get_experiment
from tensorboard.plugins.hparams import list_session_groups as listing

from iodine.config import schema as config_lib
from iodine.errors import UserError
from iodine.models import registry
from iodine.reproduction.framework import sweep_summary
from iodine.training import run_folder as runs
from iodine.training import summaries

CONFIG = config_lib.override(
    registry.preset("tetrominoes_small"), {"data.image_size": 6, "train.steps": 10}
)


def run(folder, overrides, ari):
    """What a training leaves that was interrupted and went on."""
    config = config_lib.override(CONFIG, overrides)
    runs.start_or_resume(folder, config)
    writer = summaries.Summaries(folder, config, {}, np.zeros([1, 6, 6, 3], np.float32))
    writer.write_hyperparameters()
    means = {"fg_ari": [0.1, ari / 2], "mse": [0.3, 0.2], "kl": [5.0, 7.0]}
    writer.write_validation(5, means)
    resumed = summaries.Summaries(folder, config, {}, np.zeros([1, 6, 6, 3], np.float32))
    resumed.write_validation(10, means | {"fg_ari": [0.1, ari]})


def backend(folder):
    multiplexer = plugin_event_multiplexer.EventMultiplexer()
    multiplexer.AddRunsFromDirectory(str(folder))
    multiplexer.Reload()
    provider = data_provider.MultiplexerDataProvider(multiplexer, str(folder))
    context = base_plugin.TBContext(
        logdir=str(folder), multiplexer=multiplexer, data_provider=provider
    )
    return backend_context.Context(context)


def experiment(folder):
    request = api_pb2.GetExperimentRequest(include_metrics=True)
    return get_experiment.Handler(RequestContext(), backend(folder), "", request).run()


def session_groups(folder):
    metrics = [api_pb2.ColParams(metric={"tag": tag, "group": ""}) for tag in sweep_summary.METRICS]
    request = api_pb2.ListSessionGroupsRequest(
        allowed_statuses=[api_pb2.STATUS_UNKNOWN, api_pb2.STATUS_SUCCESS],
        col_params=metrics,
        start_index=0,
        slice_size=100,
        include_metrics=True,
    )
    handler = listing.Handler(RequestContext(), backend(folder), "", request)
    return handler.run().session_groups


def test_the_tab_compares_the_runs(tmp_path):
    run(tmp_path / "a", {"model.num_slots": 3}, 0.5)
    run(tmp_path / "b", {"model.num_slots": 5, "model.refinement.flat_inputs": ("posterior",)}, 0.9)
    sweep_summary.write(str(tmp_path))
    info = experiment(tmp_path)
    assert {h.name for h in info.hparam_infos} == {
        "model.num_slots",
        "model.refinement.flat_inputs",
    }
    slots = next(h for h in info.hparam_infos if h.name == "model.num_slots")
    assert [v.number_value for v in slots.domain_discrete.values] == [3, 5]
    assert [m.name.tag for m in info.metric_infos] == list(sweep_summary.METRICS)
    found = {}
    for group in session_groups(tmp_path):
        metrics = {m.name.tag: m.value for m in group.metric_values}
        hparams = group.hparams
        found[hparams["model.num_slots"].number_value] = (
            hparams["model.refinement.flat_inputs"].string_value,
            metrics["validation/fg_ari"],
            metrics["validation/kl"],
        )
    assert found == {
        3: ("posterior, posterior_gradient", pytest.approx(0.5), 7),
        5: ("posterior", pytest.approx(0.9), 7),
    }


def test_a_later_call_replaces_an_earlier_one(tmp_path):
    runs.start_or_resume(tmp_path / "a", CONFIG)
    sweep_summary.write(str(tmp_path))
    assert len(experiment(tmp_path).hparam_infos) == 0
    runs.start_or_resume(
        tmp_path / "b", config_lib.override(CONFIG, {"train.seed": 4, "train.log_every": 9})
    )
    sweep_summary.write(str(tmp_path))
    assert len(list(tmp_path.glob("events*"))) == 1
    assert [h.name for h in experiment(tmp_path).hparam_infos] == ["train.seed"]


def test_fields_that_differ():
    other = config_lib.override(
        CONFIG, {"model.decoder.constant_input": 0.5, "train.decay": "none", "train.log_every": 3}
    )
    assert sweep_summary.differing([CONFIG, other, CONFIG]) == {
        "model.decoder.constant_input": ["none", 0.5],
        "train.decay": ["cosine", "none"],
    }


def test_fields_of_one_model_are_compared_among_its_runs():
    linear = linear_slots.linear_slots_small()
    other = config_lib.override(CONFIG, {"model.likelihood_scale": 0.2})
    found = sweep_summary.differing([linear, CONFIG, other])
    assert found["model.kind"] == [linear_slots.KIND, "iodine"]
    assert found["model.likelihood_scale"] == [pytest.approx(0.3), pytest.approx(0.2)]
    assert "model.refinement.stride" not in found
    assert found["model.latent_size"] == [5, 16]


def test_values_of_several_types_have_no_choice(tmp_path):
    runs.start_or_resume(tmp_path / "a", CONFIG)
    other = config_lib.override(CONFIG, {"model.decoder.constant_input": 0.5})
    runs.start_or_resume(tmp_path / "b", other)
    sweep_summary.write(str(tmp_path))
    (info,) = experiment(tmp_path).hparam_infos
    assert info.name == "model.decoder.constant_input"


def test_folders_without_readable_runs(tmp_path):
    sweep_summary.write(str(tmp_path / "nowhere"))
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd" / "config.json").write_text("{}{")
    sweep_summary.write(str(tmp_path))
    assert not list(tmp_path.glob("events*"))


def test_a_folder_that_cannot_be_written(tmp_path, monkeypatch):
    runs.start_or_resume(tmp_path / "a", CONFIG)

    def fail(*args, **kwargs):
        raise sweep_summary.tf.errors.PermissionDeniedError(None, None, "no\nmore")

    monkeypatch.setattr(sweep_summary.tf.summary, "create_file_writer", fail)
    with pytest.raises(UserError, match=r"cannot write to .*: no$"):
        sweep_summary.write(str(tmp_path))


def test_a_training_writes_its_hyperparameters_once(tiny_run):
    (group,) = session_groups(tiny_run.parent)
    assert group.hparams["model.num_slots"].number_value == 3
    assert group.hparams["model.decoder.channels"].string_value == "6, 6"
    assert group.hparams["model.decoder.constant_input"].string_value == "none"
    assert group.hparams["train.xla"].bool_value is False
