"""Package map: `datasets/` and `launch/` are installed as `iodine.datasets` and `iodine.launch`."""

import setuptools

setuptools.setup(
    packages=[
        "iodine",
        "iodine.benchmarks",
        "iodine.datasets",
        "iodine.launch",
        "iodine.reproduction",
    ],
    package_dir={"iodine": "iodine", "iodine.datasets": "datasets", "iodine.launch": "launch"},
    package_data={"iodine": ["*.html", "pretrained/*/*", "pretrained/*/checkpoints/*"]},
)
