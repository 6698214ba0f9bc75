// The .npz reader: NumPy's and zipfile's own archives, and everything that can be wrong with one.
#include <gtest/gtest.h>

#include "io/inflater.h"
#include "io/writers.h"
#include "io_golden.h"
#include "io_support.h"
#include "io_zip_builder.h"

namespace subquad::io {
namespace {

// Offsets of the fields in the records of a zip archive.
constexpr std::size_t local_flags = 6, local_method = 8, local_crc = 14, local_name_length = 26;
constexpr std::size_t central_flags = 8, central_method = 10, central_crc = 16, central_packed = 20,
                      central_size = 24, central_name_length = 28, central_extra_length = 30,
                      central_comment_length = 32, central_disk = 34, central_offset = 42;
constexpr std::size_t end_disk = 4, end_entries_here = 8, end_entries = 10, end_size = 12,
                      end_offset = 16, end_comment_length = 20;

Bytes stored_npz() { return copy_of(golden::npz_stored); }

std::size_t local_at(const Bytes& bytes, int n = 0) { return find_in(bytes, "PK\x03\x04", n); }
std::size_t central_at(const Bytes& bytes, int n = 0) { return find_in(bytes, "PK\x01\x02", n); }
std::size_t end_at(const Bytes& bytes) { return find_in(bytes, "PK\x05\x06"); }

// NumPy's archive after `mutate` must be refused with this message.
void expect_mutant_rejected(const std::function<void(Bytes&)>& mutate,
                            const std::string& expected) {
  Bytes bytes = stored_npz();
  mutate(bytes);
  expect_rejected(bytes, "bad.npz", expected);
}

void check_k(const TensorFile& file) {
  EXPECT_EQ(file.at("k").type, ElementType::i16);
  EXPECT_EQ(values_of<std::int16_t>(file.at("k")), (std::vector<std::int16_t>{-2, -1, 0, 1, 2}));
}

TEST(NpzReader, ReadsNumpysStoredArchive) {
  const Bytes bytes = stored_npz();
  const TensorFile file = parse(bytes, "x.npz");
  ASSERT_EQ(file.tensors().size(), 2u);
  EXPECT_EQ(file.at("q").shape, (std::vector<std::int64_t>{2, 3}));
  EXPECT_EQ(values_of<float>(file.at("q")), (std::vector<float>{1.5, -2, 3, 4, 5, 6.25}));
  check_k(file);
}

TEST(NpzReader, ReadsNumpysCompressedArchive) {
  const Bytes bytes = copy_of(golden::npz_deflated);
  const TensorFile file = parse(bytes, "x.npz");
  ASSERT_EQ(file.tensors().size(), 3u);
  check_k(file);
  EXPECT_EQ(file.at("e").shape, (std::vector<std::int64_t>{0, 4}));
  EXPECT_NE(file.at("e").data, nullptr);
  const auto q = values_of<float>(file.at("q"));
  ASSERT_EQ(q.size(), 120u);
  const std::vector<float> expected{1.5, -2, 3, 4, 5, 6.25};
  for (std::size_t i = 0; i < q.size(); ++i) EXPECT_EQ(q[i], expected[i % 6]);
}

TEST(NpzReader, ReadsMembersWithDataDescriptors) {
  const Bytes bytes = copy_of(golden::npz_streamed);
  EXPECT_EQ(values_of<float>(parse(bytes, "x.npz").at("q")),
            (std::vector<float>{1.5, -2, 3, 4, 5, 6.25}));
}

TEST(NpzReader, ReadsAnArchiveWithoutMembersAndWithAComment) {
  Bytes bytes = to_bytes("PK\x05\x06");
  bytes.resize(22);
  EXPECT_TRUE(parse(bytes, "x.npz").names().empty());
  Bytes commented = stored_npz();
  put<std::uint16_t>(commented, end_at(commented) + end_comment_length, 5);
  append(commented, to_bytes("hello"));
  EXPECT_EQ(parse(commented, "x.npz").tensors().size(), 2u);
}

TEST(NpzReader, RejectsEveryTruncation) {
  for (const Bytes& golden : {stored_npz(), copy_of(golden::npz_deflated)}) {
    for (std::size_t length = 0; length < golden.size(); ++length) {
      SCOPED_TRACE(length);
      const Bytes cut(golden.begin(), golden.begin() + static_cast<std::ptrdiff_t>(length));
      expect_rejected(cut, "cut.npz", "cut.npz");
    }
  }
}

TEST(NpzReader, RejectsBadEndRecords) {
  const auto rejects = [](std::size_t field, auto value, const std::string& expected) {
    expect_mutant_rejected([&](Bytes& b) { put(b, end_at(b) + field, value); }, expected);
  };
  rejects(0, std::uint8_t{'Q'}, "end of central directory: not found");
  rejects(end_disk, std::uint16_t{1}, "end of central directory: archives of several disks");
  rejects(end_entries_here, std::uint16_t{1}, "archives of several disks");
  rejects(end_size, std::uint32_t{5}, "central directory: offset");
  rejects(end_size, std::uint32_t{0xffffffff}, "central directory: offset");
  rejects(end_offset, std::uint32_t{0}, "central directory: offset 0");
  rejects(end_offset, std::uint32_t{0xfffffff0}, "central directory: offset 4294967280");
  rejects(end_comment_length, std::uint16_t{1}, "end of central directory: not found");
  expect_mutant_rejected([](Bytes& b) { b.push_back(0); }, "end of central directory: not found");
}

TEST(NpzReader, RejectsWrongEntryCounts) {
  const auto rejects = [](std::uint16_t count, const std::string& expected) {
    expect_mutant_rejected(
        [&](Bytes& b) {
          put(b, end_at(b) + end_entries_here, count);
          put(b, end_at(b) + end_entries, count);
        },
        expected);
  };
  rejects(0, "central directory: is longer than its entries");
  rejects(1, "central directory: is longer than its entries");
  rejects(3, "central directory: 3 entries do not fit");
  rejects(65535, "central directory: 65535 entries do not fit");
}

TEST(NpzReader, RejectsBadDirectoryEntries) {
  const auto rejects = [](std::size_t field, auto value, const std::string& expected) {
    expect_mutant_rejected([&](Bytes& b) { put(b, central_at(b) + field, value); }, expected);
  };
  rejects(0, std::uint8_t{'Q'}, "central directory: an entry has a wrong signature");
  rejects(central_disk, std::uint16_t{1}, "disk number: archives of several disks");
  rejects(central_name_length, std::uint16_t{0xffff}, "name: truncated");
  rejects(central_extra_length, std::uint16_t{0xffff}, "extra field: truncated");
  rejects(central_comment_length, std::uint16_t{0xffff}, "comment: truncated");
  rejects(central_flags, std::uint16_t{1}, "\"q.npy\": flags: encrypted members");
  rejects(central_flags, std::uint16_t{0x2000}, "\"q.npy\": flags: 0x2000 is not supported");
  rejects(central_flags, std::uint16_t{2}, "flags: local header and directory differ");
  rejects(central_method, std::uint16_t{12}, "\"q.npy\": method: 12 is not supported");
  rejects(central_method, std::uint16_t{8}, "method: local header and directory differ");
  rejects(central_crc, std::uint32_t{1}, "\"q.npy\": CRC: local header and directory differ");
  rejects(central_size, std::uint32_t{1}, "\"q.npy\": size: differs from the stored size");
  rejects(central_packed, std::uint32_t{1}, "\"q.npy\": size: differs from the stored size");
  rejects(central_size, std::uint32_t{0xffffffff}, "\"q.npy\": size: differs");
  rejects(central_offset, std::uint32_t{0x7fffffff}, "local header offset: truncated");
  rejects(central_offset, std::uint32_t{1}, "local header: wrong signature");
}

TEST(NpzReader, RejectsSizesThatReachTooFar) {
  expect_mutant_rejected(
      [](Bytes& b) {
        put<std::uint32_t>(b, central_at(b) + central_size, 0x7ffffff0);
        put<std::uint32_t>(b, central_at(b) + central_packed, 0x7ffffff0);
      },
      "\"q.npy\": size: local header and directory differ");
}

TEST(NpzReader, RejectsBadLocalHeaders) {
  const auto rejects = [](std::size_t field, auto value, const std::string& expected) {
    expect_mutant_rejected([&](Bytes& b) { put(b, local_at(b, 1) + field, value); }, expected);
  };
  rejects(0, std::uint8_t{'Q'}, "\"k.npy\": local header: wrong signature");
  rejects(local_flags, std::uint16_t{4}, "\"k.npy\": flags: local header and directory differ");
  rejects(local_method, std::uint16_t{8}, "\"k.npy\": method: local header and directory differ");
  rejects(local_crc, std::uint32_t{1}, "\"k.npy\": CRC: local header and directory differ");
  rejects(local_name_length, std::uint16_t{4}, "\"k.npy\": extra field: truncated");
  rejects(local_name_length, std::uint16_t{0xffff}, "\"k.npy\": name: truncated");
  rejects(30, std::uint8_t{'j'}, "\"k.npy\": name: local header and directory differ");
  rejects(local_name_length + 2, std::uint16_t{0xfff0}, "\"k.npy\": extra field: truncated");
}

TEST(NpzReader, RejectsBadNames) {
  expect_mutant_rejected([](Bytes& b) { replace_all(b, "q.npy", "k.npy"); },
                         "member \"k.npy\": name: appears twice");
  expect_mutant_rejected([](Bytes& b) { replace_all(b, "q.npy", "\xff.npy"); },
                         "name: is not UTF-8");
}

// NumPy's archive of q and k after `mutate`, which damages or changes q, must give k.
void expect_k_without_q(const std::function<void(Bytes&)>& mutate, const std::string& expected) {
  SCOPED_TRACE(expected);
  Bytes bytes = stored_npz();
  mutate(bytes);
  const TensorFile file = parse(bytes, "x.npz");
  check_k(file);
  EXPECT_EQ(file.names(), (std::vector<std::string>{"q", "k"}));
  expect_error([&] { (void)file.find("q"); }, "x.npz: member \"q.npy\": " + expected);
  expect_error([&] { (void)file.at("q"); }, expected);
}

TEST(NpzReader, ReadsOnlyTheMembersThatAreAskedFor) {
  expect_k_without_q([](Bytes& b) { b[find_in(b, "\x93NUMPY")] = 0; }, "magic: not a .npy array");
  expect_k_without_q([](Bytes& b) { replace_all(b, "(2, 3)", "(3, 2)"); }, "CRC: ");
  expect_k_without_q([](Bytes& b) { replace_all(b, "'<f4'", "'|O4'"); }, "descr: \"|O4\"");
  expect_k_without_q(
      [](Bytes& b) {
        put<std::uint16_t>(b, local_at(b) + local_flags, 1);
        put<std::uint16_t>(b, central_at(b) + central_flags, 1);
      },
      "flags: encrypted members");
  expect_k_without_q(
      [](Bytes& b) {
        put<std::uint16_t>(b, local_at(b) + local_method, 12);
        put<std::uint16_t>(b, central_at(b) + central_method, 12);
      },
      "method: 12 is not supported");
}

// The member is read into memory that is not kept where the tensor is converted or empty.
TEST(NpzReader, ReadsConvertedAndEmptyMembersOfFiles) {
  const TemporaryFolder folder;
  const std::vector<float> values{1, 2, 3};
  const std::vector<Tensor> tensors{tensor_of("e", ElementType::f32, {0, 2}, values),
                                    tensor_of("q", ElementType::f32, {3}, values)};
  write_file(folder / "x.npz", tensors);
  const TensorFile file = TensorFile::open(folder / "x.npz");
  EXPECT_EQ(file.at("e").count(), 0);
  EXPECT_EQ(values_of<float>(file.at("q")), values);

  Bytes npy = copy_of(golden::npy_f32_v1);
  replace_all(npy, "'<f4'", "'>f4'");
  DeflatedMember member;
  member.deflated = deflate_block(npy);
  member.size = static_cast<std::uint32_t>(npy.size());
  member.crc = crc32_of(std::as_bytes(std::span(npy)));
  write_whole(folder / "big.npz", zip_of(member));
  const TensorFile big = TensorFile::open(folder / "big.npz");
  const auto reversed = values_of<std::uint32_t>(big.at("q"));
  ASSERT_EQ(reversed.size(), 6u);
  EXPECT_EQ(reversed.front(), 0x0000c03fu);  // 1.5
}

// The deflate stream of q is damaged: it would be noticed if it were decompressed.
TEST(NpzReader, DecompressesOnlyTheMembersThatAreAskedFor) {
  Bytes bytes = copy_of(golden::npz_deflated);
  const std::size_t name = find_in(bytes, "q.npy");
  const std::size_t data = name + 5 + bytes[name - 2];  // behind the extra field
  for (std::size_t i = data; i < data + 10; ++i) bytes[i] ^= 0x5a;
  const TensorFile file = parse(bytes, "x.npz");
  check_k(file);
  EXPECT_EQ(file.at("e").count(), 0);
  expect_error([&] { (void)file.at("q"); }, "x.npz: member \"q.npy\": ");
  check_k(file);
}

TEST(NpzReader, LeavesMembersOfOtherKindsAlone) {
  for (const std::string name : {"q.txt", "q/dir", "q.NPY", "\xff\n.rs"}) {
    SCOPED_TRACE(name);
    Bytes bytes = stored_npz();
    replace_all(bytes, "q.npy", name.substr(0, 5));
    const TensorFile file = parse(bytes, "x.npz");
    EXPECT_EQ(file.names(), std::vector<std::string>{"k"});
    check_k(file);
    expect_error([&] { (void)file.at("q"); }, "no tensor \"q\"; it has \"k\"");
  }
}

TEST(NpzReader, RejectsOverlappingMembers) {
  expect_mutant_rejected(
      [](Bytes& b) {
        const auto entry = b.begin() + static_cast<std::ptrdiff_t>(central_at(b));
        std::copy_n(entry, 51, b.begin() + static_cast<std::ptrdiff_t>(central_at(b, 1)));
      },
      "member \"q.npy\": overlaps the member before it");
}

TEST(NpzReader, RejectsDamagedMembers) {
  const std::string member = "bad.npz: member \"q.npy\": ";
  expect_mutant_rejected([](Bytes& b) { b[find_in(b, "\x93NUMPY")] = 0; },
                         member + "magic: not a .npy array");
  expect_mutant_rejected([](Bytes& b) { replace_all(b, "(2, 3)", "(9, 3)"); },
                         member + "data: shape and type need 108 bytes, the file holds 24");
  expect_mutant_rejected([](Bytes& b) { replace_all(b, "(2, 3)", "(3, 2)"); }, member + "CRC: ");
  expect_mutant_rejected([](Bytes& b) { replace_all(b, "'<f4'", "'>f4'"); }, member + "CRC: ");
  expect_mutant_rejected([](Bytes& b) { replace_all(b, "'<f4'", "'|O4'"); },
                         member + "descr: \"|O4\" is not a supported element type");
  expect_mutant_rejected([](Bytes& b) { b[central_at(b) - 1] ^= 1; },
                         "bad.npz: member \"k.npy\": CRC: ");
  const auto set_crc = [](Bytes& b) {
    put<std::uint32_t>(b, local_at(b) + local_crc, 7);
    put<std::uint32_t>(b, central_at(b) + central_crc, 7);
  };
  expect_mutant_rejected(set_crc, member + "CRC: 00000007 in the directory, ");
}

// A member of 152 bytes whose deflate stream and size are then made wrong.
DeflatedMember good_member() {
  DeflatedMember member;
  const Bytes npy = copy_of(golden::npy_f32_v1);
  member.deflated = deflate_block(npy);
  member.size = static_cast<std::uint32_t>(npy.size());
  member.crc = crc32_of(std::as_bytes(std::span(npy)));
  return member;
}

void expect_member_rejected(const std::function<void(DeflatedMember&)>& mutate,
                            const std::string& expected) {
  DeflatedMember member = good_member();
  mutate(member);
  expect_rejected(zip_of(member), "bad.npz", "bad.npz: member \"q.npy\": " + expected);
}

TEST(NpzReader, ReadsHandMadeDeflateStreams) {
  const Bytes whole = zip_of(good_member());
  EXPECT_EQ(parse(whole, "x.npz").at("q").count(), 6);
  DeflatedMember split = good_member();
  const Bytes npy = copy_of(golden::npy_f32_v1);
  split.deflated = deflate_block(Bytes(npy.begin(), npy.begin() + 5), false);
  append(split.deflated, deflate_block(Bytes(npy.begin() + 5, npy.end())));
  const Bytes pieces = zip_of(split);
  EXPECT_EQ(values_of<float>(parse(pieces, "x.npz").at("q")),
            (std::vector<float>{1.5, -2, 3, 4, 5, 6.25}));
}

TEST(NpzReader, RejectsWrongDeflatedSizes) {
  using Member = DeflatedMember;
  expect_member_rejected([](Member& m) { m.size = 0xfffffff0; },
                         "size: 4294967280 bytes cannot come out of 157 deflated ones");
  expect_member_rejected([](Member& m) { m.size = 150'000; },
                         "data: shape and type need 24 bytes, the member holds 149872");
  expect_member_rejected([](Member& m) { m.size -= 1; }, "data: shape and type need 24 bytes");
  expect_member_rejected([](Member& m) { m.size = 100; }, "header: truncated");
  expect_member_rejected([](Member& m) { m.size = 11; }, "header: truncated");
  expect_member_rejected([](Member& m) { m.crc ^= 1; }, "CRC: ");
}

TEST(NpzReader, RejectsWrongDeflateStreams) {
  using Member = DeflatedMember;
  const Bytes npy = copy_of(golden::npy_f32_v1);
  expect_member_rejected([](Member& m) { m.deflated.pop_back(); },
                         "deflated data: ends inside the deflate stream");
  expect_member_rejected([](Member& m) { m.deflated.resize(1); },
                         "deflated data: ends inside the deflate stream");
  expect_member_rejected([](Member& m) { m.deflated.push_back(0); },
                         "deflated data: goes on after the deflate stream");
  expect_member_rejected([](Member& m) { m.deflated[0] = 7; }, "deflated data: corrupt");
  expect_member_rejected([](Member& m) { m.deflated[3] ^= 1; }, "deflated data: corrupt");
  expect_member_rejected(
      [&](Member& m) { m.deflated = deflate_block(Bytes(npy.begin(), npy.end() - 4)); },
      "deflated data: holds fewer bytes than the directory says");
  expect_member_rejected(
      [&](Member& m) { m.deflated = deflate_block(Bytes(npy.begin(), npy.begin() + 8)); },
      "deflated data: holds fewer bytes than the directory says");
  Bytes longer = npy;
  longer.push_back(0);
  expect_member_rejected([&](Member& m) { m.deflated = deflate_block(longer); },
                         "deflated data: holds more bytes than the directory says");
  expect_member_rejected([&](Member& m) { m.deflated = deflate_block(npy, false); },
                         "deflated data: ends inside the deflate stream");
}

// An archive as we write it, zip64 throughout.
Bytes zip64_npz() {
  const std::vector<float> values{1, 2, 3};
  const Tensor tensor = tensor_of("q", ElementType::f32, {3}, values);
  Bytes bytes;
  write_npz({&tensor, 1}, [&](std::span<const std::byte> piece) {
    const auto* begin = reinterpret_cast<const std::uint8_t*>(piece.data());
    bytes.insert(bytes.end(), begin, begin + piece.size());
  });
  return bytes;
}

void expect_zip64_rejected(const char* record, std::size_t field, auto value,
                           const std::string& expected) {
  Bytes bytes = zip64_npz();
  put(bytes, find_in(bytes, record) + field, value);
  expect_rejected(bytes, "bad.npz", expected);
}

TEST(NpzReader, ReadsZip64) {
  const Bytes bytes = zip64_npz();
  const TensorFile file = parse(bytes, "x.npz");
  EXPECT_EQ(values_of<float>(file.at("q")), (std::vector<float>{1, 2, 3}));
}

TEST(NpzReader, RejectsBadZip64Records) {
  const char* locator = "PK\x06\x07";
  expect_zip64_rejected(locator, 0, std::uint8_t{'Q'}, "central directory: offset 4294967295");
  expect_zip64_rejected(locator, 4, std::uint32_t{1}, "archives of several disks");
  expect_zip64_rejected(locator, 8, ~std::uint64_t{0}, "zip64 record lies outside the file");
  expect_zip64_rejected(locator, 8, std::uint64_t{0}, "zip64 record has a wrong signature");
  expect_zip64_rejected(locator, 16, std::uint32_t{2}, "archives of several disks");
  const char* record = "PK\x06\x06";
  expect_zip64_rejected(record, 0, std::uint8_t{'Q'}, "zip64 record has a wrong signature");
  expect_zip64_rejected(record, 4, std::uint64_t{45}, "zip64 record has a wrong size");
  expect_zip64_rejected(record, 16, std::uint32_t{1}, "archives of several disks");
  expect_zip64_rejected(record, 24, std::uint64_t{2}, "archives of several disks");
  expect_zip64_rejected(record, 40, ~std::uint64_t{0}, "central directory: offset");
  expect_zip64_rejected(record, 48, ~std::uint64_t{0}, "central directory: offset");
  expect_zip64_rejected("PK\x05\x06", end_size, std::uint32_t{1}, "contradicts the plain one");
}

TEST(NpzReader, RejectsBadZip64ExtraFields) {
  const char* central = "PK\x01\x02";
  const std::size_t extra = 46 + 5;
  const std::string member = "member \"q.npy\": ";
  expect_zip64_rejected(central, extra + 2, std::uint16_t{8}, "zip64 extra field: truncated");
  expect_zip64_rejected(central, extra + 2, std::uint16_t{25}, "extra field: truncated");
  expect_zip64_rejected(central, extra + 4, ~std::uint64_t{0}, member + "size: differs");
  expect_zip64_rejected(central, extra + 20, ~std::uint64_t{0},
                        member + "local header offset: truncated");
  expect_zip64_rejected("PK\x03\x04", 30 + 5 + 4, std::uint64_t{1},
                        member + "size: local header and directory differ");
}

}  // namespace
}  // namespace subquad::io
