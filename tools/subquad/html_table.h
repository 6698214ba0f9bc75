// The tables of the page: a row a method on wide screens, a card a method on narrow ones.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "comparison.h"

namespace subquad::cli {

// Exact, then the methods: the records of all heads together.
std::vector<RunRecord> overall(const Comparison& comparison);

// A spec, a path or a file name, escaped; it may break after each part.
std::string breakable(const std::string& spec);

// The number and the colour that tie a method to its point; from 1. 0 is exact.
std::string chip(std::size_t number);

// Time, memory and errors of every method.
std::string methods_table(const Comparison& comparison);

// Errors of each head, folded away.
std::string heads_table(const Comparison& comparison);

}  // namespace subquad::cli
