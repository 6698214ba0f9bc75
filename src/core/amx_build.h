// SUBQUAD_AMX: 1 where the AMX bodies are compiled.
#pragma once

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SUBQUAD_SANITIZED_BUILD 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || \
    __has_feature(memory_sanitizer)
#define SUBQUAD_SANITIZED_BUILD 1
#endif
#endif

#if defined(__x86_64__) && defined(__linux__) && !defined(SUBQUAD_SANITIZED_BUILD)
#define SUBQUAD_AMX 1
#else
#define SUBQUAD_AMX 0
#endif
