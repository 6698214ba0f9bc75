// Reads a .npz file: a zip archive of .npy arrays. A member is read, and decompressed, when it is
// asked for; members of other kinds are left alone.
#include <set>
#include <utility>

#include <fmt/format.h>

#include "io/contents.h"
#include "io/cursor.h"
#include "io/inflater.h"
#include "io/npy_header.h"
#include "io/npy_order.h"
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

Tensor read_stored(const Input& input, const ZipMember& member, const std::string& name,
                   Storage& storage, const Source& source) {
  Storage raw;
  const auto bytes = input.bytes(member.offset, member.packed_size, raw);
  const std::uint32_t crc = crc32_of(bytes);
  Tensor tensor = parse_npy(bytes, std::move(raw), name, storage, source);  // `bytes` may be gone
  require_crc(crc, member, source);
  return tensor;
}

// Decompresses the header first, so that the array is sized by it and lands in aligned memory.
Tensor read_deflated(const Input& input, const ZipMember& member, const std::string& name,
                     Storage& storage, const Source& source) {
  Storage raw;
  Inflater inflater(input.bytes(member.offset, member.packed_size, raw), source);
  if (member.size < npy_prefix_bytes) source.fail("header", "truncated");
  std::vector<std::byte> text(npy_prefix_bytes);
  inflater.read(text);
  text.resize(npy_data_offset(text, source));
  if (member.size < text.size()) source.fail("header", "truncated");
  inflater.read(std::span(text).subspan(npy_prefix_bytes));
  const NpyHeader header = parse_npy_header(text, source);
  require_size(header, text.size(), member, source);
  Storage inflated;
  const std::span<std::byte> data = inflated.allocate(header.data_bytes, source);
  inflater.read(data);
  inflater.finish();
  require_crc(inflater.crc(), member, source);
  const void* elements = plain_data(header, data, storage, source);
  if (elements == data.data()) storage.keep(std::move(inflated));
  return {name, header.type, header.shape, elements};
}

Entry entry_of(const Input& input, const ZipMember& member, const std::string& name,
               const Source& source) {
  const auto read = [&input, member, name, source](Storage& storage) {
    require_supported(member, source);
    const bool stored = member.method == static_cast<std::uint16_t>(ZipMethod::stored);
    return (stored ? read_stored : read_deflated)(input, member, name, storage, source);
  };
  return {name, read};
}

}  // namespace

Contents read_npz(const Input& input, const Source& source) {
  constexpr std::string_view suffix = ".npy";  // NumPy appends it to the tensor's name
  Contents contents;
  std::set<std::string> names;
  for (const ZipMember& member : read_zip_directory(input, source)) {
    if (!member.name.ends_with(suffix)) continue;
    const Source inside = source.inside("member " + in_quotes(member.name));
    const std::string name = member.name.substr(0, member.name.size() - suffix.size());
    if (!names.insert(name).second) inside.fail("name", "appears twice");
    contents.entries.push_back(entry_of(input, member, name, inside));
  }
  return contents;
}

}  // namespace subquad::io
