#include "quant/scan_layout.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "absl/types/span.h"
#include "corkscrew/quantizer.h"
#include "quant/bit_planes.h"
#include "quant/packing.h"

namespace corkscrew {
namespace {

// Coordinates handled at a time: a multiple of 8, so that parts start on bytes.
constexpr size_t kPart = 512;
constexpr size_t kPartBytes = kPart / 8;

// The planes of a part, at their bit's place: [bit, byte].
using Planes = std::array<std::array<uint8_t, kPartBytes>, 8>;

// From codes, one per byte, to planes; from number `first` on, a multiple of 8.
void ToPlanes(absl::Span<const uint8_t> codes, size_t first, int bits,
              Planes* planes) {
  for (size_t i = first; i < codes.size(); i += 8) {
    uint64_t group = 0;
    std::memcpy(&group, codes.data() + i,
                std::min<size_t>(8, codes.size() - i));
    for (int bit = 0; bit < bits; ++bit) {
      (*planes)[static_cast<size_t>(bit)][i / 8] = GatherBit(group, bit);
    }
  }
}

// The same from codes of four bits as they are packed; as many as make whole
// words of sixteen. Returns how many that are.
size_t FourBitsToPlanes(absl::Span<const uint8_t> packed, Planes* planes) {
  size_t byte = 0;
  for (; byte + 8 <= packed.size(); byte += 8) {
    uint64_t word;
    std::memcpy(&word, packed.data() + byte, sizeof(word));
    word = PlanesOfFourBits(word);
    for (size_t bit = 0; bit < 4; ++bit) {
      const auto plane = static_cast<uint16_t>(word >> 16 * bit);
      std::memcpy((*planes)[bit].data() + byte / 4, &plane, sizeof(plane));
    }
  }
  return byte * 2;
}

void FromPlanes(const Planes& planes, int bits, absl::Span<uint8_t> codes) {
  for (size_t i = 0; i < codes.size(); i += 8) {
    uint64_t group = 0;
    for (int bit = 0; bit < bits; ++bit) {
      group |= SpreadBits(planes[static_cast<size_t>(bit)][i / 8]) << bit;
    }
    std::memcpy(codes.data() + i, &group,
                std::min<size_t>(8, codes.size() - i));
  }
}

size_t PrefixBytes(size_t plane_bytes) {
  if (plane_bytes <= 24) return plane_bytes;
  return std::clamp<size_t>(plane_bytes / 8, 16, 32);
}

}  // namespace

ScanLayout::ScanLayout(const QuantizerParams& params)
    : dim(params.dim),
      level_bits(params.mode == QuantizerMode::kIp ? params.bits - 1
                                                   : params.bits),
      has_sketch(params.mode == QuantizerMode::kIp),
      plane_bytes(PackedBytes(dim, 1)),
      prefix_bytes(PrefixBytes(plane_bytes)),
      rest_bytes(plane_bytes - prefix_bytes),
      low_planes(static_cast<size_t>(params.bits) - 1),
      low_bytes(low_planes * plane_bytes) {}

void StoreCode(const ScanLayout& layout, absl::Span<const uint8_t> code,
               size_t slot, const MutableScanColumns& columns) {
  const int bits = layout.level_bits;
  const size_t level_bytes = PackedBytes(layout.dim, bits);
  assert(code.size() ==
         level_bytes + (layout.has_sketch ? layout.plane_bytes : 0));
  uint8_t* low = columns.low + slot * layout.low_bytes;
  for (size_t start = 0; start < layout.dim; start += kPart) {
    const size_t size = std::min(kPart, layout.dim - start);
    const size_t bytes = PackedBytes(size, 1);
    const size_t byte = start / 8;
    const absl::Span<const uint8_t> packed =
        code.subspan(byte * static_cast<size_t>(bits), PackedBytes(size, bits));
    Planes planes;
    const size_t done = bits == 4 ? FourBitsToPlanes(packed, &planes) : 0;
    if (done < size) {
      std::array<uint8_t, kPart> codes;
      UnpackBits(packed, bits, {codes.data(), size});
      ToPlanes({codes.data(), size}, done, bits, &planes);
    }
    const uint8_t* sign = planes[static_cast<size_t>(bits) - 1].data();
    size_t i = 0;
    for (; i < bytes && byte + i < layout.prefix_bytes; ++i) {
      columns.prefix[layout.PrefixPosition(slot, byte + i)] = sign[i];
    }
    if (i < bytes) {
      std::memcpy(columns.rest + slot * layout.rest_bytes + byte + i -
                      layout.prefix_bytes,
                  sign + i, bytes - i);
    }
    for (int bit = 0; bit < bits - 1; ++bit) {
      std::memcpy(
          low + static_cast<size_t>(bits - 2 - bit) * layout.plane_bytes + byte,
          planes[static_cast<size_t>(bit)].data(), bytes);
    }
  }
  if (layout.has_sketch) {
    std::memcpy(low + (layout.low_planes - 1) * layout.plane_bytes,
                code.data() + level_bytes, layout.plane_bytes);
  }
}

void LoadCode(const ScanLayout& layout, const ScanColumns& columns, size_t slot,
              absl::Span<uint8_t> code) {
  const int bits = layout.level_bits;
  const size_t level_bytes = PackedBytes(layout.dim, bits);
  assert(code.size() ==
         level_bytes + (layout.has_sketch ? layout.plane_bytes : 0));
  const uint8_t* low = columns.low + slot * layout.low_bytes;
  for (size_t start = 0; start < layout.dim; start += kPart) {
    const size_t size = std::min(kPart, layout.dim - start);
    const size_t bytes = PackedBytes(size, 1);
    const size_t byte = start / 8;
    std::array<uint8_t, kPart> codes;
    Planes planes;
    uint8_t* sign = planes[static_cast<size_t>(bits) - 1].data();
    size_t i = 0;
    for (; i < bytes && byte + i < layout.prefix_bytes; ++i) {
      sign[i] = columns.prefix[layout.PrefixPosition(slot, byte + i)];
    }
    if (i < bytes) {
      std::memcpy(sign + i,
                  columns.rest + slot * layout.rest_bytes + byte + i -
                      layout.prefix_bytes,
                  bytes - i);
    }
    for (int bit = 0; bit < bits - 1; ++bit) {
      std::memcpy(
          planes[static_cast<size_t>(bit)].data(),
          low + static_cast<size_t>(bits - 2 - bit) * layout.plane_bytes + byte,
          bytes);
    }
    FromPlanes(planes, bits, {codes.data(), size});
    PackBits({codes.data(), size}, bits,
             code.subspan(byte * static_cast<size_t>(bits),
                          PackedBytes(size, bits)));
  }
  if (layout.has_sketch) {
    std::memcpy(code.data() + level_bytes,
                low + (layout.low_planes - 1) * layout.plane_bytes,
                layout.plane_bytes);
  }
}

}  // namespace corkscrew
