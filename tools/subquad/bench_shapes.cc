#include "bench_shapes.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "config/json_file.h"
#include "names.h"
#include "subquad/error.h"

namespace subquad::cli {
namespace {

// What the user called a size: a key of the problem file, or an option.
std::string word_for(const char* key, bool from_file) {
  std::string word = key;
  if (from_file) return word;
  std::replace(word.begin(), word.end(), '_', '-');
  return "--" + word;
}

class SizeCheck {
 public:
  SizeCheck(const ProblemSize& size, bool from_file) : size_(size), from_file_(from_file) {}

  void check() const {
    require("seq", size_.seq, 1, kMostPositions);
    require("queries", size_.queries, 1, size_.pass == Pass::decode ? 16 : kMostPositions);
    require("batch", size_.batch, 1, 1 << 20);
    require("heads", size_.heads, 1, 1 << 20);
    require("kv_heads", size_.kv_heads, 1, size_.heads);
    require("head_dim", size_.head_dim, 1, 512);
    require("value_dim", size_.value_dim, 1, 512);
    if (size_.heads % size_.kv_heads != 0) {
      throw_invalid(fmt::format("{} {}: must divide {} {}", word_for("kv_heads", from_file_),
                                size_.kv_heads, word_for("heads", from_file_), size_.heads));
    }
  }

 private:
  void require(const char* key, std::int64_t value, std::int64_t low, std::int64_t high) const {
    if (value >= low && value <= high) return;
    throw_invalid(fmt::format("{} {}: must lie between {} and {}", word_for(key, from_file_), value,
                              low, high));
  }

  const ProblemSize& size_;
  bool from_file_;
};

ProblemSize make_size(const ShapeOptions& options, std::int64_t seq, bool from_file) {
  ProblemSize size;
  size.pass = parse_pass(options.pass, word_for("pass", from_file));
  size.dtype = parse_dtype(options.dtype, word_for("dtype", from_file));
  size.causal = parse_causal(options.causal, word_for("causal", from_file));
  size.batch = options.batch;
  size.heads = options.heads;
  size.kv_heads = options.kv_heads > 0 ? options.kv_heads : options.heads;
  size.seq = seq;
  size.queries = options.queries > 0 ? options.queries : size.pass == Pass::decode ? 1 : seq;
  size.head_dim = options.head_dim;
  size.value_dim = options.value_dim > 0 ? options.value_dim : options.head_dim;
  SizeCheck(size, from_file).check();
  return size;
}

std::vector<ProblemSize> sizes_for(const ShapeOptions& options, bool from_file) {
  if (options.seq.empty()) throw_invalid(word_for("seq", from_file) + ": a length is needed");
  std::vector<ProblemSize> sizes;
  for (const std::int64_t seq : options.seq) sizes.push_back(make_size(options, seq, from_file));
  return sizes;
}

std::int64_t size_in(const std::string& key, const nlohmann::json& value) {
  const bool whole = value.is_number_unsigned() && value.get<std::uint64_t>() <= kMostPositions;
  if (whole && value.get<std::int64_t>() > 0) return value.get<std::int64_t>();
  throw_invalid(
      fmt::format("{} {}: is not a whole number from 1 to {}", key, value.dump(), kMostPositions));
}

std::vector<std::int64_t> sizes_in(const std::string& key, const nlohmann::json& value) {
  if (!value.is_array()) return {size_in(key, value)};
  std::vector<std::int64_t> sizes;
  for (const nlohmann::json& element : value) sizes.push_back(size_in(key, element));
  return sizes;
}

std::string word_in(const std::string& key, const nlohmann::json& value) {
  if (!value.is_string()) throw_invalid(fmt::format("{} {}: is not a string", key, value.dump()));
  return value.get<std::string>();
}

// Reads one key of a problem into the field that it names.
void read_key(const std::string& key, const nlohmann::json& value, ShapeOptions& options) {
  const std::map<std::string, std::int64_t*> numbers{
      {"batch", &options.batch},       {"heads", &options.heads},
      {"kv_heads", &options.kv_heads}, {"queries", &options.queries},
      {"head_dim", &options.head_dim}, {"value_dim", &options.value_dim}};
  const std::map<std::string, std::string*> words{
      {"dtype", &options.dtype}, {"pass", &options.pass}, {"causal", &options.causal}};
  if (key == "seq") {
    options.seq = sizes_in(key, value);
  } else if (const auto number = numbers.find(key); number != numbers.end()) {
    *number->second = size_in(key, value);
  } else if (const auto word = words.find(key); word != words.end()) {
    *word->second = word_in(key, value);
  } else {
    throw_invalid(fmt::format("unknown key '{}'", key));
  }
}

std::vector<ProblemSize> read_problem(const nlohmann::json& problem, ShapeOptions options) {
  if (!problem.is_object()) throw_invalid("not an object");
  for (const auto& [key, value] : problem.items()) read_key(key, value, options);
  return sizes_for(options, true);
}

}  // namespace

Pass parse_pass(const std::string& word, const std::string& where) {
  for (const Pass pass : {Pass::forward, Pass::backward, Pass::both, Pass::decode}) {
    if (word == pass_name(pass)) return pass;
  }
  throw_invalid(fmt::format("{}: '{}' is none of forward, backward, both, decode", where, word));
}

std::vector<ProblemSize> resolve(const ShapeOptions& options) { return sizes_for(options, false); }

std::vector<ProblemSize> read_problem_file(const std::string& path, const ShapeOptions& defaults) {
  const std::string where = "--problem " + path;
  const nlohmann::json list = models::parse_json_file(path, where);
  if (!list.is_array() || list.empty()) throw_invalid(where + ": not a JSON list of objects");
  std::vector<ProblemSize> sizes;
  std::size_t index = 0;
  for (const nlohmann::json& problem : list) {
    try {
      for (const ProblemSize& size : read_problem(problem, defaults)) sizes.push_back(size);
    } catch (const Error& error) {
      throw_invalid(fmt::format("{}: entry {}: {}", where, index, error.what()));
    }
    ++index;
  }
  return sizes;
}

}  // namespace subquad::cli
