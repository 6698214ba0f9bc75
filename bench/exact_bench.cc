// Exact attention against the machine's FMA limit and against peers: interleaved rounds, medians.
#include <algorithm>
#include <bit>
#include <chrono>
#include <cmath>
#include <random>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "peer.h"
#include "subquad/subquad.hpp"

namespace {

using bench::Peer;
using bench::Shape;

struct Arguments {
  std::vector<std::int64_t> seq{8192};
  std::vector<std::int64_t> head_dim{64, 128};
  std::vector<int> threads{1, 2};
  std::int64_t heads = 1;
  int rounds = 5;
  std::string type = "f32", python = "/usr/bin/python3";
  bool causal = false, backward = false;
  bool peers = true;

  bool bf16() const { return type == "bf16"; }
};

float rounded_to_bf16(float x) {
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(x);
  return std::bit_cast<float>((bits + 0x7FFFU + ((bits >> 16) & 1U)) & 0xFFFF0000U);
}

struct Tensors {
  std::vector<float> query, key, value, out, grad_out;
  std::vector<float> lse, grad_query, grad_key, grad_value;  // of the backward
  std::vector<std::uint16_t> query16, key16, value16;  // the same in bf16, if that is asked for
  bool bf16;

  Tensors(const Shape& shape, bool in_bf16) : bf16(in_bf16) {
    const auto count = static_cast<std::size_t>(shape.heads * shape.seq * shape.head_dim);
    std::mt19937 generator(1);
    std::normal_distribution<float> normal;
    for (std::vector<float>* tensor : {&query, &key, &value, &grad_out}) {
      tensor->resize(count);
      for (float& x : *tensor) x = bf16 ? rounded_to_bf16(normal(generator)) : normal(generator);
    }
    for (std::vector<float>* tensor : {&out, &grad_query, &grad_key, &grad_value})
      tensor->assign(count, 0.0f);
    lse.assign(static_cast<std::size_t>(shape.heads * shape.seq), 0.0f);
    if (!bf16) return;
    query16 = upper_halves(query);
    key16 = upper_halves(key);
    value16 = upper_halves(value);
  }

  static std::vector<std::uint16_t> upper_halves(const std::vector<float>& tensor) {
    std::vector<std::uint16_t> halves;
    for (const float x : tensor)
      halves.push_back(static_cast<std::uint16_t>(std::bit_cast<std::uint32_t>(x) >> 16));
    return halves;
  }
};

subquad::MutableTensorView view_of(std::vector<float>& data, const subquad::Shape4& extents) {
  return subquad::dense_view(static_cast<void*>(data.data()), subquad::DType::f32, extents);
}

subquad::TensorView view_of(const std::vector<float>& data, const subquad::Shape4& extents) {
  return subquad::dense_view(static_cast<const void*>(data.data()), subquad::DType::f32, extents);
}

class Subquad final : public Peer {
 public:
  // `isa`: what to lower the instruction set to; "": nothing.
  explicit Subquad(Tensors& tensors, std::string isa = "")
      : tensors_(tensors), isa_(std::move(isa)) {}
  std::string name() const override {
    return isa_.empty() ? "subquad exact" : "subquad exact, " + isa_;
  }
  double run(const Shape& shape, int threads) override {
    extents_ = {1, shape.heads, shape.seq, shape.head_dim};
    subquad::select_isa(isa_);
    const subquad::Problem problem = make_problem(shape);
    const double forward = seconds([&] { run_forward(problem, threads); });
    return shape.backward ? seconds([&] { run_backward(problem, threads); }) : forward;
  }

 private:
  template <typename Pass>
  static double seconds(const Pass& pass) {
    const auto start = std::chrono::steady_clock::now();
    pass();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  }

  subquad::Problem make_problem(const Shape& shape) const {
    const auto view = [&](const std::vector<float>& wide, const std::vector<std::uint16_t>& half) {
      return tensors_.bf16 ? subquad::dense_view(static_cast<const void*>(half.data()),
                                                 subquad::DType::bf16, extents_)
                           : view_of(wide, extents_);
    };
    subquad::Problem problem;
    problem.query = view(tensors_.query, tensors_.query16);
    problem.key = view(tensors_.key, tensors_.key16);
    problem.value = view(tensors_.value, tensors_.value16);
    if (shape.causal) problem.causal = subquad::Causal::top_left;
    return problem;
  }

  subquad::Shape4 row_extents() const { return {1, extents_[1], extents_[2], 1}; }

  void run_forward(const subquad::Problem& problem, int threads) {
    subquad::Outputs outputs;
    outputs.out = view_of(tensors_.out, extents_);
    outputs.lse = view_of(tensors_.lse, row_extents());
    subquad::attend(problem, "exact", outputs, {threads, 0});
  }

  void run_backward(const subquad::Problem& problem, int threads) {
    subquad::BackwardArguments arguments;
    arguments.out = view_of(std::as_const(tensors_.out), extents_);
    arguments.lse = view_of(std::as_const(tensors_.lse), row_extents());
    arguments.grad_out = view_of(std::as_const(tensors_.grad_out), extents_);
    arguments.grad_query = view_of(tensors_.grad_query, extents_);
    arguments.grad_key = view_of(tensors_.grad_key, extents_);
    arguments.grad_value = view_of(tensors_.grad_value, extents_);
    subquad::attend_backward(problem, arguments, {threads, 0});
  }

  Tensors& tensors_;
  std::string isa_;
  subquad::Shape4 extents_{};
};

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

// A row of the first head by a double loop.
struct PlainRow {
  PlainRow(const Tensors& tensors, const Shape& shape, std::int64_t i)
      : out(static_cast<std::size_t>(shape.head_dim)), grad_query(out.size()) {
    const std::int64_t seen = shape.causal ? i + 1 : shape.seq, d = shape.head_dim;
    const double scale = 1 / std::sqrt(static_cast<double>(d));
    const auto dot = [&](const std::vector<float>& a, const std::vector<float>& b, std::int64_t j) {
      double sum = 0;
      for (std::int64_t c = 0; c < d; ++c) sum += at(a, d, i, c) * at(b, d, j, c);
      return sum;
    };
    std::vector<double> weights, pulls;
    double sum = 0, pull = 0;
    for (std::int64_t j = 0; j < seen; ++j) {
      weights.push_back(std::exp(scale * dot(tensors.query, tensors.key, j)));
      pulls.push_back(dot(tensors.grad_out, tensors.value, j));
      sum += weights.back();
    }
    for (std::size_t j = 0; j < weights.size(); ++j) pull += (weights[j] /= sum) * pulls[j];
    for (std::size_t j = 0; j < weights.size(); ++j)
      for (std::size_t c = 0; c < out.size(); ++c) {
        out[c] += weights[j] * double{tensors.value[j * out.size() + c]};
        grad_query[c] +=
            scale * weights[j] * (pulls[j] - pull) * double{tensors.key[j * out.size() + c]};
      }
  }

  static double at(const std::vector<float>& t, std::int64_t d, std::int64_t i, std::int64_t c) {
    return double{t[static_cast<std::size_t>(i * d + c)]};
  }

  std::vector<double> out, grad_query;
};

// Of some rows: the largest error of `out` over the largest |V|, or that of grad_query, relative
// (Frobenius).
double row_error(const Tensors& tensors, const Shape& shape) {
  double worst = 0, largest = 0, difference = 0, size = 0;
  for (const float v : tensors.value) largest = std::max(largest, std::abs(double{v}));
  for (std::int64_t i = shape.seq / 9; i < shape.seq; i += shape.seq / 7) {
    const PlainRow row(tensors, shape, i);
    for (std::size_t c = 0; c < row.out.size(); ++c) {
      const std::size_t place = static_cast<std::size_t>(i) * row.out.size() + c;
      worst = std::max(worst, std::abs(row.out[c] - double{tensors.out[place]}));
      difference += std::pow(row.grad_query[c] - double{tensors.grad_query[place]}, 2);
      size += std::pow(row.grad_query[c], 2);
    }
  }
  return shape.backward ? std::sqrt(difference / size) : worst / largest;
}

void run_shape(const Shape& shape, int threads, int rounds, Tensors& tensors,
               const std::vector<Peer*>& peers) {
  std::vector<std::vector<double>> seconds(peers.size());
  std::vector<double> limits;
  for (int round = -1; round < rounds; ++round) {  // round -1 warms up
    const double limit = subquad::measure_fma_gflops(threads, 0.15);
    if (round >= 0) limits.push_back(limit);
    for (std::size_t p = 0; p < peers.size(); ++p) {
      const double time = peers[p]->run(shape, threads);
      if (round >= 0) seconds[p].push_back(time);
    }
  }
  peers[0]->run(shape, threads);
  const double error = row_error(tensors, shape),
               limit = *std::max_element(limits.begin(), limits.end());
  const double n = static_cast<double>(shape.seq);
  const double flops = (shape.backward ? 10.0 : 4.0) * n * n *
                       static_cast<double>(shape.heads * shape.head_dim) *
                       (shape.causal ? 0.5 : 1.0);
  for (std::size_t p = 0; p < peers.size(); ++p) {
    const double time = median(seconds[p]);
    fmt::print("| {} | {} | {} | {} | {} | {} | {:.0f} % | {:.2f} | {} |\n", shape.seq,
               shape.head_dim, shape.heads, shape.causal ? "yes" : "no", threads, peers[p]->name(),
               100 * flops * 1e-9 / time / limit, time / median(seconds[0]),
               p == 0 ? fmt::format("{:.1e}", error) : "");
  }
  std::fflush(stdout);
}

void run_all(const Arguments& arguments) {
  fmt::print("| n | D | heads | causal | threads | method | of FMA limit | time / ours | {} |\n",
             arguments.backward ? "error of grad_query" : "error over max abs V");
  fmt::print("|---|---|---|---|---|---|---|---|---|\n");
  const std::unique_ptr<Peer> torch =
      arguments.peers ? bench::make_torch_peer(arguments.python, arguments.type) : nullptr;
  if (arguments.peers && torch == nullptr)
    fmt::print(stderr, "PyTorch is left out: {} cannot import torch\n", arguments.python);
  for (const std::int64_t seq : arguments.seq)
    for (const std::int64_t head_dim : arguments.head_dim) {
      const Shape shape{arguments.heads, seq, head_dim, arguments.causal, arguments.backward};
      Tensors tensors(shape, arguments.bf16());
      std::vector<float> peer_out(tensors.out.size());
      Subquad ours(tensors), lowered(tensors, "avx3");
      const std::unique_ptr<Peer> blas =
          arguments.peers && !arguments.bf16() && !arguments.backward
              ? bench::make_openblas_peer(tensors.query.data(), tensors.key.data(),
                                          tensors.value.data(), peer_out.data())
              : nullptr;
      std::vector<Peer*> peers{&ours};
      if (arguments.bf16() && subquad::build_info().isa == "amx") peers.push_back(&lowered);
      for (Peer* peer : {blas.get(), torch.get()})
        if (peer != nullptr) peers.push_back(peer);
      for (const int threads : arguments.threads)
        run_shape(shape, threads, arguments.rounds, tensors, peers);
    }
}

}  // namespace

int main(int argc, char** argv) {
  Arguments arguments;
  CLI::App app(
      "Exact attention against the FMA limit, OpenBLAS (forward) and PyTorch; prints Markdown.");
  app.add_option("--seq", arguments.seq, "sequence lengths")->delimiter(',');
  app.add_option("--head-dim", arguments.head_dim, "head dimensions")->delimiter(',');
  app.add_option("--threads", arguments.threads, "thread counts")->delimiter(',');
  app.add_option("--heads", arguments.heads, "number of heads");
  app.add_option("--rounds", arguments.rounds, "interleaved rounds; medians are printed")
      ->check(CLI::PositiveNumber);
  app.add_option("--type", arguments.type, "of query, key and value")
      ->check(CLI::IsMember({"f32", "bf16"}));
  app.add_option("--python", arguments.python, "the interpreter whose PyTorch is the peer");
  app.add_flag("--causal", arguments.causal, "causal mask (flops count half)");
  app.add_flag("--backward", arguments.backward, "the gradients instead (10 n n D flops a head)");
  app.add_flag("!--no-peers", arguments.peers, "time subquad alone");
  CLI11_PARSE(app, argc, argv);
  run_all(arguments);
  return 0;
}
