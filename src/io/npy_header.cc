#include "io/npy_header.h"

#include <algorithm>
#include <array>
#include <limits>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "io/checked.h"
#include "io/contents.h"
#include "io/cursor.h"
#include "io/npy_dict.h"
#include "io/text.h"

namespace subquad::io {
namespace {

constexpr std::string_view magic = "\x93NUMPY";

struct Descr {
  const char* text;  // as NumPy writes it
  ElementType type;
};

// bf16 has none.
constexpr std::array<Descr, 12> descr_table{{{"|b1", ElementType::boolean},
                                             {"|u1", ElementType::u8},
                                             {"|i1", ElementType::i8},
                                             {"<u2", ElementType::u16},
                                             {"<i2", ElementType::i16},
                                             {"<u4", ElementType::u32},
                                             {"<i4", ElementType::i32},
                                             {"<u8", ElementType::u64},
                                             {"<i8", ElementType::i64},
                                             {"<f2", ElementType::f16},
                                             {"<f4", ElementType::f32},
                                             {"<f8", ElementType::f64}}};

ElementType parse_descr(const std::string& text, bool big_endian, const Source& source) {
  std::string little = text;
  if (big_endian) little.front() = '<';
  const auto it = std::find_if(descr_table.begin(), descr_table.end(),
                               [&](const Descr& descr) { return little == descr.text; });
  if (it != descr_table.end()) return it->type;
  source.fail("descr", in_quotes(text) +
                           " is not a supported element type (bool, u1 to u8, i1 to i8, "
                           "f2, f4, f8)");
}

// Bytes before the header text: magic, version and length. Version 1 has a 16-bit length.
std::size_t prefix_size(std::uint8_t major) { return major == 1 ? 10 : 12; }

std::uint8_t read_major_version(Cursor& cursor, const Source& source) {
  if (as_text(cursor.take(magic.size(), "magic")) != magic) {
    source.fail("magic", "not a .npy array");
  }
  const auto major = cursor.read<std::uint8_t>("version");
  const auto minor = cursor.read<std::uint8_t>("version");
  if (major < 1 || major > 3 || minor != 0) {
    source.fail("version", fmt::format("{}.{} is unknown", major, minor));
  }
  return major;
}

}  // namespace

std::size_t npy_data_offset(std::span<const std::byte> prefix, const Source& source) {
  Cursor cursor(prefix, source);
  const std::uint8_t major = read_major_version(cursor, source);
  const std::size_t length = major == 1 ? cursor.read<std::uint16_t>("header length")
                                        : cursor.read<std::uint32_t>("header length");
  const std::size_t offset = prefix_size(major) + length;
  if (offset > npy_max_header_bytes) {
    source.fail("header length", fmt::format("{} is above {} bytes", length, npy_max_header_bytes));
  }
  if (offset < npy_prefix_bytes)
    source.fail("header length", fmt::format("{} is too short", length));
  return offset;
}

NpyHeader parse_npy_header(std::span<const std::byte> header, const Source& source) {
  Cursor cursor(header, source);
  const std::uint8_t major = read_major_version(cursor, source);
  const NpyDict dict = parse_npy_dict(as_text(header.subspan(prefix_size(major))), source);
  const bool big_endian = dict.descr.starts_with('>');
  const ElementType type = parse_descr(dict.descr, big_endian, source);
  const auto bytes = dense_bytes(dict.shape, size_of(type));
  if (!bytes) source.fail("shape", "too large");
  return {type, dict.shape, static_cast<std::uint64_t>(*bytes), dict.fortran_order, big_endian};
}

std::string format_npy_header(const Tensor& tensor) {
  const auto it = std::find_if(descr_table.begin(), descr_table.end(),
                               [&](const Descr& descr) { return tensor.type == descr.type; });
  if (it == descr_table.end()) {
    throw_invalid(fmt::format("tensor {}: {} cannot be stored in .npy or .npz; use .safetensors",
                              in_quotes(tensor.name), name_of(tensor.type)));
  }
  const char* tuple_end = tensor.shape.size() == 1 ? "," : "";
  std::string text = fmt::format("{{'descr': '{}', 'fortran_order': False, 'shape': ({}{}), }}",
                                 it->text, fmt::join(tensor.shape, ", "), tuple_end);
  const std::size_t unpadded = prefix_size(1) + text.size() + 1;
  text.append((64 - unpadded % 64) % 64, ' ').push_back('\n');
  std::string header(magic);
  header +=
      {'\x01', '\x00', static_cast<char>(text.size() & 0xff), static_cast<char>(text.size() >> 8)};
  return header + text;
}

}  // namespace subquad::io
