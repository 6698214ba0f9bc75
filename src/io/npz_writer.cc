// Writes tensors as a .npz file: a zip archive of stored .npy arrays, each aligned to 64 bytes so
// that a reader can use it in place. Always zip64, so that there is one layout at every size.
#include <cstdint>
#include <cstring>
#include <vector>

#include "io/inflater.h"
#include "io/npy_header.h"
#include "io/writers.h"
#include "io/zip_format.h"

namespace subquad::io {
namespace {

constexpr std::uint16_t version = 45;           // the first with zip64
constexpr std::uint16_t dos_date = 1 << 5 | 1;  // 1 January 1980: equal tensors, equal files

// Little-endian fields of a zip record.
class Fields {
 public:
  template <typename T>
  Fields& add(T value) {
    char raw[sizeof(T)];
    std::memcpy(raw, &value, sizeof(T));
    bytes_.append(raw, sizeof(T));
    return *this;
  }
  Fields& text(std::string_view value) {
    bytes_ += value;
    return *this;
  }
  const std::string& bytes() const { return bytes_; }

 private:
  std::string bytes_;
};

struct Member {
  std::string name;    // with .npy
  std::string header;  // of the array
  std::uint32_t crc = 0;
  std::uint64_t size = 0;
  std::uint64_t offset = 0;
};

Member describe(const Tensor& tensor, std::uint64_t offset) {
  Member member;
  member.name = tensor.name + ".npy";
  member.header = format_npy_header(tensor);
  member.crc = crc32_of(data_of(tensor), crc32_of(as_bytes(member.header)));
  member.size = member.header.size() + data_of(tensor).size();
  member.offset = offset;
  return member;
}

// The fields from flags to the length of the extra field, shared by both headers.
void add_common_fields(Fields& fields, const Member& member, std::size_t extra_bytes) {
  fields.add(zip::flag_utf8).add(std::uint16_t{0});  // stored
  fields.add(std::uint16_t{0}).add(dos_date);
  fields.add(member.crc).add(zip::in_zip64_32).add(zip::in_zip64_32);
  fields.add(static_cast<std::uint16_t>(member.name.size()));
  fields.add(static_cast<std::uint16_t>(extra_bytes));
}

std::string local_header(const Member& member) {
  constexpr std::size_t zip64_bytes = 4 + 16;
  constexpr std::size_t padding_bytes = 4 + 2;  // at least
  const std::size_t unpadded = 30 + member.name.size() + zip64_bytes + padding_bytes;
  const std::size_t zeros = (64 - (member.offset + unpadded) % 64) % 64;
  Fields fields;
  fields.add(zip::local_signature).add(version);
  add_common_fields(fields, member, zip64_bytes + padding_bytes + zeros);
  fields.text(member.name);
  fields.add(zip::zip64_extra).add(std::uint16_t{16}).add(member.size).add(member.size);
  fields.add(zip::padding_extra).add(static_cast<std::uint16_t>(2 + zeros)).add(std::uint16_t{64});
  return fields.text(std::string(zeros, '\0')).bytes();
}

std::string central_header(const Member& member) {
  Fields fields;
  fields.add(zip::central_signature).add(version).add(version);
  add_common_fields(fields, member, 4 + 24);
  fields.add(std::uint16_t{0}).add(std::uint16_t{0});  // comment, disk
  fields.add(std::uint16_t{0}).add(std::uint32_t{0});  // attributes
  fields.add(zip::in_zip64_32).text(member.name);
  fields.add(zip::zip64_extra).add(std::uint16_t{24});
  return fields.add(member.size).add(member.size).add(member.offset).bytes();
}

std::string end_records(std::uint64_t entries, std::uint64_t offset, std::uint64_t size) {
  Fields fields;
  fields.add(zip::zip64_end_signature).add(zip::zip64_end_bytes - 12).add(version).add(version);
  fields.add(std::uint32_t{0}).add(std::uint32_t{0});  // disks
  fields.add(entries).add(entries).add(size).add(offset);
  fields.add(zip::zip64_locator_signature).add(std::uint32_t{0}).add(offset + size);
  fields.add(std::uint32_t{1});
  fields.add(zip::end_signature).add(std::uint16_t{0}).add(std::uint16_t{0});
  fields.add(zip::in_zip64_16).add(zip::in_zip64_16);
  fields.add(zip::in_zip64_32).add(zip::in_zip64_32).add(std::uint16_t{0});
  return fields.bytes();
}

}  // namespace

void write_npz(std::span<const Tensor> tensors, const Sink& sink) {
  std::uint64_t offset = 0;
  const auto emit = [&](std::span<const std::byte> bytes) {
    sink(bytes);
    offset += bytes.size();
  };
  std::vector<Member> members;
  for (const Tensor& tensor : tensors) {
    members.push_back(describe(tensor, offset));
    emit(as_bytes(local_header(members.back())));
    emit(as_bytes(members.back().header));
    emit(data_of(tensor));
  }
  const std::uint64_t directory = offset;
  for (const Member& member : members) emit(as_bytes(central_header(member)));
  sink(as_bytes(end_records(members.size(), directory, offset - directory)));
}

}  // namespace subquad::io
