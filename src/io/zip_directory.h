// The members of a zip archive (PKWARE APPNOTE 6.3), zip64 included.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "io/input.h"
#include "io/source.h"

namespace subquad::io {

enum class ZipMethod : std::uint16_t { stored = 0, deflated = 8 };

struct ZipMember {
  std::string name;
  std::uint16_t flags = 0;
  std::uint16_t method = 0;  // a ZipMethod, if supported
  std::uint32_t crc = 0;     // CRC-32 of the uncompressed bytes, not checked yet
  std::uint64_t size = 0;    // uncompressed
  std::uint64_t packed_size = 0;
  std::uint64_t offset = 0;  // of the packed bytes in the archive
};

// Checks the whole structure: the central directory lies between the members and the end record,
// agrees with every local header, and the members do not overlap; no member's size is one that its
// packed bytes cannot have (at most 1032 times as many: deflate's limit). Error (invalid_argument)
// otherwise, and for several disks. Members that require_supported refuses are listed all the same.
std::vector<ZipMember> read_zip_directory(const Input& input, const Source& source);

// Error for what we cannot read: encryption, methods other than the two above, names that are not
// UTF-8.
void require_supported(const ZipMember& member, const Source& source);

}  // namespace subquad::io
