#include "methods/kmv.h"

#include <cmath>

#include "heavy/lsh_tables/lsh_tables.h"
#include "light/sampled/prefix.h"

namespace subquad {
namespace {

class Kmv final : public Recipe {
 public:
  Kmv(const LshTablesOptions& tables, std::int64_t draws, bool always, const Method& others)
      : draws_(draws), always_(always), split_(others) {
    split_.add("lsh_tables", make_lsh_tables(tables)).add("prefix", make_prefix(draws));
  }

  const Method& choose(const HeadProblem& head) const override {
    return always_ || head.num_keys > 4 * draws_ ? split_ : exact_;
  }

 private:
  std::int64_t draws_;
  bool always_;
  Method exact_ = exact_method(), split_;
};

}  // namespace

std::unique_ptr<Recipe> make_kmv(const SpecPart& spec, const Method& others) {
  SpecReader reader(spec);
  LshTablesOptions tables;
  const double eps = reader.number("eps", 0.05, 0.002, 1);
  tables.recall = reader.number("recall", tables.recall, 0.01, 1);
  tables.alpha = reader.number("alpha", tables.alpha, 0, 1e4);
  const bool always = reader.boolean("always", false);
  reader.finish();
  const auto draws = static_cast<std::int64_t>(std::ceil(1 / (eps * eps)));
  return std::make_unique<Kmv>(tables, draws, always, others);
}

}  // namespace subquad
