#ifndef CORKSCREW_SERVER_BENCH_EMBED_H_
#define CORKSCREW_SERVER_BENCH_EMBED_H_

// corkscrew bench embed: how fast a model turns text into vectors here.

#include "CLI/App.hpp"
#include "server/command.h"

namespace corkscrew {

// Adds the verb to `bench`.
void AddBenchEmbed(CLI::App& bench, CommandContext& context);

}  // namespace corkscrew

#endif  // CORKSCREW_SERVER_BENCH_EMBED_H_
