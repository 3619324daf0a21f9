// Scores candidates of a peer with the stored vectors, as an application that
// uses it would have to: inner products of the query with rows of `base`,
// sorted, best first. Loaded by engines.py.

#include <stddef.h>
#include <stdint.h>

// base [rows, dim], query [dim], candidates [count] row numbers, out [k].
void rescore(const float* base, size_t dim, const float* query,
             const int64_t* candidates, size_t count, size_t k, int64_t* out) {
  float best[1024];
  size_t kept = 0;
  if (k > 1024) k = 1024;
  for (size_t c = 0; c < count; ++c) {
    if (candidates[c] < 0) continue;
    const float* row = base + (size_t)candidates[c] * dim;
    float sum[16] = {0};
    size_t i = 0;
    for (; i + 16 <= dim; i += 16) {
      for (size_t j = 0; j < 16; ++j) sum[j] += query[i + j] * row[i + j];
    }
    float score = 0;
    for (; i < dim; ++i) score += query[i] * row[i];
    for (size_t j = 0; j < 16; ++j) score += sum[j];
    size_t at = kept;
    while (at > 0 && best[at - 1] < score) --at;
    if (at == k) continue;
    if (kept < k) ++kept;
    for (size_t j = kept - 1; j > at; --j) {
      best[j] = best[j - 1];
      out[j] = out[j - 1];
    }
    best[at] = score;
    out[at] = candidates[c];
  }
  for (size_t j = kept; j < k; ++j) out[j] = -1;
}
