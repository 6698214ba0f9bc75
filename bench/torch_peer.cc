// PyTorch in a child process: one line asks, one line answers.
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdio>
#include <cstdlib>

#include <fmt/format.h>

#include "peer.h"

namespace bench {
namespace {

class TorchPeer final : public Peer {
 public:
  TorchPeer(pid_t child, FILE* to, FILE* from, std::string name)
      : child_(child), to_(to), from_(from), name_(std::move(name)) {}
  TorchPeer(const TorchPeer&) = delete;
  TorchPeer& operator=(const TorchPeer&) = delete;
  ~TorchPeer() override {
    std::fclose(to_);
    std::fclose(from_);
    waitpid(child_, nullptr, 0);
  }

  std::string name() const override { return name_; }

  double run(const Shape& shape, int threads) override {
    fmt::print(to_, "{} {} {} {} {} {}\n", shape.heads, shape.seq, shape.head_dim,
               shape.causal ? 1 : 0, shape.backward ? 1 : 0, threads);
    std::fflush(to_);
    double seconds = 0;
    if (std::fscanf(from_, "%lf", &seconds) != 1) return -1;
    return seconds;
  }

 private:
  pid_t child_;
  FILE* to_;
  FILE* from_;
  std::string name_;
};

[[noreturn]] void become_python(const std::string& python, const std::string& type, int input,
                                int output) {
  dup2(input, STDIN_FILENO);
  dup2(output, STDOUT_FILENO);
  setenv("OPENBLAS_CORETYPE", "SkylakeX", 0);
  execl(python.c_str(), python.c_str(), "-u", SUBQUAD_TORCH_PEER, type.c_str(), nullptr);
  _exit(127);
}

}  // namespace

std::unique_ptr<Peer> make_torch_peer(const std::string& python, const std::string& type) {
  const std::string probe = "'" + python + "' -c 'import torch' > /dev/null 2>&1";
  if (std::system(probe.c_str()) != 0) return nullptr;
  std::array<int, 2> request{}, answer{};
  if (pipe(request.data()) != 0 || pipe(answer.data()) != 0) return nullptr;
  const pid_t child = fork();
  if (child < 0) return nullptr;
  if (child == 0) {
    close(request[1]);
    close(answer[0]);
    become_python(python, type, request[0], answer[1]);
  }
  close(request[0]);
  close(answer[1]);
  std::signal(SIGPIPE, SIG_IGN);
  FILE* from = fdopen(answer[0], "r");
  std::array<char, 128> version{};
  if (std::fscanf(from, " %127[^\n]", version.data()) != 1) return nullptr;
  return std::make_unique<TorchPeer>(child, fdopen(request[1], "w"), from, version.data());
}

}  // namespace bench
