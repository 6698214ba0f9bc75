// Reads a .safetensors file: the length of a JSON header, the header, the tensors without gaps. A
// tensor is read when it is asked for; until then its element type may be one that we do not know.
#include <algorithm>
#include <numeric>
#include <set>
#include <utility>

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

constexpr std::uint64_t header_begin = 8;                // after its length
constexpr std::uint64_t max_header_bytes = 100'000'000;  // the format's own limit

struct HeaderEntry {
  std::string name, dtype;
  std::vector<std::int64_t> shape;
  std::uint64_t begin = 0;  // offsets into the data section
  std::uint64_t end = 0;
};

struct Header {
  std::vector<HeaderEntry> entries;
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

std::string text_of(const json& object, const char* key, const Source& source) {
  const json& text = member(object, key, source);
  if (!text.is_string()) source.fail(key, "is not a string");
  return text.get<std::string>();
}

void require_known_keys(const json& object, const Source& source) {
  for (const auto& item : object.items()) {
    const std::string& key = item.key();
    if (key != "dtype" && key != "shape" && key != "data_offsets") {
      source.fail(in_quotes(key), "is not a field of a tensor");
    }
  }
}

// The offsets must span what the shape needs, as far as the element type is known.
void require_span(const HeaderEntry& entry, const Source& source) {
  const auto type = safetensors_type(entry.dtype);
  const auto bytes = dense_bytes(entry.shape, type ? size_of(*type) : 1);
  if (!bytes) source.fail("shape", "too large");
  const std::uint64_t span = entry.end - entry.begin;
  if (type && span != static_cast<std::uint64_t>(*bytes)) {
    source.fail("data_offsets",
                fmt::format("span {} bytes, shape and dtype need {}", span, *bytes));
  }
}

HeaderEntry parse_entry(const std::string& name, const json& object, const Source& source) {
  require_known_keys(object, source);
  HeaderEntry entry;
  entry.name = name;
  entry.dtype = text_of(object, "dtype", source);
  entry.shape = integers<std::int64_t>(object, "shape", source);
  const auto offsets = integers<std::uint64_t>(object, "data_offsets", source);
  if (offsets.size() != 2) source.fail("data_offsets", "is not a pair");
  if (offsets[0] > offsets[1]) source.fail("data_offsets", "end before they begin");
  entry.begin = offsets[0];
  entry.end = offsets[1];
  require_span(entry, source);
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

std::string_view header_text(const Input& input, Storage& storage, const Source& source) {
  const std::uint64_t size = input.size();
  Cursor prefix(input.bytes(0, std::min(size, header_begin), storage), source);
  const auto length = prefix.read<std::uint64_t>("header length");
  if (length > size - header_begin) {
    source.fail("header length",
                fmt::format("{} is more than the {} bytes left", length, size - header_begin));
  }
  if (length > max_header_bytes) {
    source.fail("header length", fmt::format("{} is above {}", length, max_header_bytes));
  }
  const std::string_view text = as_text(input.bytes(header_begin, length, storage));
  if (!text.starts_with('{')) source.fail("header", "does not begin with '{'");
  return text;
}

// The tensors must cover the data section exactly: no gap, no overlap, nothing left.
void require_cover(const std::vector<HeaderEntry>& entries, std::uint64_t size,
                   const Source& source) {
  std::vector<const HeaderEntry*> order;
  for (const HeaderEntry& entry : entries) order.push_back(&entry);
  std::sort(order.begin(), order.end(), [](const HeaderEntry* a, const HeaderEntry* b) {
    return std::pair(a->begin, a->end) < std::pair(b->begin, b->end);
  });
  std::uint64_t covered = 0;
  for (const HeaderEntry* entry : order) {
    const Source inside = source.inside("tensor " + in_quotes(entry->name));
    if (entry->end > size) inside.fail("data_offsets", "reach beyond the end of the file");
    if (entry->begin < covered) inside.fail("data_offsets", "overlap another tensor");
    if (entry->begin > covered) inside.fail("data_offsets", "leave a gap before the tensor");
    covered = entry->end;
  }
  if (covered != size) {
    source.fail("data", fmt::format("{} bytes belong to no tensor", size - covered));
  }
}

// `data`: where the data section begins.
Tensor read_tensor(const Input& input, std::uint64_t data, const HeaderEntry& entry,
                   Storage& storage, const Source& source) {
  const auto type = safetensors_type(entry.dtype);
  if (!type) source.fail("dtype", in_quotes(entry.dtype) + " is not a supported element type");
  Storage raw;
  const auto bytes = input.bytes(data + entry.begin, entry.end - entry.begin, raw);
  const void* elements = place(bytes, *type, storage, source);
  if (elements == bytes.data()) storage.keep(std::move(raw));
  return {entry.name, *type, entry.shape, elements};
}

}  // namespace

Contents read_safetensors(const Input& input, const Source& source) {
  Storage storage;
  const std::string_view text = header_text(input, storage, source);
  Header header = HeaderParser(source).parse(text);
  const std::uint64_t data = header_begin + text.size();
  require_cover(header.entries, input.size() - data, source);
  Contents contents;
  contents.metadata = std::move(header.metadata);
  for (const HeaderEntry& entry : header.entries) {
    const Source inside = source.inside("tensor " + in_quotes(entry.name));
    contents.entries.push_back({entry.name, [&input, data, entry, inside](Storage& memory) {
                                  return read_tensor(input, data, entry, memory, inside);
                                }});
  }
  return contents;
}

}  // namespace subquad::io
