#include "core/given_check.h"

#include <string>

#include <fmt/format.h>

#include "core/checks.h"
#include "subquad/error.h"
#include "subquad/problem.h"

namespace subquad {
namespace {

constexpr std::int64_t kMostRepeats = 1 << 10;  // of a pair of blocks in a list

std::int64_t blocks_in(std::int64_t length, std::int64_t size) {
  return length / size + (length % size == 0 ? 0 : 1);
}

class GivenCheck {
 public:
  GivenCheck(const Problem& problem, const GivenMask& mask, std::size_t i)
      : problem_(problem), mask_(mask), i_(i) {}

  void check() const {
    check_span(field("offsets"), mask_.offsets);
    check_span(field("keys"), mask_.keys);
    check_span(field("blocks"), mask_.blocks);
    if (!problem_.query_offsets.empty())
      throw_invalid(fmt::format(
          "given[{}]: not supported with packed sequences; give each sequence its own call", i_));
    if (mask_.kind == GivenKind::rows)
      check_rows();
    else if (mask_.kind == GivenKind::blocks)
      check_blocks();
    else
      throw_invalid(fmt::format("given[{}].kind: is neither rows nor blocks", i_));
  }

 private:
  std::string field(const char* name) const { return fmt::format("given[{}].{}", i_, name); }

  [[noreturn]] void fail(const char* name, const std::string& what) const {
    throw_invalid(fmt::format("{}: {}", field(name), what));
  }

  void check_rows() const {
    const std::int64_t heads = problem_.query.heads(), length = problem_.query.length();
    const auto count = static_cast<std::int64_t>(mask_.offsets.size());
    if (count != length + 1 && count != heads * length + 1)
      fail("offsets", fmt::format("{} entries, must be {} (positions + 1) or {} (heads x positions "
                                  "+ 1)",
                                  count, length + 1, heads * length + 1));
    if (!mask_.blocks.empty()) fail("blocks", "must be empty when kind is rows");
    check_offsets(mask_.keys.size(), "keys");
    for (std::size_t list = 0; list + 1 < mask_.offsets.size(); ++list) check_list(list);
  }

  void check_offsets(std::size_t entries, const char* field) const {
    const auto& offsets = mask_.offsets;
    if (offsets.front() != 0)
      fail("offsets", fmt::format("must start with 0, not {}", offsets.front()));
    for (std::size_t n = 1; n < offsets.size(); ++n)
      if (offsets[n] < offsets[n - 1])
        fail("offsets", fmt::format("entry {} is {}, below the entry before it ({})", n, offsets[n],
                                    offsets[n - 1]));
    if (offsets.back() != static_cast<std::int64_t>(entries))
      fail("offsets", fmt::format("ends at {}, but {} has {}", offsets.back(), field, entries));
  }

  void check_list(std::size_t list) const {
    const auto end = static_cast<std::size_t>(mask_.offsets[list + 1]);
    std::int64_t previous = -1;
    for (auto n = static_cast<std::size_t>(mask_.offsets[list]); n < end; ++n) {
      const std::int32_t key = mask_.keys[n];
      if (key < 0 || key >= problem_.key.length())
        fail("keys", fmt::format("entry {} is key {}, but there are {} keys", n, key,
                                 problem_.key.length()));
      if (key <= previous)
        fail("keys", fmt::format("entry {}: key {} after key {}; the keys of a row must rise", n,
                                 key, previous));
      previous = key;
    }
  }

  void check_blocks() const {
    if (mask_.query_block_size < 1)
      fail("query_block_size", fmt::format("is {}, must be 1 or more", mask_.query_block_size));
    if (mask_.key_block_size < 1)
      fail("key_block_size", fmt::format("is {}, must be 1 or more", mask_.key_block_size));
    if (!mask_.keys.empty()) fail("keys", "must be empty when kind is blocks");
    const auto count = static_cast<std::int64_t>(mask_.offsets.size());
    if (count != 0 && count != problem_.query.heads() + 1)
      fail("offsets", fmt::format("{} entries, must be none or {} (query heads + 1)", count,
                                  problem_.query.heads() + 1));
    if (count != 0) check_offsets(mask_.blocks.size(), "blocks");
    check_number_of_blocks();
    for (std::size_t n = 0; n < mask_.blocks.size(); ++n) check_pair(n);
  }

  // Pairs may be listed more than once, but not more often than anyone would.
  void check_number_of_blocks() const {
    const auto count = static_cast<std::int64_t>(mask_.blocks.size());
    const std::int64_t pairs = blocks_in(problem_.query.length(), mask_.query_block_size) *
                               blocks_in(problem_.key.length(), mask_.key_block_size);
    const std::int64_t heads = mask_.offsets.empty() ? 1 : problem_.query.heads();
    if (pairs == 0 ? count > 0 : count / pairs / heads > kMostRepeats)
      fail("blocks", fmt::format("{} entries, but there are {} pairs of blocks", count, pairs));
  }

  void check_pair(std::size_t n) const {
    const BlockPair& pair = mask_.blocks[n];
    check_block(n, "query", pair.query_block, mask_.query_block_size, problem_.query.length());
    check_block(n, "key", pair.key_block, mask_.key_block_size, problem_.key.length());
  }

  // Block b begins at b * size, which must be below the length.
  void check_block(std::size_t n, const char* side, std::int64_t block, std::int64_t size,
                   std::int64_t length) const {
    const std::int64_t count = blocks_in(length, size);
    if (block < 0 || block >= count)
      fail("blocks",
           fmt::format("pair {} has {} block {}, but there are {}", n, side, block, count));
  }

  const Problem& problem_;
  const GivenMask& mask_;
  std::size_t i_;
};

}  // namespace

void validate_given(const Problem& problem, std::span<const GivenMask> given) {
  check_span("given", given);
  for (std::size_t i = 0; i < given.size(); ++i) GivenCheck(problem, given[i], i).check();
}

std::vector<Region> inputs_of(const Problem& problem, std::span<const GivenMask> given) {
  std::vector<Region> inputs = inputs_of(problem);
  for (std::size_t i = 0; i < given.size(); ++i) {
    const std::string name = fmt::format("given[{}]", i);
    inputs.push_back(region_of(name + ".offsets", given[i].offsets));
    inputs.push_back(region_of(name + ".keys", given[i].keys));
    inputs.push_back(region_of(name + ".blocks", given[i].blocks));
  }
  return inputs;
}

}  // namespace subquad
