// Given masks that do not fit, and the spec parts that name them.
#include "subquad/given.h"

#include <functional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "rows/head_problem.h"
#include "parts/row_list_set.h"
#include "methods/method.h"
#include "subquad/attention.h"
#include "subquad/error.h"
#include "support/owned_problem.h"

namespace subquad {
namespace {

using testing::gaussian_problem;
using testing::OwnedProblem;

// Two query heads, three positions, five keys.
class GivenInput : public ::testing::Test {
 protected:
  GivenInput()
      : owned_(gaussian_problem({.heads = 2, .kv_heads = 1, .queries = 3, .keys = 5, .head_dim = 4},
                                1)),
        out_(DType::f32, owned_.out_shape()) {}

  void attend_given(const std::vector<GivenMask>& given, const std::string& spec = "given") {
    Options options;
    options.given = given;
    attend(owned_.problem, spec, {out_.mutable_view(), {}, {}}, options);
  }

  void expect_invalid(const std::vector<GivenMask>& given, const std::string& expected,
                      const std::string& spec = "given") {
    try {
      attend_given(given, spec);
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::invalid_argument);
      EXPECT_NE(std::string(error.what()).find(expected), std::string::npos)
          << error.what() << "\nexpected: " << expected;
      return;
    }
    ADD_FAILURE() << "no error; expected: " << expected;
  }

  GivenMask rows() const { return {GivenKind::rows, offsets_, keys_, 0, 0, {}}; }
  GivenMask blocks() const { return {GivenKind::blocks, block_offsets_, {}, 2, 2, pairs_}; }

  OwnedProblem owned_;
  testing::TensorBuffer out_;
  std::vector<std::int64_t> offsets_{0, 2, 2, 5};
  std::vector<std::int32_t> keys_{0, 4, 1, 2, 3};
  std::vector<std::int64_t> block_offsets_;
  std::vector<BlockPair> pairs_{{0, 0}, {1, 2}, {1, 2}};
};

TEST_F(GivenInput, GoodOnesPass) {
  attend_given({rows(), blocks()}, "given(0)+given(1)");
  offsets_ = {0, 2, 2, 5, 5, 5, 5};  // one list for each head and position
  block_offsets_ = {0, 1, 3};
  attend_given({rows(), blocks()}, "given(0)+given(1)+uniform(3)");
}

TEST_F(GivenInput, NumberOutOfRange) {
  expect_invalid({}, "there is no given[0]; 0 masks were given");
  expect_invalid({rows()}, "spec part 'given(1)': there is no given[1]", "sink(1)+given(1)");
  expect_invalid({rows()}, "i = -1 is not a whole number", "given(i=-1)");
  expect_invalid({rows()}, "unknown argument 'mask'", "given(mask=0)");
}

TEST_F(GivenInput, UnusedMasksAreCheckedToo) {
  keys_[0] = 5;
  expect_invalid({rows()}, "given[0].keys: entry 0 is key 5, but there are 5 keys", "exact");
}

TEST_F(GivenInput, WrongNumberOfOffsets) {
  for (const std::size_t count : {0U, 1U, 3U, 5U, 6U, 8U}) {
    offsets_.assign(count, 0);
    expect_invalid({blocks(), rows()}, "given[1].offsets: " + std::to_string(count) +
                                           " entries, must be 4 (positions + 1) or 7");
  }
}

TEST_F(GivenInput, OffsetsThatDoNotFitTheKeys) {
  offsets_ = {1, 2, 2, 5};
  expect_invalid({rows()}, "given[0].offsets: must start with 0, not 1");
  offsets_ = {0, 2, 1, 5};
  expect_invalid({rows()}, "given[0].offsets: entry 2 is 1, below the entry before it (2)");
  offsets_ = {0, 2, 2, 4};
  expect_invalid({rows()}, "given[0].offsets: ends at 4, but keys has 5");
  offsets_ = {0, 2, 2, 6};
  expect_invalid({rows()}, "given[0].offsets: ends at 6, but keys has 5");
  offsets_ = {0, std::int64_t{1} << 62, 2, 5};
  expect_invalid({rows()}, "given[0].offsets: entry 2");
}

TEST_F(GivenInput, KeysOutOfRangeOrOrder) {
  keys_[3] = -1;
  expect_invalid({rows()}, "given[0].keys: entry 3 is key -1");
  keys_[3] = 5;
  expect_invalid({rows()}, "given[0].keys: entry 3 is key 5, but there are 5 keys");
  keys_[3] = 1;
  expect_invalid({rows()},
                 "given[0].keys: entry 3: key 1 after key 1; the keys of a row must rise");
  keys_ = {4, 0, 1, 2, 3};
  expect_invalid({rows()}, "given[0].keys: entry 1: key 0 after key 4");
}

TEST_F(GivenInput, BadBlocks) {
  GivenMask mask = blocks();
  mask.query_block_size = 0;
  expect_invalid({mask}, "given[0].query_block_size: is 0, must be 1 or more");
  mask = blocks();
  mask.key_block_size = -3;
  expect_invalid({mask}, "given[0].key_block_size: is -3");
  for (const auto& [pair, expected] :
       {std::pair{BlockPair{2, 0}, "pair 1 has query block 2, but there are 2"},
        {BlockPair{-1, 0}, "pair 1 has query block -1"},
        {BlockPair{0, 3}, "pair 1 has key block 3, but there are 3"},
        {BlockPair{0, -2}, "pair 1 has key block -2"}}) {
    pairs_[1] = pair;
    expect_invalid({blocks()}, std::string("given[0].blocks: ") + expected);
  }
}

TEST_F(GivenInput, BadBlockOffsets) {
  block_offsets_ = {0, 3};
  expect_invalid({blocks()}, "given[0].offsets: 2 entries, must be none or 3 (query heads + 1)");
  block_offsets_ = {0, 2, 2};
  expect_invalid({blocks()}, "given[0].offsets: ends at 2, but blocks has 3");
}

TEST_F(GivenInput, FieldsOfTheOtherKind) {
  GivenMask mask = rows();
  mask.blocks = pairs_;
  expect_invalid({mask}, "given[0].blocks: must be empty when kind is rows");
  mask = blocks();
  mask.keys = keys_;
  expect_invalid({mask}, "given[0].keys: must be empty when kind is blocks");
  mask.kind = static_cast<GivenKind>(7);
  expect_invalid({mask}, "given[0].kind: is neither rows nor blocks");
}

TEST_F(GivenInput, PackedSequences) {
  const std::vector<std::int64_t> queries{0, 1, 3}, keys{0, 2, 5};
  owned_.problem.query_offsets = queries;
  owned_.problem.key_offsets = keys;
  expect_invalid({rows()}, "given[0]: not supported with packed sequences");
}

TEST_F(GivenInput, NothingIsWrittenAfterAnError) {
  const auto before = out_.words();
  keys_[0] = 9;
  expect_invalid({rows()}, "given[0].keys");
  EXPECT_EQ(out_.words(), before);
}

TEST(BandSpec, Arguments) {
  EXPECT_EQ(parse_method("band(left=0,right=3)").heavy.size(), 1u);
  for (const std::string spec : {"band(left=-1)", "band(right=1.5)", "band(1,2,3)", "band(w=2)"})
    EXPECT_THROW(parse_method(spec), Error) << spec;
}

// What a set does with rows and tiles in any order, against its lists.
class RowListSetTest : public ::testing::Test {
 protected:
  RowListSetTest()
      : owned_(gaussian_problem(
            {.heads = 2, .kv_heads = 1, .queries = 3, .keys = 9000, .head_dim = 4}, 1)),
        head_(split_heads(owned_.problem).front()) {
    // Rows 0 to 5: heads 0 and 1 of each position. 1 + 4096 k share a bit of the filter.
    lists_.offsets = {0, 3, 3, 5, 8, 9, 11};
    lists_.keys = {1, 4097, 8193, 0, 8999, 7, 8, 9, 5000, 2, 8193};
  }

  bool holds(std::int64_t row, std::int64_t key) const {
    for (const std::int32_t k : lists_.row(row))
      if (k == key) return true;
    return false;
  }

  void check_remove(const RowListSet& set, const IndexList& rows, const IndexList& keys) const {
    const std::int64_t stride = keys.count + 3;
    std::vector<float> scores(static_cast<std::size_t>(rows.count * stride), 1.0F);
    FilterScratch scratch;
    set.remove(rows, keys, scores.data(), stride, scratch);
    bool any = false;
    for (std::int64_t r = 0; r < rows.count; ++r)
      for (std::int64_t c = 0; c < stride; ++c) {
        const bool held = c < keys.count && holds(rows[r], keys[c]);
        any = any || held;
        ASSERT_EQ(scores[static_cast<std::size_t>(r * stride + c)] == 1.0F, !held)
            << rows[r] << ", " << c;
      }
    EXPECT_TRUE(set.may_meet(rows, keys) || !any);
  }

  OwnedProblem owned_;
  HeadProblem head_;
  RowLists lists_;
};

TEST_F(RowListSetTest, RemovesItsOwnEntriesFromAnyTile) {
  const RowListSet set(head_, lists_, ListLayout{.block_step = 2, .head_step = 1});
  const std::vector<std::int32_t> some_rows{5, 0, 0, 3, 1, 2};
  const std::vector<std::int32_t> unsorted{8193, 5000, 4097, 0, 1, 1, 8999, 9, 3, 4098};
  const std::vector<std::int32_t> sorted{0, 1, 1, 2, 4097, 5000, 5001, 8193};
  for (const IndexList& rows :
       {index_range(0, 6), index_range(2, 3), IndexList{some_rows.data(), 0, 6}})
    for (const IndexList& keys : {index_range(0, 9000), index_range(1, 10), index_range(4000, 4100),
                                  index_range(8999, 9000), IndexList{unsorted.data(), 0, 10},
                                  IndexList{sorted.data(), 0, 8, true}})
      check_remove(set, rows, keys);
}

TEST_F(RowListSetTest, MayMeetTellsDisjointRanges) {
  const RowListSet set(head_, lists_, ListLayout{.block_step = 2, .head_step = 1});
  EXPECT_FALSE(set.may_meet(index_range(1, 2), index_range(0, 9000)));  // an empty list
  EXPECT_FALSE(set.may_meet(index_range(3, 5), index_range(5001, 9000)));
  EXPECT_TRUE(set.may_meet(index_range(3, 6), index_range(5001, 9000)));
}

TEST_F(RowListSetTest, NeighboursWithOneListShareARun) {
  const RowListSet set(head_, std::span(lists_.offsets).first(4), lists_.keys, ListLayout{});
  RunList runs;
  set.add_runs(index_range(0, 6), 0, runs);
  ASSERT_EQ(runs.runs().size(), 2u);  // position 1 has no keys
  EXPECT_EQ(runs.runs()[0].rows.end, 2);
  EXPECT_EQ(runs.runs()[1].rows.begin, 4);
  EXPECT_EQ(runs.runs()[1].rows.end, 6);
  EXPECT_EQ(runs.runs()[1].keys.count, 2);
}

}  // namespace
}  // namespace subquad
