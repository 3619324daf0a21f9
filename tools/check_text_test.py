"""Forbidden text is found with its place, other text is not."""
import pathlib
import tempfile
import unittest

import check_text


class CheckTextTest(unittest.TestCase):

    def violations(self, text, name="db/a.cc"):
        with tempfile.TemporaryDirectory() as root:
            path = pathlib.Path(root, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            return list(check_text.violations(root))

    def test_each_forbidden_text_is_found_with_its_line(self):
        for text in ("// TO" "DO: later", "FIX" "ME", "GTEST" "_SKIP();",
                     "TEST(A, DISABLED" "_B) {}", "open(\"/wo" "rk/x\")",
                     "see /ho" "me/someone/x",
                     "std::this_thread::sleep" "_for(x);"):
            with self.subTest(text=text):
                found = self.violations("\n" + text + "\n")
                self.assertEqual(len(found), 1)
                self.assertTrue(found[0].startswith("db/a.cc:2: "), found)

    def test_words_and_relative_paths_that_only_look_alike_pass(self):
        self.assertEqual(
            self.violations("TODOS hacks ../shared/data /var/lib/notes\n"
                            "build/release/work/x ${X}/home/ www.a.org/root/b\n"),
            [])

    def test_generated_folders_and_test_data_are_not_read(self):
        self.assertEqual(self.violations("FIX" "ME", "build/release/a.cc"), [])
        self.assertEqual(self.violations("FIX" "ME", "tests/testdata/a.txt"), [])


if __name__ == "__main__":
    unittest.main()
