// A bar on stderr for work that takes longer than two seconds; silent when stderr is no terminal.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>

namespace subquad::cli {

class Progress {
 public:
  explicit Progress(std::string title);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // Adds to the number of steps the bar expects.
  void expect(int steps);
  // The step named `label` starts now; the one before it is done.
  void step(const std::string& label);

 private:
  using Clock = std::chrono::steady_clock;

  void run(const std::stop_token& stop);
  void draw();

  const std::string title_;
  const Clock::time_point start_ = Clock::now();
  std::mutex mutex_;  // guards what follows
  std::condition_variable_any wake_;
  std::string label_;
  int steps_ = 0;
  int started_ = 0;
  bool drawn_ = false;
  std::jthread ticker_;  // redraws twice a second; not started without a terminal
};

}  // namespace subquad::cli
