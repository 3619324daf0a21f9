#include "tests/node/node_process.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "corkscrew/client.h"

namespace corkscrew::testing {
namespace {

constexpr char kToken[] = "node-process-test-token-0123456789";

absl::Status WriteTokenFile(const std::string& path) {
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  if (fd < 0) return absl::UnavailableError(absl::StrCat("cannot make ", path));
  const ssize_t size = sizeof(kToken) - 1;
  const bool ok = write(fd, kToken, size) == size;
  close(fd);
  return ok ? absl::OkStatus() : absl::UnavailableError("cannot write token");
}

}  // namespace

absl::StatusOr<std::unique_ptr<NodeProcess>> NodeProcess::Start(
    const std::string& data, const std::string& model_dir,
    const std::string& scratch) {
  auto node = std::unique_ptr<NodeProcess>(new NodeProcess());
  node->token_file_ = scratch + "/token";
  if (absl::Status status = WriteTokenFile(node->token_file_); !status.ok()) {
    return status;
  }
  int ends[2];
  if (pipe(ends) != 0) return absl::UnavailableError("pipe");
  node->pid_ = fork();
  if (node->pid_ < 0) return absl::UnavailableError("fork");
  if (node->pid_ == 0) {
    dup2(ends[1], STDOUT_FILENO);
    close(ends[0]);
    close(ends[1]);
    execl(CORKSCREWD_BINARY, "corkscrewd", "--data", data.c_str(), "--listen",
          "127.0.0.1:0", "--token-file", node->token_file_.c_str(),
          "--model-dir", model_dir.c_str(), nullptr);
    _exit(127);
  }
  close(ends[1]);
  node->output_ = ends[0];
  // One ready line: its last word is the address.
  std::string line;
  char c = 0;
  while (read(node->output_, &c, 1) == 1 && c != '\n') line.push_back(c);
  const size_t space = line.rfind(' ');
  if (c != '\n' || space == std::string::npos) {
    return absl::UnavailableError(
        absl::StrCat("corkscrewd did not become ready: \"", line, "\""));
  }
  node->address_ = line.substr(space + 1);
  return node;
}

NodeProcess::~NodeProcess() {
  Kill();
  if (output_ >= 0) close(output_);
}

absl::StatusOr<std::unique_ptr<Db>> NodeProcess::Connect() const {
  ClientOptions options;
  options.token = kToken;
  return corkscrew::Connect(address_, options);
}

void NodeProcess::Kill() {
  if (pid_ < 0) return;
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

int NodeProcess::Terminate() {
  if (pid_ < 0) return -1;
  kill(pid_, SIGTERM);
  int status = 0;
  waitpid(pid_, &status, 0);
  pid_ = -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

}  // namespace corkscrew::testing
