// Reads a .npz file: a zip archive of .npy arrays. Stored members are used in place.
#include <set>

#include <fmt/format.h>

#include "io/contents.h"
#include "io/cursor.h"
#include "io/inflater.h"
#include "io/npy_header.h"
#include "io/text.h"
#include "io/zip_directory.h"

namespace subquad::io {
namespace {

void require_crc(std::uint32_t crc, const ZipMember& member, const Source& source) {
  if (crc == member.crc) return;
  source.fail("CRC", fmt::format("{:08x} in the directory, {:08x} of the data", member.crc, crc));
}

void require_size(const NpyHeader& header, std::size_t header_bytes, const ZipMember& member,
                  const Source& source) {
  const std::uint64_t data_bytes = member.size - header_bytes;
  if (header.data_bytes == data_bytes) return;
  source.fail("data", fmt::format("shape and type need {} bytes, the member holds {}",
                                  header.data_bytes, data_bytes));
}

Tensor read_stored(const ZipMember& member, const std::string& name, Contents& contents,
                   const Source& source) {
  Contents inner = read_npy(member.packed, name, source);
  require_crc(crc32_of(member.packed), member, source);
  for (auto& memory : inner.owned) contents.owned.push_back(std::move(memory));
  return std::move(inner.tensors.front());
}

// Decompresses the header first, so that the array is sized by it and lands in aligned memory.
Tensor read_deflated(const ZipMember& member, const std::string& name, Contents& contents,
                     const Source& source) {
  Inflater inflater(member.packed, source);
  if (member.size < npy_prefix_bytes) source.fail("header", "truncated");
  std::vector<std::byte> text(npy_prefix_bytes);
  inflater.read(text);
  text.resize(npy_data_offset(text, source));
  if (member.size < text.size()) source.fail("header", "truncated");
  inflater.read(std::span(text).subspan(npy_prefix_bytes));
  const NpyHeader header = parse_npy_header(text, source);
  require_size(header, text.size(), member, source);
  const std::span<std::byte> data = contents.allocate(header.data_bytes, source);
  inflater.read(data);
  inflater.finish();
  require_crc(inflater.crc(), member, source);
  return {name, header.type, header.shape, data.empty() ? empty_data() : data.data()};
}

// The member's name without the .npy that NumPy appends.
std::string tensor_name(const ZipMember& member, const Source& source) {
  constexpr std::string_view suffix = ".npy";
  if (!member.name.ends_with(suffix)) source.fail("name", "does not end in .npy");
  return member.name.substr(0, member.name.size() - suffix.size());
}

}  // namespace

Contents read_npz(std::span<const std::byte> bytes, const Source& source) {
  Contents contents;
  std::set<std::string> names;
  for (const ZipMember& member : read_zip_directory(bytes, source)) {
    const Source inside = source.inside("member " + in_quotes(member.name));
    const std::string name = tensor_name(member, inside);
    if (!names.insert(name).second) inside.fail("name", "appears twice");
    const auto read = member.method == ZipMethod::stored ? read_stored : read_deflated;
    contents.tensors.push_back(read(member, name, contents, inside));
  }
  return contents;
}

}  // namespace subquad::io
