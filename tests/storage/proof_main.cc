// Runs the cases of one test of storage and reports in JSON lines.
//
//   PROGRAM TEST [--seed S] [--from N] [--count N] [--seconds T]
//   PROGRAM --list
//
// SIGTERM and SIGINT end it behind the case that runs, with its report. Exit
// status: 0 nothing found, 1 something found, 2 wrong use. Each finding is
// a line with the command that repeats it; a crash says which case it was in.

#include <unistd.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "tests/storage/proof.h"

namespace corkscrew::testing {
namespace {

std::atomic<uint64_t> running_case{0};
std::atomic<bool> ended{false};

void EndAfterThisCase(int /*signal*/) { ended = true; }

void SayCase(int signal) {
  // Only calls that may be made in a signal handler.
  char line[64] = "{\"crashed_in_case\": ";
  size_t at = 20;
  char digits[20];
  size_t count = 0;
  uint64_t n = running_case;
  do {
    digits[count++] = static_cast<char>('0' + n % 10);
    n /= 10;
  } while (n != 0);
  while (count != 0) line[at++] = digits[--count];
  line[at++] = '}';
  line[at++] = '\n';
  if (write(STDOUT_FILENO, line, at) < 0) std::_Exit(3);
  std::signal(signal, SIG_DFL);
  raise(signal);
}

std::string Quoted(absl::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out.push_back('\\');
      out.push_back(c);
    } else if (c == '\n') {
      out += "\\n";
    } else if (c >= 0x20 && c < 0x7f) {
      out.push_back(c);
    } else {
      absl::StrAppend(
          &out, "\\u00",
          absl::Hex(static_cast<unsigned char>(c), absl::kZeroPad2));
    }
  }
  return out + "\"";
}

int Usage() {
  std::fprintf(stderr,
               "usage: TEST [--seed S] [--from N] [--count N] [--seconds T]\n"
               "       --list\n");
  return 2;
}

int Run(const Proof& proof, uint64_t seed, uint64_t from, uint64_t count,
        uint64_t seconds) {
  using Clock = std::chrono::steady_clock;
  const Clock::time_point start = Clock::now();
  const auto elapsed = [&] {
    return std::chrono::duration<double>(Clock::now() - start).count();
  };
  uint64_t checks = 0, findings = 0, number = from;
  std::set<std::string> covered;
  const uint64_t all = proof.cases == nullptr ? 0 : proof.cases();
  for (; number - from < count; ++number) {
    if (ended || (all != 0 && number >= all)) break;
    if (seconds != 0 && elapsed() >= static_cast<double>(seconds)) break;
    running_case = number;
    const CaseResult result = proof.run(seed, number);
    checks += result.checks;
    covered.insert(result.covered.begin(), result.covered.end());
    for (const std::string& finding : result.findings) {
      ++findings;
      std::printf(
          "{\"finding\": %s, \"repeat\": \"%s --seed "
          "%llu --from %llu --count 1\"}\n",
          Quoted(finding).c_str(), std::string(proof.name).c_str(),
          static_cast<unsigned long long>(seed),
          static_cast<unsigned long long>(number));
      std::fflush(stdout);
    }
  }
  std::vector<std::string> names;
  for (const std::string& name : covered) names.push_back(Quoted(name));
  std::printf(
      "{\"test\": %s, \"seed\": %llu, \"from\": %llu, \"next\": %llu, "
      "\"of\": %llu, \"checks\": %llu, \"findings\": %llu, \"seconds\": %.1f, "
      "\"covered\": [%s]}\n",
      Quoted(proof.name).c_str(), static_cast<unsigned long long>(seed),
      static_cast<unsigned long long>(from),
      static_cast<unsigned long long>(number),
      static_cast<unsigned long long>(all),
      static_cast<unsigned long long>(checks),
      static_cast<unsigned long long>(findings), elapsed(),
      absl::StrJoin(names, ", ").c_str());
  return findings == 0 ? 0 : 1;
}

}  // namespace

int ProofMain(int argc, char** argv) {
  if (argc == 2 && absl::string_view(argv[1]) == "--list") {
    for (const Proof& proof : Proofs()) {
      std::printf("%s\t%s\n", std::string(proof.name).c_str(),
                  std::string(proof.counts).c_str());
    }
    return 0;
  }
  if (argc < 2 || argc % 2 != 0) return Usage();
  uint64_t seed = 1, from = 0, count = UINT64_MAX, seconds = 0;
  for (int i = 2; i < argc; i += 2) {
    const absl::string_view flag = argv[i];
    uint64_t* const value = flag == "--seed"      ? &seed
                            : flag == "--from"    ? &from
                            : flag == "--count"   ? &count
                            : flag == "--seconds" ? &seconds
                                                  : nullptr;
    if (value == nullptr || !absl::SimpleAtoi(argv[i + 1], value)) {
      return Usage();
    }
  }
  for (const int signal : {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL}) {
    std::signal(signal, SayCase);
  }
  std::signal(SIGTERM, EndAfterThisCase);
  std::signal(SIGINT, EndAfterThisCase);
  for (const Proof& proof : Proofs()) {
    if (proof.name == argv[1]) return Run(proof, seed, from, count, seconds);
  }
  return Usage();
}

}  // namespace corkscrew::testing
