"""Wheel, sdist and checkout hold the same files, and `callbacks` once."""

import os
import shutil
import stat
import subprocess
import sys
import tarfile
import zipfile
from collections import Counter
from pathlib import Path

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # pytest brings it

ROOT = Path(__file__).resolve().parents[1]
BUILD_INPUT = ["pyproject.toml", "README.md", "LICENSE", "labelaudit", "callbacks"]


def source_files() -> set[str]:
    """The modules as a wheel must hold them, found by walking both folders, without the link."""
    files = {path.relative_to(ROOT) for path in (ROOT / "labelaudit").rglob("*.py")}
    files = {path for path in files if path.parts[:2] != ("labelaudit", "callbacks")}
    files |= {Path("labelaudit") / path.relative_to(ROOT) for path in (ROOT / "callbacks").rglob("*.py")}
    return {path.as_posix() for path in files}


def static_files() -> set[str]:
    """What the report's pages are made of, and the trees and networks of the verdict."""
    found = [*(ROOT / "labelaudit" / "report" / "static").iterdir(), *(ROOT / "labelaudit").rglob("*.npz")]
    return {path.relative_to(ROOT).as_posix() for path in found}


def run(*command: object, cwd: Path, **environment: str) -> str:
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist, and the wheel that was built from it."""
    source = tmp_path_factory.mktemp("source")
    for name in BUILD_INPUT:
        if (ROOT / name).is_dir():
            ignore = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / name, source / name, symlinks=True, ignore=ignore)
        else:
            shutil.copy(ROOT / name, source / name)
    out = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", out, source, cwd=source)
    return out


def test_pyproject_lists_every_package() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    found = {Path(name).parent.as_posix().replace("/", ".") for name in source_files()}
    assert sorted(settings["tool"]["setuptools"]["packages"]) == sorted(found)


def test_checkout_has_callbacks_as_a_link() -> None:
    assert os.readlink(ROOT / "labelaudit" / "callbacks") == os.path.join("..", "callbacks")


def test_wheel_holds_every_module_once_as_a_real_file(dist: Path) -> None:
    (wheel,) = dist.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = Counter(info.filename for info in archive.infolist() if ".dist-info/" not in info.filename)
        links = [info.filename for info in archive.infolist() if stat.S_ISLNK(info.external_attr >> 16)]
        metadata = [name for name in archive.namelist() if name.endswith("licenses/LICENSE")]
    assert names == Counter(source_files() | static_files() | {"labelaudit/py.typed"})
    assert links == []
    assert len(metadata) == 1


def test_sdist_holds_callbacks_once_as_real_files(dist: Path) -> None:
    (sdist,) = dist.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        members = [(member.name.partition("/")[2], member) for member in archive.getmembers()]
    packed = Counter(
        name.removeprefix("labelaudit/")
        for name, member in members
        if member.isfile() and "callbacks/" in name and name.endswith(".py")
    )
    expected = {name.removeprefix("labelaudit/") for name in source_files() if "callbacks/" in name}
    assert expected
    assert packed == Counter(expected)
    assert [name for name, member in members if member.issym() or member.islnk()] == []


def test_installed_wheel_imports_callbacks_from_inside_the_package(dist: Path, tmp_path: Path) -> None:
    (wheel,) = dist.glob("*.whl")
    site = tmp_path / "site"
    pip = [sys.executable, "-m", "pip", "install", "--no-deps", "--no-index"]
    run(*pip, "--target", site, wheel, cwd=tmp_path)
    code = "import labelaudit.callbacks as c; print(c.__file__, c.__name__)"
    printed = run(sys.executable, "-c", code, cwd=tmp_path, PYTHONPATH=str(site))
    assert printed.split() == [str(site / "labelaudit" / "callbacks" / "__init__.py"), "labelaudit.callbacks"]
