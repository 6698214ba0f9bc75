// What the io tests share: bytes to mutate, folders to write in, and the check of a refusal.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <functional>
#include <iterator>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "subquad/error.h"
#include "subquad/io.h"

namespace subquad::io {

using Bytes = std::vector<std::uint8_t>;

template <std::size_t size>
Bytes copy_of(const std::uint8_t (&bytes)[size]) {
  return Bytes(std::begin(bytes), std::end(bytes));
}

inline Bytes to_bytes(std::string_view text) { return Bytes(text.begin(), text.end()); }

// Little-endian value at an offset.
template <typename T>
void put(Bytes& bytes, std::size_t offset, T value) {
  ASSERT_LE(offset + sizeof(T), bytes.size());
  std::memcpy(bytes.data() + offset, &value, sizeof(T));
}

template <typename T>
void append(Bytes& bytes, T value) {
  bytes.resize(bytes.size() + sizeof(T));
  put(bytes, bytes.size() - sizeof(T), value);
}

inline void append(Bytes& bytes, const Bytes& more) {
  bytes.insert(bytes.end(), more.begin(), more.end());
}

// Offset of the n-th occurrence of `text`, which must exist.
std::size_t find_in(const Bytes& bytes, std::string_view text, int n = 0);

// Replaces every occurrence by as many bytes.
void replace_all(Bytes& bytes, std::string_view from, std::string_view to);

inline TensorFile parse(const Bytes& bytes, const std::string& label) {
  return TensorFile::parse(std::as_bytes(std::span(bytes)), label);
}

template <typename T>
std::vector<T> values_of(const Tensor& tensor) {
  std::vector<T> values(static_cast<std::size_t>(tensor.count()));
  if (!values.empty()) std::memcpy(values.data(), tensor.data, values.size() * sizeof(T));
  return values;
}

template <typename T>
Tensor tensor_of(const std::string& name, ElementType type, std::vector<std::int64_t> shape,
                 const std::vector<T>& values) {
  return {name, type, std::move(shape), values.data()};
}

// Runs `action`, which must throw an Error of this kind whose single line holds `expected`.
void expect_error(const std::function<void()>& action, const std::string& expected,
                  ErrorKind kind = ErrorKind::invalid_argument);

// Parsing, or reading all tensors, must fail with a line that begins with the label and holds
// `expected`.
void expect_rejected(const Bytes& bytes, const std::string& label, const std::string& expected);

// A folder of the test's own, removed with everything in it.
class TemporaryFolder {
 public:
  TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  ~TemporaryFolder() { std::filesystem::remove_all(path_); }

  std::string operator/(const std::string& name) const { return (path_ / name).string(); }

  std::size_t file_count() const;

 private:
  std::filesystem::path path_;
};

Bytes read_whole(const std::string& path);

void write_whole(const std::string& path, const Bytes& bytes);

}  // namespace subquad::io
