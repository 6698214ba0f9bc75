#include "ending.h"

#include <pthread.h>
#include <unistd.h>

#include <csignal>
#include <mutex>
#include <system_error>
#include <thread>

#include "subquad/io.h"

namespace subquad::cli {
namespace {

struct Ending {
  std::mutex mutex;
  bool finished = false;  // the results are in their places
};

// Never destroyed: the thread that waits for signals outlives main().
Ending& ending() {
  static Ending& instance = *new Ending;
  return instance;
}

// The signals that would end the program now.
sigset_t ending_signals() {
  sigset_t signals, blocked;
  sigemptyset(&signals);
  pthread_sigmask(SIG_SETMASK, nullptr, &blocked);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGXCPU}) {
    struct sigaction action {};
    sigaction(signal, nullptr, &action);
    if (action.sa_handler == SIG_DFL && sigismember(&blocked, signal) == 0)
      sigaddset(&signals, signal);
  }
  return signals;
}

// Ends as the signal would have, so that the caller sees which it was.
void die_of(int signal) {
  io::abandon_files();
  sigset_t one;
  sigemptyset(&one);
  sigaddset(&one, signal);
  pthread_sigmask(SIG_UNBLOCK, &one, nullptr);
  (void)std::raise(signal);
  ::_exit(128 + signal);
}

void wait_for_signal(const sigset_t& signals) {
  int signal = 0;
  while (sigwait(&signals, &signal) != 0) {
  }
  const std::lock_guard lock(ending().mutex);
  if (!ending().finished) die_of(signal);
}

}  // namespace

void watch_signals() {
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);
  const sigset_t signals = ending_signals();
  // All threads inherit this: the signals wait for the one below.
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  try {
    std::thread([signals] { wait_for_signal(signals); }).detach();
  } catch (const std::system_error&) {
    pthread_sigmask(SIG_UNBLOCK, &signals, nullptr);  // no thread to be had: they end it at once
  }
}

void finish_before_signals(const std::function<void()>& step) {
  const std::lock_guard lock(ending().mutex);
  step();
  ending().finished = true;
}

}  // namespace subquad::cli
