#include "capi/options.h"

#include <charconv>
#include <cmath>
#include <cstdint>
#include <iterator>
#include <limits>
#include <new>
#include <string_view>

#include <fmt/format.h>

#include "capi/convert.h"
#include "methods/heavy_method.h"

namespace subquad::capi {
namespace {

constexpr std::int64_t kMostSamples = std::int64_t{1} << 30;
constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

// The text that a key is set to.
struct Text {
  std::string_view key, value;

  [[noreturn]] void fail(const std::string& wanted) const {
    throw_invalid(fmt::format("option {}: '{}' is not {}", key, value, wanted));
  }

  template <typename T>
  bool read(T& number) const {
    const char* end = value.data() + value.size();
    const auto [rest, error] = std::from_chars(value.data(), end, number);
    return error == std::errc() && rest == end;
  }

  template <typename T>
  T whole(T low, T high) const {
    T number = 0;
    if (!read(number) || number < low || number > high)
      fail(high == static_cast<T>(kMost) ? fmt::format("a whole number from {}", low)
                                         : fmt::format("a whole number from {} to {}", low, high));
    return number;
  }

  // Finite, low <= number <= high.
  double number(double low, double high) const {
    double number = 0;
    if (read(number) && std::isfinite(number) && number >= low && number <= high) return number;
    if (low == -kInfinity) fail("a finite number");
    fail(high == kInfinity ? fmt::format("a finite number from {}", low)
                           : fmt::format("a number from {} to {}", low, high));
  }

  // 0 < number < 1, or <= 1.
  double share(bool with_one) const {
    double number = 0;
    if (read(number) && number > 0 && (with_one ? number <= 1 : number < 1)) return number;
    fail(with_one ? "a number above 0, up to 1" : "a number between 0 and 1, both excluded");
  }

  bool boolean() const {
    for (const char* word : {"true", "1", "yes", "on"})
      if (value == word) return true;
    for (const char* word : {"false", "0", "no", "off"})
      if (value == word) return false;
    fail("true or false");
  }

  FeatureMap map() const {
    if (value == "none") return FeatureMap::none;
    if (value == "elu") return FeatureMap::elu;
    if (value == "relu") return FeatureMap::relu;
    fail("none, elu or relu");
  }

  std::string heavy_spec() const {
    if (!value.empty()) check_heavy_spec(fmt::format("option {}", key), value);
    return std::string(value);
  }

  std::optional<float> scale() const {
    if (value.empty()) return std::nullopt;
    constexpr double most = std::numeric_limits<float>::max();
    return static_cast<float>(number(-most, most));
  }
};

using All = subquad_options;

struct Key {
  const char* name;
  void (*set)(All&, const Text&);
};

// A new option is one line here, and one in subquad.h.
constexpr Key kKeys[] = {
    {"threads", [](All& o, const Text& t) { o.run.threads = t.whole<int>(0, 1 << 30); }},
    {"seed",
     [](All& o, const Text& t) {
       o.run.seed = t.whole<std::uint64_t>(0, std::numeric_limits<std::uint64_t>::max());
     }},
    {"certificate.rows",
     [](All& o, const Text& t) { o.certificate.rows = t.whole<std::int64_t>(0, kMost); }},
    {"certificate.share", [](All& o, const Text& t) { o.certificate.share = t.share(false); }},
    {"certificate.confidence",
     [](All& o, const Text& t) { o.certificate.confidence = t.share(false); }},
    {"measure.operator_norm", [](All& o, const Text& t) { o.measure.operator_norm = t.boolean(); }},
    {"measure.max_iterations",
     [](All& o, const Text& t) { o.measure.max_iterations = t.whole<int>(1, 1 << 30); }},
    {"measure.tolerance",
     [](All& o, const Text& t) { o.measure.tolerance = t.number(0, kInfinity); }},
    {"alpha.skip_columns",
     [](All& o, const Text& t) { o.alpha.skip_columns = t.whole<std::int64_t>(0, kMost); }},
    {"alpha.rows", [](All& o, const Text& t) { o.alpha.rows = t.whole<std::int64_t>(0, kMost); }},
    {"stable_rank.max_iterations",
     [](All& o, const Text& t) { o.stable_rank.max_iterations = t.whole<int>(1, 1 << 30); }},
    {"stable_rank.tolerance",
     [](All& o, const Text& t) { o.stable_rank.tolerance = t.number(0, kInfinity); }},
    {"head_tail.prefix",
     [](All& o, const Text& t) { o.head_tail.prefix = t.whole<std::int64_t>(0, kMost); }},
    {"head_tail.rows",
     [](All& o, const Text& t) { o.head_tail.rows = t.whole<std::int64_t>(0, kMost); }},
    {"statistics.keep",
     [](All& o, const Text& t) { o.statistics.keep = t.whole<std::int64_t>(0, kMost); }},
    {"statistics.leading",
     [](All& o, const Text& t) { o.statistics.leading = t.whole<std::int64_t>(0, kMost); }},
    {"lemma1.constant",
     [](All& o, const Text& t) { o.lemmas.lemma1 = t.number(-kInfinity, kInfinity); }},
    {"lemma2.constant",
     [](All& o, const Text& t) { o.lemmas.lemma2 = t.number(-kInfinity, kInfinity); }},
    {"approxd.heavy", [](All& o, const Text& t) { o.approx_d.heavy = t.heavy_spec(); }},
    {"approxd.num_samples",
     [](All& o, const Text& t) {
       o.approx_d.num_samples = t.whole<std::int64_t>(1, kMostSamples);
     }},
    {"approxd.epsilon", [](All& o, const Text& t) { o.approx_d.epsilon = t.share(true); }},
    {"approxd.kappa", [](All& o, const Text& t) { o.approx_d.kappa = t.number(1, kInfinity); }},
    {"approxd.cap_constant",
     [](All& o, const Text& t) { o.approx_d.cap_constant = t.number(0, kInfinity); }},
    {"approxd.cap", [](All& o, const Text& t) { o.approx_d.cap = t.boolean(); }},
    {"approxd.floor", [](All& o, const Text& t) { o.approx_d.floor = t.boolean(); }},
    {"approxd.tau_samples",
     [](All& o, const Text& t) {
       o.approx_d.tau_samples = t.whole<std::int64_t>(0, kMostSamples);
     }},
    {"approxd.replace", [](All& o, const Text& t) { o.approx_d.replace = t.boolean(); }},
    {"values.num_samples",
     [](All& o, const Text& t) { o.values.num_samples = t.whole<std::int64_t>(1, kMostSamples); }},
    {"values.replace", [](All& o, const Text& t) { o.values.replace = t.boolean(); }},
    {"linear.map", [](All& o, const Text& t) { o.linear_map = t.map(); }},
    {"linear.scale", [](All& o, const Text& t) { o.linear_scale = t.scale(); }},
};

const Key& find_key(std::string_view name) {
  std::string known;
  for (const Key& key : kKeys) {
    if (name == key.name) return key;
    known += known.empty() ? "" : ", ";
    known += key.name;
  }
  throw_invalid(fmt::format("option '{}': unknown; known: {}", name, known));
}

}  // namespace

subquad_options options_of(const subquad_options* options) {
  return options == nullptr ? subquad_options() : *options;
}

Options run_options(const subquad_options& options) {
  Options run = options.run;
  run.given = options.given;
  return run;
}

}  // namespace subquad::capi

using namespace subquad;
using namespace subquad::capi;

static_assert(sizeof(BlockPair) == sizeof(subquad_block_pair));

extern "C" {

subquad_options* subquad_options_create(void) { return new (std::nothrow) subquad_options(); }

void subquad_options_free(subquad_options* options) { delete options; }

subquad_status subquad_options_set(subquad_options* options, const char* key, const char* value) {
  return guarded([&] {
    subquad_options& target = required("options", options);
    const std::string_view name = required_text("key", key);
    const Key& found = find_key(name);
    if (value == nullptr) throw_invalid(fmt::format("option {}: is NULL", name));
    found.set(target, {name, value});
  });
}

int64_t subquad_options_num_keys(void) { return std::ssize(kKeys); }

const char* subquad_options_key(int64_t index) {
  return index < 0 || index >= std::ssize(kKeys) ? nullptr : kKeys[index].name;
}

subquad_status subquad_options_add_given_rows(subquad_options* options, const int64_t* offsets,
                                              int64_t num_offsets, const int32_t* keys,
                                              int64_t num_keys) {
  return guarded([&] {
    GivenMask mask;
    mask.kind = GivenKind::rows;
    mask.offsets = to_span("offsets", offsets, "num_offsets", num_offsets);
    mask.keys = to_list("keys", keys, "num_keys", num_keys);
    required("options", options).given.push_back(mask);
  });
}

subquad_status subquad_options_add_given_blocks(subquad_options* options, int64_t query_block_size,
                                                int64_t key_block_size,
                                                const subquad_block_pair* blocks,
                                                int64_t num_blocks, const int64_t* offsets,
                                                int64_t num_offsets) {
  return guarded([&] {
    GivenMask mask;
    mask.kind = GivenKind::blocks;
    mask.query_block_size = query_block_size;
    mask.key_block_size = key_block_size;
    mask.blocks =
        to_list("blocks", reinterpret_cast<const BlockPair*>(blocks), "num_blocks", num_blocks);
    mask.offsets = to_span("offsets", offsets, "num_offsets", num_offsets);
    required("options", options).given.push_back(mask);
  });
}

void subquad_options_clear_given(subquad_options* options) {
  if (options != nullptr) options->given.clear();
}

}  // extern "C"
