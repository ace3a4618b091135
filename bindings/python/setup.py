"""What pyproject.toml cannot say: the wheel holds machine code, and none that knows CPython.

`make wheel` lays libeplb.so beside the Python files; where it is not, as for `pip install ./bindings/python`, it is built
from the project around this folder. Nothing is left in the tree.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from setuptools import Distribution, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_py import build_py

HERE = Path(__file__).resolve().parent
PROJECT = HERE.parent.parent
NAME = "libeplb.dylib" if sys.platform == "darwin" else "libeplb.so"


def build_library():
    """Builds the shared library of the project, and answers where it is."""
    missing = [tool for tool in (os.environ.get("CARGO", "cargo"), "make") if shutil.which(tool) is None]
    if not (PROJECT / "Makefile").exists() or missing:
        what = f"{' and '.join(missing)} not found" if missing else "the project is not around this folder"
        sys.exit(
            f"eplb: {NAME} has to be built, but {what}: install Rust, make and a C compiler, or run "
            "`make wheel` where they are and install target/wheel/eplb-*.whl"
        )
    target = (PROJECT / os.environ.get("CARGO_TARGET_DIR", "target")).resolve()
    subprocess.run(["make", "-s", "-C", PROJECT, "lib"], env={**os.environ, "CARGO_TARGET_DIR": str(target)}, check=True)
    return target / "release" / NAME


class BuildPy(build_py):
    def run(self):
        super().run()
        package = HERE / "src/eplb" if self.editable_mode else Path(self.build_lib) / "eplb"
        if not (package / NAME).exists():
            shutil.copy(build_library(), package / NAME)


class Wheel(bdist_wheel):
    def get_tag(self):
        _, _, platform = super().get_tag()
        return "py3", "none", platform


class WithLibrary(Distribution):
    def has_ext_modules(self):
        return True


with tempfile.TemporaryDirectory() as aside:
    setup(
        distclass=WithLibrary,
        cmdclass={"bdist_wheel": Wheel, "build_py": BuildPy},
        options={"build": {"build_base": aside}, "egg_info": {"egg_base": aside}},
    )
