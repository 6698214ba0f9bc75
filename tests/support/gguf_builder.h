// Builds GGUF files byte by byte, good ones and others.
#pragma once

#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

namespace subquad::testing {

using ByteList = std::vector<std::uint8_t>;

template <typename T>
void put_value(ByteList& bytes, T value) {
  const std::size_t at = bytes.size();
  bytes.resize(at + sizeof(T));
  std::memcpy(bytes.data() + at, &value, sizeof(T));
}

inline void put_text(ByteList& bytes, const std::string& text) {
  put_value(bytes, std::uint64_t{text.size()});
  bytes.insert(bytes.end(), text.begin(), text.end());
}

class GgufBuilder {
 public:
  std::uint32_t version = 3;
  std::uint64_t alignment = 32;  // as used; said only where general.alignment is added

  // The format's number for a type of number.
  template <typename T>
  static constexpr std::uint32_t type_of() {
    if constexpr (std::is_same_v<T, bool>) return 7;
    if constexpr (std::is_floating_point_v<T>) return sizeof(T) == 4 ? 6 : 12;
    constexpr std::uint32_t small = sizeof(T) == 1 ? 0 : sizeof(T) == 2 ? 2 : 4;
    return (sizeof(T) == 8 ? 10 : small) + (std::is_signed_v<T> ? 1 : 0);
  }

  template <typename T>
  GgufBuilder& number(const std::string& key, T value) {
    begin_value(key, type_of<T>());
    put_value(values_, value);
    return *this;
  }
  template <typename T>
  GgufBuilder& numbers(const std::string& key, const std::vector<T>& list) {
    begin_array(key, type_of<T>(), list.size());
    for (const T value : list) put_value(values_, value);
    return *this;
  }
  GgufBuilder& text(const std::string& key, const std::string& value) {
    begin_value(key, 8);
    put_text(values_, value);
    return *this;
  }
  GgufBuilder& texts(const std::string& key, const std::vector<std::string>& list) {
    begin_array(key, 8, list.size());
    for (const std::string& value : list) put_text(values_, value);
    return *this;
  }
  // A key with any bytes behind it.
  GgufBuilder& raw(const std::string& key, std::uint32_t type, const ByteList& bytes) {
    begin_value(key, type);
    values_.insert(values_.end(), bytes.begin(), bytes.end());
    return *this;
  }
  // shape: rows first.
  GgufBuilder& tensor(const std::string& name, const std::vector<std::uint64_t>& shape,
                      std::uint32_t type, const ByteList& data) {
    while (data_.size() % alignment != 0) data_.push_back(0);
    return tensor_at(name, shape, type, data_.size(), data);
  }
  GgufBuilder& floats(const std::string& name, const std::vector<std::uint64_t>& shape,
                      const std::vector<float>& values) {
    ByteList data(values.size() * sizeof(float));
    if (!data.empty()) std::memcpy(data.data(), values.data(), data.size());
    return tensor(name, shape, 0, data);
  }
  // The directory says `offset`, whatever the data so far are.
  GgufBuilder& tensor_at(const std::string& name, const std::vector<std::uint64_t>& shape,
                         std::uint32_t type, std::uint64_t offset, const ByteList& data) {
    put_text(directory_, name);
    put_value(directory_, static_cast<std::uint32_t>(shape.size()));
    for (auto extent = shape.rbegin(); extent != shape.rend(); ++extent)
      put_value(directory_, *extent);
    put_value(directory_, type);
    put_value(directory_, offset);
    data_.insert(data_.end(), data.begin(), data.end());
    ++tensor_count_;
    return *this;
  }

  ByteList build() const {
    ByteList bytes{'G', 'G', 'U', 'F'};
    put_value(bytes, version);
    put_value(bytes, tensor_count_);
    put_value(bytes, value_count_);
    bytes.insert(bytes.end(), values_.begin(), values_.end());
    bytes.insert(bytes.end(), directory_.begin(), directory_.end());
    if (tensor_count_ > 0)
      while (bytes.size() % alignment != 0) bytes.push_back(0);
    bytes.insert(bytes.end(), data_.begin(), data_.end());
    return bytes;
  }

 private:
  void begin_value(const std::string& key, std::uint32_t type) {
    put_text(values_, key);
    put_value(values_, type);
    ++value_count_;
  }
  void begin_array(const std::string& key, std::uint32_t type, std::uint64_t count) {
    begin_value(key, 9);
    put_value(values_, type);
    put_value(values_, count);
  }

  std::uint64_t tensor_count_ = 0, value_count_ = 0;
  ByteList values_, directory_, data_;
};

}  // namespace subquad::testing
