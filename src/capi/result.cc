#include "capi/result.h"

#include <cstring>
#include <iterator>
#include <new>
#include <string_view>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "capi/convert.h"

namespace subquad::capi {
namespace {

const char* const kKinds[] = {"an integer", "a number", "a text", "a list of integers",
                              "a list of numbers"};

const Value& find_value(const subquad_result* result, const char* key, std::int64_t row) {
  const subquad_result& table = required("result", result);
  const std::string_view name = required_text("key", key);
  if (row < 0 || row >= std::ssize(table.rows))
    throw_invalid(fmt::format("row: {}, but the result has {}", row, table.rows.size()));
  for (std::size_t n = 0; n < table.keys.size(); ++n)
    if (name == table.keys[n]) return table.rows[static_cast<std::size_t>(row)][n];
  throw_invalid(fmt::format("key: '{}' is not one of {}", name, fmt::join(table.keys, ", ")));
}

[[noreturn]] void throw_kind(const char* key, const Value& value, const char* wanted) {
  throw_invalid(fmt::format("key: '{}' is {}, not {}", key, kKinds[value.index()], wanted));
}

template <typename Wanted>
const Wanted& value_of(const subquad_result* result, const char* key, std::int64_t row,
                       const char* wanted) {
  const Value& value = find_value(result, key, row);
  const Wanted* found = std::get_if<Wanted>(&value);
  if (found == nullptr) throw_kind(key, value, wanted);
  return *found;
}

template <typename T>
subquad_status give_list(const subquad_result* result, const char* key, std::int64_t row,
                         const char* wanted, const T** values, std::int64_t* count) {
  return guarded([&] {
    const auto& list = value_of<std::vector<T>>(result, key, row, wanted);
    required("values", values) = list.data();
    required("count", count) = std::ssize(list);
  });
}

}  // namespace

subquad_result make_result(const std::vector<Row>& rows) {
  subquad_result table;
  for (const Row& row : rows) {
    table.rows.emplace_back();
    for (const auto& [key, value] : row) {
      if (table.rows.size() == 1) table.keys.push_back(key);
      table.rows.back().push_back(value);
    }
  }
  return table;
}

}  // namespace subquad::capi

using namespace subquad;
using namespace subquad::capi;

extern "C" {

subquad_result* subquad_result_create(void) { return new (std::nothrow) subquad_result(); }

void subquad_result_free(subquad_result* result) { delete result; }

int64_t subquad_result_num_rows(const subquad_result* result) {
  return result == nullptr ? 0 : std::ssize(result->rows);
}

int64_t subquad_result_num_keys(const subquad_result* result) {
  return result == nullptr ? 0 : std::ssize(result->keys);
}

const char* subquad_result_key(const subquad_result* result, int64_t index) {
  if (index < 0 || index >= subquad_result_num_keys(result)) return nullptr;
  return result->keys[static_cast<std::size_t>(index)];
}

subquad_status subquad_result_integer(const subquad_result* result, const char* key, int64_t row,
                                      int64_t* value) {
  return guarded(
      [&] { required("value", value) = value_of<std::int64_t>(result, key, row, kKinds[0]); });
}

subquad_status subquad_result_number(const subquad_result* result, const char* key, int64_t row,
                                     double* value) {
  return guarded([&] {
    const Value& found = find_value(result, key, row);
    const auto* whole = std::get_if<std::int64_t>(&found);
    required("value", value) = whole != nullptr ? static_cast<double>(*whole)
                                                : value_of<double>(result, key, row, kKinds[1]);
  });
}

subquad_status subquad_result_text(const subquad_result* result, const char* key, int64_t row,
                                   const char** text) {
  return guarded(
      [&] { required("text", text) = value_of<std::string>(result, key, row, kKinds[2]).c_str(); });
}

subquad_status subquad_result_integers(const subquad_result* result, const char* key, int64_t row,
                                       const int64_t** values, int64_t* count) {
  return give_list(result, key, row, kKinds[3], values, count);
}

subquad_status subquad_result_numbers(const subquad_result* result, const char* key, int64_t row,
                                      const double** values, int64_t* count) {
  return give_list(result, key, row, kKinds[4], values, count);
}

}  // extern "C"
