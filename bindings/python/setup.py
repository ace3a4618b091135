"""What pyproject.toml cannot say: the wheel holds machine code, and none that knows CPython.

`make wheel` lays libeplb.so beside the Python files; where it is not, as for `pip install ./bindings/python`, it is
built from the project around this folder, or from its sources in a source distribution. Nothing is left in the tree.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from setuptools import Distribution, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_py import build_py
from setuptools.command.sdist import sdist

HERE = Path(__file__).resolve().parent
#: What the library is built of lies there in a source distribution.
INSIDE = HERE / "project"
PROJECT = INSIDE if INSIDE.exists() else HERE.parent.parent
#: What of the project that is, besides Cargo.toml.
SOURCES = ["Cargo.lock", "LICENSE", "Makefile", "src", "bindings/archive.sh"]
NAME = "libeplb.dylib" if sys.platform == "darwin" else "libeplb.so"


def build_library():
    """Builds the shared library of the project, and answers where it is."""
    tools = (os.environ.get("CARGO", "cargo"), "make", os.environ.get("CC", "cc"))
    missing = [tool for tool in tools if shutil.which(tool) is None]
    if missing:
        refuse(f"{' and '.join(missing)} not found")
    if not (PROJECT / "Makefile").exists():
        refuse("the project is not around this folder")
    target = (PROJECT / (os.environ.get("CARGO_TARGET_DIR") or "target")).resolve()
    command = ["make", "-s", "-C", str(PROJECT), "lib"]
    if subprocess.run(command, env={**os.environ, "CARGO_TARGET_DIR": str(target)}).returncode != 0:
        refuse(f"`{' '.join(command)}` failed, see above")
    return target / "release" / NAME


def refuse(why):
    """Ends with a sentence that says what to do."""
    sys.exit(
        f"eplb: {NAME} has to be built, but {why}: install Rust 1.88 or later (https://rustup.rs), make and a C compiler, "
        "or run `make wheel` where they are and install target/wheel/eplb-*.whl"
    )


def of_the_library(manifest):
    """Cargo.toml without what is not in a source distribution: other packages, benches, what tests need."""
    tables = re.split(r"^(?=\[)", manifest, flags=re.M)
    others = ("[workspace]", "[[bench]]", "[dev-dependencies]")
    return "".join(table for table in tables if not table.startswith(others)) + "\n[workspace]\n"


class BuildPy(build_py):
    def run(self):
        super().run()
        package = HERE / "src/eplb" if self.editable_mode else Path(self.build_lib) / "eplb"
        if self.editable_mode or not (package / NAME).exists():  # the tree may have one of an older editable install
            shutil.copy(build_library(), package / NAME)


class Sdist(sdist):
    def make_release_tree(self, base_dir, files):
        super().make_release_tree(base_dir, files)
        shutil.copy(PROJECT / "LICENSE", base_dir)
        for name in SOURCES:
            to = Path(base_dir) / "project" / name
            to.parent.mkdir(parents=True, exist_ok=True)
            (shutil.copytree if (PROJECT / name).is_dir() else shutil.copy)(PROJECT / name, to)
        manifest = (PROJECT / "Cargo.toml").read_text()
        (Path(base_dir) / "project/Cargo.toml").write_text(of_the_library(manifest))


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
        cmdclass={"bdist_wheel": Wheel, "build_py": BuildPy, "sdist": Sdist},
        options={"build": {"build_base": aside}, "egg_info": {"egg_base": aside}},
    )
