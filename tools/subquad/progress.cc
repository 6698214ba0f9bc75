#include "progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

namespace subquad::cli {

Progress::Progress(std::string title) : title_(std::move(title)) {
  if (::isatty(STDERR_FILENO) != 0) {
    ticker_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
  }
}

Progress::~Progress() {
  if (!ticker_.joinable()) return;
  ticker_.request_stop();
  ticker_.join();
  if (drawn_) (void)std::fputs("\r\x1b[K", stderr);
}

void Progress::expect(int steps) {
  const std::lock_guard lock(mutex_);
  steps_ += steps;
}

void Progress::step(const std::string& label) {
  const std::lock_guard lock(mutex_);
  label_ = label;
  ++started_;
}

void Progress::run(const std::stop_token& stop) {
  using namespace std::chrono_literals;
  std::unique_lock lock(mutex_);
  while (!stop.stop_requested()) {
    wake_.wait_for(lock, stop, 500ms, [] { return false; });
    if (!stop.stop_requested() && Clock::now() - start_ >= 2s) draw();
  }
}

void Progress::draw() {
  constexpr int width = 24;
  const int total = std::max(steps_, 1);
  const int done = std::clamp(started_ - 1, 0, total);
  const int filled = width * done / total;
  const double seconds = std::chrono::duration<double>(Clock::now() - start_).count();
  const std::string bar =
      fmt::format("\r\x1b[K{} [{:#<{}}{:.<{}}] {:3}% {:.0f} s  {:.48}", title_, "", filled, "",
                  width - filled, 100 * done / total, seconds, label_);
  (void)std::fputs(bar.c_str(), stderr);
  std::fflush(stderr);
  drawn_ = true;
}

}  // namespace subquad::cli
