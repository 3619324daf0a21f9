#ifndef CORKSCREW_TESTS_NODE_NODE_PROCESS_H_
#define CORKSCREW_TESTS_NODE_NODE_PROCESS_H_

// A real corkscrewd in a process of its own, to be used and killed by a test.

#include <sys/types.h>

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "corkscrew/db.h"

namespace corkscrew::testing {

// Single-threaded. Kills the process at the end of its scope.
class NodeProcess {
 public:
  // Starts `corkscrewd` (path CORKSCREWD_BINARY) on `data` with the models of
  // `model_dir` on a free port, and waits for its ready line. `scratch` is a
  // directory for the token file.
  static absl::StatusOr<std::unique_ptr<NodeProcess>> Start(
      const std::string& data, const std::string& model_dir,
      const std::string& scratch);
  ~NodeProcess();
  NodeProcess(const NodeProcess&) = delete;
  NodeProcess& operator=(const NodeProcess&) = delete;

  const std::string& address() const { return address_; }
  const std::string& token_file() const { return token_file_; }

  // A client of the node.
  absl::StatusOr<std::unique_ptr<Db>> Connect() const;

  // SIGKILL, and waits for the end.
  void Kill();
  // SIGTERM, waits for the end and returns the exit code, or -1.
  int Terminate();

 private:
  NodeProcess() = default;

  pid_t pid_ = -1;
  int output_ = -1;  // Read end of the node's standard output.
  std::string address_;
  std::string token_file_;
};

}  // namespace corkscrew::testing

#endif  // CORKSCREW_TESTS_NODE_NODE_PROCESS_H_
