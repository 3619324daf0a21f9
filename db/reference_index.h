#ifndef CORKSCREW_DB_REFERENCE_INDEX_H_
#define CORKSCREW_DB_REFERENCE_INDEX_H_

// For tests only: db/index.h from its definition, with plain loops over all
// versions and the formulas of TQ spec 2.8, 2.14 and 2.15.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/random.h"
#include "corkscrew/metadata.h"
#include "corkscrew/quantizer.h"
#include "corkscrew/record.h"
#include "db/index.h"

namespace corkscrew::reference {

// A version that was written. A tombstone has no vector and no metadata.
struct Written {
  BodyKey body;
  std::vector<float> vector = {};
  std::optional<Metadata> metadata = std::nullopt;
};

double Dot8(const std::vector<float>& x, const std::vector<float>& y);
// The values of the rescore column: multiples of the smallest power of two with
// which all are in 16 bits.
std::vector<float> ToFixed(const std::vector<float>& x);
float Score(Metric metric, double dot, const std::vector<float>& x,
            const std::vector<float>& q);

// All that was written, in an order in which a version comes after those of the
// same id that it wins over. Also the reader of its originals.
class History : public OriginalReader {
 public:
  explicit History(size_t dim) : dim_(dim) {}

  void Add(Written written) { all_.push_back(std::move(written)); }
  const std::vector<Written>& all() const { return all_; }

  // The versions that are current at time `at`, in any order.
  std::vector<const Written*> At(Lamport at) const;

  std::vector<IndexHit> Search(const IndexOptions& options,
                               const Quantizer& quantizer,
                               const IndexQuery& query, Lamport now) const;

  absl::Status ReadOriginals(absl::Span<const BodyKey> bodies,
                             absl::Span<float> vectors) const override;

 private:
  size_t dim_;
  std::vector<Written> all_;
};

// Kinds of vectors that are hard on a search.
enum class Shape { kNormal, kFew, kCluster, kFar, kTiny, kZeros };
inline constexpr Shape kShapes[] = {Shape::kNormal,  Shape::kFew,
                                    Shape::kCluster, Shape::kFar,
                                    Shape::kTiny,    Shape::kZeros};
// A vector that is not zero, except with kZeros.
std::vector<float> RandomVector(Random* random, size_t dim, Shape shape);

// Vectors with the number of each as its id.
class Numbered : public OriginalReader {
 public:
  Numbered(size_t n, size_t dim, uint64_t seed, Shape shape);

  const std::vector<float>& vector(size_t i) const { return vectors_[i]; }
  size_t size() const { return vectors_.size(); }
  // The i-th as a version at time 1; metadata "n": i, "half": i is even.
  Written At(size_t i) const;

  absl::Status ReadOriginals(absl::Span<const BodyKey> bodies,
                             absl::Span<float> vectors) const override;

 private:
  size_t dim_;
  std::vector<std::vector<float>> vectors_;
};

// The hits of one query; an error is a failure of the test.
std::vector<IndexHit> SearchOne(const Index& index, const IndexQuery& query,
                                const OriginalReader& originals);

// Adds `written` to `index` as the store does.
void AddTo(Index* index, const IndexOptions& options, const Written& written);

// Makes an index of `history` in its order, published at `now`.
std::unique_ptr<Index> MakeIndex(const IndexOptions& options,
                                 const std::vector<Written>& history,
                                 Lamport now);

// "id@lamport.seq=score" of each hit, the score to the last bit.
std::vector<std::string> Describe(const std::vector<IndexHit>& hits);

}  // namespace corkscrew::reference

#endif  // CORKSCREW_DB_REFERENCE_INDEX_H_
