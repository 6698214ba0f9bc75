// Reads a .safetensors file: the length of a JSON header, the header, the tensors without gaps.
#include <algorithm>
#include <array>
#include <numeric>
#include <optional>
#include <set>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "io/checked.h"
#include "io/contents.h"
#include "io/cursor.h"
#include "io/safetensors_types.h"
#include "io/text.h"

namespace subquad::io {
namespace {

using nlohmann::json;

constexpr std::uint64_t max_header_bytes = 100'000'000;  // the format's own limit

struct Entry {
  Tensor tensor;
  std::uint64_t begin = 0;  // offsets into the data section
  std::uint64_t end = 0;
};

struct Header {
  std::vector<Entry> entries;
  std::map<std::string, std::string> metadata;
};

const json& member(const json& object, const char* key, const Source& source) {
  const auto it = object.find(key);
  if (it == object.end()) source.fail(key, "is missing");
  return *it;
}

template <typename Integer>
std::vector<Integer> integers(const json& object, const char* key, const Source& source) {
  const json& array = member(object, key, source);
  if (!array.is_array()) source.fail(key, "is not a list");
  std::vector<Integer> values;
  for (const json& element : array) {
    const bool fits = element.is_number_unsigned() &&
                      element.get<std::uint64_t>() <= std::numeric_limits<std::int64_t>::max();
    if (!fits) source.fail(key, "is not a list of whole numbers from 0 to 2^63-1");
    values.push_back(element.get<Integer>());
  }
  return values;
}

ElementType element_type(const json& object, const Source& source) {
  const json& dtype = member(object, "dtype", source);
  if (!dtype.is_string()) source.fail("dtype", "is not a string");
  const auto& name = dtype.get_ref<const std::string&>();
  const auto type = safetensors_type(name);
  if (!type) source.fail("dtype", in_quotes(name) + " is not a supported element type");
  return *type;
}

void require_known_keys(const json& object, const Source& source) {
  for (const auto& item : object.items()) {
    const std::string& key = item.key();
    if (key != "dtype" && key != "shape" && key != "data_offsets") {
      source.fail(in_quotes(key), "is not a field of a tensor");
    }
  }
}

Entry parse_entry(const std::string& name, const json& object, const Source& source) {
  require_known_keys(object, source);
  Entry entry;
  entry.tensor.name = name;
  entry.tensor.type = element_type(object, source);
  entry.tensor.shape = integers<std::int64_t>(object, "shape", source);
  const auto offsets = integers<std::uint64_t>(object, "data_offsets", source);
  if (offsets.size() != 2) source.fail("data_offsets", "is not a pair");
  if (offsets[0] > offsets[1]) source.fail("data_offsets", "end before they begin");
  const auto bytes = dense_bytes(entry.tensor.shape, size_of(entry.tensor.type));
  if (!bytes) source.fail("shape", "too large");
  if (offsets[1] - offsets[0] != static_cast<std::uint64_t>(*bytes)) {
    source.fail("data_offsets", fmt::format("span {} bytes, shape and dtype need {}",
                                            offsets[1] - offsets[0], *bytes));
  }
  entry.begin = offsets[0];
  entry.end = offsets[1];
  return entry;
}

// Collects the header while nlohmann parses it: each entry is checked and dropped as soon as it is
// complete, so that memory stays in proportion to the header and repeated keys are seen.
class HeaderParser {
 public:
  explicit HeaderParser(const Source& source) : source_(source) {}

  Header parse(std::string_view text) {
    const auto callback = [this](int depth, json::parse_event_t event, json& parsed) {
      return on_event(depth, event, parsed);
    };
    try {
      [[maybe_unused]] const json rest = json::parse(text.begin(), text.end(), callback);
    } catch (const json::parse_error& error) {
      source_.fail("header", fmt::format("invalid JSON at byte {}", error.byte));
    } catch (const json::exception&) {
      source_.fail("header", "invalid JSON");
    }
    return std::move(header_);
  }

 private:
  // False drops the value that was just parsed. Depth 1 is inside the header's object.
  bool on_event(int depth, json::parse_event_t event, const json& parsed) {
    using Event = json::parse_event_t;
    if (event == Event::key) on_key(depth, parsed.get_ref<const std::string&>());
    if (event == Event::object_start && depth > 1) fail_entry("is nested too deep");
    if (event == Event::array_start) on_array(depth);
    if (event == Event::value) on_value(depth);
    const bool entry_ends = event == Event::object_end && depth == 1;
    if (entry_ends) on_entry(parsed);
    return !entry_ends;
  }

  void on_key(int depth, const std::string& key) {
    if (depth == 1) {
      name_ = key;
      fields_.clear();
    }
    if (!(depth == 1 ? names_ : fields_).insert(key).second) {
      source_.fail("header", "key " + in_quotes(key) + " appears twice");
    }
  }

  void on_array(int depth) {
    if (depth != 2) fail_entry(depth < 2 ? "is not an object" : "is nested too deep");
    list_size_ = 0;
  }

  void on_value(int depth) {
    if (depth < 2) fail_entry("is not an object");
    if (depth > 2 && ++list_size_ > max_rank) {
      fail_entry(fmt::format("has a list of more than {} numbers", max_rank));
    }
  }

  void on_entry(const json& object) {
    if (name_ == "__metadata__") {
      read_metadata(object);
    } else {
      const Source inside = source_.inside("tensor " + in_quotes(name_));
      header_.entries.push_back(parse_entry(name_, object, inside));
    }
  }

  void read_metadata(const json& object) {
    for (const auto& item : object.items()) {
      if (!item.value().is_string()) {
        source_.fail("__metadata__", in_quotes(item.key()) + " is not a string");
      }
      header_.metadata[item.key()] = item.value().get<std::string>();
    }
  }

  [[noreturn]] void fail_entry(const std::string& what) const {
    source_.fail("header", "entry " + in_quotes(name_) + " " + what);
  }

  const Source& source_;
  Header header_;
  std::string name_;              // of the entry being parsed
  std::set<std::string> names_;   // of all entries
  std::set<std::string> fields_;  // of the entry being parsed
  std::size_t list_size_ = 0;
};

std::string_view header_text(Cursor& cursor, const Source& source) {
  const auto length = cursor.read<std::uint64_t>("header length");
  if (length > cursor.remaining()) {
    source.fail("header length",
                fmt::format("{} is more than the {} bytes left", length, cursor.remaining()));
  }
  if (length > max_header_bytes) {
    source.fail("header length", fmt::format("{} is above {}", length, max_header_bytes));
  }
  const std::string_view text = as_text(cursor.take(length, "header"));
  if (!text.starts_with('{')) source.fail("header", "does not begin with '{'");
  return text;
}

// The tensors must cover the data section exactly: no gap, no overlap, nothing left.
void require_cover(const std::vector<Entry>& entries, std::uint64_t size, const Source& source) {
  std::vector<const Entry*> order;
  for (const Entry& entry : entries) order.push_back(&entry);
  std::sort(order.begin(), order.end(), [](const Entry* a, const Entry* b) {
    return std::pair(a->begin, a->end) < std::pair(b->begin, b->end);
  });
  std::uint64_t covered = 0;
  for (const Entry* entry : order) {
    const Source inside = source.inside("tensor " + in_quotes(entry->tensor.name));
    if (entry->end > size) inside.fail("data_offsets", "reach beyond the end of the file");
    if (entry->begin < covered) inside.fail("data_offsets", "overlap another tensor");
    if (entry->begin > covered) inside.fail("data_offsets", "leave a gap before the tensor");
    covered = entry->end;
  }
  if (covered != size) {
    source.fail("data", fmt::format("{} bytes belong to no tensor", size - covered));
  }
}

}  // namespace

Contents read_safetensors(std::span<const std::byte> bytes, const Source& source) {
  Cursor cursor(bytes, source);
  Header header = HeaderParser(source).parse(header_text(cursor, source));
  const auto data = cursor.take(cursor.remaining(), "data");
  require_cover(header.entries, data.size(), source);
  Contents contents;
  contents.metadata = std::move(header.metadata);
  for (Entry& entry : header.entries) {
    const auto range = data.subspan(entry.begin, entry.end - entry.begin);
    entry.tensor.data = contents.place(range, entry.tensor.type, source);
    contents.tensors.push_back(std::move(entry.tensor));
  }
  return contents;
}

}  // namespace subquad::io
