// One function per block type, all reached through the table at the end. The
// products are formed in ggml's order, so that values equal ggml's bit for bit
// (-ffp-contract=off).

#include "embed/ggml_types.h"

#include <bit>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "embed/gguf.h"

namespace corkscrew {
namespace {

float HalfToFloat(uint16_t half) {
  const uint32_t sign = uint32_t{half & 0x8000u} << 16;
  const uint32_t exponent = (half >> 10) & 0x1Fu;
  const uint32_t mantissa = half & 0x3FFu;
  if (exponent == 0) {  // Zero or subnormal: mantissa * 2^-24, exact.
    const float magnitude = static_cast<float>(mantissa) * 0x1p-24f;
    return std::bit_cast<float>(std::bit_cast<uint32_t>(magnitude) | sign);
  }
  if (exponent == 31) {  // Infinity or NaN.
    return std::bit_cast<float>(sign | 0x7F800000u | (mantissa << 13));
  }
  return std::bit_cast<float>(sign | ((exponent + 112) << 23) |
                              (mantissa << 13));
}

// Blocks are unaligned in the file.
float LoadHalf(const uint8_t* from) {
  uint16_t bits;
  std::memcpy(&bits, from, sizeof(bits));
  return HalfToFloat(bits);
}

uint32_t Load32(const uint8_t* from) {
  uint32_t bits;
  std::memcpy(&bits, from, sizeof(bits));
  return bits;
}

// The functions below decode one block. In the layouts in the comments d, m and
// dmin are half floats; "qs" holds two 4-bit values per byte.

void DecodeF32(const uint8_t* block, float* out) {
  std::memcpy(out, block, sizeof(float));
}

void DecodeF16(const uint8_t* block, float* out) { *out = LoadHalf(block); }

void DecodeBF16(const uint8_t* block, float* out) {
  *out = std::bit_cast<float>((uint32_t{block[1]} << 24) |
                              (uint32_t{block[0]} << 16));
}

// d, qs[16]: the low nibbles are the first 16 values.
void DecodeQ4_0(const uint8_t* block, float* out) {
  const float d = LoadHalf(block);
  const uint8_t* qs = block + 2;
  for (int j = 0; j < 16; ++j) {
    out[j] = static_cast<float>((qs[j] & 15) - 8) * d;
    out[j + 16] = static_cast<float>((qs[j] >> 4) - 8) * d;
  }
}

// d, m, qs[16].
void DecodeQ4_1(const uint8_t* block, float* out) {
  const float d = LoadHalf(block);
  const float m = LoadHalf(block + 2);
  const uint8_t* qs = block + 4;
  for (int j = 0; j < 16; ++j) {
    out[j] = static_cast<float>(qs[j] & 15) * d + m;
    out[j + 16] = static_cast<float>(qs[j] >> 4) * d + m;
  }
}

// d, u32 of fifth bits, qs[16].
void DecodeQ5_0(const uint8_t* block, float* out) {
  const float d = LoadHalf(block);
  const uint32_t high = Load32(block + 2);
  const uint8_t* qs = block + 6;
  for (int j = 0; j < 16; ++j) {
    const int q0 = (qs[j] & 15) | static_cast<int>((high >> j & 1) << 4);
    const int q1 = (qs[j] >> 4) | static_cast<int>((high >> (j + 16) & 1) << 4);
    out[j] = static_cast<float>(q0 - 16) * d;
    out[j + 16] = static_cast<float>(q1 - 16) * d;
  }
}

// d, m, u32 of fifth bits, qs[16].
void DecodeQ5_1(const uint8_t* block, float* out) {
  const float d = LoadHalf(block);
  const float m = LoadHalf(block + 2);
  const uint32_t high = Load32(block + 4);
  const uint8_t* qs = block + 8;
  for (int j = 0; j < 16; ++j) {
    const int q0 = (qs[j] & 15) | static_cast<int>((high >> j & 1) << 4);
    const int q1 = (qs[j] >> 4) | static_cast<int>((high >> (j + 16) & 1) << 4);
    out[j] = static_cast<float>(q0) * d + m;
    out[j + 16] = static_cast<float>(q1) * d + m;
  }
}

// d, i8[32].
void DecodeQ8_0(const uint8_t* block, float* out) {
  const float d = LoadHalf(block);
  for (int j = 0; j < 32; ++j) {
    out[j] = static_cast<float>(static_cast<int8_t>(block[2 + j])) * d;
  }
}

// scales[16] (scale low, min high nibble), 2-bit values[64], d, dmin.
void DecodeQ2_K(const uint8_t* block, float* out) {
  const uint8_t* scale = block;
  const uint8_t* q = block + 16;
  const float d = LoadHalf(block + 80);
  const float dmin = LoadHalf(block + 82);
  for (int half = 0; half < 2; ++half, q += 32) {
    for (int shift = 0; shift < 8; shift += 2) {
      for (int run = 0; run < 2; ++run, ++scale) {
        const float dl = d * static_cast<float>(*scale & 15);
        const float ml = dmin * static_cast<float>(*scale >> 4);
        for (int l = 0; l < 16; ++l) {
          const int value = q[16 * run + l] >> shift & 3;
          *out++ = dl * static_cast<float>(value) - ml;
        }
      }
    }
  }
}

// Third bits[32], 2-bit values[64], 16 6-bit scales in [12], d.
void DecodeQ3_K(const uint8_t* block, float* out) {
  const uint8_t* high = block;
  const uint8_t* q = block + 32;
  const uint8_t* packed = block + 96;
  const float d = LoadHalf(block + 108);
  int scales[16];
  for (int i = 0; i < 16; ++i) {
    const int low = i < 8 ? packed[i] & 15 : packed[i - 8] >> 4;
    const int top = packed[8 + i % 4] >> (2 * (i / 4)) & 3;
    scales[i] = (low | top << 4) - 32;
  }
  const int* scale = scales;
  for (int half = 0; half < 2; ++half, q += 32) {
    for (int pair = 0; pair < 4; ++pair) {
      for (int run = 0; run < 2; ++run, ++scale) {
        const float dl = d * static_cast<float>(*scale);
        for (int l = 16 * run; l < 16 * run + 16; ++l) {
          const int missing = high[l] >> (4 * half + pair) & 1 ? 0 : 4;
          const int value = (q[l] >> (2 * pair) & 3) - missing;
          *out++ = dl * static_cast<float>(value);
        }
      }
    }
  }
}

// The 6-bit scale and minimum of sub-block `j` of Q4_K and Q5_K.
void UnpackScaleMin(const uint8_t* packed, int j, int* scale, int* min) {
  if (j < 4) {
    *scale = packed[j] & 63;
    *min = packed[j + 4] & 63;
  } else {
    *scale = (packed[j + 4] & 15) | (packed[j - 4] >> 6) << 4;
    *min = (packed[j + 4] >> 4) | (packed[j] >> 6) << 4;
  }
}

// d, dmin, scales[12], [fifth bits[32],] qs[128].
void DecodeQ45_K(const uint8_t* block, bool fifth_bits, float* out) {
  const float d = LoadHalf(block);
  const float dmin = LoadHalf(block + 2);
  const uint8_t* packed = block + 4;
  const uint8_t* high = block + 16;
  const uint8_t* q = fifth_bits ? block + 48 : block + 16;
  for (int j = 0; j < 8; ++j) {
    int scale;
    int min;
    UnpackScaleMin(packed, j, &scale, &min);
    const float dl = d * static_cast<float>(scale);
    const float ml = dmin * static_cast<float>(min);
    for (int l = 0; l < 32; ++l) {
      int value = j % 2 == 0 ? q[l] & 15 : q[l] >> 4;
      if (fifth_bits) value += (high[l] >> j & 1) << 4;
      *out++ = dl * static_cast<float>(value) - ml;
    }
    if (j % 2 == 1) q += 32;
  }
}

void DecodeQ4_K(const uint8_t* block, float* out) {
  DecodeQ45_K(block, /*fifth_bits=*/false, out);
}

void DecodeQ5_K(const uint8_t* block, float* out) {
  DecodeQ45_K(block, /*fifth_bits=*/true, out);
}

// Low nibbles[128], high 2 bits[64], i8 scales[16], d.
void DecodeQ6_K(const uint8_t* block, float* out) {
  const float d = LoadHalf(block + 208);
  for (int half = 0; half < 2; ++half) {
    const uint8_t* low = block + 64 * half;
    const uint8_t* high = block + 128 + 32 * half;
    const uint8_t* scales = block + 192 + 8 * half;
    for (int part = 0; part < 4; ++part) {
      for (int l = 0; l < 32; ++l) {
        const int nibbles = low[l + 32 * (part % 2)];
        const int bottom = part < 2 ? nibbles & 15 : nibbles >> 4;
        const int top = high[l] >> (2 * part) & 3;
        const int scale = static_cast<int8_t>(scales[l / 16 + 2 * part]);
        *out++ = d * static_cast<float>(scale) *
                 static_cast<float>((bottom | top << 4) - 32);
      }
    }
  }
}

constexpr float kIQ4Values[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                  1,    13,   25,  38,  53,  69,  89,  113};

// d, qs[16] of indices into kIQ4Values.
void DecodeIQ4_NL(const uint8_t* block, float* out) {
  const float d = LoadHalf(block);
  const uint8_t* qs = block + 2;
  for (int j = 0; j < 16; ++j) {
    out[j] = d * kIQ4Values[qs[j] & 15];
    out[j + 16] = d * kIQ4Values[qs[j] >> 4];
  }
}

// d, u16 of high scale bits, low scale nibbles[4], qs[128].
void DecodeIQ4_XS(const uint8_t* block, float* out) {
  const float d = LoadHalf(block);
  const int high = block[2] | block[3] << 8;
  const uint8_t* low = block + 4;
  const uint8_t* qs = block + 8;
  for (int b = 0; b < 8; ++b, qs += 16, out += 32) {
    const int scale = (low[b / 2] >> (4 * (b % 2)) & 15) | (high >> (2 * b) & 3)
                                                               << 4;
    const float dl = d * static_cast<float>(scale - 32);
    for (int j = 0; j < 16; ++j) {
      out[j] = dl * kIQ4Values[qs[j] & 15];
      out[j + 16] = dl * kIQ4Values[qs[j] >> 4];
    }
  }
}

struct TypeRow {
  GgmlType type;
  absl::string_view name;
  GgmlBlock block;
  void (*decode_row)(const uint8_t* row, size_t n, float* out);
};

// One indirect call per row: the block's function is inlined into the loop.
template <GgmlBlock kBlock, void (*kDecode)(const uint8_t*, float*)>
void DecodeBlocks(const uint8_t* row, size_t n, float* out) {
  for (size_t i = 0; i < n; i += kBlock.values, row += kBlock.bytes) {
    kDecode(row, out + i);
  }
}

template <GgmlBlock kBlock, void (*kDecode)(const uint8_t*, float*)>
constexpr TypeRow Row(GgmlType type, absl::string_view name) {
  return {type, name, kBlock, DecodeBlocks<kBlock, kDecode>};
}

constexpr TypeRow kTypes[] = {
    Row<GgmlBlock{1, 4}, DecodeF32>(GgmlType::kF32, "F32"),
    Row<GgmlBlock{1, 2}, DecodeF16>(GgmlType::kF16, "F16"),
    Row<GgmlBlock{32, 18}, DecodeQ4_0>(GgmlType::kQ4_0, "Q4_0"),
    Row<GgmlBlock{32, 20}, DecodeQ4_1>(GgmlType::kQ4_1, "Q4_1"),
    Row<GgmlBlock{32, 22}, DecodeQ5_0>(GgmlType::kQ5_0, "Q5_0"),
    Row<GgmlBlock{32, 24}, DecodeQ5_1>(GgmlType::kQ5_1, "Q5_1"),
    Row<GgmlBlock{32, 34}, DecodeQ8_0>(GgmlType::kQ8_0, "Q8_0"),
    Row<GgmlBlock{256, 84}, DecodeQ2_K>(GgmlType::kQ2_K, "Q2_K"),
    Row<GgmlBlock{256, 110}, DecodeQ3_K>(GgmlType::kQ3_K, "Q3_K"),
    Row<GgmlBlock{256, 144}, DecodeQ4_K>(GgmlType::kQ4_K, "Q4_K"),
    Row<GgmlBlock{256, 176}, DecodeQ5_K>(GgmlType::kQ5_K, "Q5_K"),
    Row<GgmlBlock{256, 210}, DecodeQ6_K>(GgmlType::kQ6_K, "Q6_K"),
    Row<GgmlBlock{32, 18}, DecodeIQ4_NL>(GgmlType::kIQ4_NL, "IQ4_NL"),
    Row<GgmlBlock{256, 136}, DecodeIQ4_XS>(GgmlType::kIQ4_XS, "IQ4_XS"),
    Row<GgmlBlock{1, 2}, DecodeBF16>(GgmlType::kBF16, "BF16"),
};

const TypeRow* RowOf(GgmlType type) {
  for (const TypeRow& row : kTypes) {
    if (row.type == type) return &row;
  }
  return nullptr;
}

}  // namespace

GgmlBlock BlockOf(GgmlType type) {
  const TypeRow* row = RowOf(type);
  return row == nullptr ? GgmlBlock{} : row->block;
}

std::string NameOf(GgmlType type) {
  const TypeRow* row = RowOf(type);
  return row == nullptr ? absl::StrCat("type ", static_cast<uint32_t>(type))
                        : std::string(row->name);
}

bool CanDequantize(GgmlType type) { return RowOf(type) != nullptr; }

void DequantizeRow(GgmlType type, const char* row, size_t n, float* out) {
  const TypeRow* found = RowOf(type);
  assert(found != nullptr);
  assert(n % found->block.values == 0);
  found->decode_row(reinterpret_cast<const uint8_t*>(row), n, out);
}

}  // namespace corkscrew
