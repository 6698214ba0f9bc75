#include "io/zip_end.h"

#include <algorithm>
#include <optional>

#include <fmt/format.h>

#include "io/checked.h"
#include "io/cursor.h"
#include "io/zip_format.h"

namespace subquad::io {
namespace {

constexpr const char* field = "end of central directory";

struct Located {
  ZipEnd end;
  std::uint64_t position = 0;  // of the record
};

// True where an end record begins whose comment reaches exactly the end of the file.
bool is_end_record(std::span<const std::byte> tail, const Source& source) {
  Cursor cursor(tail, source);
  if (cursor.read<std::uint32_t>(field) != zip::end_signature) return false;
  cursor.take(16, field);
  return cursor.read<std::uint16_t>(field) == cursor.remaining();
}

// The end record and its comment, at the end of the archive.
std::span<const std::byte> find_end_record(const Input& input, Storage& storage,
                                           const Source& source) {
  constexpr std::uint64_t longest_comment = 0xffff;
  if (input.size() < zip::end_bytes) source.fail(field, "file is truncated");
  const std::uint64_t count = std::min(input.size(), zip::end_bytes + longest_comment);
  const auto tail = input.bytes(input.size() - count, count, storage);
  for (std::uint64_t position = count - zip::end_bytes + 1; position-- > 0;) {
    if (is_end_record(tail.subspan(position), source)) return tail.subspan(position);
  }
  source.fail(field, "not found; the file is truncated or not a zip archive");
}

Located read_plain_end(const Input& input, const Source& source) {
  Located located;
  Storage storage;
  const auto record = find_end_record(input, storage, source);
  located.position = input.size() - record.size();
  Cursor cursor(record, source);
  cursor.take(4, field);
  const auto disk = cursor.read<std::uint16_t>(field);
  const auto directory_disk = cursor.read<std::uint16_t>(field);
  const auto entries_here = cursor.read<std::uint16_t>(field);
  located.end.entries = cursor.read<std::uint16_t>(field);
  located.end.directory_size = cursor.read<std::uint32_t>(field);
  located.end.directory_offset = cursor.read<std::uint32_t>(field);
  const bool one_disk = disk == directory_disk && (disk == 0 || disk == zip::in_zip64_16);
  if (!one_disk || entries_here != located.end.entries) {
    source.fail(field, "archives of several disks are not supported");
  }
  return located;
}

// Offset of the zip64 end record, if there is one.
std::optional<std::uint64_t> find_zip64_end(const Input& input, std::uint64_t end_position,
                                            const Source& source) {
  if (end_position < zip::zip64_locator_bytes) return std::nullopt;
  const std::uint64_t position = end_position - zip::zip64_locator_bytes;
  Storage storage;
  Cursor cursor(input.bytes(position, zip::zip64_locator_bytes, storage), source);
  if (cursor.read<std::uint32_t>(field) != zip::zip64_locator_signature) return std::nullopt;
  const auto disk = cursor.read<std::uint32_t>(field);
  const auto offset = cursor.read<std::uint64_t>(field);
  const auto disks = cursor.read<std::uint32_t>(field);
  if (disk != 0 || disks > 1) source.fail(field, "archives of several disks are not supported");
  if (offset > position || position - offset < zip::zip64_end_bytes) {
    source.fail(field, "zip64 record lies outside the file");
  }
  return offset;
}

Located read_zip64_end(const Input& input, std::uint64_t position, std::uint64_t locator_position,
                       const Source& source) {
  Located located;
  located.position = position;
  Storage storage;
  Cursor cursor(input.bytes(position, zip::zip64_end_bytes, storage), source);
  if (cursor.read<std::uint32_t>(field) != zip::zip64_end_signature) {
    source.fail(field, "zip64 record has a wrong signature");
  }
  const auto size = cursor.read<std::uint64_t>(field);
  if (size != locator_position - position - 12) source.fail(field, "zip64 record has a wrong size");
  cursor.take(4, field);  // versions made by and needed
  const auto disk = cursor.read<std::uint32_t>(field);
  const auto directory_disk = cursor.read<std::uint32_t>(field);
  const auto entries_here = cursor.read<std::uint64_t>(field);
  located.end.entries = cursor.read<std::uint64_t>(field);
  located.end.directory_size = cursor.read<std::uint64_t>(field);
  located.end.directory_offset = cursor.read<std::uint64_t>(field);
  if (disk != 0 || directory_disk != 0 || entries_here != located.end.entries) {
    source.fail(field, "archives of several disks are not supported");
  }
  return located;
}

// A field of the plain record must defer to the zip64 record or repeat it.
void require_agreement(const ZipEnd& plain, const ZipEnd& wide, const Source& source) {
  const auto agrees = [](std::uint64_t narrow, std::uint64_t value, std::uint64_t deferred) {
    return narrow == deferred || narrow == value;
  };
  if (!agrees(plain.entries, wide.entries, zip::in_zip64_16) ||
      !agrees(plain.directory_size, wide.directory_size, zip::in_zip64_32) ||
      !agrees(plain.directory_offset, wide.directory_offset, zip::in_zip64_32)) {
    source.fail(field, "the zip64 record contradicts the plain one");
  }
}

void require_directory_in_file(const Located& located, const Source& source) {
  const ZipEnd& end = located.end;
  const auto directory_end = checked_add(end.directory_offset, end.directory_size);
  if (!directory_end || *directory_end != located.position) {
    source.fail("central directory",
                fmt::format("offset {} and size {} do not reach the end record at {}",
                            end.directory_offset, end.directory_size, located.position));
  }
  if (end.entries > end.directory_size / zip::central_bytes) {
    source.fail("central directory", fmt::format("{} entries do not fit into {} bytes", end.entries,
                                                 end.directory_size));
  }
}

}  // namespace

ZipEnd read_zip_end(const Input& input, const Source& source) {
  Located located = read_plain_end(input, source);
  if (const auto position = find_zip64_end(input, located.position, source)) {
    const std::uint64_t locator = located.position - zip::zip64_locator_bytes;
    const ZipEnd plain = located.end;
    located = read_zip64_end(input, *position, locator, source);
    require_agreement(plain, located.end, source);
  }
  require_directory_in_file(located, source);
  return located.end;
}

}  // namespace subquad::io
