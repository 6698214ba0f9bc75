#include "config/json_file.h"

#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <vector>

#include "subquad/error.h"

namespace subquad::models {
namespace {

using nlohmann::json;

// Sees every key while nlohmann parses, which keeps the last of equal ones.
class KeyWatch {
 public:
  explicit KeyWatch(const std::string& where) : where_(where) {}

  // `depth`: of an object, how many are around it; of a key, one more.
  void see(int depth, json::parse_event_t event, const json& parsed) {
    const auto level = static_cast<std::size_t>(depth);
    if (event == json::parse_event_t::object_start) {
      keys_.resize(level + 2);
      keys_[level + 1].clear();
    }
    if (event != json::parse_event_t::key) return;
    const auto& key = parsed.get_ref<const std::string&>();
    last_ = json(key).dump() + ": ";
    if (!keys_[level].insert(key).second)
      throw_invalid(fmt::format("{}: key {} appears twice", where_, json(key).dump()));
  }

  // The last key seen, for messages; nothing before any.
  const std::string& last() const { return last_; }

 private:
  const std::string& where_;
  std::string last_;
  std::vector<std::set<std::string>> keys_;  // by depth
};

// input: a stream or a text.
template <typename Input>
json parse_watched(Input& input, const std::string& where) {
  KeyWatch watch(where);
  const auto see = [&](int depth, json::parse_event_t event, json& parsed) {
    watch.see(depth, event, parsed);
    return true;
  };
  try {
    return json::parse(input, see);
  } catch (const json::parse_error& error) {
    throw_invalid(
        fmt::format("{}: not a JSON object or list: wrong at byte {}", where, error.byte));
  } catch (const json::out_of_range&) {
    throw_invalid(fmt::format("{}: {}a number beyond what a double holds", where, watch.last()));
  } catch (const json::exception&) {
    throw_invalid(fmt::format("{}: not a JSON object or list", where));
  }
}

}  // namespace

json parse_json_file(const std::string& path, const std::string& where) {
  // Opening a FIFO would wait for a writer, a device may never end.
  std::error_code ignored;
  const auto kind = std::filesystem::status(path, ignored).type();
  using Kind = std::filesystem::file_type;
  if (kind != Kind::regular && kind != Kind::not_found && kind != Kind::none)
    throw_invalid(fmt::format("{}: is not a regular file", where));
  std::ifstream stream(path);
  if (!stream) throw_invalid(fmt::format("{}: cannot be read", where));
  return parse_watched(stream, where);
}

json parse_json(std::string_view text, const std::string& where) {
  return parse_watched(text, where);
}

}  // namespace subquad::models
