"""Package map: `datasets/` and `launch/` are installed as `iodine.datasets` and `iodine.launch`."""

import setuptools

setuptools.setup(
    packages=[
        *setuptools.find_packages(include=["iodine", "iodine.*"]),
        "iodine.datasets",
        "iodine.launch",
    ],
    package_dir={"iodine": "iodine", "iodine.datasets": "datasets", "iodine.launch": "launch"},
    include_package_data=False,  # nothing but what is named here
    package_data={
        "iodine": ["py.typed", "pretrained/*/*", "pretrained/*/checkpoints/*"],
        "iodine.figures": ["*.html", "*.css", "*.js"],
    },
)
