"""The configuration of a run."""

from iodine.config.schema import (
    Config,
    DataConfig,
    TrainConfig,
    flatten,
    from_dict,
    override,
    to_dict,
)

__all__ = ["Config", "DataConfig", "TrainConfig", "flatten", "from_dict", "override", "to_dict"]
