"""`import labelaudit` is quick and light, and the core never needs torch."""

import subprocess
import sys
import time

import pytest

import labelaudit

HEAVY = {"torch", "lightning", "pytorch_lightning", "pandas", "sklearn", "scipy", "matplotlib", "pyarrow"}
MAX_SECONDS = 1.0

# Imports every module of the core with torch and both Lightnings made unimportable.
IMPORT_CORE_WITHOUT_TORCH = """
import importlib, pkgutil, sys
for name in ("torch", "lightning", "pytorch_lightning"):
    sys.modules[name] = None
import labelaudit

def walk(path, prefix):
    for found in pkgutil.iter_modules(path, prefix):
        if found.name == "labelaudit.callbacks" or found.name.endswith(".__main__"):
            continue
        module = importlib.import_module(found.name)
        print(found.name)
        if found.ispkg:
            walk(module.__path__, found.name + ".")

walk(labelaudit.__path__, "labelaudit.")
"""


def run_python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_import_loads_nothing_heavy() -> None:
    loaded = set(run_python("import labelaudit, sys; print(*sys.modules)").split())
    assert "labelaudit" in loaded
    assert loaded & HEAVY == set()


def test_import_is_quick() -> None:
    seconds = []
    for _ in range(3):  # the best of three: a busy machine is no fault of the import
        start = time.perf_counter()
        run_python("import labelaudit")
        seconds.append(time.perf_counter() - start)
    assert min(seconds) < MAX_SECONDS


def test_every_module_of_the_core_imports_without_torch() -> None:
    imported = set(run_python(IMPORT_CORE_WITHOUT_TORCH).split())
    assert {f"labelaudit.{name}" for name in ("analyzers", "auditing", "cli", "history")} <= imported


@pytest.mark.parametrize("name", ["PredictionRecorder", "TorchRecorder", "TrainerRecorder", "DetectionRecorder"])
def test_a_recorder_without_torch_says_what_to_install(name: str) -> None:
    code = f"""
import sys

class NoTorch:
    def find_spec(name, path=None, target=None):
        if name == "torch":
            raise ModuleNotFoundError("No module named 'torch'", name=name)

sys.meta_path.insert(0, NoTorch)
try:
    from labelaudit.callbacks import {name}
except ModuleNotFoundError as error:
    print(error)
"""
    assert run_python(code).strip() == f'{name} needs PyTorch. Type: pip install "labelaudit[train]"'


@pytest.mark.parametrize("name", labelaudit.__all__)
def test_every_public_name_resolves(name: str) -> None:
    assert getattr(labelaudit, name) is not None
    assert name in dir(labelaudit)


def test_all_is_sorted_and_has_no_name_twice() -> None:
    assert list(labelaudit.__all__) == sorted(set(labelaudit.__all__))


def test_audit_stays_the_function_when_its_package_is_imported() -> None:
    code = "import labelaudit.auditing; print(type(labelaudit.audit).__name__)"
    assert run_python(code).strip() == "function"


def test_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'audits'"):
        labelaudit.audits  # type: ignore[attr-defined]  # noqa: B018


def test_error_is_a_value_error() -> None:
    assert issubclass(labelaudit.LabelAuditError, ValueError)
