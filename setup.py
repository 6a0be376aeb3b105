"""Which packages the wheel holds; everything else about the build stands in pyproject.toml.

Resources/ lies at the top of the checkout, where Slicer's build looks for it too, and is installed as
DiffusionSiblingsLib/Resources. setuptools can find packages or map folders from pyproject.toml, but not both.
"""

from setuptools import find_packages, setup

setup(
    packages=[
        *find_packages(include=["DiffusionSiblingsLib", "DiffusionSiblingsLib.*"]),
        "DiffusionSiblingsLib.Resources",
    ],
    package_dir={"DiffusionSiblingsLib.Resources": "Resources"},
    package_data={"DiffusionSiblingsLib": ["py.typed"], "DiffusionSiblingsLib.Resources": ["**/*"]},
)
