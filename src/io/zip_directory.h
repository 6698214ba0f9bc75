// The members of a zip archive (PKWARE APPNOTE 6.3), zip64 included.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "io/source.h"

namespace subquad::io {

enum class ZipMethod : std::uint16_t { stored = 0, deflated = 8 };

struct ZipMember {
  std::string name;
  ZipMethod method = ZipMethod::stored;
  std::uint32_t crc = 0;   // CRC-32 of the uncompressed bytes, not checked yet
  std::uint64_t size = 0;  // uncompressed; at most 1032 times (deflate's limit) the packed
  std::span<const std::byte> packed;  // as stored in the archive
};

// Checks the whole structure: the central directory lies between the members and the end record,
// agrees with every local header, and the members do not overlap. Error (invalid_argument)
// otherwise, and for encryption, several disks, and methods other than the two above.
std::vector<ZipMember> read_zip_directory(std::span<const std::byte> bytes, const Source& source);

}  // namespace subquad::io
