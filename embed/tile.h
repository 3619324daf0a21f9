#ifndef CORKSCREW_EMBED_TILE_H_
#define CORKSCREW_EMBED_TILE_H_

// The unit of work of matrix products: kTileRows rows of activations by one
// panel of kPanel outputs.

#include <cstddef>
#include <cstdint>

namespace corkscrew {

inline constexpr size_t kPanel = 32;    // Outputs of a panel of weights.
inline constexpr size_t kTileRows = 6;  // Most rows of a tile.

// Rows are padded with zeros to whole panels.
constexpr size_t PadToPanel(size_t n) {
  return (n + kPanel - 1) / kPanel * kPanel;
}

// Rows of the tile that starts at `begin` of `rows`, at most `most`: nearly
// equal tiles rather than a short last one. `begin` is a sum of earlier
// results.
constexpr size_t NextTile(size_t begin, size_t rows, size_t most = kTileRows) {
  const size_t left = rows - begin;
  const size_t tiles = (left + most - 1) / most;
  return (left + tiles - 1) / tiles;
}

// Activations of one row in groups of kQ8Group: value[i] ~ scale * values[i].
inline constexpr size_t kQ8Group = 32;
struct Q8Group {
  float scale;
  int32_t offset;  // -128 * the sum of `values`.
  int8_t values[kQ8Group];
};

}  // namespace corkscrew

#endif  // CORKSCREW_EMBED_TILE_H_
