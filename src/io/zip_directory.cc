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

// What the central directory and a local header both say about a member. The directory's offset is
// that of the local header; a local header has none.
using Record = ZipMember;

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

// The local header at an offset of `body`, the archive up to the directory; its offset becomes that
// of the member's data.
Record read_local_record(const Input& input, std::uint64_t offset, std::uint64_t body,
                         const Source& source) {
  Storage storage;
  const auto take = [&](std::uint64_t count, const char* field) {
    if (offset > body || count > body - offset) source.fail(field, "truncated");
    const auto bytes = input.bytes(offset, count, storage);
    offset += count;
    return bytes;
  };
  if (offset > body) source.fail("local header offset", "truncated");
  Cursor fixed(take(zip::local_bytes, "local header"), source);
  if (fixed.read<std::uint32_t>("local header") != zip::local_signature) {
    source.fail("local header", "wrong signature");
  }
  Record record;
  fixed.take(2, "version");
  const Lengths lengths = read_common_fields(fixed, record);
  record.name = as_text(take(lengths.name, "name"));
  apply_extra(take(lengths.extra, "extra field"), record, source);
  record.offset = offset;
  return record;
}

bool is_known(std::uint16_t method) {
  return method == static_cast<std::uint16_t>(ZipMethod::stored) ||
         method == static_cast<std::uint16_t>(ZipMethod::deflated);
}

bool is_supported(const ZipMember& member) {
  return (member.flags & ~zip::flags_supported) == 0 && is_known(member.method) &&
         is_utf8(member.name);
}

// A size no member of this method can have is refused before anybody allocates it.
void require_plausible_size(const ZipMember& member, const Source& source) {
  if (member.method == static_cast<std::uint16_t>(ZipMethod::stored)) {
    if (member.size != member.packed_size) source.fail("size", "differs from the stored size");
    return;
  }
  constexpr std::uint64_t deflate_limit = 1032;  // a match of 258 bytes takes at least two bits
  if (member.size / deflate_limit > member.packed_size) {
    source.fail("size", fmt::format("{} bytes cannot come out of {} deflated ones", member.size,
                                    member.packed_size));
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

// Follows a directory entry to its local header and data.
PlacedMember place_member(const Record& central, const Input& input, std::uint64_t body,
                          const Source& source) {
  const Record local = read_local_record(input, central.offset, body, source);
  if (is_supported(central)) {
    require_plausible_size(central, source);
    require_agreement(central, local, source);
  }
  PlacedMember placed{central, central.offset, local.offset};
  placed.member.offset = local.offset;
  if (central.packed_size > body - local.offset) source.fail("data", "truncated");
  placed.end += central.packed_size;
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

std::vector<ZipMember> read_zip_directory(const Input& input, const Source& source) {
  const ZipEnd end = read_zip_end(input, source);
  Storage storage;
  Cursor directory(input.bytes(end.directory_offset, end.directory_size, storage), source);
  std::vector<PlacedMember> placed;
  for (std::uint64_t i = 0; i < end.entries; ++i) {
    const Record record = read_central_record(directory, source);
    placed.push_back(place_member(record, input, end.directory_offset,
                                  source.inside("member " + in_quotes(record.name))));
  }
  if (directory.remaining() > 0) source.fail("central directory", "is longer than its entries");
  require_disjoint(placed, source);
  std::vector<ZipMember> members;
  for (PlacedMember& member : placed) members.push_back(std::move(member.member));
  return members;
}

void require_supported(const ZipMember& member, const Source& source) {
  if ((member.flags & 1) != 0) source.fail("flags", "encrypted members are not supported");
  if ((member.flags & ~zip::flags_supported) != 0) {
    source.fail("flags", fmt::format("{:#06x} is not supported", member.flags));
  }
  if (!is_known(member.method)) {
    source.fail("method", fmt::format("{} is not supported; only stored (0) and deflated (8) are",
                                      member.method));
  }
  if (!is_utf8(member.name)) source.fail("name", "is not UTF-8");
}

}  // namespace subquad::io
