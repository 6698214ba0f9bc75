# Our own targets only: warnings on, errors in CI, sanitizers on request.
function(subquad_own_target name)
  # OpenMP's simd pragmas only: threads are those of src/core/thread_pool.h.
  target_compile_options(${name} PRIVATE -Wall -Wextra -Wconversion -fopenmp-simd)
  if(SUBQUAD_WERROR)
    target_compile_options(${name} PRIVATE -Werror)
  endif()
  if(SUBQUAD_SANITIZE)
    target_compile_options(${name} PRIVATE -fsanitize=${SUBQUAD_SANITIZE} -fno-sanitize-recover=all
                           -fno-omit-frame-pointer)
    target_link_options(${name} PRIVATE -fsanitize=${SUBQUAD_SANITIZE})
    if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
      # A loop full of checks may stay a loop.
      target_compile_options(${name} PRIVATE -Wno-pass-failed)
    endif()
  endif()
endfunction()

# What nearly every file includes, parsed once a target.
set(subquad_common_headers <algorithm> <array> <atomic> <cmath> <cstdint> <cstring> <functional>
    <limits> <memory> <mutex> <numeric> <optional> <span> <string> <string_view> <utility> <vector>
    <fmt/format.h>)
