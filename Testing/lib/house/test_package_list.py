"""The package for Slicer holds what the CMake lists name: they must name every file that Slicer needs, and no other."""

from __future__ import annotations

import ast
import json
import re
import struct
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
MODULE = ROOT / "DiffusionSiblings"
LIBRARY = ROOT / "DiffusionSiblingsLib"
NOT_FOR_SLICER = ("drawing", "simulation", "studies", "training")  # rooms of the library that only the wheel has
DATA_NOT_FOR_SLICER = ("Resources/Morphometry/", "Resources/Studies/", "Resources/Training/")  # read there alone
SLICER_PACKAGE_LIMIT = 100e6  # bytes, of the whole repository as it is checked out


def listed(cmake: Path, name: str) -> set[str]:
    """The entries of `set(name ...)` in a CMake file."""
    text = re.sub(r"#[^\n]*", "", cmake.read_text(encoding="utf-8"))
    body = re.search(rf"set\({name}\s([^)]*)\)", text)
    assert body, f"{cmake} sets no {name}"
    return {entry.replace("${MODULE_NAME}", "DiffusionSiblings") for entry in body[1].split()}


def there(folder: Path, *, below: Path) -> set[str]:
    """All files under a folder, as paths from `below`; what Python and editors leave there is not counted."""
    files = (path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {path.relative_to(below).as_posix() for path in files if not path.name.startswith(".")}


def differences(named: set[str], found: set[str], cmake: str) -> str:
    lines = [f"{cmake} does not name {name}" for name in sorted(found - named)]
    return "\n".join([*lines, *(f"{cmake} names {name}, which is not there" for name in sorted(named - found))])


def test_module_list_names_exactly_the_files_that_exist() -> None:
    found = there(MODULE, below=MODULE) - {"CMakeLists.txt"}
    scripts = {name for name in found if name.endswith(".py")}
    cmake = MODULE / "CMakeLists.txt"
    wrong = [differences(listed(cmake, "MODULE_PYTHON_SCRIPTS"), scripts, "DiffusionSiblings/CMakeLists.txt"),
             differences(listed(cmake, "MODULE_PYTHON_RESOURCES"), found - scripts, "DiffusionSiblings/CMakeLists.txt")]
    assert not any(wrong), "\n" + "\n".join(filter(None, wrong))


def test_root_list_names_all_data_that_the_library_reads_in_slicer() -> None:
    needed = {name for name in there(ROOT / "Resources", below=ROOT) if not name.startswith(DATA_NOT_FOR_SLICER)}
    wrong = differences(listed(ROOT / "CMakeLists.txt", "data"), needed, "CMakeLists.txt")
    assert not wrong, "\n" + wrong


def test_root_list_leaves_out_studies_and_training() -> None:
    text = (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")
    found = re.search(r'list\(FILTER library EXCLUDE REGEX "([^"]+)"\)', text)
    assert found, "CMakeLists.txt excludes no room of the library"
    left_out = {name.split("/")[1] for name in there(LIBRARY, below=ROOT) if re.search(found[1], name)}
    assert left_out == set(NOT_FOR_SLICER)


def shipped_modules() -> list[Path]:
    """The library's Python files that are in the package for Slicer."""
    return [path for path in LIBRARY.rglob("*.py") if path.relative_to(LIBRARY).parts[0] not in NOT_FOR_SLICER]


def imported_at_once(path: Path) -> set[str]:
    """Rooms of the library that a module imports as soon as it is imported itself."""
    package = path.relative_to(ROOT).with_suffix("").parts[:-1]
    rooms, waiting = set(), list(ast.parse(path.read_text(encoding="utf-8")).body)
    while waiting:
        node = waiting.pop()
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            before = ".".join(package[:len(package) - node.level + 1]) + "." if node.level else ""
            source = (before + (node.module or "")).rstrip(".")
            names = [f"{source}.{alias.name}" for alias in node.names]
        elif not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            waiting += ast.iter_child_nodes(node)
        rooms |= {name.split(".")[1] for name in names if name.startswith("DiffusionSiblingsLib.")}
    return rooms


def test_no_module_in_the_package_imports_a_room_that_is_not() -> None:
    wrong = {path.relative_to(ROOT).as_posix() for path in shipped_modules()
             if imported_at_once(path) & set(NOT_FOR_SLICER)}
    assert not wrong, f"{sorted(wrong)} cannot be imported in Slicer"


def test_only_studies_and_training_read_the_data_that_is_not_in_the_package() -> None:
    folders = [f'"{name.split("/")[1]}"' for name in DATA_NOT_FOR_SLICER]
    readers = [path.name for path in shipped_modules()
               if any(f"resource_folder() / {name}" in path.read_text(encoding="utf-8") for name in folders)]
    assert not readers


def test_no_name_is_in_both_resource_folders_which_the_package_makes_one() -> None:
    both = there(ROOT / "Resources", below=ROOT) & there(MODULE / "Resources", below=MODULE)
    assert not both, f"both Resources folders have {sorted(both)}"


def test_slicer_runs_every_test_case_that_is_written_for_it() -> None:
    text = (MODULE / "CMakeLists.txt").read_text(encoding="utf-8")
    run = set(re.findall(r"slicer_add_python_unittest\(SCRIPT \S*?(\w+)\.py\)", text))
    cases = {path.stem for path in (ROOT / "Testing" / "slicer").glob("*Test.py")}
    assert cases <= run, f"DiffusionSiblings/CMakeLists.txt does not run {sorted(cases - run)}"


def test_catalogue_entry_is_what_the_extensions_index_takes() -> None:
    entry = json.loads((ROOT / "DiffusionSiblings.json").read_text(encoding="utf-8"))
    cmake = (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")
    assert set(entry) == {"$schema", "category", "scm_url", "scm_revision", "build_dependencies", "build_subdirectory",
                          "tier"}
    assert entry["$schema"].endswith("slicer-extension-catalog-entry-schema-v1.0.1.json#")
    assert entry["category"] == "Simulation"  # the catalogue's "Diffusion" means diffusion MRI
    repository = entry["scm_url"].removesuffix(".git")
    assert repository.rsplit("/", 1)[1] == "SlicerDiffusionSiblings"
    # The index reads these lines with expressions of its own, which take neither variables nor line breaks.
    assert re.search(r"project\s*\(\s*([^\s)]+)", cmake)[1] == "DiffusionSiblings"  # type: ignore[index]
    assert re.search(r'set\(EXTENSION_DEPENDS "([^"]+)"\)', cmake)[1].split() == entry["build_dependencies"]  # type: ignore[index]
    assert re.search(r'set\(EXTENSION_HOMEPAGE "([^"]+)"\)', cmake)[1] == repository  # type: ignore[index]
    assert "not diffusion MRI" in cmake.partition("EXTENSION_DESCRIPTION")[2].partition(".")[0]


def test_pictures_of_the_catalogue_are_in_the_repository_as_png() -> None:
    entry = json.loads((ROOT / "DiffusionSiblings.json").read_text(encoding="utf-8"))
    cmake = (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")
    raw = entry["scm_url"].removesuffix(".git").replace("github.com", "raw.githubusercontent.com")
    icon = re.search(r'set\(EXTENSION_ICONURL "([^"]+)"\)', cmake)
    shots = re.search(r'set\(EXTENSION_SCREENSHOTURLS "([^"]+)"\)', cmake)
    assert icon and shots
    for url in [icon[1], *shots[1].split()]:
        prefix, _, name = url.partition(f"/{entry['scm_revision']}/")
        assert prefix == raw
        header = (ROOT / name).read_bytes()[:24]
        assert header.startswith(b"\x89PNG\r\n\x1a\n"), f"{name} is not a PNG"
        width, height = struct.unpack(">II", header[16:24])
        assert min(width, height) >= 128


def test_repository_is_small_enough_for_the_catalogue() -> None:
    kept = [ROOT / "Resources", ROOT / "DiffusionSiblingsLib", ROOT / "docs", MODULE, ROOT / "Testing"]
    total = sum((ROOT / name).stat().st_size for folder in kept for name in there(folder, below=ROOT))
    assert total < SLICER_PACKAGE_LIMIT / 2  # a clone holds each file twice: in the work tree and packed
    assert (ROOT / "LICENSE").is_file()
