// How the program ends when a signal asks it to.
#pragma once

#include <functional>

namespace subquad::cli {

// From here on a signal that ends the program (SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGXCPU) first
// removes what it has written so far, and a write to a closed pipe or beyond the limit on the size
// of files fails (SIGPIPE, SIGXFSZ). Signals that the caller has ignored or blocked stay so. Call
// it before there are threads.
void watch_signals();

// Runs the last step of a command: puts its results in their places. A signal comes before that,
// and then no result appears, or after it, and then the program ends as if there had been none.
void finish_before_signals(const std::function<void()>& step);

}  // namespace subquad::cli
