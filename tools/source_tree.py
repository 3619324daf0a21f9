"""The files of the repository that checks look at."""
import os
import pathlib

# Folders that hold what a tool made.
GENERATED = {".git", "build", "__pycache__"}


def source_files(root, suffixes=None):
    """Yields every file below `root` in order of path, generated ones excepted.

    Works in a clone and in an unpacked archive alike. `suffixes`: only files
    with one of these (".h"); None: all.
    """
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(f for f in folders
                            if f not in GENERATED and not f.startswith("build-"))
        for name in sorted(names):
            path = pathlib.Path(folder, name)
            # In a work tree of git, .git is a file.
            if name != ".git" and (suffixes is None or path.suffix in suffixes):
                yield path
