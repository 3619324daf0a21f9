"""Broken links and outdated quotes are found, good ones are not."""
import pathlib
import tempfile
import unittest

import check_docs

OTHER = "# Other\n\n## Keys, values & `rows`\n\n## Twice\n\n## Twice\n"
CODE = "int main() {\n  return 0;\n}\n"


class CheckDocsTest(unittest.TestCase):

    def violations(self, text):
        with tempfile.TemporaryDirectory() as root:
            docs = pathlib.Path(root, "docs")
            docs.mkdir()
            (docs / "other.md").write_text(OTHER)
            (docs / "a.cc").write_text(CODE)
            (docs / "page.md").write_text(text)
            return list(check_docs.violations(root))

    def test_links_that_resolve_pass(self):
        self.assertEqual(
            self.violations(
                "# Page\n[a](other.md) [b](other.md#keys-values--rows) [c](#page)"
                " [d](../docs/a.cc) [e](https://example.org/x)"
                " [f](other.md#twice-1)\n"), [])

    def test_links_to_nothing_are_found(self):
        for link, problem in [("none.md", "no such file"),
                              ("other.md#none", "no such heading"),
                              ("#none", "no such heading"),
                              ("../../x.md", "no such file")]:
            with self.subTest(link=link):
                self.assertEqual(self.violations(f"[x]({link})\n"),
                                 [f"docs/page.md: link to {link}: {problem}"])

    def test_links_in_code_are_not_links(self):
        self.assertEqual(
            self.violations("`[x](none.md)`\n```\n[x](none.md)\n```\n"), [])

    def test_a_quote_must_be_the_text_of_its_file(self):
        quote = "<!-- quote: docs/a.cc -->\n```cpp\n{}```\n"
        self.assertEqual(self.violations(quote.format(CODE)), [])
        self.assertEqual(self.violations(quote.format("  return 0;\n")), [])
        self.assertEqual(
            self.violations(quote.format("  return 1;\n")),
            ["docs/page.md: quote of docs/a.cc: not the text of that file any more"])
        self.assertEqual(
            self.violations(quote.replace("a.cc", "b.cc").format("x\n")),
            ["docs/page.md: quote of docs/b.cc: no such file"])


if __name__ == "__main__":
    unittest.main()
