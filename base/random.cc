#include "base/random.h"

#include <cmath>
#include <cstdint>
#include <numbers>

namespace corkscrew {

uint64_t Random::Next() {
  uint64_t z = state_ += 0x9E3779B97F4A7C15;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
  return z ^ (z >> 31);
}

double Random::Uniform() {
  return static_cast<double>((Next() >> 11) + 1) * 0x1.0p-53;
}

double Random::Normal() {  // Box-Muller; the second value is not kept.
  const double radius = std::sqrt(-2.0 * std::log(Uniform()));
  return radius * std::cos(2.0 * std::numbers::pi * Uniform());
}

}  // namespace corkscrew
