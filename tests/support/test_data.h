// Files that the repository does not hold.
#pragma once

#include <string>

namespace subquad::testing {

// A file or folder of the data beside the checkout (../shared/data); "" where it is absent.
std::string shared_data(const std::string& name);

// SmolLM2-135M-Instruct.Q4_1.gguf: $SUBQUAD_TEST_GGUF, or where scripts/fetch_model puts it; ""
// where it is absent.
std::string smollm2_gguf();

// For GTEST_SKIP.
inline constexpr const char* no_smollm2 =
    "no SmolLM2 GGUF: run scripts/fetch_model or set SUBQUAD_TEST_GGUF";

}  // namespace subquad::testing
