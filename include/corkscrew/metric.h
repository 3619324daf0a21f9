#ifndef CORKSCREW_METRIC_H_
#define CORKSCREW_METRIC_H_

namespace corkscrew {

// How near two vectors are. Part of the format: do not change the values.
enum class Metric {
  kCosine = 1,  // Cosine similarity; larger is nearer. Vectors need a length.
  kDot = 2,     // Inner product; larger is nearer.
  kL2 = 3,      // Squared Euclidean distance; smaller is nearer.
};

}  // namespace corkscrew

#endif  // CORKSCREW_METRIC_H_
