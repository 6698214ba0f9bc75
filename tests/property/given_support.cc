#include "property/given_support.h"

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace subquad::testing {

bool OwnedGiven::holds(std::int64_t h, std::int64_t i, std::int64_t j) const {
  const std::int64_t block = (tables == 1 ? 0 : h) * query_blocks + i / query_block_size;
  return dense[static_cast<std::size_t>(block * key_blocks + j / key_block_size)] != 0;
}

GivenMask OwnedGiven::mask() const {
  if (kind == GivenKind::rows) return {kind, offsets, keys, 0, 0, {}};
  return {kind, offsets, {}, query_block_size, key_block_size, blocks};
}

void fill_dense(Draw& draw, OwnedGiven& given) {
  const double density = draw.one_of({0.02, 0.2, 0.6});
  given.dense.assign(static_cast<std::size_t>(given.tables * given.query_blocks * given.key_blocks),
                     0);
  for (std::int64_t t = 0; t < given.tables; ++t)
    for (std::int64_t i = 0; i < given.query_blocks; ++i) {
      const auto shape = draw.integer(0, 7);
      const std::int64_t begin = draw.integer(0, given.key_blocks),
                         end = draw.integer(begin, given.key_blocks);
      for (std::int64_t j = 0; j < given.key_blocks; ++j)
        given.entry(t, i, j) = shape == 0   ? 0
                               : shape == 1 ? 1
                               : shape == 2 ? (j >= begin && j < end ? 1 : 0)
                                            : (draw.chance(density) ? 1 : 0);
    }
}

void list_rows(OwnedGiven& given) {
  given.offsets = {0};
  for (std::int64_t t = 0; t < given.tables; ++t)
    for (std::int64_t i = 0; i < given.query_blocks; ++i) {
      for (std::int64_t j = 0; j < given.key_blocks; ++j)
        if (given.entry(t, i, j) != 0) given.keys.push_back(static_cast<std::int32_t>(j));
      given.offsets.push_back(static_cast<std::int64_t>(given.keys.size()));
    }
}

void list_blocks(Draw& draw, OwnedGiven& given) {
  if (given.tables > 1) given.offsets = {0};
  for (std::int64_t t = 0; t < given.tables; ++t) {
    const auto first = static_cast<std::ptrdiff_t>(given.blocks.size());
    for (std::int64_t i = 0; i < given.query_blocks; ++i)
      for (std::int64_t j = 0; j < given.key_blocks; ++j)
        for (int copies = given.entry(t, i, j) == 0 ? 0
                          : draw.chance(0.1)        ? 2
                                                    : 1;
             copies > 0; --copies)
          given.blocks.push_back({static_cast<std::int32_t>(i), static_cast<std::int32_t>(j)});
    for (auto n = static_cast<std::ptrdiff_t>(given.blocks.size()) - 1; n > first; --n)
      std::swap(given.blocks[static_cast<std::size_t>(n)],
                given.blocks[static_cast<std::size_t>(draw.integer(first, n))]);
    if (given.tables > 1) given.offsets.push_back(static_cast<std::int64_t>(given.blocks.size()));
  }
}

OwnedGiven random_given(Draw& draw, const Problem& problem, GivenKind kind, bool per_head) {
  OwnedGiven given;
  given.kind = kind;
  given.tables = per_head ? problem.query.heads() : 1;
  if (kind == GivenKind::blocks) {
    given.query_block_size = draw.one_of<std::int64_t>({1, 2, 7, 16, 64, 1000});
    given.key_block_size = draw.one_of<std::int64_t>({1, 3, 16, 64, std::int64_t{1} << 40});
  }
  const auto blocks = [](std::int64_t n, std::int64_t size) {
    return n / size + (n % size > 0 ? 1 : 0);
  };
  given.query_blocks = blocks(problem.query.length(), given.query_block_size);
  given.key_blocks = blocks(problem.key.length(), given.key_block_size);
  fill_dense(draw, given);
  kind == GivenKind::rows ? list_rows(given) : list_blocks(draw, given);
  return given;
}

std::vector<OwnedGiven> random_givens(std::uint64_t seed, const Problem& problem) {
  Draw draw(seed * 7919 + 1);
  std::vector<OwnedGiven> all;
  for (const GivenKind kind : {GivenKind::rows, GivenKind::blocks})
    for (const bool per_head : {false, true})
      all.push_back(random_given(draw, problem, kind, per_head));
  return all;
}

std::vector<GivenMask> masks_of(const std::vector<OwnedGiven>& givens) {
  std::vector<GivenMask> masks;
  for (const OwnedGiven& given : givens) masks.push_back(given.mask());
  return masks;
}

}  // namespace subquad::testing
