#include "methods/support_basis.h"

#include <utility>

#include <fmt/format.h>

#include "heavy/threshold/threshold.h"
#include "light/poly/chebyshev.h"
#include "methods/one_method.h"
#include "subquad/error.h"

namespace subquad {

std::unique_ptr<Recipe> make_support_basis(const SpecPart& spec, const Method& others) {
  SpecReader reader(spec);
  const ThresholdOptions threshold = read_threshold_options(reader);
  PolyOptions options = read_poly_options(reader, "degree");
  const bool printed = reader.boolean("printed", false);
  reader.finish();
  if (printed && !reader.describing() && threshold.t <= 0)
    throw_invalid(fmt::format("spec part '{}': printed needs a threshold t", to_text(spec)));
  if (printed) options.printed_threshold = threshold.t;
  Method method = others;
  method.add("threshold", make_threshold(threshold));
  method.add(printed ? "chebyshev:printed" : "chebyshev", make_chebyshev(options));
  return std::make_unique<OneMethod>(std::move(method));
}

}  // namespace subquad
