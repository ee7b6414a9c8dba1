"""Downloads of released files into TFDS's folder for them."""

import os
import pathlib

import tensorflow_datasets as tfds

from iodine.download import download as download_file


def download(dl_manager: tfds.download.DownloadManager, url: str, source: str = "FILE") -> str:
    """Downloads a file, unless it is there already, and returns its path.

    TFDS's own download waits without limit for a server that does not answer, and takes a file that
    was cut off for a whole one.

    Raises:
      UserError: where that fails; it asks for `source` at `--source` instead.
    """
    path = pathlib.Path(os.fspath(dl_manager.download_dir)) / url.rsplit("/", 1)[-1]
    if not path.exists():
        download_file(url, path, f"fetch it by other means and pass --source={source}")
    return str(path)
