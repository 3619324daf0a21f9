"""Bad includes are found, good ones are not."""
import pathlib
import tempfile
import unittest

import check_layers


class CheckLayersTest(unittest.TestCase):

    def violations(self, files):
        with tempfile.TemporaryDirectory() as root:
            for name, includes in files.items():
                path = pathlib.Path(root, name)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text("".join(f"#include {i}\n" for i in includes))
            return list(check_layers.violations(root))

    def test_a_lower_layer_including_a_higher_one_is_found(self):
        self.assertEqual(
            self.violations({"quant/bad.h": ['"db/store.h"', '"base/hash.h"']}),
            ["quant/bad.h: must not include db/store.h"])

    def test_a_library_outside_its_folder_is_found(self):
        for file, include in [
                ("quant/a.cc", "rocksdb/db.h"), ("server/a.cc", "grpcpp/server.h"),
                ("db/a.cc", "hwy/highway.h"), ("base/hash.cc", "hwy/highway.h"),
                ("db/a.cc", "nlohmann/json.hpp"), ("rpc/a.cc", "CLI/CLI.hpp"),
                ("db/a.cc", "openssl/evp.h"),
                ("db/a.cc", "google/protobuf/message.h")]:
            with self.subTest(file=file, include=include):
                self.assertEqual(self.violations({file: [f"<{include}>"]}),
                                 [f"{file}: must not include {include}"])

    def test_a_library_inside_its_folder_passes(self):
        self.assertEqual(
            self.violations({
                "db/store.cc": ['"rocksdb/db.h"', "<vector>", '"quant/scan.h"'],
                "rpc/server.cc": ["<grpcpp/grpcpp.h>", '"corkscrew/db.h"',
                                  '"corkscrew/v1/records.grpc.pb.h"'],
                "base/testing.cc": ['"hwy/targets.h"'],
                "embed/matmul-inl.h": ['"hwy/highway.h"'],
            }), [])

    def test_public_headers_and_examples_use_std_and_abseil_only(self):
        for file in ("include/corkscrew/a.h", "examples/a.cc"):
            with self.subTest(file=file):
                self.assertEqual(
                    self.violations({file: ["<span>", '"absl/types/span.h"',
                                            '"corkscrew/db.h"']}), [])
                for include in ("base/hash.h", "grpcpp/server.h", "unistd.h",
                                "sys/mman.h", "gtest/gtest.h",
                                "corkscrew/v1/records.pb.h"):
                    self.assertEqual(self.violations({file: [f"<{include}>"]}),
                                     [f"{file}: must not include {include}"])

    def test_tests_may_include_anything(self):
        self.assertEqual(
            self.violations({"quant/a_test.cc": ['"db/store.h"'],
                             "quant/a_fuzz.cc": ['"db/store.h"']}), [])


if __name__ == "__main__":
    unittest.main()
