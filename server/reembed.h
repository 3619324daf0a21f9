#ifndef CORKSCREW_SERVER_REEMBED_H_
#define CORKSCREW_SERVER_REEMBED_H_

// The records of one collection in another of the same texts and another
// model.

#include <cstddef>
#include <functional>

#include "absl/status/statusor.h"
#include "corkscrew/collection.h"

namespace corkscrew {

struct ReembedReply {
  size_t records = 0;    // Live in the source at the last look.
  size_t written = 0;    // Embedded and written,
  size_t unchanged = 0;  // there already at the last look,
  size_t deleted = 0;    // removed, because the source has them no more.
  size_t truncated = 0;  // Of those written: longer than the model allows.
  size_t textless = 0;   // Looked at and left out, having no text.
  size_t passes = 0;
};

struct ReembedOptions {
  // Told after each pass the Lamport time of the source up to which `to` has
  // everything. True: that is enough. False: the source has changed since, so
  // another pass is made, which only looks at what changed. Null: done after a
  // pass that found nothing to do.
  std::function<absl::StatusOr<bool>(Lamport at, const ReembedReply& so_far)>
      complete = nullptr;
  // Told after each batch how many records of the source were looked at in this
  // pass.
  std::function<void(size_t)> progress = nullptr;
};

// Makes the live records of `to` those of `from`, with text, metadata and
// expiry, embedded by the model of `to`. Looks again until options.complete is
// content, at most 32 times, so that writes meanwhile arrive too. The first
// pass reads all texts, the others ids and what changed. A record that is there
// with the same content is not embedded again: after an error or a kill the
// same call goes on where it was. Records without text can not be embedded.
// Memory is that of a page of records.
//   Aborted  32 passes, and `from` still changes: stop writing to it
//   or an error of either collection
absl::StatusOr<ReembedReply> Reembed(const Collection& from, Collection& to,
                                     const ReembedOptions& options = {});

}  // namespace corkscrew

#endif  // CORKSCREW_SERVER_REEMBED_H_
