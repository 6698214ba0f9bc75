#include "vit/weights.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <map>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "core/isa.h"
#include "subquad/error.h"
#include "subquad/io.h"

namespace subquad::vit {
namespace {

using Shape = std::vector<std::int64_t>;

// f64 is converted to f32.
DType storage_of(io::ElementType type) {
  if (type == io::ElementType::f16) return DType::f16;
  return type == io::ElementType::bf16 ? DType::bf16 : DType::f32;
}

bool is_float(io::ElementType type) {
  return type == io::ElementType::f32 || type == io::ElementType::f16 ||
         type == io::ElementType::bf16 || type == io::ElementType::f64;
}

// Hands out the tensors of a file, checked, and remembers which it did.
class Reader {
 public:
  explicit Reader(const std::string& path) : path_(path), file_(io::TensorFile::open(path)) {
    ensure_isa();
  }

  [[noreturn]] void fail(const std::string& what) const {
    throw_invalid(fmt::format("{}: {}", path_, what));
  }
  bool has(const std::string& name) const {
    return std::find(names_.begin(), names_.end(), name) != names_.end();
  }
  bool has_any(const std::string& prefix) const {
    const auto begins = [&](const std::string& name) { return name.starts_with(prefix); };
    return std::any_of(names_.begin(), names_.end(), begins);
  }
  // `rank` extents, all above 0.
  const io::Tensor& tensor(const std::string& name, std::size_t rank) {
    const io::Tensor* found = file_.find(name);
    if (found == nullptr) fail(fmt::format("no tensor '{}'", name));
    used_.insert(name);
    bool good = found->shape.size() == rank;
    for (const std::int64_t extent : found->shape) good &= extent > 0;
    if (!good)
      fail(fmt::format("tensor '{}' has shape ({}), must have {} extents above 0", name,
                       fmt::join(found->shape, ", "), rank));
    return checked_values(*found);
  }
  const io::Tensor& tensor(const std::string& name, const Shape& shape) {
    const io::Tensor& found = tensor(name, shape.size());
    if (found.shape != shape)
      fail(fmt::format("tensor '{}' has shape ({}), must be ({})", name,
                       fmt::join(found.shape, ", "), fmt::join(shape, ", ")));
    return found;
  }
  std::vector<float> floats(const std::string& name, const Shape& shape) {
    const io::Tensor& found = tensor(name, shape);
    std::vector<float> values(static_cast<std::size_t>(found.count()));
    kernels::load_rows(rows_of(found, 1), 1, values.data(), found.count(), found.count());
    return values;
  }
  LayerNorm norm(const std::string& name, std::int64_t dim) {
    return {floats(name + ".weight", {dim}), floats(name + ".bias", {dim})};
  }
  // A missing bias is zero where the model may have none (`optional_bias`).
  ops::Linear linear(const std::string& name, const Shape& weight_shape,
                     bool optional_bias = false) {
    const io::Tensor& weight = tensor(name + ".weight", weight_shape);
    const std::int64_t outputs = weight_shape.front();
    const bool none = optional_bias && !has(name + ".bias");
    std::vector<float> bias(static_cast<std::size_t>(outputs));
    if (!none) bias = floats(name + ".bias", {outputs});
    return {rows_of(weight, outputs), std::move(bias)};
  }
  void check_all_used() const {
    for (const std::string& name : names_)
      if (!used_.contains(name))
        fail(fmt::format("tensor '{}' is no part of a plain vision transformer", name));
  }
  bool has_converted() const { return !converted_.empty(); }

 private:
  kernels::RowSource rows_of(const io::Tensor& tensor, std::int64_t count) {
    const std::int64_t width = tensor.count() / count;
    return {floats_of(tensor), storage_of(tensor.type), width, width, nullptr, 0, count};
  }
  // What storage_of says the elements are.
  const void* floats_of(const io::Tensor& tensor) {
    if (tensor.type != io::ElementType::f64) return tensor.data;
    std::vector<float>& values = converted_[tensor.name];
    if (values.empty()) {
      const auto* first = static_cast<const double*>(tensor.data);
      std::transform(first, first + tensor.count(), std::back_inserter(values),
                     [](double x) { return static_cast<float>(x); });
    }
    return values.data();
  }
  const io::Tensor& checked_values(const io::Tensor& tensor) {
    if (!is_float(tensor.type))
      fail(fmt::format("tensor '{}' is {}, must be f32, f16, bf16 or f64", tensor.name,
                       io::name_of(tensor.type)));
    if (!kernels::all_finite(rows_of(tensor, 1)))
      fail(fmt::format("tensor '{}' has a value that is not finite", tensor.name));
    return tensor;
  }

  std::string path_;
  io::TensorFile file_;
  const std::vector<std::string> names_ = file_.names();
  std::set<std::string> used_;
  std::map<std::string, std::vector<float>> converted_;  // f64 as f32
};

std::int64_t heads_of(const Reader& reader, std::int64_t dim, const Config& config) {
  const std::int64_t heads = config.heads > 0 ? config.heads : dim / 64;
  if (heads < 1 || dim % heads != 0 || dim / heads > 512)
    reader.fail(
        fmt::format("{} channels do not split into {} heads of 1 to 512 (num_heads)", dim, heads));
  return heads;
}

// Side of the square of patches that a position embedding covers.
std::int64_t grid_of(const Reader& reader, std::int64_t tokens) {
  const auto side = static_cast<std::int64_t>(std::lround(std::sqrt(double(tokens - 1))));
  if (side < 1 || side * side + 1 != tokens)
    reader.fail(fmt::format("tensor 'pos_embed' is for {} tokens, must be 1 + a square", tokens));
  return side;
}

Block read_block(Reader& reader, const std::string& prefix, std::int64_t dim) {
  const std::int64_t hidden = reader.tensor(prefix + ".mlp.fc1.weight", 2).shape[0];
  Block block;
  block.norm1 = reader.norm(prefix + ".norm1", dim);
  block.qkv = reader.linear(prefix + ".attn.qkv", {3 * dim, dim}, true);
  block.proj = reader.linear(prefix + ".attn.proj", {dim, dim});
  block.norm2 = reader.norm(prefix + ".norm2", dim);
  block.fc1 = reader.linear(prefix + ".mlp.fc1", {hidden, dim});
  block.fc2 = reader.linear(prefix + ".mlp.fc2", {dim, hidden});
  return block;
}

void read_embedding(Reader& reader, Weights& weights) {
  const Shape patch = reader.tensor("patch_embed.proj.weight", 4).shape;
  weights.dim = patch[0];
  weights.patch = patch[2];
  weights.patch_embed =
      reader.linear("patch_embed.proj", {weights.dim, 3, weights.patch, weights.patch});
  weights.class_token = reader.floats("cls_token", {1, 1, weights.dim});
  const std::int64_t tokens = reader.tensor("pos_embed", 3).shape[1];
  weights.grid = grid_of(reader, tokens);
  weights.positions = reader.floats("pos_embed", {1, tokens, weights.dim});
}

}  // namespace

Weights load_weights(const std::string& path, const Config& config) {
  Reader reader(path);
  Weights weights;
  weights.config = config;
  read_embedding(reader, weights);
  weights.heads = heads_of(reader, weights.dim, config);
  for (std::int64_t b = 0; b == 0 || reader.has_any(fmt::format("blocks.{}.", b)); ++b)
    weights.blocks.push_back(read_block(reader, fmt::format("blocks.{}", b), weights.dim));
  weights.norm = reader.norm("norm", weights.dim);
  const std::int64_t classes = reader.tensor("head.weight", 2).shape[0];
  weights.head = reader.linear("head", {classes, weights.dim});
  reader.check_all_used();
  weights.converted = reader.has_converted();
  return weights;
}

}  // namespace subquad::vit
