"""Makes a data set on disk: generates it or converts the released file."""

import contextlib
import errno
import io
import os
import pathlib
from collections.abc import Mapping

import tensorflow_datasets as tfds

from iodine import locking
from iodine.datasets import catalogue, identity, quiet
from iodine.datasets.scene_builder import SceneBuilder
from iodine.datasets.shards import SPLITS
from iodine.errors import UserError


def prepare(
    name: str,
    data_dir: str,
    *,
    settings: Mapping[str, int] | None = None,
    source: str | None = None,
    num_workers: int | None = None,
    download_config: tfds.download.DownloadConfig | None = None,
) -> tuple[SceneBuilder, bool]:
    """Makes the data set `name` under `data_dir` unless it is there already.

    What an interrupted call has finished is not made again. Progress goes to standard error, TFDS's
    own messages are silenced.

    Args:
      name: such as "tetrominoes/generated".
      data_dir: made if it does not exist.
      settings: out of `num_train`, `num_validation`, `num_test`, `num_frames`, `seed`,
        `image_size` those that the data set has; the rest keeps its default.
      source: the released file, or the folder of pictures; None downloads what can be downloaded.
      num_workers: processes to use at most; all cores by default. The data do not depend on it.
      download_config: TFDS's; has Beam do the work if it names a runner or options.

    Returns:
      The builder of the finished data, and whether they were made just now.

    Raises:
      UserError: for an unknown name or setting, a source that cannot be read or is not wanted, a
        folder that cannot be written, or one that holds the data made with other settings.
      InUseError: if another process is making them.
    """
    builder_class, config = catalogue.find(name)
    settings = dict(settings or {})
    _check(name, config, settings, source)
    data_dir = os.path.expanduser(data_dir)

    def build() -> SceneBuilder:
        return builder_class(
            config=config.name, data_dir=data_dir, settings=settings, source=source
        )

    try:
        with quiet.tfds_warnings_off():
            builder = build()
            if not builder.is_prepared():
                if source is None and config.needs_source:
                    raise UserError(
                        f"{name} is not in {data_dir}; pass --source={config.needs_source}"
                    )
                with _alone(builder):
                    if not builder.is_prepared():
                        _make(builder, num_workers, download_config)
                        return builder, True
                    builder = build()  # another process has made them meanwhile
            _check_same_settings(name, builder)
            return builder, False
    except (PermissionError, FileExistsError, NotADirectoryError) as error:
        raise UserError(
            f"cannot write to {data_dir} ({error}); choose another --data_dir"
        ) from error
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        raise UserError(
            f"no space left on the disk of {data_dir}; free some and run again, finished files "
            "are kept"
        ) from error


def _alone(builder: SceneBuilder) -> contextlib.AbstractContextManager[None]:
    """Holds the folder of a data set's versions, where it is one of this machine's file system."""
    folder = os.fspath(builder.data_path.parent)
    if "://" in folder:  # of a cloud, which Beam's workers reach
        return contextlib.nullcontext()
    return locking.held(pathlib.Path(folder), "give another --data_dir")


def _make(
    builder: SceneBuilder,
    num_workers: int | None,
    download_config: tfds.download.DownloadConfig | None,
) -> None:
    builder.num_workers = num_workers or os.cpu_count()
    builder.shows_progress = True
    # TFDS announces downloads on standard output, with sizes that it does not know.
    with quiet.tfds_bars(enable=False), contextlib.redirect_stdout(io.StringIO()):
        builder.download_and_prepare(download_config=download_config)
    if "://" not in os.fspath(builder.data_path):
        identity.identity(builder)  # is kept beside the data, so that nobody has to wait for it


def _check(name, config, settings, source):
    if unknown := sorted(set(settings) - set(config.settings())):
        raise UserError(f"{name} takes no {unknown[0]}; it has {', '.join(config.settings())}")
    if settings.get("num_frames", config.min_frames) < config.min_frames:
        raise UserError(
            f"num_frames is {settings['num_frames']}; a clip of {name} needs {config.min_frames} "
            "or more"
        )
    sizes = [key for key in (f"num_{split}" for split in SPLITS) if key in settings]
    least = {key: min(1, config.settings()[key]) for key in sizes}
    if empty := [key for key, value in least.items() if settings[key] < value]:
        raise UserError(f"{empty[0]} is {settings[empty[0]]}; every split needs at least one scene")
    if source is not None and config.source_url is None and not config.needs_source:
        raise UserError(f"{name} is generated and reads no file; leave out --source")


def _check_same_settings(name: str, builder: SceneBuilder) -> None:
    stored, wanted = dict(builder.stored_settings), dict(builder.settings)
    if stored.pop("contents", None) != wanted.pop("contents", None):
        raise UserError(
            f"{builder.source} is not as it was when {name} was made of it (names, number or sizes "
            f"of files); choose another name or --data_dir, or delete {builder.data_dir}"
        )
    if stored != wanted:
        raise UserError(
            f"{builder.data_dir} holds {name} made with {_as_flags(stored)}, asked for is "
            f"{_as_flags(wanted)}; pass the first, or another --data_dir, or delete that folder"
        )


def _as_flags(settings: Mapping[str, int]) -> str:
    return " ".join(f"--{key}={value}" for key, value in settings.items())
