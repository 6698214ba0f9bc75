#include "bench_shapes.h"

#include <fmt/format.h>

#include <fstream>
#include <map>

#include "names.h"
#include "subquad/error.h"

namespace subquad::cli {
namespace {

void check_range(const char* name, std::int64_t value, std::int64_t low, std::int64_t high) {
  if (value < low || value > high) {
    throw_invalid(fmt::format("--{} {}: must lie between {} and {}", name, value, low, high));
  }
}

void check(const ProblemSize& size) {
  check_range("seq", size.seq, 1, std::int64_t{1} << 32);
  check_range("queries", size.queries, 1, size.pass == Pass::decode ? 16 : std::int64_t{1} << 32);
  check_range("batch", size.batch, 1, 1 << 20);
  check_range("heads", size.heads, 1, 1 << 20);
  check_range("kv-heads", size.kv_heads, 1, size.heads);
  check_range("head-dim", size.head_dim, 1, 512);
  check_range("value-dim", size.value_dim, 1, 512);
  if (size.heads % size.kv_heads != 0) {
    throw_invalid(fmt::format("--kv-heads {}: must divide --heads {}", size.kv_heads, size.heads));
  }
}

ProblemSize make_size(const ShapeOptions& options, std::int64_t seq) {
  ProblemSize size;
  size.pass = parse_pass(options.pass, "--pass");
  size.dtype = parse_dtype(options.dtype, "--dtype");
  size.causal = parse_causal(options.causal, "--causal");
  size.batch = options.batch;
  size.heads = options.heads;
  size.kv_heads = options.kv_heads > 0 ? options.kv_heads : options.heads;
  size.seq = seq;
  size.queries = options.queries > 0 ? options.queries : size.pass == Pass::decode ? 1 : seq;
  size.head_dim = options.head_dim;
  size.value_dim = options.value_dim > 0 ? options.value_dim : options.head_dim;
  check(size);
  return size;
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
    options.seq = value.is_array() ? value.get<std::vector<std::int64_t>>()
                                   : std::vector{value.get<std::int64_t>()};
  } else if (const auto number = numbers.find(key); number != numbers.end()) {
    *number->second = value.get<std::int64_t>();
  } else if (const auto word = words.find(key); word != words.end()) {
    *word->second = value.get<std::string>();
  } else {
    throw_invalid(fmt::format("unknown key '{}'", key));
  }
}

nlohmann::json parse_file(const std::string& path) {
  std::ifstream stream(path);
  if (!stream) throw_invalid(fmt::format("--problem {}: cannot be read", path));
  nlohmann::json list = nlohmann::json::parse(stream, nullptr, false);
  if (!list.is_array() || list.empty()) {
    throw_invalid(fmt::format("--problem {}: not a JSON list of objects", path));
  }
  return list;
}

std::vector<ProblemSize> read_problem(const nlohmann::json& problem, ShapeOptions options) {
  if (!problem.is_object()) throw_invalid("not an object");
  for (const auto& [key, value] : problem.items()) read_key(key, value, options);
  return resolve(options);
}

}  // namespace

Pass parse_pass(const std::string& word, const std::string& where) {
  for (const Pass pass : {Pass::forward, Pass::backward, Pass::both, Pass::decode}) {
    if (word == pass_name(pass)) return pass;
  }
  throw_invalid(fmt::format("{}: '{}' is none of forward, backward, both, decode", where, word));
}

std::vector<ProblemSize> resolve(const ShapeOptions& options) {
  if (options.seq.empty()) throw_invalid("--seq: a length is needed");
  std::vector<ProblemSize> sizes;
  for (const std::int64_t seq : options.seq) sizes.push_back(make_size(options, seq));
  return sizes;
}

std::vector<ProblemSize> read_problem_file(const std::string& path, const ShapeOptions& defaults) {
  std::vector<ProblemSize> sizes;
  std::size_t index = 0;
  for (const nlohmann::json& problem : parse_file(path)) {
    try {
      for (const ProblemSize& size : read_problem(problem, defaults)) sizes.push_back(size);
    } catch (const nlohmann::json::exception&) {
      throw_invalid(fmt::format("--problem {}: entry {}: a value has the wrong type", path, index));
    } catch (const Error& error) {
      throw_invalid(fmt::format("--problem {}: entry {}: {}", path, index, error.what()));
    }
    ++index;
  }
  return sizes;
}

}  // namespace subquad::cli
