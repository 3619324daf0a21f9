#include "quant/reference_quantizer.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "corkscrew/quantizer.h"
#include "quant/codebook.h"

namespace corkscrew::reference {
namespace {

uint64_t Mix(uint64_t z) {
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}

float Rn32(double x) { return static_cast<float>(x); }

double Double(int64_t x) { return static_cast<double>(x); }

int32_t Rint32(double x) { return static_cast<int32_t>(std::rint(x)); }

// renorm_k of section 7.
int32_t Renorm(int32_t x, int k) {
  if (k == 0) return x;
  const int64_t wide = x;
  if (k % 2 == 0) {
    return static_cast<int32_t>((wide + (int64_t{1} << (k / 2 - 1))) >>
                                (k / 2));
  }
  const int s = 31 + (k - 1) / 2;
  return static_cast<int32_t>((wide * 1518500250 + (int64_t{1} << (s - 1))) >>
                              s);
}

// H_B by its recursion, [[H, H], [H, -H]].
void Walsh(int32_t* x, size_t size) {
  if (size == 1) return;
  const size_t half = size / 2;
  Walsh(x, half);
  Walsh(x + half, half);
  for (size_t i = 0; i < half; ++i) {
    const int32_t a = x[i];
    const int32_t b = x[i + half];
    x[i] = a + b;
    x[i + half] = a - b;
  }
}

void WalshBlocks(std::vector<int32_t>* v) {
  size_t start = 0;
  for (const size_t size : Blocks(v->size())) {
    int k = 0;
    while ((size_t{1} << k) < size) ++k;
    Walsh(v->data() + start, size);
    for (size_t i = start; i < start + size; ++i) (*v)[i] = Renorm((*v)[i], k);
    start += size;
  }
}

std::string PermutationTag(bool sketch) {
  return sketch ? "tq1.qprm" : "tq1.perm";
}
std::string SignTag(bool sketch) { return sketch ? "tq1.qsgn" : "tq1.sign"; }

// Section 2.8; false for a rejected vector.
bool FixedPoint(const std::vector<float>& x, double* norm64, double* norm,
                std::vector<int32_t>* v) {
  for (const float value : x) {
    if (!std::isfinite(value)) return false;
  }
  *norm64 = std::sqrt(Dot8(x, x));
  if (*norm64 > 0x1p60) return false;
  v->assign(x.size(), 0);
  *norm = 0;
  if (*norm64 < 0x1p-60) return true;
  *norm = *norm64;
  const double inverse = 16777216.0 / *norm;
  for (size_t i = 0; i < x.size(); ++i) {
    (*v)[i] = Rint32(static_cast<double>(x[i]) * inverse);
  }
  return true;
}

// q_j of section 2.13; returns m.
int64_t Grid(const std::vector<int32_t>& rotated, int grid,
             std::vector<int32_t>* q) {
  int64_t largest = 0;
  for (const int32_t r : rotated) {
    largest = std::max(largest, std::abs(int64_t{r}));
  }
  q->assign(rotated.size(), 0);
  if (largest == 0) return 0;
  const double a = grid / Double(largest);
  for (size_t j = 0; j < rotated.size(); ++j) {
    (*q)[j] = Rint32(Double(rotated[j]) * a);
  }
  return largest;
}

}  // namespace

uint64_t Generator::Next() {
  state += 0x9E3779B97F4A7C15u;
  return Mix(state);
}

uint64_t Generator::Bounded(uint64_t n) {
  const uint64_t two32 = uint64_t{1} << 32;
  uint64_t m = (Next() >> 32) * n;
  uint64_t low = m % two32;
  if (low < n) {
    const uint64_t t = (two32 - n) % n;
    while (low < t) {
      m = (Next() >> 32) * n;
      low = m % two32;
    }
  }
  return m >> 32;
}

uint64_t Derive(uint64_t seed, const std::string& tag, uint64_t dim,
                uint64_t round) {
  uint64_t tag_word = 0;
  for (size_t i = 0; i < 8; ++i) {
    tag_word |= uint64_t{static_cast<uint8_t>(tag[i])} << (8 * i);
  }
  uint64_t h = Mix((seed ^ tag_word) + 0x9E3779B97F4A7C15u);
  h = Mix((h ^ dim) + 0x9E3779B97F4A7C15u);
  return Mix((h ^ round) + 0x9E3779B97F4A7C15u);
}

std::vector<int32_t> Permutation(uint64_t seed, const std::string& tag,
                                 size_t dim, uint64_t round) {
  Generator generator{Derive(seed, tag, dim, round)};
  std::vector<int32_t> p;
  for (size_t i = 0; i < dim; ++i) p.push_back(static_cast<int32_t>(i));
  for (size_t i = dim - 1; i >= 1; --i) {
    std::swap(p[i], p[generator.Bounded(i + 1)]);
  }
  return p;
}

std::vector<int32_t> Signs(uint64_t seed, const std::string& tag, size_t dim,
                           uint64_t round) {
  Generator generator{Derive(seed, tag, dim, round)};
  std::vector<uint64_t> words;
  for (size_t i = 0; i < dim; i += 64) words.push_back(generator.Next());
  std::vector<int32_t> signs;
  for (size_t i = 0; i < dim; ++i) {
    signs.push_back((words[i / 64] >> (i % 64)) % 2 == 1 ? -1 : 1);
  }
  return signs;
}

std::vector<size_t> Blocks(size_t dim) {
  std::vector<size_t> blocks;
  while (dim > 0) {
    size_t size = 4096;
    while (size > dim) size /= 2;
    blocks.push_back(size);
    dim -= size;
  }
  return blocks;
}

size_t Rounds(size_t dim) { return dim >= 128 && dim % 8 == 0 ? 3 : 4; }

double Dot8(const std::vector<float>& x, const std::vector<float>& y) {
  double a[8] = {0, 0, 0, 0, 0, 0, 0, 0};
  for (size_t i = 0; i < x.size(); ++i) {
    a[i % 8] += static_cast<double>(x[i]) * static_cast<double>(y[i]);
  }
  return ((a[0] + a[4]) + (a[2] + a[6])) + ((a[1] + a[5]) + (a[3] + a[7]));
}

std::vector<uint8_t> Pack(const std::vector<uint8_t>& values, int bits) {
  const size_t width = static_cast<size_t>(bits);
  std::vector<uint8_t> bytes((values.size() * width + 7) / 8);
  for (size_t t = 0; t < values.size() * width; ++t) {
    const int bit = (values[t / width] >> (t % width)) & 1;
    bytes[t / 8] = static_cast<uint8_t>(bytes[t / 8] | (bit << (t % 8)));
  }
  return bytes;
}

std::vector<uint8_t> Unpack(const std::vector<uint8_t>& bytes, size_t n,
                            int bits) {
  const size_t width = static_cast<size_t>(bits);
  std::vector<uint8_t> values(n);
  for (size_t t = 0; t < n * width; ++t) {
    const int bit = (bytes[t / 8] >> (t % 8)) & 1;
    values[t / width] =
        static_cast<uint8_t>(values[t / width] | (bit << (t % width)));
  }
  return values;
}

Quantizer::Quantizer(const QuantizerParams& params)
    : params_(params),
      level_bits_(params.mode == QuantizerMode::kIp ? params.bits - 1
                                                    : params.bits),
      codebook_(MakeCodebook(params.codebook, level_bits_)) {}

std::vector<int32_t> Quantizer::Round(std::vector<int32_t> v, bool sketch,
                                      size_t round) const {
  const size_t d = params_.dim;
  const auto p = Permutation(params_.seed, PermutationTag(sketch), d, round);
  const auto s = Signs(params_.seed, SignTag(sketch), d, round);
  std::vector<int32_t> t(d);
  for (size_t i = 0; i < d; ++i) {
    t[i] = s[i] * v[static_cast<size_t>(p[i])];
  }
  WalshBlocks(&t);
  return t;
}

std::vector<int32_t> Quantizer::Inverse(std::vector<int32_t> v,
                                        bool sketch) const {
  const size_t d = params_.dim;
  for (size_t r = Rounds(d); r-- > 0;) {
    const auto p = Permutation(params_.seed, PermutationTag(sketch), d, r);
    const auto s = Signs(params_.seed, SignTag(sketch), d, r);
    WalshBlocks(&v);
    std::vector<int32_t> t(d);
    for (size_t i = 0; i < d; ++i) {
      t[static_cast<size_t>(p[i])] = s[i] * v[i];
    }
    v = t;
  }
  return v;
}

std::vector<int32_t> Quantizer::thresholds() const {
  std::vector<int32_t> result;
  for (size_t i = 0; i + 1 < codebook_.levels.size(); ++i) {
    const int64_t sum = int64_t{codebook_.levels[i]} + codebook_.levels[i + 1];
    result.push_back(
        Rint32(Double(sum * codebook_.unit) /
               std::sqrt(Double(static_cast<int64_t>(params_.dim)))));
  }
  return result;
}

std::vector<int32_t> Quantizer::levels() const {
  std::vector<int32_t> result;
  for (const int64_t level : codebook_.levels) {
    result.push_back(
        Rint32(Double(2 * level * codebook_.unit) /
               std::sqrt(Double(static_cast<int64_t>(params_.dim)))));
  }
  return result;
}

uint8_t Quantizer::Index(int32_t v) const {
  int k = 0;
  for (const int32_t t : thresholds()) k += v >= t ? 1 : 0;
  return static_cast<uint8_t>(k);
}

bool Quantizer::Encode(const std::vector<float>& x, Record* record) const {
  const size_t d = params_.dim;
  double norm = 0;
  if (!FixedPoint(x, &record->norm64, &norm, &record->fixed)) return false;
  std::vector<int32_t> v = record->fixed;
  for (size_t r = 0; r < Rounds(d); ++r) {
    v = Round(v, false, r);
    record->rounds.push_back(v);
  }
  const std::vector<int32_t> t = thresholds();
  for (size_t j = 0; j < d; ++j) {
    uint8_t k = 0;
    for (const int32_t threshold : t) {
      if (v[j] >= threshold) ++k;
    }
    record->codes.push_back(k);
    record->dot += int64_t{v[j]} * codebook_.levels[k];
  }
  record->bytes = Pack(record->codes, level_bits_);
  record->scalars.norm = Rn32(norm);
  if (params_.mode == QuantizerMode::kMse) {
    record->scalars.scale =
        norm == 0 ? 0.0f : Rn32((norm * 16777216.0) / Double(record->dot));
    return true;
  }
  std::vector<int32_t> residual(d);
  const std::vector<int32_t> level = levels();
  for (size_t j = 0; j < d; ++j) {
    residual[j] = v[j] - level[record->codes[j]];
    record->squares += int64_t{residual[j]} * residual[j];
  }
  for (size_t r = 0; r < Rounds(d); ++r) residual = Round(residual, true, r);
  for (const int32_t w : residual) {
    record->magnitudes += std::abs(int64_t{w});
    record->sketch.push_back(w >= 0 || norm == 0 ? 1 : 0);
  }
  const std::vector<uint8_t> sketch = Pack(record->sketch, 1);
  record->bytes.insert(record->bytes.end(), sketch.begin(), sketch.end());
  if (record->magnitudes != 0) {
    record->scalars.scale =
        Rn32((Double(record->squares) / Double(record->magnitudes)) *
             (norm * 0x1p-24));
  }
  return true;
}

Query Quantizer::Prepare(const std::vector<float>& q, int grid) const {
  Query query;
  double norm64 = 0;
  std::vector<int32_t> v;
  FixedPoint(q, &norm64, &query.norm, &v);
  for (size_t r = 0; r < Rounds(params_.dim); ++r) v = Round(v, false, r);
  query.largest = Grid(v, grid, &query.grid);
  const double divisor = grid * 16777216.0;
  query.dot_unit = Rn32((query.norm * Double(query.largest)) / divisor);
  query.cosine_unit = Rn32(Double(query.largest) / divisor);
  if (params_.mode == QuantizerMode::kIp) {
    for (size_t r = 0; r < Rounds(params_.dim); ++r) v = Round(v, true, r);
    query.sketch_largest = Grid(v, grid, &query.sketch_grid);
    query.sketch_unit =
        Rn32((query.norm * Double(query.sketch_largest)) / divisor);
  }
  return query;
}

Scores Quantizer::Score(const Query& query, const Record& record) const {
  Scores s;
  const float norm = record.scalars.norm;
  const float scale = record.scalars.scale;
  for (size_t j = 0; j < params_.dim; ++j) {
    s.sum += int64_t{query.grid[j]} * codebook_.levels[record.codes[j]];
  }
  if (params_.mode == QuantizerMode::kMse) {
    s.dot = (static_cast<float>(s.sum) * query.dot_unit) * scale;
    s.cosine = norm == 0 ? 0.0f
                         : (static_cast<float>(s.sum) * query.cosine_unit) *
                               (scale / norm);
  } else {
    for (size_t j = 0; j < params_.dim; ++j) {
      s.sketch_sum += query.sketch_grid[j] * (record.sketch[j] != 0 ? 1 : -1);
    }
    const double kd = (Double(codebook_.unit) * 0x1p-23) /
                      std::sqrt(Double(static_cast<int64_t>(params_.dim)));
    s.m1 = Rn32(static_cast<double>(norm) * kd);
    s.dot = ((static_cast<float>(s.sum) * query.dot_unit) * s.m1) +
            ((static_cast<float>(s.sketch_sum) * query.sketch_unit) * scale);
  }
  const float nx2 = norm * norm;
  const float nq2 = Rn32(query.norm * query.norm);
  s.l2 = std::max(0.0f, (nx2 + nq2) - 2 * s.dot);
  return s;
}

float Quantizer::ScoreCodes(const Record& x, const Record& y,
                            int64_t* sum) const {
  *sum = 0;
  for (size_t j = 0; j < params_.dim; ++j) {
    *sum +=
        int64_t{codebook_.levels[x.codes[j]]} * codebook_.levels[y.codes[j]];
  }
  return (static_cast<float>(*sum) * x.scalars.scale) * y.scalars.scale;
}

std::vector<float> Quantizer::Decode(const Record& record,
                                     DecodeKind kind) const {
  const size_t d = params_.dim;
  const double root = std::sqrt(Double(static_cast<int64_t>(d)));
  const double norm = record.scalars.norm;
  const double scale = record.scalars.scale;
  std::vector<float> x(d, 0.0f);
  int64_t c2 = 0;
  for (const uint8_t k : record.codes) {
    c2 += int64_t{codebook_.levels[k]} * codebook_.levels[k];
  }
  const double n = std::sqrt(Double(c2));
  std::vector<int32_t> w(d);
  for (size_t j = 0; j < d; ++j) {
    w[j] = Rint32(Double(codebook_.levels[record.codes[j]]) * (16777216.0 / n));
  }
  w = Inverse(w, false);
  double s = norm * ((Double(codebook_.unit) * 0x1p-23) / root);
  if (kind == DecodeKind::kUnbiased) s = scale;
  if (kind == DecodeKind::kLeastSquares) {
    s = norm == 0 ? 0 : (norm * norm) / (scale * Double(c2));
  }
  for (size_t i = 0; i < d; ++i) {
    x[i] = Rn32(Double(w[i]) * ((s * n) * 0x1p-24));
  }
  if (params_.mode == QuantizerMode::kMse) return x;
  const int32_t t = Rint32(16777216.0 / root);
  std::vector<int32_t> z(d);
  for (size_t j = 0; j < d; ++j) z[j] = record.sketch[j] != 0 ? t : -t;
  z = Inverse(Inverse(z, true), false);
  for (size_t i = 0; i < d; ++i) {
    const float b = Rn32(Double(z[i]) * ((scale * root) * 0x1p-24));
    x[i] = x[i] + b;
  }
  return x;
}

}  // namespace corkscrew::reference
