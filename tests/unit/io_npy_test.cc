// The .npy reader: NumPy's own files, and everything that can be wrong with one.
#include <gtest/gtest.h>

#include <algorithm>

#include "io_golden.h"
#include "io_support.h"

namespace subquad::io {
namespace {

// A .npy file of version 1.0 with this dictionary and so many zero bytes of data.
Bytes npy_with(std::string_view dictionary, std::size_t data_bytes) {
  Bytes bytes = to_bytes("\x93NUMPY\x01");
  bytes.push_back(0);
  append(bytes, static_cast<std::uint16_t>(dictionary.size()));
  append(bytes, to_bytes(dictionary));
  bytes.resize(bytes.size() + data_bytes);
  return bytes;
}

Bytes golden_npy() { return copy_of(golden::npy_f32_v1); }

void expect_bad_dictionary(std::string_view dictionary, const std::string& expected) {
  SCOPED_TRACE(std::string(dictionary));
  expect_rejected(npy_with(dictionary, 24), "bad.npy", expected);
}

TEST(NpyReader, ReadsNumpysFile) {
  const Bytes bytes = golden_npy();
  const TensorFile file = parse(bytes, "folder/weights.npy");
  ASSERT_EQ(file.tensors().size(), 1u);
  const Tensor& tensor = file.at("weights");
  EXPECT_EQ(tensor.type, ElementType::f32);
  EXPECT_EQ(tensor.shape, (std::vector<std::int64_t>{2, 3}));
  EXPECT_EQ(tensor.count(), 6);
  EXPECT_EQ(tensor.bytes(), 24);
  EXPECT_EQ(values_of<float>(tensor), (std::vector<float>{1.5, -2, 3, 4, 5, 6.25}));
  EXPECT_TRUE(file.metadata().empty());
}

TEST(NpyReader, ReadsVersions2And3) {
  const Bytes boolean = copy_of(golden::npy_bool_v2);
  const TensorFile file = parse(boolean, "mask.npy");
  EXPECT_EQ(file.at("mask").type, ElementType::boolean);
  EXPECT_EQ(values_of<std::uint8_t>(file.at("mask")), (std::vector<std::uint8_t>{1, 0, 1}));

  const Bytes scalar = copy_of(golden::npy_f64_scalar_v3);
  const TensorFile other = parse(scalar, "x.npy");
  EXPECT_TRUE(other.at("x").shape.empty());
  EXPECT_EQ(values_of<double>(other.at("x")), (std::vector<double>{2.5}));
}

TEST(NpyReader, UsesTheBytesInPlaceOnlyWhenAligned) {
  const Bytes golden = golden_npy();
  for (std::size_t shift = 0; shift < 8; ++shift) {
    Bytes bytes(shift);
    append(bytes, golden);
    const auto view = std::as_bytes(std::span(bytes)).subspan(shift);
    const TensorFile file = TensorFile::parse(view, "x.npy");
    const Tensor& tensor = file.at("x");
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(tensor.data) % sizeof(float), 0u);
    const bool in_place = tensor.data == view.data() + 128;
    EXPECT_EQ(in_place, reinterpret_cast<std::uintptr_t>(view.data()) % sizeof(float) == 0);
    EXPECT_EQ(values_of<float>(tensor), (std::vector<float>{1.5, -2, 3, 4, 5, 6.25}));
  }
}

TEST(NpyReader, AcceptsEveryShapeOfDictionary) {
  const auto accepts = [](std::string_view dictionary, std::size_t data_bytes,
                          const std::vector<std::int64_t>& shape) {
    SCOPED_TRACE(std::string(dictionary));
    const Bytes bytes = npy_with(dictionary, data_bytes);
    EXPECT_EQ(parse(bytes, "x.npy").at("x").shape, shape);
  };
  accepts("{'shape': (6,), 'fortran_order': False, 'descr': '<f4'}\n", 24, {6});
  accepts("{\"descr\":\"<f4\",\"fortran_order\":False,\"shape\":(2,3)}", 24, {2, 3});
  accepts("{'descr': '<f4', 'fortran_order': False, 'shape': (2L, 3L), }   \n", 24, {2, 3});
  accepts("{'descr': '<f4', 'fortran_order': False, 'shape': (), }\n", 4, {});
  accepts("{'descr': '<f4', 'fortran_order': True, 'shape': (6,), }\n", 24, {6});
  accepts("{'descr': '<f4', 'fortran_order': False, 'shape': (0, 5), }\n", 0, {0, 5});
}

// A .npy file of these elements, as they lie.
template <typename T>
Bytes npy_of(const std::string& dictionary, const std::vector<T>& elements) {
  Bytes bytes = npy_with(dictionary, 0);
  for (const T element : elements) append(bytes, element);
  return bytes;
}

TEST(NpyReader, PutsFortransOrderIntoOurs) {
  const Bytes matrix = npy_of<float>("{'descr': '<f4', 'fortran_order': True, 'shape': (2, 3), }\n",
                                     {0, 10, 1, 11, 2, 12});
  const TensorFile file = parse(matrix, "x.npy");
  EXPECT_EQ(file.at("x").shape, (std::vector<std::int64_t>{2, 3}));
  EXPECT_EQ(values_of<float>(file.at("x")), (std::vector<float>{0, 1, 2, 10, 11, 12}));
}

// Element (i, j, k) of 2 x 3 x 4 is 100 i + 10 j + k.
template <typename T>
void expect_cube(const std::string& descr, bool reversed) {
  SCOPED_TRACE(descr);
  std::vector<T> column_major, row_major;
  const auto element = [](int i, int j, int k) { return static_cast<T>(100 * i + 10 * j + k); };
  for (int k = 0; k < 4; ++k)
    for (int j = 0; j < 3; ++j)
      for (int i = 0; i < 2; ++i) column_major.push_back(element(i, j, k));
  for (int i = 0; i < 2; ++i)
    for (int j = 0; j < 3; ++j)
      for (int k = 0; k < 4; ++k) row_major.push_back(element(i, j, k));
  Bytes bytes = npy_of<T>(
      "{'descr': '" + descr + "', 'fortran_order': True, 'shape': (2, 3, 4), }\n", column_major);
  const auto first = bytes.end() - static_cast<std::ptrdiff_t>(24 * sizeof(T));
  for (auto it = first; reversed && it != bytes.end(); it += sizeof(T))
    std::reverse(it, it + sizeof(T));
  EXPECT_EQ(values_of<T>(parse(bytes, "x.npy").at("x")), row_major);
}

TEST(NpyReader, ReadsEveryElementSizeInBothOrdersOfBytes) {
  expect_cube<std::uint8_t>("|u1", false);
  expect_cube<std::int16_t>("<i2", false);
  expect_cube<std::int16_t>(">i2", true);
  expect_cube<float>("<f4", false);
  expect_cube<float>(">f4", true);
  expect_cube<double>("<f8", false);
  expect_cube<double>(">f8", true);
}

TEST(NpyReader, ReadsBigEndianElements) {
  const Bytes bytes = npy_of<std::uint32_t>(
      "{'descr': '>u4', 'fortran_order': False, 'shape': (2,), }\n", {0x01000000, 0x04030201});
  const TensorFile file = parse(bytes, "x.npy");
  EXPECT_EQ(file.at("x").type, ElementType::u32);
  EXPECT_EQ(values_of<std::uint32_t>(file.at("x")), (std::vector<std::uint32_t>{1, 0x01020304}));
}

TEST(NpyReader, ReadsEmptyAndScalarArraysOfOtherOrders) {
  const Bytes empty = npy_with("{'descr': '>f4', 'fortran_order': True, 'shape': (0, 4), }\n", 0);
  const TensorFile file = parse(empty, "x.npy");
  EXPECT_EQ(file.at("x").count(), 0);
  EXPECT_NE(file.at("x").data, nullptr);
  const Bytes scalar =
      npy_of<std::uint16_t>("{'descr': '>u2', 'fortran_order': True, 'shape': (), }\n", {0x0100});
  EXPECT_EQ(values_of<std::uint16_t>(parse(scalar, "x.npy").at("x")),
            (std::vector<std::uint16_t>{1}));
}

TEST(NpyReader, GivesEmptyTensorsAValidAddress) {
  const Bytes bytes = npy_with("{'descr': '<f8', 'fortran_order': False, 'shape': (3, 0), }\n", 0);
  const TensorFile file = parse(bytes, "x.npy");
  EXPECT_NE(file.at("x").data, nullptr);
  EXPECT_EQ(file.at("x").count(), 0);
}

TEST(NpyReader, RejectsEveryTruncation) {
  const Bytes golden = golden_npy();
  for (std::size_t length = 0; length < golden.size(); ++length) {
    SCOPED_TRACE(length);
    const Bytes cut(golden.begin(), golden.begin() + static_cast<std::ptrdiff_t>(length));
    expect_rejected(cut, "cut.npy", length == 0 ? "is empty" : "cut.npy");
  }
}

TEST(NpyReader, RejectsBadPrefixes) {
  const auto rejects = [](std::size_t offset, std::uint8_t value, const std::string& expected) {
    Bytes bytes = golden_npy();
    bytes[offset] = value;
    expect_rejected(bytes, "bad.npy", expected);
  };
  rejects(0, 0x92, "magic: not a .npy array");
  rejects(5, 'y', "magic: not a .npy array");
  rejects(6, 0, "version: 0.0 is unknown");
  rejects(6, 4, "version: 4.0 is unknown");
  rejects(7, 1, "version: 1.1 is unknown");
  rejects(8, 0, "header length: 0 is too short");
  rejects(9, 0xff, "header: truncated");
}

TEST(NpyReader, RejectsLyingHeaderLengths) {
  Bytes tiny = golden_npy();
  put<std::uint16_t>(tiny, 8, 1);
  expect_rejected(tiny, "bad.npy", "header length: 1 is too short");
  Bytes huge = copy_of(golden::npy_bool_v2);
  put<std::uint32_t>(huge, 8, 0xfffffff0);
  expect_rejected(huge, "bad.npy", "header length: 4294967280 is above");
  Bytes beyond = copy_of(golden::npy_bool_v2);
  put<std::uint32_t>(beyond, 8, 100000);
  expect_rejected(beyond, "bad.npy", "header: truncated");
}

TEST(NpyReader, RejectsDataOfTheWrongLength) {
  Bytes longer = golden_npy();
  longer.push_back(0);
  expect_rejected(longer, "bad.npy", "data: shape and type need 24 bytes, the file holds 25");
  Bytes shorter = golden_npy();
  shorter.pop_back();
  expect_rejected(shorter, "bad.npy", "data: shape and type need 24 bytes, the file holds 23");
}

TEST(NpyReader, RejectsBadElementTypes) {
  const auto rejects = [](const std::string& descr, const std::string& expected) {
    expect_bad_dictionary("{'descr': " + descr + ", 'fortran_order': False, 'shape': (6,), }\n",
                          expected);
  };
  rejects("'>c8'", "descr: \">c8\" is not a supported element type");
  rejects("'>b1'", "descr: \">b1\" is not a supported element type");
  rejects("'='", "descr: \"=\" is not a supported element type");
  rejects("'>'", "descr: \">\" is not a supported element type");
  rejects("'<c8'", "descr: \"<c8\" is not a supported element type");
  rejects("'|O'", "descr: \"|O\" is not a supported element type");
  rejects("'<U4'", "descr: \"<U4\" is not a supported");
  rejects("'<V2'", "descr: \"<V2\" is not a supported");
  rejects("''", "descr: \"\" is not a supported");
  rejects("'<f4\\n'", "descr: ");
  rejects("[('a', '<f4')]", "descr: structured types");
  rejects("4", "header: expected a string");
  rejects("'<f4", "header: ");
}

TEST(NpyReader, RejectsBadShapes) {
  const auto rejects = [](const std::string& shape, const std::string& expected) {
    expect_bad_dictionary("{'descr': '<f4', 'fortran_order': False, 'shape': " + shape + ", }\n",
                          expected);
  };
  rejects("(6)", "header: shape is not a tuple");
  rejects("6", "header: expected '('");
  rejects("(-6,)", "header: extent is negative");
  rejects("(2 3)", "header: expected ')'");
  rejects("(6.0,)", "header: expected ')'");
  rejects("(,)", "header: expected a whole number");
  rejects("(6,", "header: expected a whole number");
  rejects("(99999999999999999999,)", "header: extent is too large");
  rejects("(9223372036854775807, 2)", "shape: too large");
  rejects("(4611686018427387904,)", "shape: too large");
  rejects("(0, 9223372036854775807, 9223372036854775807)", "shape: too large");
  std::string many = "(";
  for (int i = 0; i < 65; ++i) many += "1,";
  rejects(many + ")", "header: more than 64 dimensions");
}

TEST(NpyReader, RejectsBadDictionaries) {
  expect_bad_dictionary("{'descr': '<f4', 'fortran_order': 0, 'shape': (6,), }\n",
                        "header: expected True or False");
  expect_bad_dictionary("{'fortran_order': False, 'shape': (6,), }\n",
                        "header: key 'descr' is missing");
  expect_bad_dictionary("{'descr': '<f4', 'shape': (6,), }\n",
                        "header: key 'fortran_order' is missing");
  expect_bad_dictionary("{'descr': '<f4', 'fortran_order': False, }\n",
                        "header: key 'shape' is missing");
  expect_bad_dictionary("{'descr': '<f4', 'descr': '<f4', 'shape': (6,), }\n",
                        "header: key \"descr\" appears twice");
  expect_bad_dictionary("{'descr': '<f4', 'extra': '<f4', 'shape': (6,), }\n",
                        "header: unknown key \"extra\"");
  expect_bad_dictionary("{'descr': '<f4' 'shape': (6,), }\n", "header: expected '}'");
  expect_bad_dictionary("['descr', '<f4', 'shape', (6,), ]\n", "header: expected '{'");
  expect_bad_dictionary("{'descr': '<f4', 'fortran_order': False, 'shape': (6,), } x\n",
                        "header: unexpected text after the dictionary");
  expect_bad_dictionary("{'a\nb': 1}     ", "header: unknown key \"a\\nb\"");
}

}  // namespace
}  // namespace subquad::io
