// Constants of the zip format that reader and writer share.
#pragma once

#include <cstdint>

namespace subquad::io::zip {

constexpr std::uint32_t local_signature = 0x04034b50;
constexpr std::uint32_t central_signature = 0x02014b50;
constexpr std::uint32_t end_signature = 0x06054b50;
constexpr std::uint32_t zip64_end_signature = 0x06064b50;
constexpr std::uint32_t zip64_locator_signature = 0x07064b50;

constexpr std::uint64_t local_bytes = 30;    // without name and extra field
constexpr std::uint64_t central_bytes = 46;  // without name, extra field and comment
constexpr std::uint64_t end_bytes = 22;      // without comment
constexpr std::uint64_t zip64_end_bytes = 56;
constexpr std::uint64_t zip64_locator_bytes = 20;

// A field that holds its largest value has its true value in the zip64 extra field or record.
constexpr std::uint16_t in_zip64_16 = 0xffff;
constexpr std::uint32_t in_zip64_32 = 0xffffffff;

constexpr std::uint16_t zip64_extra = 0x0001;
constexpr std::uint16_t padding_extra = 0xd935;  // Android's alignment field

constexpr std::uint16_t flag_descriptor = 1 << 3;  // sizes and CRC follow the data
constexpr std::uint16_t flag_utf8 = 1 << 11;
constexpr std::uint16_t flags_supported = flag_descriptor | flag_utf8 | 0x0006;  // deflate's level

}  // namespace subquad::io::zip
