#!/usr/bin/env python3
"""Fails when a document points to something that is not there.

Relative links of every Markdown file must name an existing file, and a heading
of it where they name one. A code block below the line

  <!-- quote: examples/hello.cc -->

must stand in that file, line by line. Addresses on the web are not followed.

  tools/check_docs.py ROOT
"""
import pathlib
import re
import sys

from source_tree import source_files

LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)|!\[[^\]]*\]\(([^)\s]+)\)")
QUOTE = re.compile(r"<!-- quote: (\S+) -->\s*\n```\w*\n(.*?)^```",
                   re.DOTALL | re.MULTILINE)
CODE_BLOCK = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)
HEADING = re.compile(r"^#+\s+(.*?)\s*$", re.MULTILINE)


def anchors(text):
    """Returns the fragment names of the headings, made as GitHub makes them."""
    names = set()
    for heading in HEADING.findall(CODE_BLOCK.sub("", text)):
        words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        name = re.sub(r"[^\w\- ]", "", words).replace(" ", "-")
        while name in names:  # GitHub numbers repetitions from 1.
            name += "-1"
        names.add(name)
    return names


def broken_links(path, text, root):
    # Links inside code, spans or blocks, are code.
    prose = re.sub(r"`[^`\n]*`", "", CODE_BLOCK.sub("", text))
    for match in LINK.finditer(prose):
        link = match[1] or match[2]
        if re.match(r"[a-z]+:", link):
            continue
        target, _, fragment = link.partition("#")
        file = (path.parent / target).resolve() if target else path.resolve()
        if not file.is_relative_to(root.resolve()) or not file.exists():
            yield f"link to {link}: no such file"
        elif fragment and fragment not in anchors(file.read_text()):
            yield f"link to {link}: no such heading"


def broken_quotes(text, root):
    for name, block in QUOTE.findall(text):
        file = root / name
        if not file.exists():
            yield f"quote of {name}: no such file"
        elif block not in file.read_text():
            yield f"quote of {name}: not the text of that file any more"


def violations(root):
    root = pathlib.Path(root)
    for path in source_files(root, {".md"}):
        text = path.read_text()
        for problem in [*broken_links(path, text, root),
                        *broken_quotes(text, root)]:
            yield f"{path.relative_to(root).as_posix()}: {problem}"


if __name__ == "__main__":
    found = list(violations(sys.argv[1]))
    print("\n".join(found))
    sys.exit(bool(found))
