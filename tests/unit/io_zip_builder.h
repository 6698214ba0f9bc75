// Zip archives made by hand, right or wrong, for the tests of the .npz reader.
#pragma once

#include <string>

#include "io_support.h"

namespace subquad::io {

// One deflated member with a data descriptor, so that only the directory states its sizes.
struct DeflatedMember {
  std::string name = "q.npy";
  Bytes deflated;
  std::uint32_t size = 0;  // uncompressed
  std::uint32_t crc = 0;
};

// A deflate stream of one stored block; `last` is its final bit.
inline Bytes deflate_block(const Bytes& bytes, bool last = true) {
  Bytes block{static_cast<std::uint8_t>(last ? 1 : 0)};
  const auto length = static_cast<std::uint16_t>(bytes.size());
  append(block, length);
  append(block, static_cast<std::uint16_t>(~length));
  append(block, bytes);
  return block;
}

// The fields from flags to the length of the name.
inline void append_common_fields(Bytes& bytes, const DeflatedMember& member, bool sizes_known) {
  append<std::uint16_t>(bytes, 8);  // flags: data descriptor
  append<std::uint16_t>(bytes, 8);  // deflated
  append<std::uint32_t>(bytes, 0);  // time
  append<std::uint32_t>(bytes, sizes_known ? member.crc : 0);
  append(bytes, sizes_known ? static_cast<std::uint32_t>(member.deflated.size()) : 0);
  append<std::uint32_t>(bytes, sizes_known ? member.size : 0);
  append(bytes, static_cast<std::uint16_t>(member.name.size()));
}

inline Bytes zip_of(const DeflatedMember& member) {
  Bytes bytes = to_bytes("PK\x03\x04");
  append<std::uint16_t>(bytes, 20);
  append_common_fields(bytes, member, false);
  append<std::uint16_t>(bytes, 0);  // extra field
  append(bytes, to_bytes(member.name));
  append(bytes, member.deflated);
  const auto directory = static_cast<std::uint32_t>(bytes.size());
  append(bytes, to_bytes("PK\x01\x02"));
  append<std::uint32_t>(bytes, 0);  // versions
  append_common_fields(bytes, member, true);
  bytes.resize(bytes.size() + 16);  // extra field, comment, disk, attributes, offset
  append(bytes, to_bytes(member.name));
  const auto directory_size = static_cast<std::uint32_t>(bytes.size()) - directory;
  append(bytes, to_bytes("PK\x05\x06"));
  append<std::uint32_t>(bytes, 0);  // disks
  append<std::uint32_t>(bytes, 0x00010001);
  append(bytes, directory_size);
  append(bytes, directory);
  append<std::uint16_t>(bytes, 0);  // comment
  return bytes;
}

}  // namespace subquad::io
