// The GGUF reader: every kind of value, and every kind of broken file.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "gguf/file.h"
#include "support/gguf_builder.h"
#include "unit/io_support.h"

namespace subquad::gguf {
namespace {

using testing::ByteList;
using testing::GgufBuilder;

File parse_gguf(const ByteList& bytes) {
  return File::parse(std::as_bytes(std::span(bytes)), "model.gguf");
}

void expect_refused(const ByteList& bytes, const std::string& expected) {
  SCOPED_TRACE(expected);
  io::expect_error([&] { (void)parse_gguf(bytes); }, "model.gguf: ");
  io::expect_error([&] { (void)parse_gguf(bytes); }, expected);
}

// A file with a value of each type and three tensors.
GgufBuilder every_type() {
  GgufBuilder file;
  file.number("u8", std::uint8_t{200}).number("i8", std::int8_t{-7});
  file.number("u16", std::uint16_t{60000}).number("i16", std::int16_t{-30000});
  file.number("u32", std::uint32_t{4000000000}).number("i32", std::int32_t{-5});
  file.number("u64", std::uint64_t{1} << 63).number("i64", std::int64_t{-1} << 62);
  file.number("f32", 0.25f).number("f64", -1e300).number("yes", true);
  file.text("text", "Grüße\n");
  file.numbers<std::uint8_t>("u8s", {1, 255}).numbers<std::int8_t>("i8s", {-1, 1});
  file.numbers<std::uint16_t>("u16s", {1, 65535}).numbers<std::int16_t>("i16s", {-9});
  file.numbers<std::uint32_t>("u32s", {7}).numbers<std::int32_t>("i32s", {-8, 8});
  file.numbers<std::uint64_t>("u64s", {9}).numbers<std::int64_t>("i64s", {-10});
  file.numbers<float>("f32s", {0.5f, -2}).numbers<double>("f64s", {1e-300});
  file.raw("flags", 9, {7, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 1, 0});
  file.texts("texts", {"", "a", "bb"}).numbers<float>("none", {});
  file.floats("matrix", {2, 3}, {1, 2, 3, 4, 5, 6});
  file.tensor("half", {3}, 1, {0, 0x3C, 0, 0x40, 0, 0x42});
  file.tensor("blocks", {2, 32}, 8, ByteList(68, 1));
  return file;
}

TEST(Gguf, ReadsEveryTypeOfValue) {
  const ByteList bytes = every_type().build();
  const File file = parse_gguf(bytes);
  const Metadata& values = file.metadata();
  EXPECT_EQ(values.whole("u8"), 200);
  EXPECT_EQ(values.whole("i8"), -7);
  EXPECT_EQ(values.whole("u16"), 60000);
  EXPECT_EQ(values.whole("i16"), -30000);
  EXPECT_EQ(values.whole("u32"), 4000000000);
  EXPECT_EQ(values.whole("i32"), -5);
  EXPECT_EQ(std::get<std::uint64_t>(*values.find("u64")), std::uint64_t{1} << 63);
  EXPECT_EQ(values.whole("i64"), -(std::int64_t{1} << 62));
  EXPECT_EQ(values.number("f32"), 0.25);
  EXPECT_EQ(values.number("f64"), -1e300);
  EXPECT_EQ(values.number("i8"), -7.0);
  EXPECT_EQ(values.flag("yes"), true);
  EXPECT_EQ(values.text("text"), "Grüße\n");
  EXPECT_EQ(values.whole("absent"), std::nullopt);
}

TEST(Gguf, ReadsArraysOfEveryType) {
  const ByteList bytes = every_type().build();
  const File file = parse_gguf(bytes);
  const Metadata& values = file.metadata();
  using List = std::vector<double>;
  EXPECT_EQ(values.numbers("u8s"), (List{1, 255}));
  EXPECT_EQ(values.numbers("i8s"), (List{-1, 1}));
  EXPECT_EQ(values.numbers("u16s"), (List{1, 65535}));
  EXPECT_EQ(values.numbers("i16s"), (List{-9}));
  EXPECT_EQ(values.numbers("u32s"), (List{7}));
  EXPECT_EQ(values.numbers("i32s"), (List{-8, 8}));
  EXPECT_EQ(values.numbers("u64s"), (List{9}));
  EXPECT_EQ(values.numbers("i64s"), (List{-10}));
  EXPECT_EQ(values.numbers("f32s"), (List{0.5, -2}));
  EXPECT_EQ(values.numbers("f64s"), (List{1e-300}));
  EXPECT_EQ(values.numbers("none"), List());
  EXPECT_EQ(std::get<std::vector<bool>>(*values.find("flags")), (std::vector<bool>{true, false}));
  EXPECT_EQ(*values.texts("texts"), (std::vector<std::string>{"", "a", "bb"}));
  EXPECT_EQ(values.texts("absent"), nullptr);
}

TEST(Gguf, ReadsTensors) {
  for (const std::uint32_t version : {2u, 3u}) {
    GgufBuilder builder = every_type();
    builder.version = version;
    const ByteList bytes = builder.build();
    const File file = parse_gguf(bytes);
    ASSERT_EQ(file.tensors().size(), 3u);
    const TensorInfo& matrix = *file.find("matrix");
    EXPECT_EQ(matrix.shape, (std::vector<std::int64_t>{2, 3}));
    io::Storage storage;
    const auto data = file.read(matrix, storage);
    ASSERT_EQ(data.size(), 24u);
    float last = 0;
    std::memcpy(&last, data.data() + 20, 4);
    EXPECT_EQ(last, 6);
    EXPECT_EQ(file.find("half")->bytes, 6u);
    EXPECT_EQ(file.find("blocks")->bytes, 68u);
    EXPECT_EQ(file.find("blocks")->type, TensorType::q8_0);
    EXPECT_EQ(file.find("other"), nullptr);
  }
}

TEST(Gguf, NamesTheKeyOfAnotherKind) {
  const ByteList bytes = every_type().number("nan", std::nanf("")).build();
  const File file = parse_gguf(bytes);
  const Metadata& values = file.metadata();
  io::expect_error([&] { (void)values.whole("f32"); }, "model.gguf: f32: is not a whole number");
  io::expect_error([&] { (void)values.whole("u64"); }, "u64: 9223372036854775808 is too large");
  io::expect_error([&] { (void)values.number("text"); }, "text: is not a number");
  io::expect_error([&] { (void)values.number("nan"); }, "nan: is not finite");
  io::expect_error([&] { (void)values.flag("u8"); }, "u8: is neither true nor false");
  io::expect_error([&] { (void)values.text("u8"); }, "u8: is not a text");
  io::expect_error([&] { (void)values.texts("u8s"); }, "u8s: is not a list of texts");
  io::expect_error([&] { (void)values.numbers("texts"); }, "texts: is not a list of numbers");
}

// No cut may be read as a whole file, nor read beyond its end (the sanitizers look).
TEST(Gguf, RefusesAFileCutAnywhere) {
  const ByteList whole = every_type().build();
  for (std::size_t size = 0; size < whole.size(); ++size) {
    ByteList cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
    cut.shrink_to_fit();
    EXPECT_THROW((void)parse_gguf(cut), Error) << size;
  }
}

// Whatever a byte is changed to: an Error of one line, or tensors inside the file.
TEST(Gguf, SurvivesEveryChangedByte) {
  const ByteList whole = every_type().build();
  for (std::size_t at = 0; at < whole.size(); ++at) {
    for (const int value : {0, 1, 0x7F, 0x80, 0xFF}) {
      ByteList changed = whole;
      changed[at] = static_cast<std::uint8_t>(value);
      try {
        const File file = parse_gguf(changed);
        for (const TensorInfo& tensor : file.tensors())
          ASSERT_LE(tensor.offset + tensor.bytes, changed.size()) << at;
      } catch (const Error& error) {
        ASSERT_EQ(std::string(error.what()).find('\n'), std::string::npos) << at;
      }
    }
  }
}

TEST(Gguf, RefusesOtherHeads) {
  ByteList bytes = every_type().build();
  bytes[0] = 'g';
  expect_refused(bytes, "magic bytes: not a GGUF file");
  for (const std::uint32_t version : {0u, 1u, 4u}) {
    bytes = every_type().build();
    io::put(bytes, 4, version);
    expect_refused(bytes, "version: " + std::to_string(version) + " is not supported");
  }
  bytes = every_type().build();
  io::put(bytes, 4, std::uint32_t{3} << 24);
  expect_refused(bytes, "version: the file is big-endian");
}

TEST(Gguf, RefusesHugeCounts) {
  for (const std::uint64_t count : {std::uint64_t{1} << 20, std::uint64_t{1} << 60,
                                    std::numeric_limits<std::uint64_t>::max()}) {
    ByteList bytes = every_type().build();
    io::put(bytes, 8, count);
    expect_refused(bytes, "number of tensors: " + std::to_string(count) + " are more than");
    bytes = every_type().build();
    io::put(bytes, 16, count);
    expect_refused(bytes, "number of metadata keys: " + std::to_string(count) + " are more than");
    bytes = every_type().build();
    io::put(bytes, 24, count);  // of the first key
    expect_refused(bytes, "key 0 of the metadata: needs");
    for (const std::string key : {"u8s", "f64s", "texts", "flags"}) {
      bytes = every_type().build();
      io::put(bytes, io::find_in(bytes, key) + key.size() + 8, count);
      expect_refused(bytes, "key \"" + key + "\": " + std::to_string(count) + " are more than");
    }
  }
}

TEST(Gguf, RefusesBadValues) {
  expect_refused(GgufBuilder().raw("k", 13, {}).text("x", "y").build(),
                 "key \"k\": value type 13 is unknown");
  expect_refused(GgufBuilder().raw("k", 9, {99, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}).build(),
                 "key \"k\": value type 99 is unknown");
  expect_refused(GgufBuilder().raw("k", 9, {9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}).build(),
                 "key \"k\": is an array of arrays");
  expect_refused(GgufBuilder().raw("k", 7, {2}).text("x", "y").build(),
                 "key \"k\": 2 is neither true nor false");
  expect_refused(
      GgufBuilder().raw("k", 9, {7, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 3}).text("x", "y").build(),
      "key \"k\": 3 is neither true nor false");
  expect_refused(GgufBuilder().text("k", "1").text("k", "2").build(), "key \"k\": appears twice");
  expect_refused(GgufBuilder().text(std::string(65536, 'k'), "1").build(), "too long a name");
}

TEST(Gguf, RefusesBadAlignments) {
  for (const std::uint32_t alignment : {0u, 1u, 4u, 24u, 33u, 1u << 21})
    expect_refused(GgufBuilder().number("general.alignment", alignment).build(),
                   "general.alignment: " + std::to_string(alignment) + " is not a power of two");
  expect_refused(GgufBuilder().text("general.alignment", "32").build(),
                 "general.alignment: is not a whole number");
  GgufBuilder wide;
  wide.alignment = 256;
  wide.number("general.alignment", std::uint32_t{256}).floats("a", {1}, {1}).floats("b", {1}, {2});
  const ByteList bytes = wide.build();
  EXPECT_EQ(parse_gguf(bytes).find("b")->offset % 256, 0u);
}

TEST(Gguf, RefusesBadTensors) {
  const ByteList four(4);
  const auto with = [&](const std::vector<std::uint64_t>& shape, std::uint32_t type,
                        std::uint64_t offset) {
    return GgufBuilder().tensor_at("t", shape, type, offset, four).build();
  };
  EXPECT_NO_THROW((void)parse_gguf(with({1}, 0, 0)));
  EXPECT_NO_THROW((void)parse_gguf(with({}, 0, 0)));
  expect_refused(with({1}, 0, 8), "tensor \"t\": offset: 8 is no multiple of 32");
  expect_refused(with({2}, 0, 0), "tensor \"t\": data: 8 bytes at 0 reach beyond the file's end");
  expect_refused(with({1}, 0, 64), "reach beyond the file's end");
  expect_refused(with({1}, 0, ~std::uint64_t{31}), "reach beyond the file's end");
  expect_refused(with({1}, 4, 0), "tensor \"t\": type: 4 is unknown");
  expect_refused(with({1}, 1000, 0), "tensor \"t\": type: 1000 is unknown");
  expect_refused(with({0}, 0, 0), "tensor \"t\": shape: extent 0 is outside");
  expect_refused(with({std::uint64_t{1} << 63}, 0, 0), "shape: extent 9223372036854775808");
  expect_refused(with({1, 1, 1, 1, 1}, 0, 0), "tensor \"t\": shape: 5 extents are more than 4");
  expect_refused(with({31}, 8, 0), "rows of 31 entries are no whole blocks of 32 (Q8_0)");
  const std::uint64_t large = std::uint64_t{1} << 32;
  expect_refused(with({large, large}, 0, 0), "tensor \"t\": shape: too large");
  expect_refused(with({large / 2, large / 2}, 0, 0), "tensor \"t\": shape: too large");
}

TEST(Gguf, RefusesTensorsThatShareNamesOrBytes) {
  expect_refused(GgufBuilder().floats("t", {1}, {1}).floats("t", {1}, {1}).build(),
                 "tensor \"t\": appears twice");
  expect_refused(GgufBuilder()
                     .floats("a", {16}, std::vector<float>(16))
                     .tensor_at("b", {1}, 0, 32, ByteList(4))
                     .build(),
                 "tensor \"b\": its data overlap those of \"a\"");
}

TEST(Gguf, ErrorsStayOnOneLine) {
  expect_refused(GgufBuilder().raw("a\nb\x01", 13, {}).text("x", "y").build(), R"(a\nb)");
  expect_refused(GgufBuilder().floats("a\nb", {0}, {}).text("x", "y").build(), R"(tensor "a\nb")");
}

TEST(Gguf, FileReadsAsMemoryDoesAndNoticesChanges) {
  const io::TemporaryFolder folder;
  const std::string path = folder / "m.gguf";
  io::write_whole(path, every_type().build());
  const File file = File::open(path);
  io::Storage storage;
  const auto data = file.read(*file.find("matrix"), storage);
  EXPECT_EQ(data.size(), 24u);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(data.data()) % 64, 0u);
  std::filesystem::resize_file(path, 900);
  io::expect_error([&] { (void)file.read(*file.find("blocks"), storage); },
                   path + ": file: was changed or cut short");
  io::expect_error([&] { (void)File::open(folder / "absent.gguf"); }, "cannot open");
}

}  // namespace
}  // namespace subquad::gguf
