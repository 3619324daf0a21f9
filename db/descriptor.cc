#include "db/descriptor.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "base/cursor.h"
#include "base/hash.h"
#include "corkscrew/collection.h"
#include "corkscrew/limits.h"
#include "corkscrew/metric.h"
#include "db/encode.h"
#include "xxhash.h"

namespace corkscrew {
namespace {

constexpr uint8_t kDescriptorForm = 1;
constexpr uint8_t kQuantizerSpec = 1;  // TQ specification, version 1.
constexpr size_t kMaxSpaceBytes = 255;

template <typename To>
To Cut(const Sha256Digest& digest) {
  To out;
  std::copy_n(digest.begin(), out.size(), out.begin());
  return out;
}

bool InRange(const Descriptor& d) {
  const auto metric = static_cast<int>(d.metric);
  const auto originals = static_cast<int>(d.originals);
  return d.quantizer.dim >= 1 && d.quantizer.dim <= kMaxDim && metric >= 1 &&
         metric <= 3 && originals >= 1 && originals <= 3 &&
         (d.quantizer.mode == QuantizerMode::kMse ||
          d.quantizer.mode == QuantizerMode::kIp) &&
         d.quantizer.bits >= 1 && d.quantizer.bits <= 8 &&
         (d.quantizer.codebook == 1 || d.quantizer.codebook == 2) &&
         d.shards <= kMaxShards && std::has_single_bit(d.shards);
}

}  // namespace

std::string EncodeDescriptor(const Descriptor& d) {
  assert(InRange(d) && d.space.size() <= kMaxSpaceBytes);
  std::string out;
  AppendBig(kDescriptorForm, &out);
  AppendBig(static_cast<uint32_t>(d.quantizer.dim), &out);
  AppendBig(static_cast<uint8_t>(d.metric), &out);
  AppendBig(kQuantizerSpec, &out);
  AppendBig(static_cast<uint8_t>(d.quantizer.mode), &out);
  AppendBig(static_cast<uint8_t>(d.quantizer.bits), &out);
  AppendBig(static_cast<uint8_t>(d.quantizer.codebook), &out);
  AppendBig(d.quantizer.seed, &out);
  AppendBig(static_cast<uint8_t>(d.originals), &out);
  AppendBig(d.shards, &out);
  AppendBig(static_cast<uint8_t>(d.space.size()), &out);
  AppendBytes(d.space, &out);
  return out;
}

absl::StatusOr<Descriptor> DecodeDescriptor(absl::string_view bytes) {
  Cursor cursor(bytes);
  Descriptor d;
  uint8_t form, metric, spec, mode, bits, codebook, originals, space_size;
  uint32_t dim;
  absl::string_view space;
  if (!cursor.ReadBig(&form) || form != kDescriptorForm ||
      !cursor.ReadBig(&dim) || !cursor.ReadBig(&metric) ||
      !cursor.ReadBig(&spec) || spec != kQuantizerSpec ||
      !cursor.ReadBig(&mode) || !cursor.ReadBig(&bits) ||
      !cursor.ReadBig(&codebook) || !cursor.ReadBig(&d.quantizer.seed) ||
      !cursor.ReadBig(&originals) || !cursor.ReadBig(&d.shards) ||
      !cursor.ReadBig(&space_size) || !cursor.ReadBytes(space_size, &space) ||
      !cursor.done()) {
    return absl::DataLossError("descriptor is malformed");
  }
  d.quantizer.dim = dim;
  d.quantizer.mode = static_cast<QuantizerMode>(mode);
  d.quantizer.bits = bits;
  d.quantizer.codebook = codebook;
  d.metric = static_cast<Metric>(metric);
  d.originals = static_cast<Originals>(originals);
  d.space = std::string(space);
  if (!InRange(d)) return absl::DataLossError("descriptor is out of range");
  return d;
}

Hash16 DescriptorHash(const Descriptor& descriptor) {
  return Cut<Hash16>(
      Sha256(absl::StrCat("csdb:dsc", EncodeDescriptor(descriptor))));
}

Uuid CollectionUuid(absl::string_view name, const Hash16& descriptor_hash,
                    uint64_t generation) {
  std::string input = "csdb:col";
  AppendBig(static_cast<uint16_t>(name.size()), &input);
  AppendBytes(name, &input);
  AppendBytes(BytesOf(descriptor_hash), &input);
  AppendBig(generation, &input);
  return Uuid{Cut<Hash16>(Sha256(input))};
}

Uuid SystemCollectionUuid() { return Uuid{Cut<Hash16>(Sha256("csdb:sys"))}; }

uint16_t ShardOf(const Uuid& collection, absl::string_view id,
                 uint16_t shards) {
  if (shards == 1) return 0;
  std::string input(BytesOf(collection.bytes));
  AppendBytes(id, &input);
  return static_cast<uint16_t>(XXH3_64bits(input.data(), input.size()) %
                               shards);
}

std::string DescribeDifferences(const Descriptor& a, const Descriptor& b) {
  std::vector<std::string> differences;
  const auto compare = [&](absl::string_view what, const auto& x,
                           const auto& y) {
    if (x != y) differences.push_back(absl::StrCat(what, " ", x, " and ", y));
  };
  const auto metric_name = [](Metric metric) {
    return metric == Metric::kCosine ? "cosine"
           : metric == Metric::kDot  ? "dot"
                                     : "l2";
  };
  const auto originals_name = [](Originals originals) {
    return originals == Originals::kFloat32    ? "float32"
           : originals == Originals::kBFloat16 ? "bfloat16"
                                               : "codes_only";
  };
  const auto space_name = [](const Descriptor& d) {
    return d.space.empty() ? std::string("(none)") : d.space;
  };
  compare("dim", a.quantizer.dim, b.quantizer.dim);
  compare("metric", absl::string_view(metric_name(a.metric)),
          absl::string_view(metric_name(b.metric)));
  compare("mode", static_cast<int>(a.quantizer.mode),
          static_cast<int>(b.quantizer.mode));
  compare("bits", a.quantizer.bits, b.quantizer.bits);
  compare("codebook", a.quantizer.codebook, b.quantizer.codebook);
  compare("seed", a.quantizer.seed, b.quantizer.seed);
  compare("originals", absl::string_view(originals_name(a.originals)),
          absl::string_view(originals_name(b.originals)));
  compare("shards", a.shards, b.shards);
  compare("embedding space", space_name(a), space_name(b));
  return absl::StrJoin(differences, ", ");
}

}  // namespace corkscrew
