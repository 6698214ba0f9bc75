#include "io/zip_directory.h"

#include <algorithm>

#include <fmt/format.h>

#include "io/checked.h"
#include "io/cursor.h"
#include "io/text.h"
#include "io/zip_end.h"
#include "io/zip_format.h"

namespace subquad::io {
namespace {

// What the central directory and a local header both say about a member.
struct Record {
  std::uint16_t flags = 0;
  std::uint16_t method = 0;
  std::uint32_t crc = 0;
  std::uint64_t packed_size = 0;
  std::uint64_t size = 0;
  std::uint64_t offset = 0;  // of the local header; central directory only
  std::string name;
};

// Lengths of the variable parts that follow the fixed fields.
struct Lengths {
  std::uint16_t name = 0;
  std::uint16_t extra = 0;
};

// A member and the bytes it takes in the archive, local header included.
struct PlacedMember {
  ZipMember member;
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
};

// The fields from flags to the length of the extra field are the same in both headers.
Lengths read_common_fields(Cursor& cursor, Record& record) {
  record.flags = cursor.read<std::uint16_t>("flags");
  record.method = cursor.read<std::uint16_t>("method");
  cursor.take(4, "time");
  record.crc = cursor.read<std::uint32_t>("CRC");
  record.packed_size = cursor.read<std::uint32_t>("compressed size");
  record.size = cursor.read<std::uint32_t>("size");
  Lengths lengths;
  lengths.name = cursor.read<std::uint16_t>("name length");
  lengths.extra = cursor.read<std::uint16_t>("extra field length");
  return lengths;
}

void replace_deferred(std::uint64_t& value, Cursor& zip64) {
  if (value == zip::in_zip64_32) value = zip64.read<std::uint64_t>("zip64 extra field");
}

// Replaces the sizes and the offset that the zip64 extra field holds.
void apply_extra(std::span<const std::byte> extra, Record& record, const Source& source) {
  Cursor cursor(extra, source);
  while (cursor.remaining() > 0) {
    const auto id = cursor.read<std::uint16_t>("extra field");
    const auto size = cursor.read<std::uint16_t>("extra field");
    Cursor body(cursor.take(size, "extra field"), source);
    if (id != zip::zip64_extra) continue;
    replace_deferred(record.size, body);
    replace_deferred(record.packed_size, body);
    replace_deferred(record.offset, body);
    return;
  }
}

Record read_central_record(Cursor& cursor, const Source& source) {
  if (cursor.read<std::uint32_t>("central directory") != zip::central_signature) {
    source.fail("central directory", "an entry has a wrong signature");
  }
  Record record;
  cursor.take(4, "versions");
  const Lengths lengths = read_common_fields(cursor, record);
  const auto comment = cursor.read<std::uint16_t>("comment length");
  const auto disk = cursor.read<std::uint16_t>("disk number");
  cursor.take(6, "attributes");
  record.offset = cursor.read<std::uint32_t>("local header offset");
  record.name = as_text(cursor.take(lengths.name, "name"));
  apply_extra(cursor.take(lengths.extra, "extra field"), record, source);
  cursor.take(comment, "comment");
  if (disk != 0) source.fail("disk number", "archives of several disks are not supported");
  return record;
}

// The local header; the cursor is left at the member's data.
Record read_local_record(Cursor& cursor, const Source& source) {
  if (cursor.read<std::uint32_t>("local header") != zip::local_signature) {
    source.fail("local header", "wrong signature");
  }
  Record record;
  cursor.take(2, "version");
  const Lengths lengths = read_common_fields(cursor, record);
  record.name = as_text(cursor.take(lengths.name, "name"));
  apply_extra(cursor.take(lengths.extra, "extra field"), record, source);
  return record;
}

void require_supported(const Record& record, const Source& source) {
  if ((record.flags & 1) != 0) source.fail("flags", "encrypted members are not supported");
  if ((record.flags & ~zip::flags_supported) != 0) {
    source.fail("flags", fmt::format("{:#06x} is not supported", record.flags));
  }
  const bool known = record.method == static_cast<std::uint16_t>(ZipMethod::stored) ||
                     record.method == static_cast<std::uint16_t>(ZipMethod::deflated);
  if (!known) {
    source.fail("method", fmt::format("{} is not supported; only stored (0) and deflated (8) are",
                                      record.method));
  }
  if (!is_utf8(record.name)) source.fail("name", "is not UTF-8");
}

// A size no member of this method can have is refused before anybody allocates it.
void require_plausible_size(const Record& record, const Source& source) {
  if (record.method == static_cast<std::uint16_t>(ZipMethod::stored)) {
    if (record.size != record.packed_size) source.fail("size", "differs from the stored size");
    return;
  }
  constexpr std::uint64_t deflate_limit = 1032;  // a match of 258 bytes takes at least two bits
  if (record.size / deflate_limit > record.packed_size) {
    source.fail("size", fmt::format("{} bytes cannot come out of {} deflated ones", record.size,
                                    record.packed_size));
  }
}

void require_agreement(const Record& central, const Record& local, const Source& source) {
  if (local.name != central.name) source.fail("name", "local header and directory differ");
  if (local.method != central.method) source.fail("method", "local header and directory differ");
  if (local.flags != central.flags) source.fail("flags", "local header and directory differ");
  if ((local.flags & zip::flag_descriptor) != 0) return;  // the local header need not know the rest
  if (local.crc != central.crc) source.fail("CRC", "local header and directory differ");
  if (local.size != central.size || local.packed_size != central.packed_size) {
    source.fail("size", "local header and directory differ");
  }
}

// Follows a directory entry to its local header and data, in `body`, the archive up to the
// directory.
PlacedMember place_member(const Record& central, std::span<const std::byte> body,
                          const Source& source) {
  require_supported(central, source);
  require_plausible_size(central, source);
  Cursor cursor(body, source);
  cursor.take(central.offset, "local header offset");
  require_agreement(central, read_local_record(cursor, source), source);
  PlacedMember placed;
  placed.begin = central.offset;
  placed.member = {central.name, static_cast<ZipMethod>(central.method), central.crc, central.size,
                   cursor.take(central.packed_size, "data")};
  placed.end = body.size() - cursor.remaining();
  return placed;
}

void require_disjoint(const std::vector<PlacedMember>& members, const Source& source) {
  std::vector<const PlacedMember*> order;
  for (const PlacedMember& member : members) order.push_back(&member);
  std::sort(order.begin(), order.end(),
            [](const auto* a, const auto* b) { return a->begin < b->begin; });
  for (std::size_t i = 1; i < order.size(); ++i) {
    if (order[i]->begin >= order[i - 1]->end) continue;
    source.fail("member " + in_quotes(order[i]->member.name), "overlaps the member before it");
  }
}

}  // namespace

std::vector<ZipMember> read_zip_directory(std::span<const std::byte> bytes, const Source& source) {
  const ZipEnd end = read_zip_end(bytes, source);
  const auto body = bytes.first(end.directory_offset);
  Cursor directory(bytes.subspan(end.directory_offset, end.directory_size), source);
  std::vector<PlacedMember> placed;
  for (std::uint64_t i = 0; i < end.entries; ++i) {
    const Record record = read_central_record(directory, source);
    placed.push_back(place_member(record, body, source.inside("member " + in_quotes(record.name))));
  }
  if (directory.remaining() > 0) source.fail("central directory", "is longer than its entries");
  require_disjoint(placed, source);
  std::vector<ZipMember> members;
  for (PlacedMember& member : placed) members.push_back(std::move(member.member));
  return members;
}

}  // namespace subquad::io
