#include "methods/as23.h"

#include <utility>

#include "light/poly/chebyshev.h"
#include "methods/one_method.h"

namespace subquad {

std::unique_ptr<Recipe> make_as23(const SpecPart& spec, const Method& others) {
  SpecReader reader(spec);
  const PolyOptions options = read_poly_options(reader, "degree");
  reader.finish();
  Method method = others;
  method.add("chebyshev", make_chebyshev(options));
  return std::make_unique<OneMethod>(std::move(method));
}

}  // namespace subquad
