// Numbers as people read them; "-" for what was not measured.
#pragma once

#include <string>

#include "run_record.h"

namespace subquad::cli {

std::string seconds_text(const Number& seconds);  // 3 digits with a unit: "12.3 ms"
std::string bytes_text(const Count& bytes);       // "1.5 MB" (1e6)
std::string speedup_text(const Number& ratio);    // "3.21x"
// "3.21x"; "~1.02x" within the noise, "= exact" where a method ran exact's own code.
std::string speedup_text(const RunRecord& run);
std::string error_text(const Number& error);       // 2 digits: "0.031", "4.2e-07"
std::string percent_text(const Number& fraction);  // "12.3 %"

}  // namespace subquad::cli
