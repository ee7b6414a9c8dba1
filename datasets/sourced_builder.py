"""Data made from what the user has at `--source`, at an image size that the user chooses.

Both are known only once the data are made, so a configuration is completed when a builder is: from
the source while making, from the data set's own description afterwards.
"""

import dataclasses
import os
import re
from collections.abc import Mapping
from typing import Any, Self

import tensorflow_datasets as tfds
from etils import epath

from iodine.datasets.scene_builder import DAMAGED_DESCRIPTION, SceneBuilder, SceneConfig
from iodine.datasets.shards import SPLITS
from iodine.errors import UserError

HELD_OUT = 0.1  # of what a user has is for validation, and as much for testing


@dataclasses.dataclass(eq=False)
class SourcedConfig(SceneConfig):
    """A variant of such data; `contents` is a digest of the files they are made from, if kept."""

    contents: str | None = None

    def settings(self) -> dict[str, Any]:
        """The values that decide which scenes are made, by name."""
        settings = {**super().settings(), "image_size": self.image_size[0]}
        return settings if self.contents is None else {**settings, "contents": self.contents}

    def with_settings(self, settings: Mapping[str, Any]) -> Self:
        """A copy with other values for some of `settings()`."""
        values = dict(settings)
        if "image_size" in values:
            values["image_size"] = (values["image_size"], values["image_size"])
        return dataclasses.replace(self, **values)


class SourcedBuilder(SceneBuilder, skip_registration=True):
    """Builds data from a source; arguments as of `SceneBuilder`."""

    def __init__(
        self,
        *,
        config: str | SourcedConfig | None = None,
        data_dir: epath.PathLike | None = None,
        settings: Mapping[str, Any] | None = None,
        source: str | None = None,
        **kwargs: Any,
    ):
        """Completes the configuration, unless it is one: then it was complete already."""
        if not isinstance(config, SourcedConfig):
            config = self._completed(self.named(config), data_dir, settings or {}, source)
        super().__init__(
            config=config, data_dir=data_dir, settings=settings, source=source, **kwargs
        )

    @classmethod
    def named(cls, name: str | None) -> SourcedConfig:
        """The configuration of that name, the first by default, as far as the name decides it."""
        configs = {config.name: config for config in cls.BUILDER_CONFIGS}
        return configs[name or next(iter(configs))]

    @classmethod
    def from_source(
        cls, config: SourcedConfig, settings: Mapping[str, Any], source: str
    ) -> SourcedConfig:
        """The configuration completed by `settings` and what lies at the source.

        Raises:
          UserError: naming the file or folder, if it is not what it should be.
        """
        return config.with_settings(settings)

    def _create_builder_config(self, builder_config, version):
        return builder_config  # TFDS would look for one of the same name, which is not complete

    @classmethod
    def _completed(cls, config, data_dir, settings, source) -> SourcedConfig:
        stored = cls._stored(config, data_dir)
        config = stored or config
        if source is None:
            return config if stored else config.with_settings(settings)
        settings = {"image_size": config.image_size[0], **settings}
        return cls.from_source(cls.named(config.name), settings, os.path.expanduser(source))

    @classmethod
    def _stored(cls, config, data_dir) -> SourcedConfig | None:
        """The configuration of the data in the folder; None if there are none."""
        root = epath.Path(data_dir or tfds.core.constants.DATA_DIR).expanduser()
        folder = root / cls.name / config.name / str(cls.VERSION)
        if not (folder / "dataset_info.json").exists():
            return None
        try:
            info = tfds.builder_from_directory(folder).info
            settings = dict(info.metadata["settings"])
            entities = info.features["visibility"].shape[0] if "visibility" in info.features else 0
            return dataclasses.replace(config, num_entities=entities).with_settings(settings)
        except DAMAGED_DESCRIPTION:
            raise UserError(
                f"the description of the data in {folder} is damaged; delete that folder and make "
                "them again"
            ) from None


class FreelyNamedBuilder(SourcedBuilder, skip_registration=True):
    """Builds data of a user's own, under a name of letters, digits and `_` that is free."""

    @classmethod
    def named(cls, name: str | None) -> SourcedConfig:
        """The configuration of that name; UserError for a name that no folder can have."""
        if not re.fullmatch(r"\w+", name or "", re.ASCII):
            raise UserError(
                f"{cls.name}/{name or ''} needs a name of letters, digits and _ after the slash, "
                f"as in --dataset={cls.name}/mine"
            )
        return dataclasses.replace(cls.BUILDER_CONFIGS[0], name=name)


def split_sizes(
    folder: str, available: int, settings: Mapping[str, int], what: str, hint: str
) -> dict[str, int]:
    """How many scenes each split gets, `num_train` and so on, where `settings` does not say.

    Validation and test get a tenth each, at least one; `train` gets the rest.

    Args:
      folder: where they are from, for messages.
      available: how many there are.
      settings: some of the sizes, among others.
      what: what they are made of, in the plural, for messages.
      hint: what to look at if there are too few.

    Raises:
      UserError: if there are not enough.
    """
    if available < len(SPLITS):
        raise UserError(
            f"{folder} holds {available} {what}, but each of the three splits "
            f"needs at least one; check --source ({hint})"
        )
    held_out = max(1, round(HELD_OUT * available))
    sizes = {"num_validation": held_out, "num_test": held_out}
    given = {f"num_{split}" for split in SPLITS} & set(settings)
    sizes.update({key: settings[key] for key in given})
    sizes.setdefault("num_train", available - sizes["num_validation"] - sizes["num_test"])
    if sizes["num_train"] < 1 or sum(sizes.values()) > available:
        wanted = ", ".join(f"{sizes[f'num_{split}']} {split}" for split in SPLITS)
        raise UserError(
            f"{folder} holds {available} {what}, which is not enough for the "
            f"splits ({wanted}); pass smaller --num_train, --num_validation and --num_test"
        )
    return sizes
