"""Find the files that step 01 ingests: the dataset's own source, or what the parameter `files` names."""

import fnmatch
import glob
import hashlib
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from helpers.config import ROOT, StepConfig, find_home
from helpers.contract import load_contract
from helpers.errors import InputError
from helpers.objects import S3Object, list_objects, split_uri
from helpers.session import Session, open_session

_SOURCE_SECONDS = 1800
_WILDCARDS = "*?["
_ZSTD = b"\x28\xb5\x2f\xfd"


@dataclass(frozen=True)
class RawFile:
    """One file to ingest: where it is, and where it came from (a path or URI that a person would recognise)."""

    path: Path
    origin: str

    @property
    def name(self) -> str:
        """The file's own name, without folders."""
        return self.path.name


def find_files(cfg: StepConfig) -> list[RawFile]:
    """Return the files to ingest, by name; what is packed with zstd, which Spark cannot read, comes unpacked.

    A session is opened only where files are in S3.

    Raises:
        InputError: a file is missing or unreadable, a folder is empty, a pattern matches nothing; it is named.
    """
    pattern = (cfg.files or load_contract(cfg.dataset).files or "").replace("{as_of}", cfg.as_of.isoformat())
    if not pattern:
        found = [RawFile(path, f"source/{path.name}") for path in _list_folder(_make_source(cfg))]
    elif pattern.startswith("s3://"):
        found = _download(pattern, open_session(cfg.profile))
    else:
        found = [RawFile(path, pattern) for path in _match_paths(pattern)]
    for file in found:
        if not os.access(file.path, os.R_OK):
            raise InputError(f"{file.path} cannot be read: check its permissions")
    return sorted(map(_unpack_zstd, found), key=lambda file: (file.name, file.origin))


def _unpack_zstd(file: RawFile) -> RawFile:
    """Return a file packed with zstd as one without, under its name without the ending, in the state folder.

    One that is not whole stays as it is: the job lists it among the unreadable files.
    """
    try:
        with file.path.open("rb") as packed:
            if packed.read(len(_ZSTD)) != _ZSTD:
                return file
            packed.seek(0)
            digest = hashlib.file_digest(packed, "sha256").hexdigest()[:16]
    except OSError as error:
        raise InputError(f"{file.path} cannot be read ({error.strerror})") from error
    import pyarrow as pa  # a third of a second, for few

    name = file.name.removesuffix(".zst").removesuffix(".zstd")
    folder = find_home() / "cache" / "sources" / "zstd" / digest
    if not (folder / name).is_file():
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".making-") as making:
            whole = Path(making) / name
            try:
                with pa.CompressedInputStream(pa.OSFile(str(file.path)), "zstd") as source, whole.open("wb") as target:
                    shutil.copyfileobj(source, target, 1 << 20)
            except OSError as error:
                if error.errno is not None:  # the system's, such as a full disk, and not the format's
                    raise
                return file
            os.replace(whole, folder / name)
    return RawFile(folder / name, file.origin)


def _match_paths(pattern: str) -> list[Path]:
    """Return the files of a path, a folder or a glob; a relative one is tried in the checkout too."""
    path = Path(pattern).expanduser()
    if not path.is_absolute() and not path.exists() and not glob.glob(str(path), recursive=True):
        path = ROOT / path
    if path.is_dir():
        return _list_folder(path)
    if path.is_file():
        return [path]
    if not any(letter in pattern for letter in _WILDCARDS):
        raise InputError(f"{path} does not exist: check the parameter `files`")
    matches = [Path(name) for name in glob.glob(str(path), recursive=True) if Path(name).is_file()]
    if not matches:
        raise InputError(f"no file matches {path}: check the parameter `files`")
    return matches


def _list_folder(folder: Path) -> list[Path]:
    """Return the files of a folder, but for hidden ones, which every tool on the way would skip."""
    try:
        found = [path for path in folder.iterdir() if path.is_file() and path.name[0] not in "._"]
    except OSError as error:
        raise InputError(f"{folder} cannot be read ({error.strerror})") from error
    if not found:
        raise InputError(f"{folder} holds no file to ingest: put files there, or name others with `files`")
    return found


def _make_source(cfg: StepConfig) -> Path:
    """Run the dataset's source into a folder of the state folder, and return that; the same source runs once.

    What a source writes is reproducible, so it is kept under a name made of the script's content and arguments. The
    folder gets that name when it is whole: a killed source leaves nothing to be mistaken for its files.
    """
    contract = load_contract(cfg.dataset)
    if contract.source_script is None:
        raise InputError(f"{contract.path}: no source and no files; name the files to ingest with `files`")
    told = "\0".join(contract.source_arguments).encode()
    digest = hashlib.sha256(contract.source_script.read_bytes() + told).hexdigest()[:16]
    folder = find_home() / "cache" / "sources" / cfg.dataset / digest
    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".making-") as making:
        whole = Path(making) / "files"
        command = contract.source_command(whole)
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_SOURCE_SECONDS
        )
        if done.returncode:
            lines = (done.stderr.strip() or "no message").splitlines()
            raise InputError(f"the source {contract.source_script} failed: {lines[-1]}")
        try:
            whole.rename(folder)
        except OSError:
            if not folder.is_dir():  # another process that made the same files came first
                raise
    return folder


def _download(uri: str, session: Session) -> list[RawFile]:
    """Bring the objects of an s3:// URI (an object, a prefix or a glob) to the state folder."""
    bucket, key = split_uri(uri)
    literal = key[: min([key.find(letter) for letter in _WILDCARDS if letter in key], default=len(key))]
    listed = list_objects(session.client("s3"), bucket, literal)
    if literal != key:
        chosen = [found for found in listed if fnmatch.fnmatchcase(found.key, key)]
    elif any(found.key == key for found in listed):
        chosen = [found for found in listed if found.key == key]
    else:
        folder = key.rstrip("/") + "/" if key else ""
        chosen = [found for found in listed if found.key.startswith(folder)]
    chosen = [found for found in chosen if found.name and found.name[0] not in "._"]
    if not chosen:
        raise InputError(f"{uri} holds no object to ingest: check bucket and key")
    return [RawFile(_fetch(found, session), found.uri) for found in chosen]


def _fetch(found: S3Object, session: Session) -> Path:
    """Download one object, under a name that its key and ETag decide, so that it is fetched once."""
    place = hashlib.sha256(f"{found.uri}\0{found.etag}".encode()).hexdigest()[:16]
    path = find_home() / "cache" / "sources" / "s3" / place / found.name
    if path.is_file() and path.stat().st_size == found.bytes:
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    with part.open("wb") as file:
        shutil.copyfileobj(session.client("s3").get_object(Bucket=found.bucket, Key=found.key)["Body"], file, 1 << 20)
    os.replace(part, path)
    return path
