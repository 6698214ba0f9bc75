// The .safetensors reader: a file of the reference implementation, and everything that can be
// wrong.
#include <gtest/gtest.h>

#include "io_golden.h"
#include "io_support.h"

namespace subquad::io {
namespace {

// A file with this header and so many zero bytes of data.
Bytes safetensors_with(const std::string& header, std::size_t data_bytes) {
  Bytes bytes;
  append(bytes, static_cast<std::uint64_t>(header.size()));
  append(bytes, to_bytes(header));
  bytes.resize(bytes.size() + data_bytes);
  return bytes;
}

void expect_bad_header(const std::string& header, const std::string& expected,
                       std::size_t data_bytes = 8) {
  SCOPED_TRACE(header.substr(0, 200));
  expect_rejected(safetensors_with(header, data_bytes), "bad.safetensors", expected);
}

// One tensor called q, whose fields are given, over eight bytes of data.
void expect_bad_tensor(const std::string& fields, const std::string& expected) {
  expect_bad_header("{\"q\":{" + fields + "}}", "tensor \"q\": " + expected);
}

TEST(SafetensorsReader, ReadsTheReferenceFile) {
  const Bytes bytes = copy_of(golden::safetensors);
  const TensorFile file = parse(bytes, "x.safetensors");
  ASSERT_EQ(file.tensors().size(), 2u);
  EXPECT_EQ(file.at("q").shape, (std::vector<std::int64_t>{2, 3}));
  EXPECT_EQ(values_of<float>(file.at("q")), (std::vector<float>{1.5, -2, 3, 4, 5, 6.25}));
  EXPECT_EQ(values_of<std::int16_t>(file.at("k")), (std::vector<std::int16_t>{-2, -1, 0, 1, 2}));
  EXPECT_EQ(file.metadata().at("scale"), "0.125");
}

TEST(SafetensorsReader, NamesTheTensorsItHas) {
  const Bytes bytes = copy_of(golden::safetensors);
  const TensorFile file = parse(bytes, "x.safetensors");
  EXPECT_EQ(file.find("v"), nullptr);
  expect_error([&] { (void)file.at("v"); }, "x.safetensors: no tensor \"v\"; it has \"q\", \"k\"");
}

TEST(SafetensorsReader, ReadsEmptyFilesScalarsAndZeroExtents) {
  EXPECT_TRUE(parse(safetensors_with("{}", 0), "x").tensors().empty());
  EXPECT_TRUE(parse(safetensors_with("{}      ", 0), "x").tensors().empty());
  const Bytes bytes =
      safetensors_with(R"({"s":{"dtype":"F64","shape":[],"data_offsets":[0,8]},)"
                       R"("e":{"dtype":"BF16","shape":[4,0],"data_offsets":[8,8]}})",
                       8);
  const TensorFile file = parse(bytes, "x");
  EXPECT_EQ(file.at("s").count(), 1);
  EXPECT_EQ(file.at("e").count(), 0);
  EXPECT_NE(file.at("e").data, nullptr);
}

TEST(SafetensorsReader, ReadsWhatIsBesideTypesThatWeLack) {
  const Bytes bytes =
      safetensors_with(R"({"s":{"dtype":"F64","shape":[],"data_offsets":[6,14]},)"
                       R"("fp8":{"dtype":"F8_E4M3","shape":[2,2],"data_offsets":[0,4]},)"
                       R"("u4":{"dtype":"U4","shape":[2,2],"data_offsets":[4,6]}})",
                       14);
  const TensorFile file = parse(bytes, "x");
  EXPECT_EQ(file.at("s").count(), 1);
  EXPECT_EQ(file.names(), (std::vector<std::string>{"s", "fp8", "u4"}));
  expect_error([&] { (void)file.at("fp8"); },
               "x: tensor \"fp8\": dtype: \"F8_E4M3\" is not a supported element type");
  expect_error([&] { (void)file.at("u4"); }, "x: tensor \"u4\": dtype: \"U4\" is not");
}

TEST(SafetensorsReader, ChecksWhereTensorsOfUnknownTypesLie) {
  const auto rejects = [](const std::string& fields, const std::string& expected) {
    expect_error([&] { (void)parse(safetensors_with("{\"q\":{" + fields + "}}", 8), "x"); },
                 "x: tensor \"q\": " + expected);
  };
  rejects(R"("dtype":"F4","shape":[2],"data_offsets":[8,0])", "data_offsets: end before");
  rejects(R"("dtype":"F4","shape":[2],"data_offsets":[0,9])", "data_offsets: reach beyond");
  rejects(R"("dtype":"F4","shape":[2],"data_offsets":[1,8])", "data_offsets: leave a gap");
  rejects(R"("dtype":"F4","shape":[4294967296,4294967296],"data_offsets":[0,8])",
          "shape: too large");
  rejects(R"("dtype":4,"shape":[2],"data_offsets":[0,8])", "dtype: is not a string");
}

TEST(SafetensorsReader, CopiesMisalignedTensors) {
  Bytes bytes = safetensors_with(R"({"b":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},)"
                                 R"("d":{"dtype":"F64","shape":[1],"data_offsets":[1,9]}})",
                                 9);
  const double value = 1.25;
  put(bytes, bytes.size() - sizeof(value), value);
  const TensorFile file = parse(bytes, "x");
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(file.at("d").data) % sizeof(double), 0u);
  EXPECT_EQ(values_of<double>(file.at("d")), (std::vector<double>{value}));
}

TEST(SafetensorsReader, RejectsEveryTruncation) {
  const Bytes golden = copy_of(golden::safetensors);
  for (std::size_t length = 0; length < golden.size(); ++length) {
    SCOPED_TRACE(length);
    const Bytes cut(golden.begin(), golden.begin() + static_cast<std::ptrdiff_t>(length));
    expect_rejected(cut, "cut.safetensors", "cut.safetensors");
  }
}

TEST(SafetensorsReader, RejectsLyingHeaderLengths) {
  const auto rejects = [](std::uint64_t length, const std::string& expected) {
    Bytes bytes = copy_of(golden::safetensors);
    put(bytes, 0, length);
    expect_rejected(bytes, "bad.safetensors", expected);
  };
  rejects(~std::uint64_t{0}, "header length: 18446744073709551615 is more than the");
  rejects(std::uint64_t{1} << 63, "header length: ");
  rejects(100'000'001, "header length: ");
  rejects(187, "header length: 187 is more than the 186 bytes left");
  rejects(0, "header: does not begin with '{'");
  rejects(1, "header: invalid JSON");
  rejects(140, "header: invalid JSON at byte");
}

TEST(SafetensorsReader, RejectsInvalidJson) {
  expect_bad_header("", "header: does not begin with '{'");
  expect_bad_header("[]", "header: does not begin with '{'");
  expect_bad_header(" {}", "header: does not begin with '{'");
  expect_bad_header("{", "header: invalid JSON at byte");
  expect_bad_header("{} x", "header: invalid JSON at byte");
  expect_bad_header("{\"q\":}", "header: invalid JSON at byte");
  expect_bad_header("{\"\xff\":1}", "header: invalid JSON at byte");
  expect_bad_header("{\"q\":{\"shape\":[1e999]}}", "header: invalid JSON");
}

TEST(SafetensorsReader, RejectsWrongStructure) {
  expect_bad_header("{\"q\":1}", "header: entry \"q\" is not an object");
  expect_bad_header("{\"q\":null}", "header: entry \"q\" is not an object");
  expect_bad_header("{\"q\":[1]}", "header: entry \"q\" is not an object");
  expect_bad_header("{\"q\":{\"shape\":{}}}", "header: entry \"q\" is nested too deep");
  expect_bad_header("{\"q\":{\"shape\":[[1]]}}", "header: entry \"q\" is nested too deep");
  expect_bad_header("{\"q\":{\"shape\":[{}]}}", "header: entry \"q\" is nested too deep");
  expect_bad_header("{\"q\":" + std::string(100000, '[') + "}", "header: entry \"q\"");
  std::string many = "1";
  for (int i = 0; i < 64; ++i) many += ",1";
  expect_bad_header("{\"q\":{\"shape\":[" + many + "]}}", "list of more than 64 numbers");
}

TEST(SafetensorsReader, RejectsRepeatedKeys) {
  const std::string entry = R"("q":{"dtype":"F64","shape":[1],"data_offsets":[0,8]})";
  expect_bad_header("{" + entry + "," + entry + "}", "header: key \"q\" appears twice");
  expect_bad_header(R"({"q":{"dtype":"F64","dtype":"F64"}})",
                    "header: key \"dtype\" appears twice");
  expect_bad_header(R"({"__metadata__":{"a":"1","a":"2"}})", "header: key \"a\" appears twice");
  expect_bad_header(R"({"__metadata__":{},"__metadata__":{}})", "\"__metadata__\" appears twice");
}

TEST(SafetensorsReader, RejectsBadMetadata) {
  expect_bad_header(R"({"__metadata__":{"a":1}})", "__metadata__: \"a\" is not a string");
  expect_bad_header(R"({"__metadata__":{"a":null}})", "__metadata__: \"a\" is not a string");
  expect_bad_header(R"({"__metadata__":{"a":["b"]}})", "__metadata__: \"a\" is not a string");
  expect_bad_header(R"({"__metadata__":"a"})", "\"__metadata__\" is not an object");
}

TEST(SafetensorsReader, RejectsBadFields) {
  expect_bad_tensor("", "dtype: is missing");
  expect_bad_tensor(R"("dtype":"F64","data_offsets":[0,8])", "shape: is missing");
  expect_bad_tensor(R"("dtype":"F64","shape":[1])", "data_offsets: is missing");
  expect_bad_tensor(R"("dtype":"F8_E4M3","shape":[8],"data_offsets":[0,8])",
                    "dtype: \"F8_E4M3\" is not a supported element type");
  expect_bad_tensor(R"("dtype":"f64","shape":[1],"data_offsets":[0,8])", "dtype: \"f64\"");
  expect_bad_tensor(R"("dtype":6,"shape":[1],"data_offsets":[0,8])", "dtype: is not a string");
  expect_bad_tensor(R"("dtype":"F64","shape":1,"data_offsets":[0,8])", "shape: is not a list");
  expect_bad_tensor(R"("dtype":"F64","shape":["1"],"data_offsets":[0,8])",
                    "shape: is not a list of whole numbers");
  expect_bad_tensor(R"("dtype":"F64","shape":[1],"data_offsets":[0,8],"x":1)",
                    "\"x\": is not a field of a tensor");
}

TEST(SafetensorsReader, RejectsBadShapes) {
  const auto rejects = [](const std::string& shape, const std::string& expected) {
    expect_bad_tensor(R"("dtype":"F64","shape":)" + shape + R"(,"data_offsets":[0,8])", expected);
  };
  rejects("[-1]", "shape: is not a list of whole numbers");
  rejects("[1.0]", "shape: is not a list of whole numbers");
  rejects("[true]", "shape: is not a list of whole numbers");
  rejects("[9223372036854775808]", "shape: is not a list of whole numbers");
  rejects("[99999999999999999999999]", "shape: is not a list of whole numbers");
  rejects("[9223372036854775807]", "shape: too large");
  rejects("[4294967296,4294967296]", "shape: too large");
  rejects("[0,4294967296,4294967296]", "shape: too large");
  rejects("[2]", "data_offsets: span 8 bytes, shape and dtype need 16");
  rejects("[0]", "data_offsets: span 8 bytes, shape and dtype need 0");
}

TEST(SafetensorsReader, RejectsBadOffsets) {
  const auto rejects = [](const std::string& offsets, const std::string& expected) {
    expect_bad_tensor(R"("dtype":"F64","shape":[1],"data_offsets":)" + offsets, expected);
  };
  rejects("[0]", "data_offsets: is not a pair");
  rejects("[0,8,8]", "data_offsets: is not a pair");
  rejects("1", "data_offsets: is not a list");
  rejects("[8,0]", "data_offsets: end before they begin");
  rejects("[0,7]", "data_offsets: span 7 bytes, shape and dtype need 8");
  rejects("[1,9]", "data_offsets: reach beyond the end of the file");
  rejects("[8,16]", "data_offsets: reach beyond the end of the file");
  rejects("[9223372036854775799,9223372036854775807]", "data_offsets: reach beyond");
  rejects("[-8,0]", "data_offsets: is not a list of whole numbers");
}

TEST(SafetensorsReader, RejectsGapsAndOverlaps) {
  const auto pair_at = [](const std::string& first, const std::string& second) {
    return R"({"a":{"dtype":"F32","shape":[1],"data_offsets":)" + first +
           R"(},"b":{"dtype":"F32","shape":[1],"data_offsets":)" + second + "}}";
  };
  EXPECT_EQ(parse(safetensors_with(pair_at("[4,8]", "[0,4]"), 8), "x").tensors().size(), 2u);
  expect_bad_header(pair_at("[0,4]", "[0,4]"), "tensor \"b\": data_offsets: overlap", 4);
  expect_bad_header(pair_at("[0,4]", "[2,6]"), "tensor \"b\": data_offsets: overlap", 6);
  expect_bad_header(pair_at("[0,4]", "[5,9]"), "tensor \"b\": data_offsets: leave a gap", 9);
  expect_bad_header(pair_at("[1,5]", "[5,9]"), "tensor \"a\": data_offsets: leave a gap", 9);
  expect_bad_header(pair_at("[0,4]", "[4,8]"), "data: 1 bytes belong to no tensor", 9);
  expect_bad_header("{}", "data: 8 bytes belong to no tensor");
}

}  // namespace
}  // namespace subquad::io
